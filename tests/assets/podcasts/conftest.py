"""What tests of podcasts share."""

import pytest

from audio_assets.backends.voice_activity import SileroVoiceActivity
from tests.assets.podcasts.conversation import Conversation, converse


@pytest.fixture(scope="session")
def conversation() -> Conversation:
    return converse()


@pytest.fixture(scope="session")
def voice_activity() -> SileroVoiceActivity:
    return SileroVoiceActivity()
