"""Many processes on one lake, as `benchmarks.lake_concurrency` measures them, for a few seconds."""

from __future__ import annotations

from benchmarks.lake_concurrency import measure
from tests.resources.test_lake import make_lake


def test_eight_writers_and_a_reader_make_no_error_and_lose_and_double_no_row(tmp_path):
    found = measure(make_lake(tmp_path), writers=8, seconds=8)
    assert found.errors == found.wrong == found.lost == ()
    assert found.commits >= 8
    assert found.reads >= 8
