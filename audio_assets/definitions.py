"""What Dagster loads: the definitions under the settings of the environment."""

from audio_assets.orchestration.definitions import definitions

defs = definitions()
