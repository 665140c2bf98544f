"""Dialogue frames from Moshi: what a full-duplex speech model makes of the dialogue so far.

Both speakers are encoded by Mimi (8 codebooks at 12.5 Hz). Moshi's temporal transformer reads them as
the two sides of a conversation, the user's beside its own, with padding for its own text, and the
hidden state behind its last norm is the frame. It is causal: frame ``i`` has heard the semantic code
of frame ``i`` and, since Moshi delays them by one, the acoustic codes up to frame ``i - 1``.

Défossez et al., "Moshi: a speech-text foundation model for real-time dialogue", 2024.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio_assets.audio.chunk import reblock
from audio_assets.backends.dialogue_frames import Frames, Streams
from audio_assets.backends.weights import Weights
from audio_assets.resources.accelerator import choose_accelerator

Codes = NDArray[Any]

MOSHI = Weights("kmhf/hf-moshiko", "main")
MIMI = Weights("kyutai/mimi", "89091b3e466eb6a9d11e537bf26b144f194978f7")
"""Not the copy of Mimi inside Moshi's weights: that is rounded to bfloat16, which changes codes."""

SAMPLE_RATE = 24_000
FRAME_LENGTH = 1920

CHUNK_FRAMES = 2625
"""Frames that the transformer reads at a time (210 s); each chunk begins without a past."""

ENCODED_FRAMES = 125
"""Frames that Mimi encodes at a time (10 s); it goes on from block to block as if there were none."""

TEXT_PADDING = 3
"""Moshi's text token for "no word here"."""


class MoshiDialogueFrames:
    """Moshi and Mimi, on a GPU in bfloat16 if there is one; Mimi is always in float32.

    Args:
        weights: the folder of installed weights.
        device: where to compute.
        moshi, mimi: weights in the format of transformers.

    Raises:
        MissingWeightsError: weights are neither installed nor to be had from the network.
    """

    name = "moshi+mimi"
    licence = "CC-BY-4.0"
    weights = (MOSHI, MIMI)

    sample_rate = SAMPLE_RATE
    context_frames = 0

    @staticmethod
    def revision(weights: Path) -> str:
        """Those of both, as installed in the weights folder."""
        return f"{MOSHI.identity(weights)}+{MIMI.identity(weights)}"

    def __init__(
        self, weights: Path, device: str = "auto", moshi: Weights = MOSHI, mimi: Weights = MIMI
    ) -> None:
        import torch
        from transformers import MimiModel, MoshiForConditionalGeneration

        accelerator = choose_accelerator(device)
        dtype = getattr(torch, accelerator.dtype)
        self._mimi: Any = mimi.load(weights, MimiModel, torch.float32).to(accelerator.device)
        self._moshi: Any = moshi.load(weights, MoshiForConditionalGeneration, dtype)
        # Only the temporal transformer is asked: a tenth of the memory is not needed.
        self._moshi.audio_encoder = self._moshi.depth_decoder = None
        self._moshi.decoder.lm_head = torch.nn.Identity()
        self._moshi.to(accelerator.device)

    def frames(self, streams: Streams) -> list[Frames]:
        """As `DialogueFrames.frames`, with D the width of the transformer (4096)."""
        parts: list[list[Frames]] = [[], []]
        for codes in reblock(self._encode(streams), CHUNK_FRAMES):
            for part, hidden in zip(parts, self._hidden_states(codes), strict=True):
                part.append(hidden)
        width = self._moshi.config.hidden_size
        return [np.concatenate([np.empty((0, width), np.float16), *part]) for part in parts]

    def _encode(self, streams: Streams) -> Iterator[Codes]:
        """Codes ``[2, codebooks, t]`` of consecutive stretches of the streams."""
        import torch

        keys_values = padding = None
        for block in reblock(streams, ENCODED_FRAMES * FRAME_LENGTH):
            filled = np.pad(block, ((0, 0), (0, -block.shape[1] % FRAME_LENGTH)))
            samples = torch.from_numpy(filled[:, None]).to(self._mimi.device)
            with torch.inference_mode():
                encoded = self._mimi.encode(
                    samples,
                    num_quantizers=self._moshi.config.num_codebooks,
                    encoder_past_key_values=keys_values,
                    padding_cache=padding,
                    use_streaming=True,
                )
            keys_values, padding = encoded.encoder_past_key_values, encoded.padding_cache
            yield encoded.audio_codes.cpu().numpy()

    def _hidden_states(self, codes: Codes) -> Frames:
        """Hidden states ``[2, t, D]`` with each of the speakers as the user."""
        import torch

        config = self._moshi.config
        user = torch.from_numpy(delayed(codes, config.audio_vocab_size)).to(self._moshi.device)
        text = torch.full_like(user[:, 0], TEXT_PADDING)
        text[:, 0] = config.vocab_size
        with torch.inference_mode():
            output = self._moshi(
                input_ids=text,
                moshi_audio_codes=user.flip(0),
                user_audio_codes=user,
                use_cache=False,
            )
        hidden: Frames = output.last_hidden_state[:, 1:].to(torch.float16).cpu().numpy()
        return hidden


def delayed(codes: Codes, start: int) -> Codes:
    """Codes as Moshi reads them: after a start frame, acoustic codes one frame later than semantic ones.

    >>> delayed(np.array([[[1, 2, 3], [4, 5, 6]]]), start=9)
    array([[[9, 1, 2, 3],
            [9, 9, 4, 5]]])

    Args:
        codes: [B, K, T], the first codebook semantic, the others acoustic.
        start: the code that stands where there is no audio yet.

    Returns:
        [B, K, T + 1].
    """
    batch, codebooks, length = codes.shape
    pattern = np.full((batch, codebooks, length + 1), start, dtype=codes.dtype)
    pattern[:, 0, 1:] = codes[:, 0]
    pattern[:, 1:, 2:] = codes[:, 1:, :-1]
    return pattern
