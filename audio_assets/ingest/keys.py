"""Item keys: `<slug>-<hash>`, readable, safe as partition key, file name and SQL literal.

The slug is for people; the identity of an item is its whole content hash. The same bytes under
another name would get another slug, so look up the hash before giving an item a new key.
"""

from __future__ import annotations

import re
import unicodedata

SLUG_LENGTH = 48
HASH_LENGTH = 10

# Letters that have no decomposition into an ASCII letter and accents.
_FOLDED = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ı": "i", "ħ": "h"}
)


def item_key(content_hash: str, *names: str | None) -> str:
    """The key of an item called `names` (artist and title, or a file's stem).

    Lower-case ASCII letters, digits and single hyphens, at most 59 characters. Where no name has
    a letter that folds to ASCII, the slug is `untitled`.

    >>> item_key("0123456789abcdef", "Björk", "Jóga")
    'bjork-joga-0123456789'
    """
    return f"{slug(*names) or 'untitled'}-{content_hash[:HASH_LENGTH]}"


def slug(*names: str | None) -> str:
    """Names folded to ASCII and joined by hyphens, at most 48 characters, cut between words.

    >>> slug("Sigur Rós", "Hoppípolla (Live)")
    'sigur-ros-hoppipolla-live'
    >>> slug("初音ミク")
    ''
    """
    text = " ".join(name for name in names if name).casefold().translate(_FOLDED)
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    # An apostrophe is within a word: don't → dont.
    words = re.findall(r"[a-z0-9]+", ascii_text.replace("'", "").lower())
    joined = "-".join(words)
    if len(joined) <= SLUG_LENGTH:
        return joined
    whole_words, _, _ = joined[: SLUG_LENGTH + 1].rpartition("-")
    return whole_words or joined[:SLUG_LENGTH]
