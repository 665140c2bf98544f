"""Exports: what is in the files, that they can be written again, and what is refused."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from audio_assets.export import (
    EXPORTS,
    ExportError,
    export_beats,
    export_crops,
    export_info,
    export_parquet,
    export_stable_audio,
    export_stems,
)
from audio_assets.export.flat import IDENTITY, LONGEST_LIST, flat_row
from audio_assets.resources.files import safe_name, unique_names, write_file
from tests.export.conftest import GONE, ONE, TWO, WIDE


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def info_of(folder: Path, name: str = "Song [aaaa]") -> dict:
    return json.loads((folder / f"{name}.INFO").read_text())


@pytest.mark.parametrize("kind", sorted(EXPORTS.keys() - {"parquet"}))
def test_an_export_repeated_leaves_every_file_as_it_is(catalog, tmp_path, kind):
    first = EXPORTS[kind](catalog.platform, None, tmp_path)
    before = files_in(tmp_path)
    again = EXPORTS[kind](catalog.platform, None, tmp_path)
    assert first.written
    assert not first.unchanged
    assert sorted(again.unchanged) == sorted(first.written)
    assert not again.written
    assert files_in(tmp_path) == before
    assert not [name for name in before if Path(name).name.startswith(".")]


def test_info_holds_what_was_measured_by_flat_name_and_nothing_else(catalog, tmp_path):
    report = export_info(catalog.platform, [ONE], tmp_path)
    info = info_of(tmp_path)
    assert {info[name] for name in ("lufs", "lra", "bpm", "brightness")} == {-14.25, 6.5, 120.0, 61.5}
    assert [info[f"chroma_{k}"] for k in range(12)] == pytest.approx([k / 12 for k in range(12)])
    assert (info["title"], info["key"], info["scale"], info["genre"]) == ("First", "Eb", "minor", "Rock")
    assert "true_peak_dbtp" not in info
    assert None not in info.values()
    assert info["audio_assets"]["item"] == ONE
    assert not report.refused


def test_info_merges_into_what_is_there_and_takes_out_only_what_it_wrote(catalog, tmp_path):
    path = tmp_path / "Song [aaaa].INFO"
    there = {"lufs": 99, "my_rating": 5, "true_peak_dbtp": -1.0, "sharpness": 40.0}
    own = {"item": ONE, "names": ["sharpness", "lufs"]}
    path.write_text(json.dumps({**there, "audio_assets": own}))
    export_info(catalog.platform, [ONE], tmp_path)
    info = info_of(tmp_path)
    assert info["lufs"] == -14.25
    assert info["my_rating"] == 5
    assert info["true_peak_dbtp"] == -1.0  # somebody else's, though the platform has such a column
    assert "sharpness" not in info  # written by an earlier export, measured no more


@pytest.mark.parametrize("content", ['{"lufs": -1', "", "[1, 2]", '{"audio_assets": 3}'])
def test_a_corrupt_info_is_refused_and_left_while_the_others_go_on(catalog, tmp_path, content):
    path = tmp_path / "Song [aaaa].INFO"
    path.write_bytes(content.encode("latin-1"))
    report = export_info(catalog.platform, [ONE, TWO], tmp_path)
    ((key, reason),) = report.refused
    assert key == ONE
    assert str(path) in reason
    assert "left as it is" in reason or "left as it was" in reason
    assert path.read_bytes() == content.encode("latin-1")
    assert info_of(tmp_path, "song [bbbb]")["title"] == "Second"


def test_beats_are_one_time_per_line_in_order_and_downbeats_those_that_begin_a_bar(catalog, tmp_path):
    report = export_beats(catalog.platform, None, tmp_path)
    np.testing.assert_allclose(np.loadtxt(tmp_path / "Song [aaaa].BEATS_GRID"), np.arange(8) / 2)
    np.testing.assert_allclose(np.loadtxt(tmp_path / "Song [aaaa].DOWNBEATS"), [0, 2])
    assert (tmp_path / "song [bbbb].BEATS_GRID").read_text() == "0.250000\n1.000000\n"
    assert not (tmp_path / "song [bbbb].DOWNBEATS").exists()
    reasons = dict(report.nothing)
    assert "clear bars" in reasons[TWO]
    assert "no beats" in reasons[WIDE]


def test_stems_are_the_stored_files_and_a_lost_one_is_refused(catalog, tmp_path):
    report = export_stems(catalog.platform, None, tmp_path)
    assert set(files_in(tmp_path)) == {"Song [aaaa]/drums.flac", "Song [aaaa]/vocals.flac"}
    stored = catalog.platform.objects.get(f"stems/{ONE}/drums.flac")
    assert (tmp_path / "Song [aaaa]/drums.flac").read_bytes() == stored
    assert [key for key, _ in report.refused] == [TWO]
    assert dict(report.nothing).keys() == {WIDE, GONE}


def test_a_crop_is_the_original_to_the_sample_with_its_place_and_features_beside(catalog, tmp_path, ramp):
    report = export_crops(catalog.platform, [ONE], tmp_path)
    for index, start in ((0, 0), (1, 16_000)):
        stem = tmp_path / "Song [aaaa]" / f"Song [aaaa]_{index:03d}"
        samples, rate = soundfile.read(f"{stem}.flac", dtype="float32")
        assert rate == 8000
        assert soundfile.info(f"{stem}.flac").subtype == "PCM_16"
        np.testing.assert_array_equal(samples.T, ramp[:, start : start + 16_000])
    first, second = (json.loads(path.read_text()) for path in sorted(tmp_path.rglob("*.json")))
    assert (first["start_s"], first["end_s"], first["position_in_file"], first["lufs"]) == (0, 2, 0, -13)
    assert (second["cut_on"], second["bpm"], "lufs" in second) == ("downbeats", 121, False)
    assert len(report.written) == 4


def test_tracks_whose_audio_cannot_be_cut_are_refused_one_by_one(catalog, tmp_path):
    report = export_crops(catalog.platform, None, tmp_path)
    reasons = dict(report.refused)
    assert "the file is gone" in reasons[GONE]
    assert "9 channels" in reasons[WIDE]
    assert len(list(tmp_path.rglob("*.flac"))) == 2


def test_stable_audio_tools_finds_prompt_times_and_features_of_each_file(catalog, tmp_path):
    export_stable_audio(catalog.platform, [ONE], tmp_path)
    config = json.loads((tmp_path / "dataset_config.json").read_text())
    (dataset,) = config["datasets"]
    assert config["dataset_type"] == "audio_dir"
    audio = sorted(Path(dataset["path"]).glob("*.flac"))
    assert len(audio) == 2
    # as stable_audio_tools.data.dataset.create_dataloader_from_config loads the module
    spec = importlib.util.spec_from_file_location("metadata_module", dataset["custom_metadata_module"])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    first, second = (
        module.get_custom_metadata({"path": str(path), "seconds_start": 1, "seconds_total": 2}, None)
        for path in audio
    )
    assert first["prompt"] == "rock, 120 BPM, Eb minor"
    assert (first["seconds_start"], second["seconds_start"], second["seconds_total"]) == (1, 3, 4)
    assert (first["lufs"], first["bpm"], first["brightness"]) == (-13.0, 120.0, 61.5)
    assert (second["bpm"], "lufs" in second) == (121.0, False)  # silence has no loudness, not its track's
    asked = module.get_custom_metadata({"path": str(audio[1])}, None, required=("lufs",))
    assert asked == {"__reject__": True}


def test_parquet_has_every_table_and_the_wide_view(catalog, tmp_path):
    first = export_parquet(catalog.platform, [ONE, TWO], tmp_path)
    assert export_parquet(catalog.platform, [ONE, TWO], tmp_path).unchanged == first.written
    features = pl.read_parquet(tmp_path / "track_features.parquet")
    assert features["item"].to_list() == [ONE, TWO]
    assert features["lufs"].to_list() == [-14.25, None]
    assert pl.read_parquet(tmp_path / "crops.parquet")["crop_index"].to_list() == [0, 1]
    assert pl.read_parquet(tmp_path / "tonal.parquet")["chroma"][0].len() == 12
    tables = {asset.name for asset in catalog.platform.graph.item_assets if asset.item.name == "track"}
    assert {path.stem for path in tmp_path.iterdir()} == {*tables, "tracks", "track_features"}


def test_original_audio_is_never_written_to(catalog, tmp_path):
    original = catalog.folder / "audio" / "Song [aaaa]" / "drums.flac"
    catalog.add("drums-eeee", np.zeros((1, 800)) + 0.25, 8000, file="Song [aaaa]/drums.flac")
    catalog.store()
    before = original.read_bytes()
    linked = tmp_path / "linked"
    linked.symlink_to(catalog.folder / "audio")
    for folder in (catalog.folder / "audio", linked):
        report = export_stems(catalog.platform, [ONE], folder)
        ((_, reason),) = report.refused
        assert "original audio" in reason
        assert original.read_bytes() == before


def test_what_cannot_be_exported_at_all_says_so(catalog, tmp_path):
    with pytest.raises(ExportError, match="nobody-1 is no track"):
        export_info(catalog.platform, ["nobody-1"], tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ExportError, match="is a file"):
        export_info(catalog.platform, None, tmp_path / "file")


def test_a_folder_that_cannot_be_written_is_each_tracks_refusal(catalog, tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    report = export_info(catalog.platform, [ONE, TWO], tmp_path)
    assert [key for key, _ in report.refused] == [ONE, TWO]
    assert not files_in(tmp_path)


def test_an_interrupted_write_leaves_the_old_contents(tmp_path, monkeypatch):
    path = tmp_path / "x.INFO"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_flat_names_are_those_of_the_view_of_all_features(catalog):
    """Of which `position_in_file` is measured on crops only."""
    described = catalog.platform.lake.rows("DESCRIBE track_features")
    of_tracks = {name for name, *_ in described} - {
        "item",
        "position_in_file",
        "high_level_source",
        *IDENTITY,
    }
    twelve = [1.0] * LONGEST_LIST
    flat = {
        name
        for asset in catalog.platform.graph.item_assets
        if asset.item.name == "track" and asset.table.rows == "one"
        for name in flat_row(
            asset.table.columns,
            {column.name: twelve if column.length else 1.0 for column in asset.table.columns},
        )
    }
    assert of_tracks <= flat


@pytest.mark.parametrize(
    "title",
    [
        "a/b\\c",
        "..",
        "con.txt",
        "-rf",
        "x" * 400,
        "é" * 200,
        "<script>",
        "tab\tnew\nline",
        "nul\0",
        "\udcff",
        "",
    ],
)
def test_any_title_is_a_safe_file_name(title, tmp_path):
    name = safe_name(title, "key-1")
    assert not set(name) & set('/\\<>:"|?*\0\n\t')
    assert name not in ("", ".", "..")
    assert name[0] not in ".-"
    assert len(name.encode()) <= 150
    (tmp_path / f"{name}_000.json").write_text("x")
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}_000.json"]


def test_names_stay_apart_where_case_or_accents_do_not():
    names = unique_names({"a-1": "Été", "b-2": "e\u0301te\u0301".upper(), "c-3": "Sun"})
    assert len({name.casefold() for name in names.values()}) == 3
    assert names["c-3"] == "Sun"
