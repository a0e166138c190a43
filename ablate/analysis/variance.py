"""How much of a metric's variance each factor, and each pair of factors, accounts for."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from statsmodels.regression.linear_model import OLS

from ablate.analysis.convergence import Floats
from ablate.analysis.measure import Metric
from ablate.analysis.table import ABSENT, Ints, Table

Effect = tuple[str, ...]
SEED: Effect = ("seed",)
LEFT: Effect = ()
_TINY = 1e-20
ROUNDING = 0.005
"""Shares are shown in whole hundredths."""


@dataclass(frozen=True)
class Share:
    """The share of variance of a factor, of a pair of factors, of the seeds, or of what is left."""

    metric: Metric
    effect: Effect
    """Empty for what is left: noise, and whatever the model does not have."""
    share: float | None
    """Eta squared, its sum of squares over the total; None where it cannot be told."""
    why: str = ""
    """Why there is no share."""

    @property
    def name(self) -> str:
        """``norm``, ``norm×act``, ``seed`` or ``left``."""
        return "×".join(self.effect) or "left"

    def sentence(self) -> str:
        """Return the share as a line."""
        if self.share is None:
            return f"{self.name}: no share of the variance of {self.metric.name}: {self.why}."
        return f"{self.name}: {100 * self.share:.1f} % of the variance of {self.metric.name}."


OVERLAP = "shares overlap: not a full grid"


def overlapping(found: Iterable[Share]) -> bool:
    """Whether the shares of one metric do not add up to one: what two effects explain together belongs to neither."""
    told = [one.share for one in found if one.share is not None]
    return bool(told) and abs(sum(told) - 1) > ROUNDING


def shares(
    table: Table, metric: Metric, values: Floats, inestimable: Collection[frozenset[str]] = ()
) -> tuple[Share, ...]:
    """Return the shares of one metric, whose ``values`` (arms, seeds) are on the scale of the test.

    Type II sums of squares of the linear model with factors, pairs of factors and seeds as blocks: what an effect
    explains beside all others that do not contain it (``statsmodels``: ``OLS(...).ssr`` of nested models, equal to
    ``anova_lm(ols("y ~ (C(a, Sum) + C(b, Sum))**2 + C(seed)"), typ=2)``). Eta squared is the share of the total
    around the mean: in a balanced grid the shares add up to one, elsewhere not quite, and with few runs they are
    somewhat large for what has no effect (Olejnik & Algina 2003, Psychological Methods 8). A factor is coded 0 in
    arms in which it has no meaning. What the design cannot tell apart has no share; its variance is part of what is
    left.
    """
    arm, seed = np.nonzero(np.isfinite(values))
    y = values[arm, seed]
    columns: dict[Effect, Floats] = {}
    for factor in table.factors:
        if (coded := _coded(table, factor, arm)).shape[1]:
            columns[factor,] = coded
    pairs = list(itertools.combinations([effect[0] for effect in columns], 2))
    effects: list[Effect] = [*columns, *pairs]
    total = float(((y - y.mean()) ** 2).sum()) if len(y) else 0.0
    if total <= _TINY * max(1.0, float((y**2).sum())):
        return tuple(Share(metric, effect, None, "it had none") for effect in (*effects, SEED, LEFT))
    for one, other in pairs:
        if _crossed(table, one, other, arm):
            columns[one, other] = (columns[one,][:, :, None] * columns[other,][:, None, :]).reshape(len(y), -1)
    columns = {effect: x for effect, x in columns.items() if frozenset(effect) not in inestimable}
    if len(np.unique(seed)) > 1:
        columns[SEED] = np.eye(len(table.seeds))[seed][:, np.unique(seed)[1:]]
    told = _estimable(columns)
    sums = _sums_of_squares(y, told)
    if sums is None:
        why = "there are no more runs than effects, so that noise cannot be told from them"
        return tuple(Share(metric, effect, None, why) for effect in (*effects, SEED, LEFT))
    why = "the design cannot tell it from other effects"
    found = [Share(metric, one, sums[one] / total) if one in sums else Share(metric, one, None, why) for one in effects]
    if SEED in sums:
        found.append(Share(metric, SEED, sums[SEED] / total))
    return (*found, Share(metric, LEFT, sums[LEFT] / total))


def _coded(table: Table, factor: str, arm: Ints) -> Floats:
    """Return deviation coding (runs, levels − 1): each level against the mean of all; 0 where there is none."""
    codes = table.codes[arm, table.factors.index(factor)]
    levels = np.unique(codes[codes != ABSENT])
    each = (codes[:, None] == levels).astype(float)
    coded: Floats = each[:, :-1] - each[:, -1:]
    return coded


def _crossed(table: Table, one: str, other: str, arm: Ints) -> bool:
    """Return whether every level of one factor occurs with every level of the other."""
    both = table.codes[arm][:, [table.factors.index(one), table.factors.index(other)]]
    met = np.unique(both[(both != ABSENT).all(axis=1)], axis=0)
    return len(met) == np.prod([len(np.setdiff1d(both[:, at], [ABSENT])) for at in range(2)])


def _estimable(columns: Mapping[Effect, Floats]) -> dict[Effect, Floats]:
    """Return the effects whose columns no null vector of the model touches: no combination of others equals them."""
    names = list(columns)
    ones = np.ones((len(next(iter(columns.values()))), 1)) if columns else np.ones((1, 1))
    model = np.hstack([ones, *columns.values()])
    _, sizes, right = np.linalg.svd(model, full_matrices=True)
    rank = int((sizes > sizes[0] * 1e-9).sum())
    null = np.abs(right[rank:]).max(axis=0, initial=0.0) > 1e-9
    ends = np.cumsum([1, *(x.shape[1] for x in columns.values())])
    return {
        name: columns[name]
        for name, start, end in zip(names, ends, ends[1:], strict=False)
        if not null[start:end].any()
    }


def _sums_of_squares(y: Floats, columns: Mapping[Effect, Floats]) -> dict[Effect, float] | None:
    """Return the Type II sum of squares of each effect and of what is left; None if no degree of freedom is left."""

    def left(effects: Collection[Effect]) -> float:
        model = np.hstack([np.ones((len(y), 1)), *(columns[effect] for effect in effects)])
        return float(OLS(y, model).fit().ssr)

    if 1 + sum(x.shape[1] for x in columns.values()) >= len(y):
        return None
    sums = {}
    for effect in columns:
        beside = [other for other in columns if not set(effect) < set(other) and other != effect]
        sums[effect] = max(0.0, left(beside) - left([*beside, effect]))  # rounding makes nothing negative
    return sums | {LEFT: left(list(columns))}
