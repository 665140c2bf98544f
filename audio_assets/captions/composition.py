"""Captions composed from what was measured, and from nothing else.

Every clause names a fact; one that was not measured has no clause, and a caption without clauses is not
given. The wording varies from track to track but is the same each time for the same facts.
"""

from __future__ import annotations

import zlib
from dataclasses import replace

from audio_assets.captions import Facts
from audio_assets.captions.text import as_sentence, listed, normalise, with_article
from audio_assets.captions.vocabulary import (
    BRIGHTNESS_WORDS,
    COUNT_WORDS,
    DYNAMICS_WORDS,
    INSTRUMENTS,
    LOUDNESS_WORDS,
    MOOD_ADJECTIVES,
    TEMPO_WORDS,
    chord_words,
    duration_words,
    genre_words,
    key_words,
    word_for,
)

MOST_CHORDS = 4
MOST_LABELS = 3


def tells_of(facts: Facts) -> bool:
    """Whether there is something to tell: that a track lasts a while is no description of how it sounds."""
    return bool(compose(replace(facts, duration_s=None), "full"))


def compose(facts: Facts, kind: str) -> str:
    """The caption of a kind, empty if there is nothing to tell."""
    choice = zlib.crc32(repr(facts).encode())
    sentences = {
        "full": [
            _opening(facts, choice),
            _metre(facts),
            _instruments(facts, choice),
            _voice(facts),
            _sound(facts, choice),
            _harmony(facts, choice),
            _length(facts, choice),
        ],
        "technical": [_tempo_and_key(facts, choice), _metre(facts), _levels(facts, choice)],
        "genre_mood": [_character(facts, choice), _moods(facts, choice)],
        "instrumentation": [_instruments(facts, choice), _voice(facts)],
        "structure": [_bars(facts, choice), _harmony(facts, choice), _chord_rate(facts)],
    }[kind]
    return normalise(" ".join(as_sentence(sentence) for sentence in sentences if sentence))


def _pick(choice: int, *options: str) -> str:
    return options[choice % len(options)]


def _genres(facts: Facts) -> str:
    return listed([genre_words(label) for label in (facts.genres or ())[:2]])


def _key(facts: Facts) -> str:
    return key_words(facts.key, facts.scale) if facts.key and facts.scale else ""


def _opening(facts: Facts, choice: int) -> str:
    pace = word_for(facts.bpm, TEMPO_WORDS) if facts.bpm else ""
    named = " ".join(filter(None, [pace, _genres(facts), _pick(choice, "track", "piece")]))
    details = [f"at {facts.bpm:.0f} bpm" if facts.bpm else "", f"in {_key(facts)}" if _key(facts) else ""]
    stated = " ".join(filter(None, details if choice % 4 < 2 else details[::-1]))
    if facts.has_tempo is False:
        stated = f"{stated} without a steady tempo".strip()
    if not stated and not pace and not _genres(facts):
        return ""
    return f"{with_article(named)} {stated}".strip()


def _tempo_and_key(facts: Facts, choice: int) -> str:
    tempo = f"{facts.bpm:.1f} bpm" if facts.bpm else ""
    key = _key(facts)
    if tempo and key:
        return _pick(
            choice, f"the tempo is {tempo} and the key {key}", f"it is in {key}, with a tempo of {tempo}"
        )
    if tempo:
        return f"the tempo is {tempo}"
    if facts.has_tempo is False:
        return f"it is in {key} and has no steady tempo" if key else "it has no steady tempo"
    return f"the key is {key}" if key else ""


def _beats(facts: Facts) -> str:
    """The beats of a bar in words."""
    count = facts.beats_per_bar
    if not count or count >= len(COUNT_WORDS):
        return ""
    return f"{COUNT_WORDS[count]} beat{'s' if count > 1 else ''}"


def _metre(facts: Facts) -> str:
    beats = _beats(facts)
    return f"there {'are' if beats.endswith('s') else 'is'} {beats} to the bar" if beats else ""


def _levels(facts: Facts, choice: int) -> str:
    if facts.lufs is None:
        return ""
    loudness = f"{facts.lufs:.1f} LUFS"
    if facts.lra is None:
        return f"integrated loudness is {loudness}"
    return _pick(
        choice // 2,
        f"integrated loudness is {loudness} and loudness range {facts.lra:.1f} LU",
        f"it measures {loudness}, with a loudness range of {facts.lra:.1f} LU",
    )


