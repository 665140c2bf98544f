"""Writing a report: items in, pages and their index out.

    <folder>/index.html
    <folder>/items/<item key>.html

Pages are written whole or not at all; writing them again writes the same. An item whose file is gone
gets its page too, without sound.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

from audio_assets.audio.decode import readable
from audio_assets.engine.declare.tables import Item, ItemKind
from audio_assets.engine.platform import Platform
from audio_assets.engine.state.rows import RowsByItem, rows_by_item
from audio_assets.errors import UserError
from audio_assets.ingest.uris import from_uri
from audio_assets.report.collection import Collection, read_collection
from audio_assets.report.index import Shelf, shelf_of
from audio_assets.report.page import Page, number
from audio_assets.report.pages import fill_page, start_page
from audio_assets.report.previews import Source, Wanted, previews
from audio_assets.report.timeline import beat_paths, clock, ruler
from audio_assets.resources.files import write_file

TEMPLATES = Path(__file__).parent / "templates"
ITEMS_AT_ONCE = 32
STEM_ORDER = ("vocals", "drums", "bass", "other")


class ReportError(UserError, ValueError):
    """There is nothing to report on; the message says what to do."""


@dataclass
class Written:
    """What was written, and items whose sound could not be, with the reason."""

    index: Path
    pages: list[Path] = field(default_factory=list)
    silent: list[tuple[str, str]] = field(default_factory=list)


def write_report(platform: Platform, items: Sequence[str] | None, folder: Path) -> Written:
    """Write a page for each of `items` (keys; None: all tracks and episodes) and the index of them.

    Values are compared with all items of the same kind, whichever have a page.

    Raises:
        ReportError: a key is no item, there are no items, or `folder` is a file.
        OSError: a page cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise ReportError(f"{folder} is a file; name a folder for the report.")
    everything = {kind: platform.items(kind) for kind in platform.graph.kinds}
    unknown = set(items or ()) - {key for of_kind in everything.values() for key in of_kind}
    if unknown:
        raise ReportError(f"{', '.join(sorted(unknown)[:3])} is no item of the catalog.")
    if not any(everything.values()):
        raise ReportError("There are no items; `audio-assets ingest PATH` registers some.")
    wanted = None if items is None else set(items)
    written = Written(folder / "index.html")
    shelves = []
    for kind, of_kind in everything.items():
        chosen = {key: item for key, item in of_kind.items() if wanted is None or key in wanted}
        if chosen:
            collection = read_collection(platform, kind, list(of_kind))
            shelves.append(_write_kind(platform, collection, chosen, written))
    rejected = platform.lake.rows("SELECT uri, reason FROM rejected_files ORDER BY uri")
    files = [(readable(from_uri(uri)), reason) for uri, reason in rejected]
    _write(written.index, "index.html", shelves=shelves, rejected=files)
    return written


def _write_kind(
    platform: Platform, collection: Collection, items: Mapping[str, Item], written: Written
) -> Shelf:
    ledger = _ledger(platform, list(items))
    kind = collection.kind
    pages = [start_page(item, kind.name, ledger.get(key, []), collection) for key, item in items.items()]
    shelf = shelf_of(pages, collection)
    ordered = [entry.page for entry in shelf.entries]
    for place, (page, rows) in enumerate(_with_rows(platform, kind, ordered)):
        fill_page(page, rows, platform, collection)
        sources, reason = _sound(platform, kind, page.item, rows.get("stems", []))
        if reason:
            written.silent.append((page.item.key, reason))
        path = written.index.parent / page.file_name
        _write(
            path,
            "item.html",
            page=page,
            sources=sources,
            silence=reason,
            beats=beat_paths(rows.get("beats", [])),
            ruler=ruler(page.item.size),
            size=collection.size,
            before=ordered[place - 1] if place else None,
            after=ordered[place + 1] if place + 1 < len(ordered) else None,
        )
        written.pages.append(path)
    return shelf


def _ledger(platform: Platform, items: Sequence[str]) -> RowsByItem:
    return rows_by_item(platform.lake, "ledger", items, order="asset")


def _with_rows(
    platform: Platform, kind: ItemKind, pages: Sequence[Page]
) -> Iterator[tuple[Page, dict[str, list[dict[str, Any]]]]]:
    """Each page with its item's rows of all tables of many rows, read for some items at a time."""
    tables = [a.table for a in platform.graph.item_assets if a.item is kind and a.table.rows == "many"]
    remaining = iter(pages)
    while some := list(islice(remaining, ITEMS_AT_ONCE)):
        keys = [page.item.key for page in some]
        found = {}
        for table in tables:
            names = [column.name for column in table.columns]
            order = next((name for name in ("start_s", "time_s", "crop_index") if name in names), None)
            found[table.name] = rows_by_item(platform.lake, table.name, keys, order)
        found["top_tags"] = rows_by_item(platform.lake, "top_tags", keys, "rank")
        for page in some:
            yield page, {name: rows.get(page.item.key, []) for name, rows in found.items()}


def _sound(
    platform: Platform, kind: ItemKind, item: Item, stems: Sequence[Mapping[str, Any]]
) -> tuple[list[Source], str]:
    """The mix and the stems to listen to, or none and why."""
    rows = {row["stem"]: row["audio"] for row in stems if row["audio"] and not row.get("is_silent")}
    names = [*(n for n in STEM_ORDER if n in rows), *sorted(rows.keys() - set(STEM_ORDER))]
    wanted = [Wanted("mix", item, None, len(names))]
    wanted += [Wanted(name, item, rows[name], len(names)) for name in names]
    return previews(platform, kind, wanted)


def _write(path: Path, template: str, **values: Any) -> None:
    write_file(path, _environment().get_template(template).render(**values).encode())


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["base64"] = lambda data: base64.b64encode(data).decode()
    environment.filters["prose"] = _prose
    environment.filters["number"] = number
    environment.filters["clock"] = clock
    environment.filters["percent"] = lambda share: f"{100 * share:.3f}%"
    return environment


def _prose(text: str) -> markupsafe.Markup:
    """Text of a declaration, its `names` as code."""
    return markupsafe.Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(markupsafe.escape(text))))
