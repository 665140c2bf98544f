"""`HereSession`: workers that are this process itself, for tests of what is done rather than of who does it."""

from __future__ import annotations

from audio_assets.engine.workers.child import resolve
from audio_assets.engine.workers.session import (
    EVENTS_AHEAD,
    Done,
    Part,
    Raised,
    Session,
    class_name,
    nothing_left,
)
from audio_assets.errors import detail_of, reason_of


class HereSession(Session):
    """Computes one input after the other, without isolation: whatever dies takes the test with it."""

    def map(self, work, inputs, crew, *, left=nothing_left, ahead=EVENTS_AHEAD, tick_s=None):
        emitted = []
        function = resolve(work.function)(work.setup, emitted.append)
        for value in inputs:
            try:
                end = Done(value, function(value))
            except Exception as error:
                classes = tuple(class_name(kind) for kind in type(error).__mro__)
                end = Raised(value, reason_of(error), detail_of(error), classes)
            yield from (Part(value, part) for part in emitted)
            emitted.clear()
            yield end

    def close(self):
        """Nothing is left running."""
