"""What tests of podcasts share."""

import pytest

from audio_assets.backends.voice_activity.silero import SileroVoiceActivity
from tests.assets.podcasts.conversation import Conversation, converse


@pytest.fixture(scope="session")
def conversation() -> Conversation:
    return converse()


@pytest.fixture(scope="session")
def voice_activity(tmp_path_factory: pytest.TempPathFactory) -> SileroVoiceActivity:
    return SileroVoiceActivity(tmp_path_factory.mktemp("weights"))
