"""What is loaded before a command begins; see `tests.forked`."""

from audio_assets.resources.pandas_lookup import hide_pandas

hide_pandas()

import audio_assets.command.main  # noqa: E402
import audio_assets.orchestration.runs  # noqa: E402, F401
