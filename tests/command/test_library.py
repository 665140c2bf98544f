"""`ingest`: long lists of what was rejected."""

from __future__ import annotations

from audio_assets.command.output import print_bad


def test_a_long_list_points_to_where_its_rest_is(capsys):
    rows = [(f"file {n}", "is no audio") for n in range(23)]
    print_bad("Rejected files", ("path", "reason"), rows, "`audio-assets sql 'SELECT 1'`")
    assert "and 3 more: `audio-assets sql 'SELECT 1'`" in capsys.readouterr().out
    print_bad("Lines refused", ("line",), [(reason,) for _, reason in rows])
    assert capsys.readouterr().out.rstrip().endswith("and 3 more")


def test_more_than_twenty_rejected_files_are_shown_by_the_command_that_is_named(typed, tmp_path):
    for n in range(22):
        (tmp_path / f"{n}.wav").write_text("this is no audio")
    said = typed("ingest", str(tmp_path), "--as", "track")
    assert said.code == 1 and "and 2 more: `audio-assets sql 'SELECT * FROM rejected_files'`" in said.out
