"""`doctor --deep` lists what is lost, `repair` marks it as missing."""

from __future__ import annotations

from audio_assets.assemble import current_platform
from tests.command.conftest import Library, forget


def test_what_is_lost_is_listed_asked_about_and_made_again(library: Library):
    library.add(a="one", b="two two")
    assert library("run", "key:lengths").code == 0
    assert library("run", "key:words").code == 0
    said = library("repair")
    assert said.code == 0 and "Nothing is lost" in said.out

    platform = current_platform()
    platform.lake.write(lambda c: c.execute("CALL ducklake_flush_inlined_data('lake')").fetchall())
    (file,) = (library.home / "lake" / "data" / "main" / "lengths").glob("*.parquet")
    file.unlink()
    forget()
    deep = library("doctor", "--deep")
    assert deep.code == 1 and file.name in deep.out and "`audio-assets repair`" in deep.out
    asked = library("repair")
    assert asked.code == 1 and "lengths: files taken out: 1, with at most 2 rows" in asked.out
    assert library("repair", "--yes").code == 0
    assert library.states("lengths") == {"missing": 2}
    assert library.states("words") == {"ok": 2}
    assert library("run", "key:lengths").code == 0
    assert library.states("lengths") == {"ok": 2}
    assert "Nothing is lost" in library("repair").out
