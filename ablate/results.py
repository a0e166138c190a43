"""A sweep's results: its records as tidy frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ablate.analysis.convergence import Convergence, convergence
from ablate.config import InitHead
from ablate.layer_table import MEASURES, read_layers
from ablate.record import Record, Status
from ablate.sweep_facts import SweepFacts

TARGET_MARGIN = 0.01


class Sweep:
    """The runs of a sweep, in its order: arms first, then seeds.

    ``factors`` are the swept settings (the seed left out); ``target`` is the value of the validation metric
    for "steps to target", by default what the best arm reaches (median of its seeds) less 0.01. With ``cost`` the
    report shows what the arms cost.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        records: Sequence[Record],
        factors: Sequence[str],
        target: float | None = None,
        labels: Mapping[str, str] | None = None,
        cost: bool = False,
        facts: SweepFacts | None = None,
    ) -> None:
        self.name = name
        self.folder = folder
        self.records = list(records)
        self.factors = list(factors)
        self.cost = cost
        self.facts = facts or SweepFacts()
        self._target = target
        self._labels = labels or {}

    def __repr__(self) -> str:
        return f"Sweep({self.name!r}, {len(self.records)} runs, factors={self.factors})"

    def label(self, record: Record) -> str:
        """Return what this sweep calls the record's arm; another sweep may have made it under another name."""
        return self._labels.get(record.facts.arm_hash, record.facts.arm)

    def _levels(self, record: Record) -> dict[str, Any]:
        settings = {"init_from": "null", "init_head": InitHead.scratch.name} | record.facts.settings
        return {factor: settings.get(factor) for factor in self.factors}

    @property
    def metric(self) -> str:
        """The validation metric that the runs are judged by."""
        return self._judged().facts.metric

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger ``metric`` is better."""
        return self._judged().facts.higher_is_better

    def _judged(self) -> Record:
        return next((r for r in self.records if r.status.done), self.records[0])

    def target(self) -> tuple[float | None, str]:
        """Return the target of the validation metric, and where it comes from in words."""
        if self._target is not None:
            return self._target, "as given"
        arms: dict[str, list[float]] = {}
        for record in self.records:
            if record.status is Status.finished and (best := summary(record).best) is not None:
                arms.setdefault(self.label(record), []).append(best)
        if arms:
            sign = 1 if self.higher_is_better else -1
            medians = {label: float(np.median(values)) for label, values in arms.items()}
            label = max(medians, key=lambda name: sign * medians[name])
            worse = f"{'less' if self.higher_is_better else 'plus'} {TARGET_MARGIN}"
            return medians[label] - sign * TARGET_MARGIN, f"the best arm's, {label}, {worse}"
        return None, "no run has finished"

    def frame(self) -> pd.DataFrame:
        """Return one row per run: arm, factors, seed, status, convergence, test metrics, cost."""
        target, _ = self.target()
        rows = []
        for record in self.records:
            facts = record.facts
            rows.append(
                {
                    "arm": self.label(record),
                    **self._levels(record),
                    "seed": facts.seed,
                    "status": str(record.status),
                    **asdict(summary(record, target)),
                    **facts.test,
                    "parameters": facts.parameters,
                    "macs": facts.macs,
                    "optimizer_state_bytes": facts.optimizer_state_bytes,
                    "seconds": facts.seconds,
                    "folder": str(record.folder),
                    "arm_hash": facts.arm_hash,
                }
            )
        return pd.DataFrame(rows)

    def curves(self) -> pd.DataFrame:
        """Return one row per run, step and metric: arm, factors, seed, step, metric, value."""
        parts = []
        for record in self.records:
            curves = record.curves()
            if not curves:
                continue
            steps = curves["step"].astype(int)
            wide = pd.DataFrame(curves | {"step": steps}).melt("step", var_name="metric", value_name="value").dropna()
            facts = record.facts
            keys = {"arm": self.label(record), **self._levels(record), "seed": facts.seed}
            parts.append(wide.assign(**keys)[[*keys, "step", "metric", "value"]])
        columns = ["arm", *self.factors, "seed", "step", "metric", "value"]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def layers(record: Record) -> pd.DataFrame:
    """Return one row per measured step and layer of a run, as ``layers.csv`` has them; empty where there is none."""
    rows = read_layers(record.folder / "layers.csv")
    return pd.DataFrame(rows, columns=["step", "layer", *MEASURES])


def summary(record: Record, target: float | None = None) -> Convergence:
    """Return the convergence of one record; all None where it has no curve."""
    curves = record.curves()
    if "val/loss" not in curves or record.facts.metric not in curves:
        return Convergence(None, None, None, None, None, None)
    return convergence(
        curves["step"],
        curves[record.facts.metric],
        curves["val/loss"],
        higher_is_better=record.facts.higher_is_better,
        target=target,
    )


def judged(record: Record) -> float | None:
    """Return the best value of the metric that a run is judged by; None unless it finished."""
    return summary(record).best if record.status is Status.finished else None
