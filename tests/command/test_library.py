"""`ingest`: long lists of what was rejected."""

from __future__ import annotations

from audio_assets.command.output import print_bad
from tests.conftest import write_tone


def test_a_long_list_points_to_where_its_rest_is(capsys):
    rows = [(f"file {n}", "is no audio") for n in range(23)]
    print_bad("Rejected files", ("path", "reason"), rows, "`audio-assets sql 'SELECT 1'`")
    assert "and 3 more: `audio-assets sql 'SELECT 1'`" in capsys.readouterr().out
    print_bad("Lines refused", ("line",), [(reason,) for _, reason in rows])
    assert capsys.readouterr().out.rstrip().endswith("and 3 more")


def test_files_that_are_taken_with_faults_are_counted_and_listed_by_the_command_that_is_named(
    typed, tmp_path
):
    for name, hertz in (("good", 300), ("noted", 400), ("cut", 500)):
        write_tone(tmp_path / f"{name}.wav", hertz)
    (tmp_path / "noted.json").write_text("no JSON")
    cut = tmp_path / "cut.wav"
    cut.write_bytes(cut.read_bytes()[:-1000])
    said = typed("ingest", str(tmp_path), "--as", "episode")
    assert said.code == 0
    for name, words in (("noted", "1 with faults in tags or files beside: "), ("cut", "1 cut or damaged: ")):
        line = next(line for line in said.out.splitlines() if line.startswith(words))
        query = line.split("'")[1]
        listed = typed("sql", query, "--format", "csv").out
        assert f"{name}.wav" in listed and "good.wav" not in listed
        assert listed.count(".wav") == 1
    again = typed("ingest", str(tmp_path), "--as", "episode").out
    assert "faults" not in again and "damaged" not in again


def test_more_than_twenty_rejected_files_are_shown_by_the_command_that_is_named(typed, tmp_path):
    for n in range(22):
        (tmp_path / f"{n}.wav").write_text("this is no audio")
    said = typed("ingest", str(tmp_path), "--as", "track")
    assert said.code == 1 and "and 2 more: `audio-assets sql 'SELECT * FROM rejected_files'`" in said.out
