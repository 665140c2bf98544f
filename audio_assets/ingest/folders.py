"""What the folders of a file say: its genre and subgenre, and whether it is music or speech.

Only folders at and below the ingested root count, the nearest to the file first.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["track", "episode"]

_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("music", "track", "tracks", "song", "songs", "albums"), "track"),
    **dict.fromkeys(
        ("podcast", "podcasts", "episode", "episodes", "speech", "interviews", "talks"), "episode"
    ),
}


@dataclass(frozen=True)
class FolderHints:
    """What the names of folders tell, None where they tell nothing.

    `kind_folder` is the folder that told the kind.
    """

    genre: str | None
    subgenre: str | None
    kind: Kind | None
    kind_folder: str | None


def folder_hints(path: Path, root: Path) -> FolderHints:
    """Read `<root>/…/<genre>/<subgenre>/<file>`; a single folder is a genre without subgenre.

    Folders named for a kind (`music`, `tracks`, `podcasts`, `episodes`, …) are no genres. The
    root's own name may tell the kind, but not the genre.

    >>> folder_hints(Path("/data/music/rock/indie/a.mp3"), Path("/data"))
    FolderHints(genre='rock', subgenre='indie', kind='track', kind_folder='music')
    """
    below = path.parent.relative_to(root).parts
    named = [folder for folder in (root.name, *below) if folder.casefold() in _KINDS]
    genres = [folder for folder in below if folder.casefold() not in _KINDS][-2:]
    return FolderHints(
        genre=genres[0] if genres else None,
        subgenre=genres[1] if len(genres) == 2 else None,
        kind=_KINDS[named[-1].casefold()] if named else None,
        kind_folder=named[-1] if named else None,
    )
