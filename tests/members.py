"""Runs for tests of stacks: tiny networks in float64, each with data, seeds and settings of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from ablate.dataset import Batches, Examples
from ablate.kit import initialize, weight_layers
from ablate.stacks.batches import together
from ablate.stacks.member import Member
from ablate.stacks.stack import Stack
from ablate.techniques import Criterion, DataSpec, Model, Optimizer, Regularizer, Schedule, Task
from tests.helpers import classes, generator, make, make_kit, pixels

CROSS_ENTROPY: Criterion = nn.CrossEntropyLoss()
MODELS: dict[str, tuple[DataSpec, dict[str, Any]]] = {
    "attention": (classes(4, 3), {"hidden": 4, "heads": 2, "feedforward": 5}),
    "cnn": (classes(1, 6, 6), {"channels": [2, 3], "convs": 1}),
    "fcn": (pixels(1, 4, 4), {"channels": [2]}),
    "inception": (classes(1, 4, 4), {"channels": [16], "blocks": 1}),
    "linear": (classes(5), {}),
    "lstm": (classes(3, 2), {"hidden": 4}),
    "mlp": (classes(5), {"depth": 2, "width": 4}),
    "pointnet": (classes(4, 2), {"channels": [4], "head": [4]}),
    "resnet": (classes(1, 6, 6), {"channels": [2, 3]}),
    "wide_deep": (classes(5), {"width": 4}),
    "mlp_output": (classes(5), {"width": 4, "output": "tanh"}),
}


def network(
    model: str = "mlp", seed: int = 0, *, norm: str = "none", params: Mapping[str, Any] | None = None, **kit: Any
) -> nn.Module:
    """Return the network of a run as its training begins; torch's random state is what the run's would be."""
    spec, usual = MODELS[model]
    torch.manual_seed(seed)
    techniques = make_kit(norm=norm, **kit)
    built = make(Model, model, **{**usual, **(params or {})}).build(techniques, spec)
    initialize(built, techniques.init, seed)
    for layer in weight_layers(built):
        techniques.norm.reparametrize(layer)
    return built.double()


def member(
    model: str = "mlp",
    seed: int = 0,
    *,
    opt: Optimizer | str = "sgd",
    sched: Schedule | str = "none",
    reg: Mapping[str, Regularizer] | None = None,
    clip: float | None = None,
    steps: int = 200,
    **kit: Any,
) -> Member:
    """Return a run that is about to begin."""
    built = network(model, seed, reg=reg, **kit)
    opt = make(Optimizer, opt) if isinstance(opt, str) else opt
    sched = make(Schedule, sched) if isinstance(sched, str) else sched
    optimizer = opt.build(built.parameters())
    state = torch.Generator().set_state(torch.get_rng_state())
    return Member(built, opt, sched, optimizer, sched.build(optimizer, steps), state, list((reg or {}).values()), clip)


def seeds(count: int, **settings: Any) -> list[dict[str, Any]]:
    """Return what :func:`member` takes, for so many runs that differ in their seed."""
    return [{"seed": seed, **settings} for seed in range(count)]


def batches(model: str = "mlp", seed: int = 0, count: int = 19) -> Batches:
    """Return a run's own data in its own order: batches of 8, 8 and 3 examples."""
    spec, _ = MODELS[model]
    x = torch.randn(count, *spec.input_shape, generator=generator(seed), dtype=torch.float64)
    shape = (count, *spec.input_shape[1:]) if spec.task is Task.segmentation else (count,)
    return Batches(Examples(x, torch.randint(spec.outputs, shape, generator=generator(seed))), 8, shuffle_seed=seed)


def steps(batches: Sequence[Batches], count: int) -> list[Examples]:
    """Return so many batches (K, B, …) of the runs, epoch after epoch."""
    found: list[Examples] = []
    epoch = 0
    while len(found) < count:
        for own in batches:
            own.set_epoch(epoch)
        found += together(batches)
        epoch += 1
    return found[:count]


def train_alone(run: Member, data: Sequence[Examples], criterion: Criterion = CROSS_ENTROPY) -> list[Tensor]:
    """Train as a run does without others, by torch's global random state; return the losses of its batches (B, …)."""
    losses = []
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(run.generator.get_state())
        for x, y in data:
            loss = criterion(run.network(x), y)
            losses.append(loss.detach())
            penalties = [p for reg in run.reg if (p := reg.penalty(run.network)) is not None]
            (loss + torch.stack(penalties).sum() if penalties else loss).backward()
            if run.clip is not None:
                nn.utils.clip_grad_norm_(run.network.parameters(), run.clip)
            run.optimizer.step()
            run.optimizer.zero_grad()
            if run.schedule is not None and not isinstance(run.schedule, ReduceLROnPlateau):
                run.schedule.step()
        run.generator.set_state(torch.get_rng_state())
    return losses


def train_both(
    given: Sequence[dict[str, Any]], data: Sequence[Examples], criterion: Criterion = CROSS_ENTROPY
) -> tuple[Stack, list[Member]]:
    """Train the runs of ``given`` as a stack, and once more alone, on batches (K, B, …); return both."""
    alone = [member(**settings) for settings in given]
    for k, run in enumerate(alone):
        train_alone(run, [Examples(x[k], y[k]) for x, y in data], criterion)
    stack = Stack([member(**settings) for settings in given], criterion)
    for x, y in data:
        stack.step(x, y)
    stack.settle()
    return stack, alone


def assert_same(run: Member, alone: Member, tolerance: float = 1e-12) -> None:
    """Check that two runs have come to the same weights, statistics, optimizer, schedule and random state."""
    for name, tensor in alone.network.state_dict().items():
        torch.testing.assert_close(run.network.state_dict()[name], tensor, rtol=0, atol=tolerance, msg=name)
    own, other = run.optimizer.state_dict(), alone.optimizer.state_dict()
    assert own["param_groups"] == other["param_groups"]
    torch.testing.assert_close(own["state"], other["state"], rtol=1e-6, atol=tolerance)
    assert run.schedule is None or alone.schedule is None or run.schedule.state_dict() == alone.schedule.state_dict()
    assert torch.equal(run.generator.get_state(), alone.generator.get_state())
