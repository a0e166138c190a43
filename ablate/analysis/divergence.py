"""Whether one level diverges more often than another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from ablate.analysis.inference import holm
from ablate.analysis.pairing import Pairing
from ablate.analysis.table import Bools, Table
from ablate.analysis.wording import probability, setting
from ablate.analysis.words import counted


@dataclass(frozen=True)
class Divergence:
    """How often the runs of two levels diverged."""

    factor: str
    level: Any
    baseline: Any
    within: tuple[str, Any] | None
    diverged: int
    baseline_diverged: int
    runs: int
    """Of each side: those in pairs of which both are there."""
    baseline_runs: int
    discordant: tuple[int, int]
    """Seeds in which more runs diverged with the level, and with the baseline."""
    p: float
    """Exact binomial test of the discordant seeds, two-sided."""
    p_holm: float
    family: int
    confidence: float

    @property
    def differs(self) -> bool:
        """Whether one level diverges more often."""
        return self.p_holm <= 1 - self.confidence

    def sentence(self) -> str:
        """Return the comparison as a line."""
        inside = f" within {setting(*self.within)}" if self.within else ""
        says = "no difference is shown"
        if self.differs:
            says = f"diverges {'more' if self.discordant[0] > self.discordant[1] else 'less'} often"
        tests = probability("exact binomial test", self.p_holm)
        tests += f", Holm over {counted(self.family, 'contrast')}" if self.family > 1 else ""
        return (
            f"{setting(self.factor, self.level)} against {setting(self.factor, self.baseline)}{inside}: "
            f"{self.diverged} of {self.runs} runs diverged against {self.baseline_diverged} of {self.baseline_runs}: "
            f"{says} ({counted(sum(self.discordant), 'seed')} in which they differ; {tests})."
        )


def divergence(
    table: Table,
    factor: str,
    levels: tuple[int, int],
    pairing: Pairing,
    within: tuple[str, Any] | None,
    confidence: float,
) -> Divergence | None:
    """Compare how often two levels diverged; None where no run did.

    McNemar's exact test (``scipy.stats.binomtest``) with the seed as the pair: a seed is discordant if the shares of
    diverged runs differ between the sides. Runs of one seed are not independent, so that cells do not count singly.
    """
    there = np.where(table.usable, 0.0, np.nan)
    complete: Bools = np.all(np.isfinite(pairing.means(there)), axis=0)  # (cells, seeds)
    shares = np.where(complete, pairing.means(there + table.diverged), 0.0).sum(axis=1)  # (groups, seeds)
    counts, runs = [], []
    for side in range(2):
        of = [table.diverged[cell[side]][:, at] for cell, at in zip(pairing.cells, complete, strict=True)]
        counts.append(int(sum(one.sum() for one in of)))
        runs.append(sum(one.size for one in of))
    if not sum(counts):
        return None
    more, less = int((shares[0] > shares[1]).sum()), int((shares[0] < shares[1]).sum())
    p = float(stats.binomtest(more, more + less).pvalue) if more + less else 1.0
    names = [table.levels[factor][level] for level in levels]
    return Divergence(
        factor, names[0], names[1], within, counts[0], counts[1], runs[0], runs[1], (more, less), p, p, 1, confidence
    )


def family(found: Sequence[Divergence]) -> tuple[Divergence, ...]:
    """Return the comparisons with Holm's adjustment within them."""
    adjusted = holm([one.p for one in found])
    return tuple(
        replace(one, p_holm=one.p if p is None else p, family=len(found))
        for one, p in zip(found, adjusted, strict=True)
    )
