"""Sweeps that were never trained: records with curves by a formula, for whatever reads records."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ablate.curves import write_curves
from ablate.facts import Facts, Status
from ablate.layer_table import Row, write_layers
from ablate.record import Record
from ablate.results import Sweep
from ablate.sweep_facts import SweepFacts

STEPS = 20 * np.arange(1, 11)


def recorded(
    folder: Path,
    factors: Mapping[str, Sequence[str]],
    seeds: int = 6,
    failed: Sequence[tuple[int, int]] = (),
    facts: SweepFacts | None = None,
    name: str = "made-up",
) -> Sweep:
    """Return a sweep over the levels: each later level of a factor learns more slowly, and of two factors together more
    than either says; the seeds differ a little. ``failed`` are the arm and seed of runs that failed.
    """
    records = []
    root = folder / "outputs" / name
    for number, levels in enumerate(itertools.product(*factors.values())):
        at = [list(of).index(level) for of, level in zip(factors.values(), levels, strict=True)]
        rate = 30.0 * (1 + sum(at)) * (1.3 if all(at) and len(at) > 1 else 1.0)
        arm = ",".join(f"{factor}={level}" for factor, level in zip(factors, levels, strict=True)) or "default"
        for seed in range(seeds):
            run = root / f"arm-{number:08x}" / f"seed={seed}"
            bad = (number, seed) in failed
            record = Record(run, facts_of(arm, f"{number:08x}", seed, dict(zip(factors, levels, strict=True)), bad))
            noise = np.random.default_rng([number, seed]).normal(0, 0.004, len(STEPS))
            accuracy = 1 - 0.9 * np.exp(-STEPS / (rate * (1 + 0.03 * seed))) + noise
            if not bad:
                rows = zip(STEPS.tolist(), accuracy.tolist(), (1.5 - accuracy).tolist(), strict=True)
                write_curves(run / "metrics.csv", [{"step": s, "val/acc": a, "val/loss": loss} for s, a, loss in rows])
            record.save()
            records.append(record)
    return Sweep(name, root, records, list(factors), target=0.85, facts=facts or SweepFacts())


def facts_of(arm: str, digest: str, seed: int, levels: Mapping[str, str], bad: bool) -> Facts:
    """Return what a record of such a run says."""
    return Facts(
        status=Status.failed if bad else Status.finished,
        arm=arm,
        arm_hash=digest,
        seed=seed,
        choices={},
        settings=dict(levels),
        metric="val/acc",
        higher_is_better=True,
        test={} if bad else {"test/acc": 0.9 + 0.001 * seed, "test/loss": float(int(digest, 16))},
        seconds=1.5,
        budget=int(STEPS[-1]),
        versions={"lightning-ablate": "0.1.0", "torch": "2.13.0"},
        overrides=[f"{key}={level}" for key, level in levels.items()],
        command="python -m ablate -m norm=bn,none",
        error="RuntimeError: <b>no</b>" if bad else None,
    )


def with_layers(sweep: Sweep, dead: Mapping[str, float]) -> Sweep:
    """Give every run a table of two layers; ``dead`` is the share of dead units in the second by the arm's hash."""
    for record in sweep.records:
        well = {"gradient_norm": 1.0, "update_ratio": 1e-3, "weight_norm": 1.0, "activation_mean": 0.0}
        well |= {"activation_std": 1.0, "dead": 0.0, "saturated": 0.0}
        late = well | {"dead": dead.get(record.facts.arm_hash, 0.0)}
        rows: list[Row] = [
            {"step": step, "layer": layer, **(late if layer == "layer 2" and step > 20 else well)}
            for step in (20.0, 40.0, 60.0)
            for layer in ("layer 1", "layer 2", "head")
        ]
        write_layers(record.folder / "layers.csv", rows)
    return sweep
