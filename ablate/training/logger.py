"""The loggers of a run: its curves as CSV, and the same scalars for TensorBoard."""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from ablate.curves import write_curves

PAUSE_SECONDS = 2.0
"""A table is written at a point that comes so long after the last one that was, and when training ends, however."""


class Pace:
    """Says when to write again."""

    def __init__(self) -> None:
        self._due = -math.inf

    def is_due(self) -> bool:
        """Whether the pause is over, which then begins anew."""
        now = time.monotonic()
        due = now >= self._due
        if due:
            self._due = now + PAUSE_SECONDS
        return due


class CurveLogger(Logger):
    """Keeps ``metrics.csv`` whole and current: a row a step, written at points with a pause between, and at the end.

    ``check`` raises where the folder is another process's by now.
    """

    def __init__(self, folder: Path, check: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.path = folder / "metrics.csv"
        self.check = check
        self.rows: dict[int, dict[str, float]] = {}
        self._pace = Pace()
        self._new = False

    @property
    def name(self) -> str:
        """The name Lightning shows."""
        return "curves"

    @property
    def version(self) -> str:
        """There is one version: the folder's."""
        return ""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Add the scalars of ``step`` (optimizer steps so far)."""
        curves = {name: float(value) for name, value in metrics.items() if _is_curve(name)}
        if curves:
            at = step or 0
            self.rows.setdefault(at, {"step": at}).update(curves)
            self._new = True

    @rank_zero_only
    def save(self) -> None:
        """Rewrite the file, where it is time to."""
        if self._new and self._pace.is_due():
            self._write()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Rewrite the file, where there is anything new."""
        if self._new:
            self._write()

    @rank_zero_only
    def restore(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Continue from ``rows``, and from them alone."""
        self.rows = {int(row["step"]): dict(row) for row in rows}
        self._write()

    def _write(self) -> None:
        self.check()
        write_curves(self.path, self.rows.values())
        self._new = False

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the record keeps the configuration."""


class EventLogger(TensorBoardLogger):
    """TensorBoard events in the run's own folder, without Lightning's ``hparams.yaml`` and ``hp_metric``.

    All scalars of a step are one event. The file is open only while one is written, and no thread waits for the next,
    as torch's writer has it: that one, ``experiment``, is made when somebody asks for it, an image to show for one.
    A ``silent`` one writes no events.
    """

    def __init__(self, folder: Path, *, silent: bool = False) -> None:
        super().__init__(save_dir=folder, name="", version="", default_hp_metric=False)
        self.silent = silent
        self._file: Path | None = None
        self._waiting: list[Event] = []
        self._pace = Pace()

    @property
    def experiment(self) -> Any:
        """Torch's ``SummaryWriter`` of the folder."""
        return _Later(lambda: super(EventLogger, self).experiment)

    @rank_zero_only
    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """Write the curves; test metrics are single numbers and belong to the record."""
        curves = {name: float(value) for name, value in metrics.items() if _is_curve(name)}
        if curves:
            self.add(curves, step or 0)

    @rank_zero_only
    def restore(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Write the events of ``rows`` anew."""
        for row in rows:
            self.add({name: value for name, value in row.items() if name != "step"}, int(row["step"]))
        self._write()

    @rank_zero_only
    def add(self, scalars: Mapping[str, float], step: int) -> None:
        """Add the event of a step."""
        if self.silent:
            return
        values = [Summary.Value(tag=name, simple_value=value) for name, value in scalars.items()]
        self._waiting.append(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))

    @rank_zero_only
    def save(self) -> None:
        """Write the events that there are, where it is time to, and flush what ``experiment`` was given."""
        if self._waiting and self._pace.is_due():
            self._write()
        if self._experiment is not None:
            self._experiment.flush()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write the events that there are."""
        self._write()
        super().finalize(status)

    def _write(self) -> None:
        if not self._waiting:
            return
        if self._file is None:
            folder = Path(self.log_dir)
            folder.mkdir(parents=True, exist_ok=True)
            place = f"{socket.gethostname()}.{os.getpid()}.{id(self)}"
            self._file = folder / f"events.out.tfevents.{int(time.time()):010d}.{place}"
            self._waiting.insert(0, Event(wall_time=time.time(), file_version="brain.Event:2"))
        with self._file.open("ab") as file:
            writer = RecordWriter(file)
            for event in self._waiting:
                writer.write(event.SerializeToString())
        self._waiting = []


class _Later:
    """Stands in for what is made when something of it is asked for: Lightning asks every logger for its experiment."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> Any:
        return getattr(self._make(), name)


def _is_curve(name: str) -> bool:
    return name != "epoch" and not name.startswith("test/")
