"""Signals with known truth, and files of every kind made of them.

Signals are float32 `[channels, n]`. Files are written by libsndfile or FFmpeg's encoders.
"""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import soundfile

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}

ENCODERS = {
    "mp3": ("libmp3lame", "mp3"),
    "m4a": ("aac", "ipod"),
    "aac": ("aac", "adts"),
    "opus": ("libopus", "ogg"),
    "webm": ("libopus", "webm"),
    "wma": ("wmav2", "asf"),
    "alac": ("alac", "ipod"),
    "wv": ("wavpack", "wv"),
}
"""By name of a format: FFmpeg's encoder and container."""


def tones(seconds=1.0, rate=44_100, channels=2, level=0.5):
    """One steady sine per channel, 300 Hz and its multiples: what is on which channel can be told."""
    t = np.arange(round(seconds * rate)) / rate
    return np.stack(
        [level * np.sin(2 * np.pi * 300 * (channel + 1) * t) for channel in range(channels)]
    ).astype(np.float32)


def chirps(seconds=1.0, rate=44_100, channels=2, level=0.5):
    """One sweep per channel: it matches itself at no other lag."""
    t = np.arange(round(seconds * rate)) / rate
    return np.stack(
        [
            level * np.sin(2 * np.pi * (200 * t + 400 * (channel + 1) / seconds * t**2))
            for channel in range(channels)
        ]
    ).astype(np.float32)


def on_grid(samples, bits):
    """`samples` rounded to what that many bits can hold exactly."""
    full_scale = 2 ** (bits - 1)
    return (np.rint(samples * np.float64(full_scale)) / full_scale).astype(np.float32)


def write_pcm(path, samples, rate, subtype="PCM_16"):
    """A file through libsndfile, integers as exact as its type holds them."""
    if subtype in ("PCM_16", "PCM_24", "PCM_32"):
        values = np.rint(samples.T * np.float64(2**31)).clip(-(2**31), 2**31 - 1).astype(np.int32)
    else:
        values = samples.T
    soundfile.write(path, values, rate, subtype=subtype)
    return Path(path)


def write_coded(path, samples, rate, form=None, *, bit_rate=256_000, options=None):
    """A file through one of `ENCODERS`, by default the one of the extension."""
    form = form or Path(path).suffix[1:]
    codec, container = ENCODERS[form]
    layout = LAYOUTS[len(samples)]
    with av.open(str(path), "w", format=container, options=options or {}) as output:
        stream = output.add_stream(codec, rate=rate, layout=layout)
        stream.bit_rate = bit_rate
        if form in ("alac", "wv"):
            stream.codec_context.format = "s16p"
        resampler = av.AudioResampler(stream.codec_context.format, layout, rate)
        size = stream.codec_context.frame_size or 1024
        for start in range(0, samples.shape[1], size):
            part = np.ascontiguousarray(samples[:, start : start + size])
            frame = av.AudioFrame.from_ndarray(part, "fltp", layout)
            frame.sample_rate, frame.pts = rate, start
            for converted in resampler.resample(frame):
                output.mux(stream.encode(converted))
        output.mux(stream.encode(None))
    return Path(path)


def write_vorbis(path, samples, rate):
    """An Ogg Vorbis file through libsndfile, in parts: whole it would overflow libvorbis's stack."""
    with soundfile.SoundFile(path, "w", rate, len(samples), format="OGG", subtype="VORBIS") as file:
        for start in range(0, samples.shape[1], 1024):
            file.write(samples[:, start : start + 1024].T)
    return Path(path)


def write_video(path):
    """A video without sound."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mpeg4", rate=25, width=32, height=32, pix_fmt="yuv420p")
        for _ in range(5):
            image = np.zeros((32, 32, 3), dtype=np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        output.mux(stream.encode(None))
    return Path(path)


def lag(reference, samples):
    """By how many samples the first channel comes later than in the reference."""
    size = 1 << (reference.shape[1] + samples.shape[1]).bit_length()
    spectrum = np.conj(np.fft.rfft(reference[0], size)) * np.fft.rfft(samples[0], size)
    best = int(np.argmax(np.fft.irfft(spectrum, size)))
    return best if best < size // 2 else best - size


def snr_db(reference, samples, margin=0):
    """Signal-to-noise ratio over what both have, without `margin` samples at each end."""
    end = min(reference.shape[-1], samples.shape[-1]) - margin
    truth = reference[..., margin:end].astype(np.float64)
    error = samples[..., margin:end] - truth
    return 10 * np.log10(np.sum(truth**2) / max(np.sum(error**2), 1e-30))
