"""How often a report calls an effect where there is none, on real runs.

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
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

import ablate
from ablate.analysis import Metric, Scale, effects
from ablate.analysis.inference import holm, paired
from ablate.analysis.measure import AREA, STEPS

AIM = 0.06  # of the comparisons may be called an effect
ALPHA = 0.05
CALIBRATION = 20  # seeds that give the target and are compared with nothing
MARGIN = 0.01
SEEDS = (5, 10)
CONTRASTS = 3  # in a family, all with the same baseline
PERMUTED = "data.permute_pixels"
SETTINGS = ("model.width=16", "opt=adam", "opt.lr=0.01", "trainer.max_epochs=6", "trainer.validations=17")
METRICS = (Metric("best", True, Scale.points, 1.0, label="best val/acc"), STEPS, AREA)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Row:
    """What came of the comparisons of one kind, number of seeds and metric."""

    kind: str
    seeds: int
    metric: str
    disjoint: int
    """So many of them, in one pass, share no run."""
    count: int
    hits: tuple[int, ...]
    """By t test, by sign flips, by both; of families, by both before Holm and after."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seeds", type=int, default=240)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--comparisons", type=int, default=1000)
    given = parser.parse_args()
    if (least := CALIBRATION + (CONTRASTS + 1) * max(SEEDS)) > given.seeds:
        parser.error(f"--seeds must be at least {least}, not {given.seeds}")
    frame, target = runs(given.seeds, given.workers)
    missed = int(frame["steps_to_target"].isna().sum())
    print(f"\nTarget of val/acc: {target:.4g}, the median best of {CALIBRATION} seeds of their own less {MARGIN}.")
    print(f"{missed} of {len(frame)} runs did not reach it.\n")
    kinds = [(kind, seeds) for kind in ("apart", "paired") for seeds in SEEDS]
    alone = [row for kind, seeds in kinds for row in singles(kind, frame, seeds, given.comparisons)]
    print(table(("t test", "sign flips", "verdict"), alone))
    print(f"\nFamilies of {CONTRASTS} contrasts, in which any effect is called:\n")
    together = [row for seeds in SEEDS for row in families(frame, seeds, given.comparisons)]
    print(table(("before Holm", "after Holm"), together))
    worst = max(row.hits[-1] / row.count for row in (*alone, *together))
    print(f"\nAim: at most {AIM:.0%} called an effect. {'Met' if worst <= AIM else 'Missed'}: {worst:.1%} at most.")


def runs(seeds: int, workers: int) -> tuple[pd.DataFrame, float]:
    """Train what is missing; return the runs but those for calibration, and the target that these give."""
    quick = ("trainer.diagnostics=false", "trainer.checkpoint_seconds=3600", "quiet=true", f"workers={workers}")
    wanted = (*SETTINGS, *quick, "name=false_alarms", f"{PERMUTED}=false,true", f"seed=range(0,{seeds})")
    frame = ablate.sweep([*wanted, "target=0.5"]).frame()
    own = frame["seed"] < CALIBRATION
    target = float(frame.loc[own & ~frame[PERMUTED].astype(bool), "best"].median()) - MARGIN
    frame = ablate.sweep([*wanted, f"target={target}"]).frame()
    return frame[~own.to_numpy()].reset_index(drop=True), target


def singles(kind: str, frame: pd.DataFrame, seeds: int, wanted: int) -> list[Row]:
    """Return one row per metric, of comparisons that are each a family of one."""
    plain, permuted = arms(frame)
    groups = 2 if kind == "apart" else 1
    dealt, disjoint = deal(len(plain), groups * seeds, wanted, seeds)
    rows = []
    for metric in METRICS:
        if kind == "apart":
            own = on_scale(metric, plain)[dealt]
            differences = own[:, seeds:] - own[:, :seeds]
        else:
            differences = (on_scale(metric, permuted) - on_scale(metric, plain))[dealt]
        p, flips = tested(differences, metric)
        verdicts = (p <= ALPHA) & (flips <= ALPHA)
        sides = (plain.iloc[dealt[0][:seeds]], plain.iloc[dealt[0][seeds:]])
        if kind == "paired":
            sides = (plain.iloc[dealt[0]], permuted.iloc[dealt[0]])
        check(sides, metric, bool(verdicts[0]))
        hits = (p <= ALPHA, flips <= ALPHA, verdicts)
        rows.append(Row(kind, seeds, metric.name, disjoint, len(dealt), tuple(int(one.sum()) for one in hits)))
    return rows


