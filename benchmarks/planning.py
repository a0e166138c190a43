"""What it costs to plan a sweep: a typed and checked configuration for each of its runs.

    python -m benchmarks.planning [--runs 1000] [--rounds 2] [--json FILE]

Three sweeps of as many runs: five factors of two to five levels, each run an arm of its own; four arms over seeds; and
four arms over learning rates, the one factor with very many levels. Planning is everything before the first run:
composing, and the guards, which build the network of each arm and run it on some examples. Beside it stands what Hydra
takes to compose one of these configurations by itself, which a multirun of its basic launcher does for each run. All
imports are done before.
"""

from __future__ import annotations

import statistics
from functools import partial

import torch
from hydra.core.config_loader import ConfigLoader

from ablate import composition
from ablate.composition import config_loader
from ablate.garbage import uncollected
from ablate.sweeps.plan import make_plan
from benchmarks import timing

AIM = 10.0  # milliseconds a run
FACTORS, SEEDS, RATES, HYDRA = "of five factors", "over seeds", "over learning rates", "by Hydra, one by one"
FEW = ("norm=bn,none", "opt=sgd,adam")
MANY = (
    "norm=bn,ln,rms,none",
    "act=relu,gelu,silu,elu,tanh",
    "init=he,xavier,orthogonal,normal,uniform",
    "opt=sgd,adam",
)
COMBINED = 4 * 5 * 5 * 2


def main() -> None:
    parser = timing.parser(__doc__, rounds=2)
    parser.add_argument("--runs", type=timing.positive, default=1000, help=f"a multiple of {COMBINED}")
    asked = parser.parse_args()
    runs: int = asked.runs
    if runs % COMBINED:
        parser.error(f"--runs must be a multiple of {COMBINED}, not {runs}")
    torch.set_num_threads(1)
    with config_loader() as loader:
        works = {
            FACTORS: partial(planned, loader, runs, [*MANY, rates(runs // COMBINED)]),
            SEEDS: partial(planned, loader, runs, [*FEW, f"seed=range(0,{runs // 4})"]),
            RATES: partial(planned, loader, runs, [*FEW, rates(runs // 4)]),
            HYDRA: partial(composed, loader, min(runs, 20)),
        }
        works[SEEDS]()
        works[HYDRA]()
        times = timing.in_turns(works, asked.rounds, warm_up=0)
    for name, own in times.items():
        print(f"{runs} runs {name:<22}{statistics.median(own):>8.2f} ms a run")
    worst = max(statistics.median(times[name]) for name in (FACTORS, SEEDS, RATES))
    print(f"\nAim: at most {AIM:g} ms a run. {'Met' if worst <= AIM else 'Missed'}: {worst:.2f} at most.")
    timing.keep(asked.json, {"runs": runs, "milliseconds": times})


def rates(count: int) -> str:
    return "opt.lr=" + ",".join(f"{(number + 1) / count / 10:.6g}" for number in range(count))


def planned(loader: ConfigLoader, runs: int, settings: list[str]) -> float:
    """Return the milliseconds a run of planning a sweep."""

    def plan() -> None:
        with uncollected():  # as a sweep is planned
            assert len(make_plan(settings, loader, sweep=True).runs) == runs

    return 1000 * timing.seconds(plan) / runs


def composed(loader: ConfigLoader, count: int) -> float:
    """Return the milliseconds of one composition."""

    def compose() -> None:
        for seed in range(count):
            composition.load(loader, ["norm=bn", "opt=sgd", "opt.lr=0.1", f"seed={seed}"])

    return 1000 * timing.seconds(compose) / count


if __name__ == "__main__":
    main()
