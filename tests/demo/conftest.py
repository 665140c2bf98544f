"""One tiny corpus for all tests of the demo, made once."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio_assets.demo import Corpus, make_corpus


@dataclass(frozen=True)
class Made:
    corpus: Corpus
    cpu_s: float
    reported: list[tuple[int, int, str]]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    reported: list[tuple[int, int, str]] = []
    started = time.process_time()
    corpus = make_corpus(
        tmp_path_factory.mktemp("demo") / "corpus",
        size="tiny",
        progress=lambda *report: reported.append(report),
    )
    return Made(corpus, time.process_time() - started, reported)


@pytest.fixture(scope="session")
def corpus(made: Made) -> Corpus:
    return made.corpus


@pytest.fixture(scope="session")
def truth(corpus: Corpus):
    return corpus.truth()


def read(path: Path) -> np.ndarray:
    """A file's 16-bit samples, [channels, n]."""
    return soundfile.read(path, dtype="int16", always_2d=True)[0].T
