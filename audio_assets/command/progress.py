"""Progress bars for people at a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from audio_assets.engine.declare.outcomes import ItemResult, Outcome
from audio_assets.engine.run.progress import watching


class Tally:
    """Counts the outcomes of a run, asset by asset."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("planning", total=None)
        self._total = 0
        self.safe = 0
        self._bad = 0
        self._outcomes: dict[str, Counter[Outcome]] = {}
        self._seconds: dict[str, float] = {}

    def planned(self, totals: Mapping[str, int]) -> None:
        """A step begins: so many items for each asset."""
        self._total += sum(totals.values())
        self._progress.update(self._task, total=self._total, description="starting")

    def finished(self, result: ItemResult) -> None:
        """One asset of one item has ended."""
        self._outcomes.setdefault(result.asset, Counter())[result.outcome] += 1
        self._seconds[result.asset] = self._seconds.get(result.asset, 0.0) + result.seconds
        self._bad += not result.outcome.is_good
        bad = f" [red]{self._bad} failed[/red]" if self._bad else ""
        self._progress.update(self._task, advance=1, description=f"{result.asset}{bad}")

    def stored(self, count: int) -> None:
        """So many values are safe in the lake."""
        self.safe += count

    def waiting(self, text: str) -> None:
        """Nothing is done for now; said once, and shown while it lasts."""
        self._progress.console.print(text[:1].upper() + text[1:] + ".", markup=False, soft_wrap=True)
        self._progress.update(self._task, description=text)

    def training(self, name: str) -> None:
        """A training begins; how long it takes nobody knows."""
        self._progress.update(self._task, description=f"training {name}")

    def table(self, order: Sequence[str]) -> Table:
        """What was computed: a row per asset."""
        table = Table("asset", *(outcome.value for outcome in Outcome), "s per item", box=None)
        for name in order:
            if name in self._outcomes:
                counts = self._outcomes[name]
                each = self._seconds[name] / max(1, sum(counts.values()))
                cells = (str(counts[outcome] or "·") for outcome in Outcome)
                table.add_row(name, *cells, f"{each:.3f}")
        return table


@contextmanager
def run_progress(console: Console) -> Iterator[Tally]:
    """A progress bar for the runs within the block, and the tally it shows."""
    with _progress(console) as progress:
        tally = Tally(progress)
        with watching(tally):
            yield tally


@contextmanager
def bar(console: Console, title: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar; call what it yields with the numbers done and in all."""
    with _progress(console) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