def families(frame: pd.DataFrame, seeds: int, wanted: int) -> list[Row]:
    """Return one row per metric: groups of seeds of one arm against a first one."""
    plain, _ = arms(frame)
    dealt, disjoint = deal(len(plain), (CONTRASTS + 1) * seeds, wanted, seeds)
    rows = []
    for metric in METRICS:
        own = on_scale(metric, plain)[dealt].reshape(len(dealt), CONTRASTS + 1, seeds)
        both = tested((own[:, 1:] - own[:, :1]).reshape(-1, seeds), metric)
        p, flips = (one.reshape(len(dealt), CONTRASTS) for one in both)
        adjusted = [np.array([holm(family) for family in one.tolist()], dtype=float) for one in (p, flips)]
        before = ((p <= ALPHA) & (flips <= ALPHA)).any(axis=1)
        after = ((adjusted[0] <= ALPHA) & (adjusted[1] <= ALPHA)).any(axis=1)
        rows.append(Row("family", seeds, metric.name, disjoint, len(dealt), (int(before.sum()), int(after.sum()))))
    return rows


def arms(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the runs of either arm, in the order of the seeds."""
    permuted = frame[PERMUTED].astype(bool)
    plain, other = (frame[which].sort_values("seed").reset_index(drop=True) for which in (~permuted, permuted))
    return plain, other


def on_scale(metric: Metric, own: pd.DataFrame) -> Floats:
    """Return what differences are taken of; a run that did not reach the target counts with its budget."""
    values = own[metric.column].fillna(own["budget"]) if metric.censored else own[metric.column]
    return metric.on_test_scale(values.to_numpy(dtype=float))


def deal(runs: int, each: int, wanted: int, state: int) -> tuple[Ints, int]:
    """Return at least so many comparisons (comparisons, each) of the ``runs``, and how many of them a pass has."""
    rng = np.random.default_rng(state)
    disjoint = runs // each
    passes = -(-wanted // disjoint)
    return np.concatenate([rng.permutation(runs)[: disjoint * each].reshape(-1, each) for _ in range(passes)]), disjoint


def tested(differences: Floats, metric: Metric) -> tuple[Floats, Floats]:
    """Return p of the t test and of the sign flips of each comparison (comparisons, seeds)."""
    found = paired(list(differences), metric, 1 - ALPHA)
    return np.array([one.p for one in found], dtype=float), np.array([one.p_flip for one in found], dtype=float)


def check(sides: Sequence[pd.DataFrame], metric: Metric, called: bool) -> None:
    """Refuse to go on if a report would say something else of one comparison."""
    seeds = range(len(sides[0]))
    frame = pd.concat([side.assign(group=at, seed=seeds) for at, side in enumerate(sides)], ignore_index=True)
    (one,) = effects(frame, ["group"], metric, budget="budget", confidence=1 - ALPHA).contrasts
    if one.test.verdict.effect != called:
        raise RuntimeError(f"The report says otherwise: {one.sentence()}")


def table(heads: Sequence[str], rows: Sequence[Row]) -> str:
    """Return the shares called, each with its exact binomial interval of 95 % (Clopper and Pearson)."""
    lines = [f"{'':<8}{'seeds':>5}  {'metric':<22}{'disjoint':>8}{'all':>6}" + "".join(f"{head:>20}" for head in heads)]
    for row in rows:
        told = f"{row.kind:<8}{row.seeds:>5}  {row.metric:<22}{row.disjoint:>8}{row.count:>6}"
        lines.append(told + "".join(f"{share(hits, row.count):>20}" for hits in row.hits))
    return "\n".join(lines)


def share(hits: int, count: int) -> str:
    ends = stats.binomtest(hits, count).proportion_ci(0.95, method="exact")
    return f"{100 * hits / count:.1f} % [{100 * ends.low:.1f}, {100 * ends.high:.1f}]"


if __name__ == "__main__":
    main()
