"""What a sweep costs from start to exit, against the same training by hand and with Hydra and Lightning alone.

    python -m benchmarks.sweeps [--runs 16,64,256] [--rounds 3] [--epochs 20] [--json FILE]

norm=bn,none and opt=sgd,adam with as many seeds as give the number of runs: the multilayer perceptron and the data of
``baselines/by_hand.py``. The programs take turns, each as a process of its own in an empty folder, and each is compared
with the others of its round. The baselines are held to one thread a process, as the library's runs are by default.
What would take minutes is left out of the greatest sizes.

The library does more than the baselines: it keeps records, the best and the last weights, measures layers, tests, and
ends in a table of effects. It leaves out its calibration runs, which the baselines do not have.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks import timing

BASELINES = Path(__file__).parent / "baselines"
AUTO, OFF = "ablate, stack=auto", "ablate, stack=off"
HAND, HANDS, LIGHTNING = "by hand, one process", "by hand, two processes", "Hydra + Lightning"
AGAINST = (HAND, HANDS, LIGHTNING)
SLOW, MOST_OF_SLOW = (OFF, LIGHTNING), 64
ARMS = ("norm=bn,none", "opt=sgd,adam")

EXAMPLES, VALIDATED = 1079, 359  # 60 % and 20 % of the digits
LAYERS = (64 * 128, 128 * 128, 128 * 10)  # multiply-adds of an example

Times = dict[str, list[float]]


def main() -> None:
    parser = timing.parser(__doc__, rounds=3)
    parser.add_argument("--runs", type=timing.numbers, default=[16, 64, 256], help="sizes, each a multiple of four")
    parser.add_argument("--epochs", type=timing.positive, default=20)
    asked = parser.parse_args()
    sizes: list[int] = sorted(set(asked.runs))
    if wrong := [size for size in sizes if size % 4]:
        parser.error(f"--runs must be multiples of four, not {wrong[0]}: there are four arms")
    measure(4, 1, rounds=1)  # warms the caches of the disk
    found: dict[int, Times] = {}
    for size in sizes:
        found[size] = measure(size, asked.epochs, asked.rounds)
        print(table(size, found[size]) + "\n", flush=True)
    if len(sizes) > 1:
        print("Marginal cost of a run: " + ", ".join(f"{n} {1000 * s:.0f} ms" for n, s in marginal(found).items()))
    keep = {"epochs": asked.epochs, "flops": flops(asked.epochs), "times": {str(n): t for n, t in found.items()}}
    timing.keep(asked.json, keep)


def measure(runs: int, epochs: int, rounds: int) -> Times:
    """Return the seconds of each program in each round."""
    works = {
        name: partial(sweep, make, runs, epochs)
        for name, make in COMMANDS.items()
        if runs <= MOST_OF_SLOW or name not in SLOW
    }
    return timing.in_turns(works, rounds, warm_up=0)


def sweep(make: Callable[[Path, int, int], list[str]], runs: int, epochs: int) -> float:
    """Return the seconds of one program, once it is certain that it has done all runs."""
    with tempfile.TemporaryDirectory() as name:
        command = make(Path(name), runs // 4, epochs)
        elapsed = timing.call([sys.executable, *command], Path(name), **({} if "ablate" in command else ONE_THREAD))
        done = len(list(Path(name).rglob("metrics.csv")))
    if done != runs:
        sys.exit(f"{' '.join(command)} has done {done} of {runs} runs.")
    return elapsed


ONE_THREAD = {"OMP_NUM_THREADS": "1"}


def ours(folder: Path, seeds: int, epochs: int, *, stack: str) -> list[str]:
    size = ("model=mlp", "model.depth=2", "model.width=128", "data=digits", "data.batch_size=64")
    how = (f"trainer.max_epochs={epochs}", "trainer.accelerator=cpu", "calibration=0", f"stack={stack}")
    return ["-m", "ablate", "-m", *ARMS, f"seed=range(0,{seeds})", *size, *how, f"output_dir={folder}"]


def by_hand(folder: Path, seeds: int, epochs: int, *, processes: int) -> list[str]:
    options = (f"--seeds={seeds}", f"--epochs={epochs}", f"--processes={processes}")
    return [str(BASELINES / "by_hand.py"), str(folder), *options]


def hydra_lightning(folder: Path, seeds: int, epochs: int) -> list[str]:
    program = str(BASELINES / "hydra_lightning.py")
    return [program, "-m", *ARMS, f"seed=range(0,{seeds})", f"epochs={epochs}", f"hydra.sweep.dir={folder}"]


COMMANDS: dict[str, Callable[[Path, int, int], list[str]]] = {
    AUTO: partial(ours, stack="auto"),
    OFF: partial(ours, stack="off"),
    HAND: partial(by_hand, processes=1),
    HANDS: partial(by_hand, processes=2),
    LIGHTNING: hydra_lightning,
}


def marginal(found: Mapping[int, Mapping[str, Sequence[float]]]) -> dict[str, float]:
    """Return the seconds that each program takes for one run more: the median, over rounds, of the difference of its
    greatest and its smallest size, by the difference of their runs.
    """
    low, costs = min(found), {}
    for name, least in found[low].items():
        high = max(size for size, times in found.items() if name in times)
        if high > low:
            pairs = zip(least, found[high][name], strict=True)
            costs[name] = statistics.median((b - a) / (high - low) for a, b in pairs)
    return costs


def flops(epochs: int) -> float:
    """Return the floating point operations of the matrix products of one run.

    A multiply-add is two. Forward, for the gradients of the weights and, but for the first layer, for those of the
    inputs: three products a layer and example. Validation is forward only.
    """
    forward = sum(LAYERS)
    return 2.0 * epochs * (EXAMPLES * (3 * forward - LAYERS[0]) + VALIDATED * forward)


def table(runs: int, times: Times) -> str:
    """Return one line per program: median seconds, and the medians of the ratios within a round."""
    bases = [base for base in AGAINST if base in times]
    lines = [f"{f'{runs} runs':<26}{'s':>8}" + "".join(f"{'× ' + base:>26}" for base in bases)]
    for name, own in times.items():
        ratios = "".join(f"{timing.median_ratio(own, times[base]):>26.2f}" for base in bases)
        lines.append(f"{name:<26}{statistics.median(own):>8.1f}{ratios}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
