"""`--set` and `--save`: other parameters, for a candidate checkpoint or from now on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audio_assets.command.app import open_platform
from audio_assets.command.output import out
from audio_assets.errors import UserError

if TYPE_CHECKING:
    from audio_assets.engine.platform import Platform

Given = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="[ASSET.]NAME=VALUE",
        help="A parameter of a training, for a candidate checkpoint; with --save of any asset, from now on. "
        "Values as in JSON, or text.",
    ),
]


class SetError(UserError, ValueError):
    """A parameter cannot be set as it was given; the message says how it can."""


def parse_given(platform: Platform, names: Sequence[str], given: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Parameters by asset, as ``--set`` gives them: ``asset.name=value``, or ``name=value`` for the one selected.

    Raises:
        SetError: it is no such text, or it does not say of which asset.
        ParameterError: the asset has no such parameter, or the value is of another type.
    """
    found: dict[str, dict[str, Any]] = {}
    for text in given:
        left, sign, right = text.partition("=")
        asset, dot, name = left.strip().rpartition(".")
        if not sign or not name:
            raise SetError(f"--set {text}: wanted NAME=VALUE, or ASSET.NAME=VALUE.")
        if not dot:
            if len(names) != 1:
                raise SetError(
                    f"--set {text}: {len(names)} assets are selected; say of which: --set ASSET.{text}"
                )
            asset = names[0]
        if asset not in platform.graph.by_name:
            raise SetError(f"--set {text}: there is no asset {asset}.")
        found.setdefault(asset, {})[name] = _value(right)
    for asset, values in found.items():
        platform.graph.by_name[asset].checked_parameters(
            {**platform.settings.parameters.get(asset, {}), **values}
        )
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def check_candidates(
    platform: Platform,
    names: Sequence[str],
    keys: Sequence[str] | None,
    parameters: dict[str, dict[str, Any]],
) -> None:
    """Only trainings have candidates: other values made with other parameters would take the place of these.

    Raises:
        SetError: a parameter of another asset, or of one that is not selected, is set without being saved, or
            items are chosen, of which no training is made.
    """
    from audio_assets.engine.declare.training_asset import TrainingAsset

    wrong = [name for name in parameters if not isinstance(platform.graph.by_name[name], TrainingAsset)]
    if wrong:
        raise SetError(
            f"{', '.join(wrong)} would have values of its own for these parameters, in the place of those there "
            "are: add --save to change the parameters in force (`audio-assets plan --set … --save` says what "
            "becomes stale)."
        )
    others = [name for name in parameters if name not in names]
    if others:
        raise SetError(f"--set names {', '.join(others)}, which is not among the assets selected.")
    if parameters and keys is not None:
        raise SetError("--items and --set do not go together: a training learns from all items.")


def save_parameters(platform: Platform, parameters: dict[str, dict[str, Any]]) -> Platform:
    """Write parameters into the home's file; the platform as it is with them.

    Raises:
        SetError: the environment says otherwise, and would still stand above the file.
    """
    from audio_assets.assemble import current_platform
    from audio_assets.settings import get_settings, parameters_of_environment
    from audio_assets.settings_file import write_parameters

    above = parameters_of_environment()
    for asset, values in parameters.items():
        hidden = [name for name, value in values.items() if above.get(asset, {}).get(name, value) != value]
        if hidden:
            raise SetError(
                f"{asset}: {', '.join(hidden)} is set by AUDIO_ASSETS_PARAMETERS too, which stands above the file; "
                "take it out there. Nothing was written."
            )
    for asset, values in parameters.items():
        path = write_parameters(platform.settings.home, asset, values)
        out.print(f"{asset}: {values} written to {path}", soft_wrap=True, markup=False)
    get_settings.cache_clear()
    current_platform.cache_clear()
    return open_platform()
