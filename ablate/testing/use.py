"""One use of a technique, of any kind, as a run would make of it: it fails where a run would fail."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ablate.dataset import prepare
from ablate.kit import initialize
from ablate.techniques import (
    Data,
    DataSpec,
    Init,
    Loss,
    Optimizer,
    Regularizer,
    Schedule,
    Task,
    Technique,
)
from ablate.testing.places import EXAMPLES, INPUTS, OUTPUTS, not_refused, places
from ablate.testing.stand_ins import network

SPECS = (
    DataSpec(Task.classification, INPUTS[1], OUTPUTS),
    DataSpec(Task.classification, INPUTS[3], OUTPUTS),
    DataSpec(Task.regression, INPUTS[1], 2),
    DataSpec(Task.segmentation, INPUTS[3], OUTPUTS),
)


def use(technique: Technique) -> list[Tensor]:
    """Build ``technique`` and take one step with it; return numbers that are to be finite.

    Raises whatever the technique raises: a ``ValueError`` or an ``AblateError`` is a refusal.
    """
    if isinstance(technique, Init):
        model = network()
        initialize(model, technique, seed=0)
        return list(model.parameters())
    if isinstance(technique, Optimizer):
        return trained(technique, steps=3)
    if isinstance(technique, Loss):
        return [technique.build(task)(*pair(task)) for task in tasks(technique)]
    if isinstance(technique, Schedule):
        return [torch.tensor(rates(technique, total_steps=10))]
    if isinstance(technique, Data):
        splits = prepare(technique, seed=0).splits
        return [split.x for split in splits]
    used = [place.made()(place.input()) for place in places(technique)]
    return used + regularized(technique) if isinstance(technique, Regularizer) else used


def batch(spec: DataSpec, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return inputs (B, *input_shape) and targets as the spec's task has them, in float64."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(EXAMPLES, *spec.input_shape, generator=generator, dtype=torch.float64)
    if spec.task is Task.regression:
        return x, torch.randn(EXAMPLES, spec.outputs, generator=generator, dtype=torch.float64)
    size = spec.input_shape[1:] if spec.task is Task.segmentation else ()
    return x, torch.randint(spec.outputs, (EXAMPLES, *size), generator=generator)


def tasks(loss: Loss) -> list[Task]:
    """Return the tasks that ``loss`` is for; a generation is not among them: it has no target to compare with."""
    return [task for task in Task if task in loss.tasks and task is not Task.generation]


def pair(task: Task) -> tuple[Tensor, Tensor]:
    """Return a prediction and a target of ``task``, the prediction in float64."""
    size = (4, 4) if task is Task.segmentation else ()
    generator = torch.Generator().manual_seed(0)
    prediction = torch.randn(EXAMPLES, OUTPUTS, *size, generator=generator, dtype=torch.float64)
    if task is Task.regression:
        return prediction, torch.randn(prediction.shape, generator=generator, dtype=torch.float64)
    return prediction, torch.randint(OUTPUTS, (EXAMPLES, *size), generator=generator)


def regularized(technique: Regularizer) -> list[Tensor]:
    """Return what the penalty, the transform and the callbacks of a regularizer give where they apply."""
    found = []
    penalty = technique.penalty(network())
    if penalty is not None:
        found.append(penalty)
    for spec in accepted(technique):
        found.extend(technique.transform(*batch(spec), spec, torch.Generator().manual_seed(0)))
    technique.callbacks("val/acc", True)
    return found


def accepted(technique: Regularizer) -> list[DataSpec]:
    """Return the specs whose batches ``technique`` can transform; raises ``RefusedError`` if there is none."""
    return not_refused(SPECS, lambda spec: technique.transform(*batch(spec), spec, torch.Generator().manual_seed(0)))


def trained(technique: Optimizer, steps: int) -> list[Tensor]:
    """Return the weights after some steps of ``technique`` on a small network."""
    model = network()
    optimizer = technique.build(model.parameters())
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(16, *size, generator=generator, dtype=torch.float64) for size in ((3, 4, 4), (2,)))

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss: Tensor = (model(x) - y).square().mean()
        loss.backward()
        return loss

    for _ in range(steps):
        optimizer.step(closure)  # type: ignore[arg-type]  # torch says float, and means a tensor
    return [p.detach() for p in model.parameters()]


def rates(technique: Schedule, total_steps: int) -> list[float]:
    """Return the learning rate before each step and after the last, of a chosen rate of 0.1."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    schedule = technique.build(optimizer, total_steps)
    seen = [float(optimizer.param_groups[0]["lr"])]
    for _ in range(total_steps):
        optimizer.step()
        move(schedule)
        seen.append(float(optimizer.param_groups[0]["lr"]))
    return seen


def move(schedule: torch.optim.lr_scheduler.LRScheduler | None) -> None:
    """Step a schedule; one that waits for a plateau sees a metric that does not improve."""
    if isinstance(schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
        schedule.step(0.0)
    elif schedule is not None:
        schedule.step()
