"""The peak memory of training a stack of K runs, against K times that of a run alone.

    python -m benchmarks.memory [--models mlp128,cnn] [--members 4,16,64] [--opt adam] [--json FILE]

What is counted is every byte that torch's allocator has given out and not had back, from before the networks are
built to the end of the third step: weights, gradients, the optimizer's state, activations, and what an operation needs
while it runs. That is the same in every repetition, and each is measured in a process of its own. It is not what the
process takes, Python's objects and all: that grew by half to two thirds more in stacks of 64 (mlp128, cnn, fcn). Of a
run alone it cannot be told, as the code that torch loads on the way to its first step takes more.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypedDict

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks import timing
from benchmarks.stacks import CASES, add_cases, optimizer, single_step, stack_step

AIM = 1.2  # a stack may take so many times the memory of its runs alone
STEPS = 3  # in the second the optimizer's state is there


class Peaks(TypedDict):
    """The bytes of a run alone, and those of each stack in times as many runs alone."""

    bytes: int
    ratios: dict[str, float]


def main() -> None:
    parser = timing.parser(__doc__, rounds=1)
    add_cases(parser, "4,16,64", "adam")
    asked = parser.parse_args()
    counts: list[int] = asked.members
    print(f"Peak memory of a stack of K, in times K runs alone, {asked.opt}")
    print(f"{'model':<10}{'alone kB':>10}" + "".join(f"{'K = ' + str(count):>9}" for count in counts))
    found: dict[str, Peaks] = {}
    for name in asked.models:
        alone, *stacks = (apart(name, asked.opt, count) for count in (0, *counts))
        ratios = {str(count): peak / (count * alone) for count, peak in zip(counts, stacks, strict=True)}
        found[name] = Peaks(bytes=alone, ratios=ratios)
        print(f"{name:<10}{alone / 1000:>10.0f}" + "".join(f"{ratio:>9.2f}" for ratio in ratios.values()), flush=True)
    worst = max(ratio for own in found.values() for ratio in own["ratios"].values())
    print(f"\nAim: at most {AIM:g} times. {'Met' if worst <= AIM else 'Missed'}: {worst:.2f} at most.")
    timing.keep(asked.json, {"opt": asked.opt, "models": found})


def apart(case: str, opt: str, members: int) -> int:
    """Return :func:`trained` of a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(trained, case, opt, members).result()


def trained(case: str, opt: str, members: int) -> int:
    """Return the peak of bytes while a stack of ``members``, or with 0 a run alone, is built and trains."""
    torch.set_num_threads(1)
    build = single_step if members == 0 else lambda case, opt: stack_step(case, opt, members)

    def work() -> None:
        step = build(CASES[case], optimizer(opt))
        for _ in range(STEPS):
            step()

    return peak(work)


def peak(work: Callable[[], object]) -> int:
    """Return how many bytes torch had given out at most while ``work`` ran, beyond those before."""
    gc.collect()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    assert seen.profiler is not None
    assert seen.profiler.kineto_results is not None
    events = [event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    now = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return most


if __name__ == "__main__":
    main()
