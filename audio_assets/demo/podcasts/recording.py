"""An episode on disk: the audio file, what its makers left beside it, and the truth about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audio_assets.demo.files import write_audio, write_tags
from audio_assets.demo.music.works import slug
from audio_assets.demo.podcasts import SAMPLE_RATE
from audio_assets.demo.podcasts.episode import record
from audio_assets.demo.podcasts.labels import write_sidecars
from audio_assets.demo.podcasts.script import Show, Writer, load_shows
from audio_assets.demo.truth import EpisodeTruth, Speaker, save

EPISODES_PER_SHOW = 4
_VALIDATION, _TEST = (3, 8, 13), (6, 11, 12)  # every show is heard in training


@dataclass(frozen=True)
class _Slot:
    """A place in the programme: which show, which number, and what it is for."""

    show: Show
    number: int
    split: str


def _programme(tiny: bool) -> dict[str, _Slot]:
    slots = {}
    for index in range(len(load_shows()) * EPISODES_PER_SHOW):
        show, number = load_shows()[index // EPISODES_PER_SHOW], index % EPISODES_PER_SHOW + 1
        split = "validation" if index in _VALIDATION else "test" if index in _TEST else "train"
        slots[f"{slug(show.name)}-{number:02d}"] = _Slot(show, number, split)
    if tiny:  # the first show, and the first one with a voice per channel
        return {
            key: slot for key, slot in slots.items() if slot.number == 1 and slot.show in load_shows()[:2]
        }
    return slots


def episode_keys(tiny: bool) -> list[str]:
    """The keys of all episodes, in the order of the programme."""
    return list(_programme(tiny))


def make_episode(key: str, folder: Path, rng: np.random.Generator, tiny: bool) -> list[Path]:
    """Record the episode ``key`` into ``folder``; ``tiny`` ones last 20 s. All files made.

    Raises KeyError for a key that is not one of ``episode_keys``.
    """
    slot = _programme(tiny)[key]
    show = slot.show
    title = Writer(show, rng).line("titles")
    title = title[0].upper() + title[1:]
    samples, timeline = record(show, 20.0 if tiny else float(rng.uniform(62, 100)), rng)
    path = folder / "podcasts" / show.name / f"{slot.number:02d} {title}.{show.format}"
    write_audio(path, np.round(samples * 32767).astype(np.int16), SAMPLE_RATE)
    write_tags(
        path,
        {
            "title": title,
            "artist": " & ".join(name.title() for name in show.hosts),
            "album": show.name,
            "tracknumber": str(slot.number),
            "genre": "Podcast",
        },
    )
    truth = EpisodeTruth(
        key=key,
        path=path.relative_to(folder).as_posix(),
        show=show.name,
        title=title,
        split=slot.split,
        sample_rate=SAMPLE_RATE,
        channels=len(samples),
        duration_s=samples.shape[1] / SAMPLE_RATE,
        speakers=tuple(
            Speaker(
                voice.name,
                voice.gender,
                float(voice.pitch_hz[0]),
                index if show.layout == "split" else None,
            )
            for index, voice in enumerate(timeline.voices)
        ),
        events=tuple(timeline.events),
        turns=tuple(timeline.turns),
        words=tuple(timeline.words),
        punchlines_s=tuple(timeline.punchlines_s),
    )
    return [path, *write_sidecars(truth, path, show.sidecars), save(truth, folder)]
