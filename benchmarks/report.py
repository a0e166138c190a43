"""What the report of a sweep costs, over how many runs it has.

    python -m benchmarks.report [--records 50,500,2000] [--rounds 3] [--json FILE]

The runs were never trained: the library's own writers make their records, curves and layers, of two factors with ten
arms. Two things are timed, each as a process from start to exit: the summary that a sweep prints when it ends, and
``python -m ablate report FOLDER``, which prints it and writes the page, the data and what TensorBoard shows.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from ablate.curves import digest, write_curves
from ablate.facts import Facts, Status
from ablate.layer_table import MEASURES, Row, write_layers
from ablate.record import Record
from ablate.sweep_facts import SweepFacts
from benchmarks import timing

NORMS, OPTS = ("none", "bn", "ln", "rms", "group"), ("sgd", "adam")
POINTS = 20 * np.arange(1, 21)  # optimizer steps
SUMMARY, REPORT = "summary", "report"
PRINT_SUMMARY = """\
from pathlib import Path
from ablate.report.terminal import print_sweep
from ablate.results import open_sweep
print_sweep(open_sweep(Path("sweep")))
"""


def main() -> None:
    parser = timing.parser(__doc__, rounds=3)
    parser.add_argument("--records", type=timing.numbers, default=[50, 500, 2000], help="each a multiple of ten")
    asked = parser.parse_args()
    if wrong := [count for count in asked.records if count % 10]:
        parser.error(f"--records must be multiples of ten, not {wrong[0]}: there are ten arms")
    commands = {
        SUMMARY: [sys.executable, "-c", PRINT_SUMMARY],
        REPORT: [sys.executable, "-m", "ablate", "report", "sweep"],
    }
    print(f"{'records':>8}{'summary s':>12}{'report s':>12}")
    found = {}
    for count in asked.records:
        with tempfile.TemporaryDirectory() as folder:
            write_records(Path(folder) / "sweep", count // 10)
            works = {name: partial(timing.call, own, Path(folder)) for name, own in commands.items()}
            found[str(count)] = times = timing.in_turns(works, asked.rounds)
        print(f"{count:>8}" + "".join(f"{statistics.median(own):>12.1f}" for own in times.values()), flush=True)
    timing.keep(asked.json, {"seconds": found})


def write_records(folder: Path, seeds: int) -> None:
    """Write a sweep of ten arms: each later level learns more slowly, and the seeds differ a little."""
    arms = {f"{number:08x}": arm for number, arm in enumerate(itertools.product(NORMS, OPTS))}
    labels = [f"norm={norm},opt={opt}" for norm, opt in arms.values()]
    for (arm_hash, (norm, opt)), label in zip(arms.items(), labels, strict=True):
        rate = 30.0 * (1 + NORMS.index(norm) + 0.5 * OPTS.index(opt))
        for seed in range(seeds):
            record = Record(folder / f"{label}-{arm_hash}" / f"seed={seed}", facts(label, arm_hash, seed, norm, opt))
            write_run(record, rate)
            record.facts.curves = digest(record.folder / "metrics.csv")
            record.save()
    SweepFacts(
        factors={"norm": list(NORMS), "opt": list(OPTS)},
        seeds=list(range(seeds)),
        arms=list(arms),
        labels=labels,
        target=0.85,
    ).save(folder)


def write_run(record: Record, rate: float) -> None:
    """Write the curves and layers of a run whose accuracy rises like 1 - exp(-step / rate)."""
    noise = np.random.default_rng([int(record.facts.arm_hash, 16), record.facts.seed]).normal(0, 0.01, len(POINTS))
    accuracy = 1 - 0.9 * np.exp(-POINTS / rate) + noise
    points = zip(POINTS.tolist(), accuracy.tolist(), strict=True)
    rows = [{"step": step, "train/loss": 1.4 - a, "val/loss": 1.5 - a, "val/acc": a} for step, a in points]
    write_curves(record.folder / "metrics.csv", rows)
    measured = dict.fromkeys(MEASURES, 0.1)
    layers: list[Row] = [
        {"step": float(step), "layer": layer, **measured} for step in POINTS[::4] for layer in ("0", "1", "head")
    ]
    write_layers(record.folder / "layers.csv", layers)


def facts(label: str, arm_hash: str, seed: int, norm: str, opt: str) -> Facts:
    return Facts(
        status=Status.finished,
        arm=label,
        arm_hash=arm_hash,
        seed=seed,
        choices={"norm": norm, "opt": opt},
        settings={"norm": norm, "opt": opt},
        metric="val/acc",
        higher_is_better=True,
        test={"test/acc": 0.9 + 0.0001 * seed, "test/loss": 0.5},
        budget=int(POINTS[-1]),
        seconds=1.0,
    )


if __name__ == "__main__":
    main()
