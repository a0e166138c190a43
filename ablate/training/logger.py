"""The loggers of a run: its curves as CSV, and the same scalars for TensorBoard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from ablate.curves import write_curves


class CurveLogger(Logger):
    """Keeps ``metrics.csv`` complete and current: one row per step, written whole at every point.

    ``check`` raises where the folder is another process's by now.
    """

    def __init__(self, folder: Path, check: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.path = folder / "metrics.csv"
        self.check = check
        self.rows: dict[int, dict[str, float]] = {}

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
        """Add the scalars of ``step`` (optimizer steps so far) and rewrite the file."""
        curves = {name: float(value) for name, value in metrics.items() if _is_curve(name)}
        if curves:
            at = step or 0
            self.rows.setdefault(at, {"step": at}).update(curves)
            self._write()

    @rank_zero_only
    def restore(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Continue from ``rows``, and from them alone."""
        self.rows = {int(row["step"]): dict(row) for row in rows}
        self._write()

    def _write(self) -> None:
        self.check()
        write_curves(self.path, self.rows.values())

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the record keeps the configuration."""


class EventLogger(TensorBoardLogger):
    """TensorBoard events in the run's own folder, without Lightning's ``hparams.yaml`` and ``hp_metric``."""

    def __init__(self, folder: Path) -> None:
        super().__init__(save_dir=folder, name="", version="", default_hp_metric=False)

    @rank_zero_only
    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """Write the curves; test metrics are single numbers and belong to the record."""
        curves = {name: value for name, value in metrics.items() if _is_curve(name)}
        super().log_metrics(curves, step)

    @rank_zero_only
    def restore(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Write the events of ``rows`` anew."""
        for row in rows:
            super().log_metrics({name: value for name, value in row.items() if name != "step"}, int(row["step"]))

    @rank_zero_only
    def save(self) -> None:
        """Flush the events."""
        self.experiment.flush()


def _is_curve(name: str) -> bool:
    return name != "epoch" and not name.startswith("test/")
