"""What a training step of a run costs in a stack of K runs, against the step that a person would write for one.

    python -m benchmarks.stacks [--rounds 7] [--models mlp128,cnn] [--members 1,4,8,16,64] [--opt adam] [--json FILE]

One thread. Stack and single step take turns, and each is compared with the other of its round.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ablate import technique
from ablate.kit import Kit, initialize
from ablate.stacks.member import Member
from ablate.stacks.stack import Stack
from ablate.techniques import DataSpec, Model, Optimizer, Schedule, Task
from benchmarks import timing

BATCH = 64
SECONDS = 0.2  # so long is each measured, at least


@dataclass(frozen=True)
class Case:
    """A network and its data."""

    model: str
    spec: DataSpec
    norm: str
    settings: dict[str, object]


def classes(*shape: int) -> DataSpec:
    return DataSpec(Task.classification, shape, 10)


CASES = {
    "mlp128": Case("mlp", classes(64), "bn", {"depth": 2, "width": 128}),
    "mlp32": Case("mlp", classes(64), "bn", {"depth": 2, "width": 32}),
    "cnn": Case("cnn", classes(1, 8, 8), "bn", {"channels": [8, 16]}),
    "fcn": Case("fcn", DataSpec(Task.segmentation, (1, 8, 8), 4), "bn", {"channels": [8, 16]}),
    "lstm16": Case("lstm", classes(8, 8), "none", {"hidden": 16}),
}


def network(case: Case, seed: int) -> nn.Module:
    act, init, norm, pool = (
        technique(kind, name) for kind, name in {"act": "relu", "init": "he", "norm": case.norm, "pool": "max"}.items()
    )
    kit = Kit(act=act, init=init, norm=norm, pool=pool, reg={})  # type: ignore[arg-type]
    model = technique("model", case.model, **case.settings)
    assert isinstance(model, Model)
    built = model.build(kit, case.spec)
    initialize(built, kit.init, seed)
    return built


def batch(case: Case, members: int) -> tuple[Tensor, Tensor]:
    """Return x and y (K, B, …)."""
    shape = (members, BATCH)
    pixels = case.spec.input_shape[1:] if case.spec.task is Task.segmentation else ()
    return torch.randn(*shape, *case.spec.input_shape), torch.randint(case.spec.outputs, (*shape, *pixels))


def single_step(case: Case, opt: Optimizer) -> Callable[[], object]:
    """Return a training step as it is written by hand, for one run."""
    net, criterion = network(case, 0), nn.CrossEntropyLoss()
    optimizer = opt.build(net.parameters())
    x, y = (t[0] for t in batch(case, 1))

    def step() -> None:
        optimizer.zero_grad()
        criterion(net(x), y).backward()
        optimizer.step()

    return step


def stack_step(case: Case, opt: Optimizer, members: int) -> Callable[[], object]:
    """Return a training step of a stack."""
    sched = technique("sched", "none")
    assert isinstance(sched, Schedule)
    runs = []
    for seed in range(members):
        net = network(case, seed)
        runs.append(Member(net, opt, sched, opt.build(net.parameters()), None, torch.Generator()))
    stack = Stack(runs, nn.CrossEntropyLoss())
    x, y = batch(case, members)
    return lambda: stack.step(x, y)


def seconds(step: Callable[[], object]) -> float:
    """Return the processor time of the fastest of many steps: what else the machine does has disturbed it least."""
    times: list[float] = []
    while sum(times) < SECONDS or len(times) < 3:
        start = time.process_time()
        step()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    parser = timing.parser(__doc__, rounds=7)
    add_cases(parser, "1,4,8,16,64", "sgd")
    asked = parser.parse_args()
    counts: list[int] = asked.members
    torch.set_num_threads(1)
    opt = optimizer(asked.opt)
    print(f"How many times as fast a run's step is in a stack of K, {asked.opt} (median of {asked.rounds} rounds)")
    print(f"{'model':<10}{'single µs':>10}" + "".join(f"{'K = ' + str(count):>9}" for count in counts))
    found = {}
    for name in asked.models:
        single = single_step(CASES[name], opt)
        stacks = [stack_step(CASES[name], opt, count) for count in counts]
        for step in (single, *stacks):
            step()
        alone: list[float] = []
        gains: list[list[float]] = [[] for _ in counts]
        for _ in range(asked.rounds):
            for count, step, gain in zip(counts, stacks, gains, strict=True):
                alone.append(seconds(single))
                gain.append(count * alone[-1] / seconds(step))
        medians = [statistics.median(gain) for gain in gains]
        found[name] = {"seconds": statistics.median(alone), "gains": dict(zip(map(str, counts), medians, strict=True))}
        shown = "".join(f"{gain:>9.2f}" for gain in medians)
        print(f"{name:<10}{1e6 * statistics.median(alone):>10.0f}{shown}", flush=True)
    timing.keep(asked.json, {"opt": asked.opt, "models": found})


def add_cases(parser: argparse.ArgumentParser, members: str, opt: str) -> None:
    """Let the command line choose models, sizes of stacks and the optimizer."""
    parser.add_argument("--models", type=timing.names([*CASES]), default=[*CASES], help=f"of {', '.join(CASES)}")
    parser.add_argument("--members", type=timing.numbers, default=timing.numbers(members))
    parser.add_argument("--opt", default=opt)


def optimizer(name: str) -> Optimizer:
    opt = technique("opt", name)
    assert isinstance(opt, Optimizer)
    return opt


if __name__ == "__main__":
    main()
