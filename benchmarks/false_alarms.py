"""How often two sets of runs of one configuration are told apart: the verdicts of a report on what is the same.

    python benchmarks/false_alarms.py [--seeds 240] [--workers 1] [--comparisons 1000]

Trains a small network with each seed, once on images as they are and once on images with their pixels in a random
order. To an MLP, whose first weights are independent draws, these are the same in distribution. So there are two
kinds of comparison without an effect: *apart*, runs of one arm with seeds of one group against seeds of another; and
*paired*, the two arms with the same seeds, which share the split and the order of the batches as in any report.

A pass deals all seeds into comparisons, none into two of them; as many passes are made as the number of comparisons
needs, and comparisons of different passes share runs. Trained runs are kept in outputs/false_alarms: the same command
goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

import ablate
from ablate.analysis import Effects, Metric, Paired, Scale, effects
from ablate.analysis.measure import AREA, STEPS

AIM = 0.06  # of the comparisons may be called an effect
ALPHA = 0.05
CALIBRATION = 20  # seeds that give the target and are compared with nothing
MARGIN = 0.01
SEEDS = (5, 10)
GROUPS = 4  # in a family: three are compared with the first
PERMUTED = "data.permute_pixels"
SETTINGS = ("model.width=16", "opt=adam", "opt.lr=0.01", "trainer.max_epochs=6", "trainer.validations=17")
METRICS = (Metric("best", True, Scale.points, 1.0, label="best val/acc"), STEPS, AREA)

Deal = Callable[[pd.DataFrame, np.random.Generator, int, int], Iterator[pd.DataFrame]]


@dataclass(frozen=True)
class Row:
    """What came of the comparisons of one kind, number of seeds and metric."""

    kind: str
    seeds: int
    metric: str
    disjoint: int
    """So many comparisons, or families, a pass has."""
    count: int
    hits: tuple[int, ...]
    """By t test, by sign flips, by both; or in a family by both, before and after Holm."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seeds", type=int, default=240)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--comparisons", type=int, default=1000)
    given = parser.parse_args()
    if (least := CALIBRATION + GROUPS * max(SEEDS)) > given.seeds:
        parser.error(f"--seeds must be at least {least}, not {given.seeds}")
    frame, target = runs(given.seeds, given.workers)
    print(f"\nTarget of val/acc: {target:.4g}, the median best of {CALIBRATION} seeds of their own less {MARGIN}.")
    print(f"{int(frame['steps_to_target'].isna().sum())} of {len(frame)} runs did not reach it.\n")
    alone = [
        measure(kind, deal, frame, number, given.comparisons)
        for kind, deal in (("apart", apart), ("paired", paired))
        for number in SEEDS
    ]
    families = [measure("family", apart, frame, number, given.comparisons // 2, GROUPS) for number in SEEDS]
    print(table(("t test", "sign flips", "verdict"), [row for rows in alone for row in rows]))
    print(f"\nFamilies of {GROUPS - 1} contrasts, with any effect called:\n")
    print(table(("before Holm", "after Holm"), [row for rows in families for row in rows]))
    worst = max(row.hits[-1] / row.count for rows in (*alone, *families) for row in rows)
    print(f"\nAim: at most {AIM:.0%} called an effect. {'Met' if worst <= AIM else 'Missed'}: {worst:.1%} at most.")


def runs(seeds: int, workers: int) -> tuple[pd.DataFrame, float]:
    """Train what is missing; return the runs but those for calibration, and the target that these give."""
    quick = ("trainer.diagnostics=false", "trainer.checkpoint_seconds=3600", "quiet=true", f"workers={workers}")
    wanted = (*SETTINGS, *quick, "name=false_alarms", f"{PERMUTED}=false,true", f"seed=range(0,{seeds})")
    frame = ablate.sweep([*wanted, "target=0.5"]).frame()
    own = frame["seed"] < CALIBRATION
    target = float(frame.loc[own & ~frame[PERMUTED], "best"].median()) - MARGIN
    frame = ablate.sweep([*wanted, f"target={target}"]).frame()
    return frame[~own.to_numpy()].reset_index(drop=True), target


def measure(kind: str, deal: Deal, frame: pd.DataFrame, seeds: int, wanted: int, groups: int = 2) -> list[Row]:
    """Return one row per metric, of at least so many comparisons without an effect."""
    rng = np.random.default_rng(seeds)
    found: list[Effects] = []
    disjoint = 0
    while len(found) < wanted:
        found += [compared(one) for one in deal(frame, rng, seeds, groups)]
        disjoint = disjoint or len(found)
    count = family_hits if groups > 2 else single_hits
    rows = []
    for metric in METRICS:
        tests = [[one.test for one in each.contrasts if one.metric == metric] for each in found]
        hits = np.sum([count(family) for family in tests if family], axis=0)
        rows.append(Row(kind, seeds, metric.name, disjoint, len(found), tuple(map(int, hits))))
    return rows


def apart(frame: pd.DataFrame, rng: np.random.Generator, seeds: int, groups: int) -> Iterator[pd.DataFrame]:
    """Deal the runs of one arm: groups of so many seeds, no seed in two groups."""
    own = frame[~frame[PERMUTED].to_numpy(dtype=bool)]
    order = rng.permutation(len(own))
    each = seeds * groups
    for start in range(0, len(order) - each + 1, each):
        dealt = own.iloc[order[start : start + each]]
        yield dealt.assign(group=np.repeat(np.arange(groups), seeds), seed=np.tile(np.arange(seeds), groups))


def paired(frame: pd.DataFrame, rng: np.random.Generator, seeds: int, groups: int) -> Iterator[pd.DataFrame]:
    """Deal the seeds: each comparison has both arms of so many."""
    order = rng.permutation(frame["seed"].unique())
    for start in range(0, len(order) - seeds + 1, seeds):
        dealt = frame[frame["seed"].isin(order[start : start + seeds])]
        yield dealt.assign(group=dealt[PERMUTED].astype(int))


def compared(frame: pd.DataFrame) -> Effects:
    return effects(frame, ["group"], METRICS, budget="budget", confidence=1 - ALPHA)


def single_hits(family: list[Paired]) -> tuple[int, ...]:
    """Return whether t test, sign flips and the verdict call an effect."""
    (one,) = family
    return called(one.p), called(one.p_flip), one.verdict.effect


def family_hits(family: list[Paired]) -> tuple[int, ...]:
    """Return whether any contrast is called an effect by both tests, before Holm and after."""
    return any(called(one.p) and called(one.p_flip) for one in family), any(one.verdict.effect for one in family)


def called(p: float | None) -> bool:
    return p is not None and p <= ALPHA


def table(heads: tuple[str, ...], rows: list[Row]) -> str:
    """Return the shares called, each with its exact binomial interval of 95 % (Clopper and Pearson)."""
    lines = [f"{'':<8}{'seeds':>5}  {'metric':<22}{'disjoint':>8}{'all':>6}" + "".join(f"{head:>22}" for head in heads)]
    for row in rows:
        cells = [share(hits, row.count) for hits in row.hits]
        told = f"{row.kind:<8}{row.seeds:>5}  {row.metric:<22}{row.disjoint:>8}{row.count:>6}"
        lines.append(told + "".join(f"{cell:>22}" for cell in cells))
    return "\n".join(lines)


def share(hits: int, count: int) -> str:
    ends = stats.binomtest(hits, count).proportion_ci(0.95, method="exact")
    return f"{100 * hits / count:.1f} % [{100 * ends.low:.1f}, {100 * ends.high:.1f}]"


if __name__ == "__main__":
    main()
