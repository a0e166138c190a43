"""What ``effects`` found."""

from __future__ import annotations

import html
from dataclasses import dataclass

import pandas as pd

from ablate.analysis.contrasts import Contrast
from ablate.analysis.divergence import Divergence
from ablate.analysis.interactions import Interaction
from ablate.analysis.table import label
from ablate.analysis.variance import Share
from ablate.analysis.wording import between, estimate, setting, verdict
from ablate.analysis.words import listed

NAMED = 4
"""How many of the effects that are refused for one reason its sentence names."""


@dataclass(frozen=True)
class Refusal:
    """Effects that are not shown, and why."""

    effects: tuple[str, ...]
    """``norm``, ``norm×act``, ``norm=bn against norm=none``."""
    why: str

    def sentence(self) -> str:
        """Return it as a line."""
        named = list(self.effects)
        if len(named) > NAMED + 1:
            named = [*named[:NAMED], f"{len(named) - NAMED} more"]
        return f"Not estimated: {listed(named)}: {self.why}."


@dataclass(frozen=True, repr=False)
class Effects:
    """Everything that ``effects`` found, in the order of metrics and factors."""

    contrasts: tuple[Contrast, ...]
    interactions: tuple[Interaction, ...]
    shares: tuple[Share, ...]
    divergences: tuple[Divergence, ...]
    """One per contrast, where any run of it diverged."""
    refused: tuple[Refusal, ...]
    notes: tuple[str, ...]
    """What holds for all of it, a sentence each: how many runs, what counts as a family."""

    def sentences(self) -> list[str]:
        """Return all of it as lines."""
        parts = (self.contrasts, self.interactions, self.shares, self.divergences, self.refused)
        return [*(one.sentence() for part in parts for one in part), *self.notes]

    def frame(self) -> pd.DataFrame:
        """Return one row per contrast: names, estimate and interval in the metric's unit, tests, verdict, runs."""
        return pd.DataFrame(
            [
                {
                    "metric": one.metric.column,
                    "factor": one.factor,
                    "level": label(one.level),
                    "baseline": label(one.baseline),
                    "within": setting(*one.within) if one.within else None,
                    "estimate": one.test.estimate,
                    "low": one.test.low,
                    "high": one.test.high,
                    "unit": str(one.metric.scale),
                    "seeds": one.test.seeds,
                    "pairs": one.pairs,
                    "pairs_planned": one.pairs_planned,
                    "p": one.test.p,
                    "p_flip": one.test.p_flip,
                    "p_equivalent": one.test.p_equivalent,
                    "p_holm": one.test.p_holm,
                    "p_flip_holm": one.test.p_flip_holm,
                    "p_equivalent_holm": one.test.p_equivalent_holm,
                    "p_equivalent_flip_holm": one.test.p_equivalent_flip_holm,
                    "p_logrank": one.p_logrank,
                    "family": one.test.family,
                    "verdict": str(one.test.verdict),
                    "seeds_needed": one.test.seeds_needed,
                    "mean": one.side.mean,
                    "baseline_mean": one.baseline_side.mean,
                    "censored": one.side.censored_share,
                    "baseline_censored": one.baseline_side.censored_share,
                }
                for one in self.contrasts
            ]
        )

    def __repr__(self) -> str:
        return (
            f"Effects({len(self.contrasts)} contrasts, {len(self.interactions)} interactions; see sentences(), frame())"
        )

    def _repr_html_(self) -> str:
        """Return the contrasts as a small table, for notebooks, and below it what interacts."""
        rows = [
            (one.name, one.metric.name, estimate(one.test) + between(one.test), verdict(one.test))
            for one in self.contrasts
        ]
        table = pd.DataFrame(rows, columns=["effect", "on", "difference", "verdict"])
        called = [f"{one.reading()} ({one.metric.name})." for one in self.interactions if one.test.verdict.effect]
        told = "".join(
            f"<p>{html.escape(text)}</p>" for text in [*called, *(one.sentence() for one in self.refused), *self.notes]
        )
        return table.to_html(index=False, border=0) + told
