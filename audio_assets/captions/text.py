"""Text as captions are stored: one line in composed Unicode with plain dashes, quotes and spaces."""

from __future__ import annotations

import re
import unicodedata

_PLAIN = str.maketrans(
    {
        **dict.fromkeys("‐‑‒–—―−﹘﹣－", "-"),
        **dict.fromkeys("‘’‚‛′`´", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", ""),
    }
)


def normalise(text: str) -> str:
    """Compatibility forms composed (NFKC), typographic dashes and quotes plain, white space single.

    >>> normalise("“Slow”   –  it’s ﬁne…\\n")
    '"Slow" - it\\'s fine...'
    """
    # Before NFKC, which takes some quotes and dashes apart, and after it for what it brings forth.
    plain = unicodedata.normalize("NFKC", text.translate(_PLAIN)).translate(_PLAIN)
    printable = "".join(" " if unicodedata.category(c) == "Cc" else c for c in plain)
    return re.sub(r"\s+", " ", printable).strip()


def listed(items: list[str] | tuple[str, ...]) -> str:
    """Items as a sentence lists them.

    >>> listed(["bass", "drums", "piano"])
    'bass, drums and piano'
    """
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def with_article(phrase: str) -> str:
    """A phrase of words after its indefinite article, by its first letter.

    >>> with_article("unhurried song"), with_article("brisk one")
    ('an unhurried song', 'a brisk one')
    """
    return f"{'an' if phrase[0].lower() in 'aeiou' else 'a'} {phrase}"


def as_sentence(text: str) -> str:
    """Text with a capital in front and a full stop behind."""
    return f"{text[0].upper()}{text[1:]}."
