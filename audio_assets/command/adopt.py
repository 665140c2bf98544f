"""`adopt`: which checkpoint of a training everything downstream uses."""

from __future__ import annotations

from typing import Annotated

import typer

from audio_assets.command.app import app, open_platform
from audio_assets.command.output import friendly, out


@app.command()
def adopt(
    checkpoint: Annotated[
        str, typer.Argument(help="Checkpoint, or a unique beginning of its name; a training, with --unpin.")
    ],
    unpin: Annotated[
        bool, typer.Option("--unpin", help="Let the next good checkpoint of this training be adopted again.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Adopt a checkpoint by hand, and pin it: no later training takes its place by itself.

    Says beforehand what becomes stale. `audio-assets sql "FROM checkpoints"` lists the checkpoints.
    """
    from audio_assets.engine.run.adopting import adopt_checkpoint, stale_by_adopting, unpin_training
    from audio_assets.engine.state.checkpoints import CheckpointError, read_checkpoint

    with friendly():
        platform = open_platform()
        if unpin:
            unpin_training(platform, checkpoint)
            out.print(
                f"{checkpoint} is no longer pinned: a run adopts what is made with the parameters in force again."
            )
            return
        found = read_checkpoint(platform.lake, checkpoint)
        if found is None:
            raise CheckpointError(
                f'There is no checkpoint {checkpoint!r}: `audio-assets sql "SELECT asset, checkpoint, created_at '
                'FROM checkpoints"` lists them.'
            )
        for name, count in stale_by_adopting(platform, found).items():
            out.print(f"{name}: {count} values will be computed anew", markup=False)
        if not yes and not typer.confirm(f"Adopt {found.checkpoint} of {found.asset}?"):
            raise typer.Exit(1)
        from audio_assets.orchestration.adoptions import tell_adoptions
        from audio_assets.orchestration.instance import open_instance

        adopt_checkpoint(platform, found)
        with open_instance(platform.settings) as instance:
            tell_adoptions(platform, instance)
    out.print(f"{found.asset} {found.checkpoint} is adopted and pinned; `audio-assets run` does the rest.")
