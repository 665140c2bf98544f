"""The Dagster folder of a home has the shipped configuration, unless somebody has put their own there."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from audio_assets.orchestration.instance import MARKER, prepare_dagster_home
from audio_assets.settings import Settings, shipped


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def test_the_shipped_configuration_is_put_where_there_is_none(settings: Settings):
    folder = prepare_dagster_home(settings)
    assert (folder / "dagster.yaml").read_bytes() == shipped("dagster.yaml").read_bytes()


def test_a_configuration_written_by_an_older_version_is_replaced(settings: Settings):
    target = prepare_dagster_home(settings) / "dagster.yaml"
    target.write_bytes(MARKER + b" remove this line ...\ntelemetry:\n  enabled: false\n")
    prepare_dagster_home(settings)
    assert target.read_bytes() == shipped("dagster.yaml").read_bytes()


@pytest.mark.parametrize("own", ["deploy/dagster.yaml", "the shipped one without its first line"])
def test_a_configuration_of_somebodys_own_stays(settings: Settings, own: str):
    whole = shipped("dagster.yaml").read_text()
    text = shipped(own).read_text() if own.startswith("deploy") else whole.partition("\n")[2]
    target = settings.dagster_home / "dagster.yaml"
    target.parent.mkdir(parents=True)
    target.write_text(text)
    prepare_dagster_home(settings)
    assert target.read_text() == text


class OnceOnly(yaml.SafeLoader):
    """Reads YAML and refuses a key that is there twice, of which others take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"twice in one mapping: {keys}"
        return super().construct_mapping(node, deep=deep)


@pytest.mark.parametrize("name", ["dagster.yaml", "deploy/dagster.yaml"])
def test_no_key_is_in_a_configuration_twice(name: str):
    assert "run_monitoring" in yaml.load(shipped(name).read_text(), OnceOnly)
