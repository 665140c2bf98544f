"""A synthetic corpus of music and podcasts whose truth is known, made offline in a minute.

``make_corpus`` writes it, ``load_truth`` reads what is known about it. Nothing here is used by the
platform itself: it is something to point the platform at.
"""

from audio_assets.demo.corpus import Corpus, make_corpus
from audio_assets.demo.truth import EpisodeTruth, TrackTruth, Truth, load_truth

__all__ = ["Corpus", "EpisodeTruth", "TrackTruth", "Truth", "load_truth", "make_corpus"]
