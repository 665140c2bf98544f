"""Definitions load quickly and without heavy imports, and say all that the UI shows."""

from __future__ import annotations

import subprocess
import sys
import time

from tests.conftest import CHECKOUT, Command


def test_loading_the_definitions_is_quick_and_imports_no_heavy_library(command: Command):
    program = (
        "import sys, audio_assets.definitions as d\n"
        "heavy = {'torch', 'transformers', 'essentia', 'mlflow', 'lightning'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", program], env=command.environment(), check=True)
    assert time.monotonic() - started < 10  # 3 s on an idle machine; see benchmarks


def test_every_query_that_ships_can_be_run_as_it_is(tmp_path):
    from audio_assets.assemble import build_platform
    from audio_assets.settings import Settings

    platform = build_platform(Settings(home=tmp_path))
    platform.prepare()
    queries = sorted((CHECKOUT / "sql" / "queries").glob("*.sql"))
    assert len(queries) >= 3
    for query in queries:
        assert platform.lake.rows(query.read_text(encoding="utf-8")) == [], query


def test_every_asset_is_described_for_the_ui():
    from audio_assets.orchestration.definitions import definitions

    specs = definitions().resolve_all_asset_specs()
    assert len(specs) > 2
    for spec in specs:
        assert spec.group_name and spec.description and spec.owners and spec.kinds, spec.key
        schema = spec.metadata["dagster/column_schema"]
        assert all(column.description for column in schema.columns), spec.key
        if spec.group_name != "catalog":
            assert spec.code_version, spec.key


def test_the_document_of_tables_is_what_the_declarations_say():
    program = "import runpy; print(runpy.run_path('docs/write_features.py')['text'](), end='')"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert done.stdout == (CHECKOUT / "docs" / "features.md").read_text(), "run docs/write_features.py"
