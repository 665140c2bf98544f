"""Pools: how many steps that use the same thing, such as a GPU, compute at once on this machine.

A step holds a slot as a lease, so that one that was killed holds up nobody.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from audio_assets.engine.platform import Platform
from audio_assets.engine.run import stopping
from audio_assets.engine.run.progress import observer
from audio_assets.resources.leases import slot

FOLDER = "locks"


def in_pool(platform: Platform, pool: str | None, what: str) -> AbstractContextManager[None]:
    """A slot of the pool for `what`, which is waited for; without a pool there is nothing to wait for.

    Raises:
        Stopped: this process was asked to stop while it waited.
    """
    if pool is None:
        return nullcontext()
    slots = platform.settings.pools.get(pool, 1)
    folder = platform.settings.home / FOLDER
    return slot(folder, pool, slots, what, waiting=observer().waiting, check=stopping.check)
