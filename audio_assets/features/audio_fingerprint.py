"""Chromaprint: a recording as a sequence of 32-bit words, one every 0.124 s.

Each bit compares chroma energies in a window of 2.6 s, so that coding, level and small cuts hardly
change it, while another key, tempo or performance changes it wholly.

Lalinský, Chromaprint, 2010–; Ke, Hoiem, Sukthankar, "Computer vision for music identification", 2005.
"""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray

from audio_assets.features.spectrogram import ANALYSIS_RATE, Float32

Words = NDArray[np.uint32]

STEP_S = 1365 / 11025
"""Time from one word to the next."""

_GAP_BITS = 3
_LARGE_GAP = 7
_LARGE_GAP_BITS = 5


def audio_fingerprint(samples: Float32) -> Words:
    """The words of mono samples at 44.1 kHz; none if they are shorter than 3 s."""
    import essentia.standard as es

    if len(samples) < 3 * ANALYSIS_RATE:
        return np.empty(0, np.uint32)
    return decompress(es.Chromaprinter(sampleRate=ANALYSIS_RATE)(samples))


def decompress(text: str) -> Words:
    """The words of a compressed fingerprint, as `fpcalc` and AcoustID write it.

    A header of 4 bytes holds the version and the number of words. Each word is what it differs in from
    the one before, as the distances between its set bits, 3 bits for each and 0 for the end; distances
    from 7 on go on in a second stream, 5 bits for each.

    >>> decompress("AAAAAkEA").tolist()
    [1, 0]

    Raises:
        ValueError: the text ends too early.
    """
    data = np.frombuffer(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), np.uint8)
    if len(data) < 4:
        raise ValueError(f"found a fingerprint of {len(data)} bytes; wanted a header of 4 and more")
    count = int.from_bytes(data[1:4].tobytes())
    bits = np.unpackbits(data[4:], bitorder="little")
    gaps = _integers(bits, _GAP_BITS)
    ends = np.flatnonzero(gaps == 0)
    if len(ends) < count:
        raise ValueError(f"found a fingerprint of {len(ends)} words whose header says {count}")
    if count == 0:
        return np.empty(0, np.uint32)
    gaps = gaps[: ends[count - 1] + 1]
    large = np.flatnonzero(gaps == _LARGE_GAP)
    first = -(-len(gaps) * _GAP_BITS // 8) * 8  # the second stream begins on a byte
    rest = _integers(bits[first:], _LARGE_GAP_BITS)
    if len(rest) < len(large):
        raise ValueError("found a fingerprint that ends within its large distances")
    gaps[large] += rest[: len(large)]
    word = np.cumsum(gaps == 0) - (gaps == 0)
    positions = np.cumsum(gaps)
    before = np.concatenate([[0], positions[ends[: count - 1]]])
    is_bit = gaps > 0
    bit = (positions - before[word])[is_bit] - 1
    differences = np.zeros(count, np.uint32)
    np.bitwise_xor.at(differences, word[is_bit], np.uint32(1) << bit.astype(np.uint32))
    return np.bitwise_xor.accumulate(differences)


def _integers(bits: NDArray[np.uint8], width: int) -> NDArray[np.int64]:
    whole = bits[: len(bits) // width * width].reshape(-1, width)
    integers: NDArray[np.int64] = (whole.astype(np.int64) << np.arange(width)).sum(axis=1)
    return integers
