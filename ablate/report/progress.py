"""What is shown while a sweep is trained: a line for each run that has ended and, in a terminal, how far all are."""

from __future__ import annotations

import importlib
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from types import TracebackType

from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ablate.analysis.naming import Names
from ablate.engines.planned import PlannedRun
from ablate.facts import FAILURES, Status
from ablate.record import Record
from ablate.report.announcements import outcome
from ablate.report.style import STYLES, clock_text, console, number_text
from ablate.results import Sweep, summary
from ablate.stop import Stop

_SHOWN = 8
"""So many of the runs in training are named."""

_STATISTICS = ("ablate.report.hparams", "ablate.report.terminal", "ablate.report.effects", "ablate.analysis.estimation")


class Progress:
    """Watches the training of the ``missing`` runs of a sweep.

    ``names`` are those of the arms that are trained; without them their labels are shown. ``live`` shows an area that
    changes, where standard output is a terminal; ``quiet`` shows failures only. With ``fail_fast`` the first failure
    asks for ``stop``.
    """

    def __init__(
        self,
        sweep: Sweep,
        missing: int,
        stop: Stop,
        *,
        names: Names | None = None,
        live: bool = True,
        quiet: bool = False,
        fail_fast: bool = False,
    ) -> None:
        self._total = missing
        self._ended = 0
        self.left_out: list[PlannedRun] = []
        """The runs that were not tried, as another process had them."""
        self._stop = stop
        self._quiet = quiet
        self._fail_fast = fail_fast
        self._names = names or Names({})
        self._best = BestArm(sweep, names)
        self._began = time.monotonic()
        self._running: dict[tuple[str, int], tuple[PlannedRun, float]] = {}
        self._durations: list[float] = []
        self._outcomes: Counter[Status] = Counter()
        self._workers = 1
        self._console = console()
        terminal = self._console.is_terminal and not self._console.is_dumb_terminal
        self._live: Live | None = None
        if live and terminal and missing and not quiet:
            self._live = Live(self, console=self._console, transient=True, refresh_per_second=4)

    @property
    def failed(self) -> bool:
        """Whether a run has failed."""
        return any(status in FAILURES for status in self._outcomes)

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def waiting(self) -> None:
        """Import what is printed when all runs have ended: it takes a second, and nobody waits for it now."""
        threading.Thread(target=_import_statistics).start()

    def started(self, planned: PlannedRun) -> None:
        """Show the run among those in training."""
        self._running[planned.key] = planned, time.monotonic()
        self._workers = max(self._workers, len(self._running))

    def ended(self, planned: PlannedRun, left_out: str | None = None) -> None:
        """Print how a run has ended; one that ended before anybody saw it begin is told as well."""
        _, began = self._running.pop(planned.key, (planned, None))
        if left_out is not None:  # not counted: another process trains it, and it may be waited for
            self.left_out.append(planned)
            self._console.print(escape(f"{planned.title}  left out: {left_out}"), soft_wrap=True)
            return
        self._ended += 1
        number = f"[{self._ended}/{self._total}]"
        record = planned.record()
        self._outcomes[record.status] += 1
        failed = record.status in FAILURES
        if failed or not self._quiet:
            self._console.print(f"{escape(number)} {outcome(record, self._name(planned))}", soft_wrap=True)
        for warning in record.facts.warnings:
            self._console.print(f"  [yellow]{escape(warning)}[/]", soft_wrap=True)
        if record.status.done:
            if began is not None:
                self._durations.append(time.monotonic() - began)
            self._best.add(record)
        if failed and self._fail_fast:
            self._stop.request()

    def __rich__(self) -> RenderableType:
        """Return the live area."""
        return Group(*self._area())

    def _area(self) -> Iterator[RenderableType]:
        now = time.monotonic()
        left = self._total - self._ended
        bar = Table.grid(padding=(0, 2), expand=True)
        bar.add_column(ratio=1)
        bar.add_column(justify="right", no_wrap=True)
        times = clock_text(now - self._began)
        running = list(self._running.values())
        ages = [now - began for _, began in running]
        if (to_go := remaining(self._durations, ages, left - len(ages), self._workers)) is not None:
            times += f", about {clock_text(to_go)} to go"
        done = ProgressBar(self._total, self._ended, complete_style="cyan", finished_style="cyan")
        bar.add_row(done, f"[bold]{self._ended}/{self._total}[/]  {times}")
        yield bar
        yield Text.from_markup(", ".join(self._counts(len(ages), left - len(ages))))
        runs = Table.grid(padding=(0, 2), expand=True)
        runs.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        runs.add_column(no_wrap=True)
        runs.add_column(justify="right", no_wrap=True)
        for (planned, _), age in list(zip(running, ages, strict=True))[:_SHOWN]:
            told = Text(f"  {self._name(planned)}", style="cyan")
            runs.add_row(told, f"[cyan]seed={planned.config.seed}[/]", clock_text(age))
        if len(ages) > _SHOWN:
            runs.add_row(f"  … and {len(ages) - _SHOWN} more")
        yield runs
        if best := self._best.text():
            yield Text(best, no_wrap=True, overflow="ellipsis")
        if self._stop.requested:
            yield Text("Stopping once checkpoints are written. Ctrl-C again ends at once.", style="yellow")

    def _name(self, planned: PlannedRun) -> str:
        return self._names.of(planned.config.arm_hash, planned.config.label or "")

    def _counts(self, running: int, waiting: int) -> Iterator[str]:
        for status, count in list(self._outcomes.items()):  # another thread draws than counts
            yield f"[{STYLES[status]}]{count} {status}[/]"
        if running:
            yield f"[cyan]{running} running[/]"
        elif not self._ended:
            yield "[dim]starting[/]"
        yield f"{waiting} waiting"


class BestArm:
    """The arm with the best mean of the metric over the seeds that have finished."""

    def __init__(self, sweep: Sweep, names: Names | None = None) -> None:
        self._names = names or sweep.names
        self._values: dict[str, list[float]] = {}
        for record in sweep.records:
            self.add(record)

    def add(self, record: Record) -> None:
        """Count a run, if it has finished."""
        if record.status is Status.finished and (best := summary(record).best) is not None:
            sign = 1 if record.facts.higher_is_better else -1
            arm = self._names.of(record.facts.arm_hash, record.facts.arm)
            self._values.setdefault(arm, []).append(sign * best)
            self._metric, self._sign = record.facts.metric, sign

    def text(self) -> str:
        """Say which arm it is; nothing before a run has finished."""
        if not self._values:
            return ""
        arm, values = max(list(self._values.items()), key=lambda item: statistics.fmean(item[1]))
        seeds = "1 seed" if len(values) == 1 else f"mean of {len(values)} seeds"
        return f"Best so far: {self._metric} {number_text(self._sign * statistics.fmean(values))} ({seeds})  {arm}"


def remaining(durations: Sequence[float], ages: Iterable[float], waiting: int, workers: int) -> float | None:
    """Estimate the seconds to go, where every run takes the mean of ``durations``; None before any is known.

    ``ages`` are those of the runs in training; the rest of them and the ``waiting`` ones are shared by ``workers``.
    """
    if not durations:
        return None
    mean = statistics.fmean(durations)
    rest = sum(max(0.0, mean - age) for age in ages) + waiting * mean
    return max(rest / workers, 0.0)


def _import_statistics() -> None:
    with suppress(Exception):  # whoever needs them will see
        for name in _STATISTICS:
            importlib.import_module(name)
