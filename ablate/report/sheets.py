"""The tables of a report as text, before they have a face: a page, a paper, TensorBoard."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ablate.analysis import Contrast, Divergence, Interaction, Metric, Paired, Scale, Share
from ablate.analysis.table import label
from ablate.analysis.variance import OVERLAP, overlapping
from ablate.analysis.wording import number, setting, verdict
from ablate.analysis.words import listed


@dataclass(frozen=True)
class Cell:
    """A text, and the number that a page sorts it by."""

    text: str
    key: float | None = None


@dataclass(frozen=True)
class Sheet:
    """A table: heads, rows of cells, and what is to be said below it."""

    name: str
    """For tags, files and anchors: ``effects``."""
    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    words: frozenset[str] = frozenset()
    """The heads whose columns are words, and stand at the left."""
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.rows)


def effects_sheet(contrasts: Sequence[Contrast]) -> Sheet:
    """Return one row per contrast and metric."""
    rows = [
        (
            Cell(one.metric.name),
            Cell(one.name),
            *_estimate(one.test),
            Cell(_counts(one.test.seeds, one.pairs, one.pairs_planned), one.test.seeds),
            Cell(verdict(one.test)),
        )
        for one in contrasts
    ]
    heads = ("metric", "contrast", "estimate", "interval", "p (t)", "p (flips)", "seeds", "verdict")
    notes = _tested([one.test for one in contrasts], "contrasts")
    return Sheet("effects", "Effects", heads, tuple(rows), frozenset({"metric", "contrast", "verdict"}), notes)


def interactions_sheet(interactions: Sequence[Interaction]) -> Sheet:
    """Return one row per contrast of contrasts and metric."""
    rows = [
        (
            Cell(one.metric.name),
            Cell(setting(one.factor, one.level) + " against " + label(one.baseline)),
            Cell(setting(one.other, one.other_level) + " against " + label(one.other_baseline)),
            Cell(amount(one.metric, one.at_level.estimate), one.at_level.estimate),
            Cell(amount(one.metric, one.at_baseline.estimate), one.at_baseline.estimate),
            *_estimate(one.test),
            Cell(crossed(one)),
        )
        for one in interactions
    ]
    heads = ("metric", "effect of", "across", "there", "at the baseline", "apart", "interval", "p (t)", "p (flips)")
    words = frozenset({"metric", "effect of", "across", "verdict"})
    notes = _tested([one.test for one in interactions], "interactions")
    return Sheet("interactions", "Interactions", (*heads, "verdict"), tuple(rows), words, notes)


def ends_sheet(bands: pd.DataFrame, metric: str) -> Sheet:
    """Return where the mean curve of each level begins, is halfway, and ends."""
    rows = []
    for (factor, level), line in bands.groupby(["factor", bands["level"].map(label)], sort=False):
        for at in sorted({0, len(line) // 2, len(line) - 1}):
            point = line.iloc[at]
            ends = "–" if math.isnan(point["low"]) else f"[{point['low']:.4g}, {point['high']:.4g}]"
            mean = Cell(f"{point['mean']:.4g}", point["mean"])
            rows.append((Cell(setting(str(factor), level)), Cell(str(point["step"]), point["step"]), mean, Cell(ends)))
    heads = ("level", "step", f"mean {metric}", "interval")
    return Sheet("curves", f"Curves of {metric}", heads, tuple(rows), frozenset({"level"}))


def shares_sheet(shares: Sequence[Share]) -> Sheet:
    """Return one row per effect, one column per metric."""
    metrics = list(dict.fromkeys(one.metric.name for one in shares))
    names = list(dict.fromkeys(one.name for one in shares))
    found = {(one.name, one.metric.name): one for one in shares}
    rows = [(Cell(name), *(_share(found.get((name, metric))) for metric in metrics)) for name in names]
    why = dict.fromkeys(f"–: {one.why}." for one in shares if one.share is None)
    overlap = [name for name in metrics if overlapping(one for one in shares if one.metric.name == name)]
    how = [f"{listed(overlap)}: {OVERLAP}."] if overlap else []
    notes = ("Eta squared, of Type II sums of squares; left: noise and whatever the model lacks.", *how, *why)
    return Sheet("shares", "Shares of the variance", ("source", *metrics), tuple(rows), frozenset({"source"}), notes)


def divergences_sheet(divergences: Sequence[Divergence]) -> Sheet:
    """Return one row per contrast of which any run diverged."""
    rows = [
        (
            Cell(
                f"{setting(one.factor, one.level)} against {setting(one.factor, one.baseline)}"
                + (f" within {setting(*one.within)}" if one.within else "")
            ),
            Cell(f"{one.diverged}/{one.runs}", one.diverged),
            Cell(f"{one.baseline_diverged}/{one.baseline_runs}", one.baseline_diverged),
            _p(one.p_holm),
            Cell("differs" if one.differs else "no difference shown"),
        )
        for one in divergences
    ]
    heads = ("contrast", "diverged", "at the baseline", "p (exact)", "verdict")
    notes = ("Exact binomial test of the seeds in which the two differ, adjusted by Holm.",)
    return Sheet("divergences", "Diverged runs", heads, tuple(rows), frozenset({"contrast", "verdict"}), notes)


def crossed(one: Interaction) -> str:
    """Return the verdict on an interaction in a word or two."""
    return "an interaction" if one.test.verdict.effect else verdict(one.test)


def amount(metric: Metric, value: float) -> str:
    """Return an estimate with the sign of its unit: ``0.52×``, ``+6.1``."""
    return number(metric, value) + ("×" if metric.scale is Scale.ratio else "")


def probability(p: float | None) -> str:
    """Return a probability as tables have it."""
    if p is None:
        return "–"
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def _estimate(one: Paired) -> tuple[Cell, Cell, Cell, Cell]:
    ends = "–"
    if one.low is not None and one.high is not None:
        ends = f"[{number(one.metric, one.low)}, {number(one.metric, one.high)}]"
    found = Cell(amount(one.metric, one.estimate), one.estimate)
    return found, Cell(ends, one.low), _p(one.p_holm), _p(one.p_flip_holm)


def _p(p: float | None) -> Cell:
    return Cell(probability(p), p)


def _share(one: Share | None) -> Cell:
    return Cell("–") if one is None or one.share is None else Cell(f"{100 * one.share:.1f} %", one.share)


def _counts(seeds: int, pairs: int, planned: int) -> str:
    return str(seeds) if pairs == planned else f"{seeds} ({pairs}/{planned} pairs)"


def _tested(tests: Sequence[Paired], what: str) -> tuple[str, ...]:
    units = {
        Scale.ratio: "ratios (×)",
        Scale.points: "points of a hundred",
        Scale.plain: "differences in the metric's own unit",
    }
    of = {one.metric.name: units[one.metric.scale] for one in tests}
    if not of:
        return ()
    return (
        "Estimates: " + "; ".join(f"{name} in {unit}" for name, unit in of.items()) + ".",
        f"Intervals: {tests[0].confidence:.0%}, each by itself. p: adjusted by Holm over all {what} of a metric.",
    )
