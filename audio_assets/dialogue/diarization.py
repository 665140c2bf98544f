"""Who speaks when, by what the voices sound like.

1. Windows of speech are described by mean and spread of the spectral envelope and by pitch, and
   clustered bottom-up (Ward) into as many clusters as there are speakers.
2. Frames are then assigned anew: a Gaussian per speaker with a covariance in common gives the
   likelihood of each voiced frame, and the Viterbi path through them changes the speaker where that
   pays, which it does more easily in a pause than within speech. Repeated a few times.

The frames are the `static_frames` of `audio_assets.backends.dialogue_frames.acoustic`, at 12.5 Hz.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from audio_assets.backends.dialogue_frames import FRAME_RATE_HZ
from audio_assets.backends.dialogue_frames.acoustic import N_MFCC
from audio_assets.backends.voice_activity.segments import Segment
from audio_assets.dialogue.turns import Turn

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Indices = NDArray[np.int64]

WINDOW_S = 2.0
STEP_S = 0.24
MAX_WINDOWS = 2000
"""Windows that are clustered (their distances take 16 MB), spread evenly; the others follow them."""

ROUNDS = 3
CHANGE_COST = 10.0
"""Log likelihood that a change of speaker within speech must win ..."""

PAUSE_CHANGE_COST = 1.0
"""... and in each frame of a pause."""

PAUSE_S = 0.5
"""A speaker's turns with a shorter pause between them are one turn."""

_PITCH = N_MFCC + 1


def diarize(static: Float32, segments: Sequence[Segment], speakers: int = 2) -> list[Turn]:
    """The turns of `speakers` speakers, named ``speaker 1`` (who speaks longest), ``speaker 2`` ….

    Args:
        static: [T, STATIC] acoustic frames of the episode.
        segments: where there is speech, in order.
        speakers: how many there are, at least 1. A single speaker who is taken for two is divided.

    Returns:
        Turns in order, apart from one another; none if there is no speech.
    """
    in_speech = np.zeros(len(static), dtype=bool)
    for first, last in _frame_spans(segments, len(static)):
        in_speech[first:last] = True
    if not in_speech.any():
        return []
    labels = _cluster(static, segments, speakers)
    labels = _reassign(static, in_speech, labels)
    order = np.argsort(-np.bincount(labels[in_speech]), kind="stable")
    names = {int(label): f"speaker {rank}" for rank, label in enumerate(order, start=1)}
    return _turns(labels, segments, names)


def _frame_spans(segments: Sequence[Segment], n_frames: int) -> list[tuple[int, int]]:
    """First frame and frame past the last of each segment; at least one frame each."""
    spans = []
    for segment in segments:
        first = min(round(segment.start_s * FRAME_RATE_HZ), n_frames - 1)
        spans.append((first, min(max(round(segment.end_s * FRAME_RATE_HZ), first + 1), n_frames)))
    return spans


def _cluster(static: Float32, segments: Sequence[Segment], speakers: int) -> Indices:
    """A label for every frame, that of the window whose middle is nearest."""
    from sklearn.cluster import AgglomerativeClustering

    length, step = round(WINDOW_S * FRAME_RATE_HZ), round(STEP_S * FRAME_RATE_HZ)
    windows = [
        (start, min(start + length, last))
        for first, last in _frame_spans(segments, len(static))
        for start in range(first, max(first, last - length) + 1, step)
    ]
    described = np.stack([_describe(static[first:last]) for first, last in windows])
    scaled = (described - described.mean(axis=0)) / np.maximum(described.std(axis=0), 1e-6)
    chosen = np.unique(np.linspace(0, len(scaled) - 1, min(MAX_WINDOWS, len(scaled))).astype(int))
    if len(chosen) <= speakers:
        return np.zeros(len(static), dtype=np.int64)
    found = AgglomerativeClustering(speakers).fit_predict(scaled[chosen])
    centres = np.stack([scaled[chosen][found == label].mean(axis=0) for label in range(speakers)])
    nearest = ((scaled[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    nearest[chosen] = found
    middles = np.array([(first + last) / 2 for first, last in windows])
    borders = (middles[1:] + middles[:-1]) / 2
    labels: Indices = nearest[np.searchsorted(borders, np.arange(len(static)) + 0.5)]
    return labels


def _describe(frames: Float32) -> Float64:
    """Mean and half the deviation of the MFCC without the level, and the median pitch."""
    envelope, pitch = frames[:, 1:N_MFCC].astype(np.float64), frames[:, _PITCH]
    voiced = pitch[pitch > 0]
    median = np.median(voiced) if voiced.size else 0.0
    return np.concatenate([envelope.mean(axis=0), envelope.std(axis=0) / 2, [median]])


def _reassign(static: Float32, in_speech: NDArray[np.bool_], labels: Indices) -> Indices:
    features = np.column_stack([static[:, :N_MFCC], static[:, _PITCH]]).astype(np.float64)
    voiced = in_speech & (static[:, _PITCH] > 0)
    costs = np.where(in_speech, CHANGE_COST, PAUSE_CHANGE_COST)
    for _ in range(ROUNDS):
        present = np.unique(labels[voiced])
        if len(present) < 2:
            break
        members = [features[voiced & (labels == label)] for label in present]
        means = np.stack([own.mean(axis=0) for own in members])
        deviations = np.concatenate([own - mean for own, mean in zip(members, means, strict=True)])
        precision = np.linalg.pinv(np.cov(deviations.T) + 1e-3 * np.eye(features.shape[1]))
        apart = features[:, None] - means
        likelihoods = -0.5 * np.einsum("tkd,de,tke->tk", apart, precision, apart)
        labels = present[_viterbi(np.where(voiced[:, None], likelihoods, 0), costs)]
    return labels


def _viterbi(likelihoods: Float64, costs: Float64) -> Indices:
    """The best path [T] through log likelihoods [T, K] where a change into frame t costs costs[t]."""
    n_frames, n_states = likelihoods.shape
    score = likelihoods[0]
    origins = np.empty((n_frames, n_states), dtype=np.int64)
    stay = np.arange(n_states)
    for frame in range(1, n_frames):
        best = score.argmax()
        changed = score[best] - costs[frame]
        origins[frame] = np.where(changed > score, best, stay)
        score = np.maximum(score, changed) + likelihoods[frame]
    path = np.empty(n_frames, dtype=np.int64)
    path[-1] = score.argmax()
    for frame in range(n_frames - 1, 0, -1):
        path[frame - 1] = origins[frame, path[frame]]
    return path


def _turns(labels: Indices, segments: Sequence[Segment], names: dict[int, str]) -> list[Turn]:
    """Segments cut where the speaker changes, and joined where they go on after a pause."""
    cut: list[Turn] = []
    for segment, (first, last) in zip(segments, _frame_spans(segments, len(labels)), strict=True):
        changes = first + 1 + np.flatnonzero(np.diff(labels[first:last]))
        speakers = [names[int(labels[frame])] for frame in (first, *changes)]
        edges_s = [segment.start_s, *(changes / FRAME_RATE_HZ).tolist(), segment.end_s]
        spans = itertools.pairwise(edges_s)
        cut += [Turn(*span, speaker, "clusters") for span, speaker in zip(spans, speakers, strict=True)]
    turns = cut[:1]
    for turn in cut[1:]:
        goes_on = turn.speaker == turns[-1].speaker and turn.start_s - turns[-1].end_s < PAUSE_S
        turns.append(replace(turn, start_s=turns.pop().start_s) if goes_on else turn)
    return turns
