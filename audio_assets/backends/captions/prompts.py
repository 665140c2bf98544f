"""What language models are asked: prompts for captions, and measured facts in words."""

from __future__ import annotations

from audio_assets.captions import Facts
from audio_assets.captions.text import listed
from audio_assets.captions.vocabulary import (
    INSTRUMENTS,
    chord_words,
    duration_words,
    genre_words,
    key_words,
)

PROMPTS = {
    "full": "Describe this piece of music in detail: genre, tempo and key, instruments and voices, "
    "production, mood, and how it develops.",
    "technical": "Describe the tempo in BPM, the key, the metre, the harmony, the dynamics and the "
    "production of this piece of music.",
    "genre_mood": "Describe the genre, the style and the mood of this piece of music in a few sentences.",
    "instrumentation": "Name the instruments and voices of this piece of music, and say how they are played.",
    "structure": "Describe the structure of this piece of music, section by section.",
}

REVISION = (
    "You correct descriptions of music. You are given a description and what was measured of the same "
    "recording. Where the description contradicts a measurement, change it so that it agrees. Keep what the "
    "measurements do not speak of, and keep its wording. Add nothing. Answer with the corrected description "
    "and nothing else."
)


def description_prompt(genres: tuple[str, ...]) -> str:
    """The prompt of a full caption, with a hint at its genres if there are any."""
    if not genres:
        return PROMPTS["full"]
    named = listed([genre_words(label) for label in genres])
    return f"{PROMPTS['full']} A classifier hears {named} in it, and may be wrong."


def revision_prompt(text: str, facts: Facts) -> str:
    """A caption and what was measured, as `REVISION` speaks of them."""
    measured = "\n".join(f"- {line}" for line in facts_in_words(facts))
    return f"Description:\n{text}\n\nMeasured:\n{measured}\n\nThe corrected description:"


def facts_in_words(facts: Facts) -> list[str]:
    """A line for each fact that there is.

    Lists of labels without entries have none: that a classifier finds no genre likely contradicts no text.

    >>> facts_in_words(Facts(bpm=127.6, key="Eb", scale="minor", moods=()))
    ['tempo: 127.6 BPM', 'key: Eb minor']
    """
    found: list[str] = []

    def add(name: str, value: object, unit: str = "") -> None:
        if value is not None and value != "":
            found.append(f"{name}: {value}{unit}")

    add("length", None if facts.duration_s is None else duration_words(facts.duration_s))
    add("tempo", _rounded(facts.bpm), " BPM")
    if facts.has_tempo is not None:
        add("steady tempo", "yes" if facts.has_tempo else "no")
    add("key", key_words(facts.key, facts.scale) if facts.key and facts.scale else None)
    add("beats in a bar", facts.beats_per_bar)
    add("number of bars", facts.bar_count)
    add("integrated loudness", _rounded(facts.lufs), " LUFS")
    add("loudness range", _rounded(facts.lra), " LU")
    add("brightness", _rounded(facts.brightness), " of 100")
    add("warmth", _rounded(facts.warmth), " of 100")
    add("chords, by the time they take", listed([chord_words(chord) for chord in facts.chords or ()]))
    add("mean length of a chord", _rounded(facts.mean_chord_s), " seconds")
    add("likely genres", listed([genre_words(label) for label in facts.genres or ()]))
    add("likely moods and themes", listed(facts.moods or ()))
    add("likely instruments", listed([INSTRUMENTS.get(label, label) for label in facts.instruments or ()]))
    add("probability of a voice", _rounded(facts.voice, 2))
    add("probability that the singer is female", _rounded(facts.female, 2))
    return found


def _rounded(value: float | None, digits: int = 1) -> str | None:
    return None if value is None else f"{value:.{digits}f}"
