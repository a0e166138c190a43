"""What one run costs through the Trainer, against the same training written by hand in plain torch.

    python -m benchmarks.solo [--rounds 5] [--where] [--json FILE]

A multilayer perceptron 64-128-128-10 on scikit-learn's digits: batches of 64, 20 epochs, 20 points of the curves, for
norm=bn,none and opt=sgd,adam. Both take the same splits, and write TensorBoard events and a CSV table; the run through
the Trainer also keeps its record, the best and the last weights, measures its layers, and tests. Both run in this
process, warm and on one thread, and take turns; each is compared with the other of its round. ``--where`` prints where
the time of a run goes.
"""

from __future__ import annotations

import cProfile
import itertools
import pstats
import statistics
import tempfile
from functools import partial
from pathlib import Path

import torch

import ablate
from ablate.config import Config
from ablate.dataset import prepare
from ablate.techniques import Data
from benchmarks import timing
from benchmarks.baselines.by_hand import ARMS, BATCH, EPOCHS, WIDTH, Digits, train

AIM = 1.1  # a run may take so many times the loop by hand


def main() -> None:
    parser = timing.parser(__doc__, rounds=5)
    parser.add_argument("--where", action="store_true", help="print where the time of a run goes")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        found = [report(Path(folder), norm, opt, asked.rounds) for norm, opt in ARMS]
        ratios = [a / b for times in found for a, b in zip(times["run"], times["by hand"], strict=True)]
        middle = statistics.median(ratios)
        print(f"\nAim: at most {AIM:g} times the loop by hand. {'Met' if middle <= AIM else 'Missed'}: {middle:.2f}.")
        if asked.where:
            where(Path(folder))
    arms = [{"norm": norm, "opt": opt, **times} for (norm, opt), times in zip(ARMS, found, strict=True)]
    timing.keep(asked.json, {"arms": arms, "ratio": middle})


def report(folder: Path, norm: str, opt: str, rounds: int) -> dict[str, list[float]]:
    """Print the times of one arm and return those of each round, after one round that warms up."""
    seeds = {name: itertools.count() for name in ("run", "by hand")}

    def hand() -> float:
        seed = next(seeds["by hand"])
        data = configured(folder, norm, opt, seed).data
        return timing.seconds(partial(by_hand, folder / "hand" / f"{norm}-{opt}-{seed}", data, norm, opt, seed))

    def ours() -> float:
        return timing.seconds(partial(ablate.run, configured(folder, norm, opt, next(seeds["run"]))))

    times = timing.in_turns({"by hand": hand, "run": ours}, rounds)
    ms = {name: 1000 * statistics.median(own) for name, own in times.items()}
    ratio = timing.median_ratio(times["run"], times["by hand"])
    times_each = f"run {ms['run']:6.0f} ms   by hand {ms['by hand']:6.0f} ms   ratio {ratio:.2f}"
    print(f"norm={norm:<5} opt={opt:<5} {times_each}")
    return times


def configured(folder: Path, norm: str, opt: str, seed: int) -> Config:
    return ablate.compose(
        [
            *("model=mlp", "model.depth=2", f"model.width={WIDTH}", "data=digits", f"data.batch_size={BATCH}"),
            *(f"trainer.max_epochs={EPOCHS}", f"norm={norm}", f"opt={opt}", f"seed={seed}"),
            *("trainer.accelerator=cpu", f"output_dir={folder / 'runs'}"),
        ]
    )


def by_hand(folder: Path, data: Data, norm: str, opt: str, seed: int) -> float:
    """Train on the splits that the run has; return the last validation accuracy."""
    splits = prepare(data, seed).splits
    return train(folder, Digits(*splits.train, *splits.val), norm, opt, seed)


def where(folder: Path) -> None:
    """Print the functions in which a run spends its time, by themselves and with what they call."""
    config = configured(folder, *ARMS[0], seed=1000)
    profile = cProfile.Profile()
    profile.runcall(ablate.run, config)
    pstats.Stats(profile).strip_dirs().sort_stats("tottime").print_stats(30)
    pstats.Stats(profile).strip_dirs().sort_stats("cumulative").print_stats(60)


if __name__ == "__main__":
    main()