def _sound(facts: Facts, choice: int) -> str:
    sound = []
    if facts.brightness is not None:
        sound.append(word_for(facts.brightness, BRIGHTNESS_WORDS))
    if facts.warmth is not None and facts.warmth >= 55:
        sound.append("warm")
    loud = f"it is {word_for(facts.lufs, LOUDNESS_WORDS)}" if facts.lufs is not None else ""
    if loud and facts.lra is not None:
        loud += f", with {word_for(facts.lra, DYNAMICS_WORDS)} dynamics"
    heard = f"{_pick(choice // 3, 'the sound is', 'the timbre is')} {listed(sound)}" if sound else ""
    return "; ".join(filter(None, [heard, loud]))


def _character(facts: Facts, choice: int) -> str:
    words = []
    if facts.bpm:
        words.append(word_for(facts.bpm, TEMPO_WORDS))
    if facts.lufs is not None:
        words.append(word_for(facts.lufs, LOUDNESS_WORDS))
    noun = " ".join(filter(None, [_genres(facts), _pick(choice, "track", "piece")]))
    if not words and not _genres(facts) and not facts.scale:
        return ""
    mode = f" in a {facts.scale} key" if facts.scale else ""
    sound = word_for(facts.brightness, BRIGHTNESS_WORDS) if facts.brightness is not None else ""
    return (
        with_article(f"{listed(words)} {noun}".strip())
        + mode
        + (f" with {with_article(sound)} sound" if sound else "")
    )


def _moods(facts: Facts, choice: int) -> str:
    labels = (facts.moods or ())[:MOST_LABELS]
    moods = [label for label in labels if label in MOOD_ADJECTIVES]
    themes = [label for label in labels if label not in MOOD_ADJECTIVES]
    mood = f"{_pick(choice // 5, 'the mood is', 'it feels')} {listed(moods)}" if moods else ""
    theme = f"{'themes are' if len(themes) > 1 else 'the theme is'} {listed(themes)}" if themes else ""
    return "; ".join(filter(None, [mood, theme]))


def _instruments(facts: Facts, choice: int) -> str:
    names = [INSTRUMENTS.get(label, label) for label in facts.instruments or () if label != "voice"]
    if not names:
        return ""
    names = names[:5]
    return _pick(
        choice // 7,
        f"{listed(names)} can be heard",
        f"the instruments heard are {listed(names)}"
        if len(names) > 1
        else f"the instrument heard is {names[0]}",
    )


def _voice(facts: Facts) -> str:
    """Only what is likely either way: between 0.3 and 0.7 a classifier does not know."""
    if facts.voice is None or 0.3 < facts.voice < 0.7:
        return ""
    if facts.voice <= 0.3:
        return "it is instrumental"
    if facts.female is None or 0.3 < facts.female < 0.7:
        return "there are vocals"
    return f"the vocals are {'female' if facts.female >= 0.7 else 'male'}"


def _harmony(facts: Facts, choice: int) -> str:
    names = [chord_words(chord) for chord in (facts.chords or ())[:MOST_CHORDS]]
    if not names:
        return ""
    if len(names) == 1:
        return f"the harmony stays on {names[0]}"
    return _pick(
        choice // 11,
        f"the harmony moves mainly between {listed(names)}",
        f"the chords are mainly {listed(names)}",
    )


def _chord_rate(facts: Facts) -> str:
    if facts.mean_chord_s is None or not facts.chords or len(facts.chords) < 2:
        return ""
    return f"a chord lasts {facts.mean_chord_s:.1f} seconds on average"


def _bars(facts: Facts, choice: int) -> str:
    if not facts.bar_count or facts.bar_count < 2:
        return _length(facts, choice)
    bars = f"{facts.bar_count} bars"
    if beats := _beats(facts):
        bars += f" of {beats}"
    length = f" in {duration_words(facts.duration_s)}" if facts.duration_s else ""
    return f"it has about {bars}{length}"


def _length(facts: Facts, choice: int) -> str:
    if not facts.duration_s:
        return ""
    return f"{_pick(choice // 13, 'it lasts', 'it runs for')} {duration_words(facts.duration_s)}"
