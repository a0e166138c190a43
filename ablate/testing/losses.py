"""What a loss promises, for each of its tasks."""

from __future__ import annotations

import torch
from torch import Tensor

from ablate.errors import AblateError
from ablate.techniques import Loss, Task
from ablate.testing.contract import Scope, contract, demand
from ablate.testing.gradients import TOLERANCE, worst_disagreement
from ablate.testing.use import pair, tasks


def _soft(target: Tensor, classes: int) -> Tensor:
    return 0.9 * torch.nn.functional.one_hot(target, classes).movedim(-1, 1).double() + 0.1 / classes


@contract("loss", scope=Scope.generated)
def is_a_finite_scalar(technique: Loss) -> None:
    """For each task the loss is a scalar of the prediction's dtype, finite even for sure and wrong predictions."""
    for task in tasks(technique):
        prediction, target = pair(task)
        for dtype in (torch.float32, torch.float64):
            for scale in (1.0, 100.0):
                y = target.to(dtype) if target.is_floating_point() else target
                given = (scale * prediction).to(dtype).requires_grad_()
                loss = technique.build(task)(given, y)
                demand(loss.ndim == 0, f"for {task.value} its shape is {tuple(loss.shape)}. Average over everything.")
                demand(loss.dtype == dtype, f"for {task.value}, {dtype} becomes {loss.dtype}. Keep the dtype.")
                (gradient,) = torch.autograd.grad(loss, given)
                finite = bool(loss.isfinite()) and bool(gradient.isfinite().all())
                demand(
                    finite,
                    f"for {task.value} predictions of size {scale:g} give NaN or infinity. Use log_softmax or "
                    "logsigmoid, not the log of a softmax.",
                )


@contract("loss")
def has_the_right_loss_gradient(technique: Loss) -> None:
    """In float64 its gradient by the prediction agrees with central differences, h = 1e-4, kinks left out."""
    for task in tasks(technique):
        prediction, target = pair(task)
        criterion = technique.build(task)
        prediction.requires_grad_()

        def value(criterion=criterion, prediction=prediction, target=target) -> Tensor:  # type: ignore[no-untyped-def]
            loss: Tensor = criterion(prediction, target)
            return loss

        worst = worst_disagreement(value, [prediction])
        demand(worst < TOLERANCE, f"for {task.value} the gradient is off by {worst:.2g}. Is something detached?")


@contract("loss")
def looks_at_most_of_the_prediction(technique: Loss) -> None:
    """Its gradient reaches more than half of the examples, and of their pixels: some may be right enough already.

    Losses of embeddings are left out: they may choose the pairs that they learn from.
    """
    for task in set(tasks(technique)) - {Task.embedding}:
        prediction, target = pair(task)
        loss = technique.build(task)(prediction.requires_grad_(), target)
        (gradient,) = torch.autograd.grad(loss, prediction)  # (B, outputs, *S)
        reached = float((gradient != 0).any(1).double().mean())
        demand(reached > 0.5, f"for {task.value} its gradient reaches {100 * reached:.0f} % of them. Average over all.")


@contract("loss")
def averages_over_the_batch(technique: Loss) -> None:
    """The same batch twice over has the same loss: it is a mean, so that the batch size does not scale the rate.

    Losses of embeddings are left out: they compare the examples of a batch with each other.
    """
    for task in set(tasks(technique)) - {Task.embedding}:
        prediction, target = pair(task)
        criterion = technique.build(task)
        once = criterion(prediction, target)
        twice = criterion(torch.cat((prediction, prediction)), torch.cat((target, target)))
        demand(
            torch.allclose(once, twice, rtol=1e-9, atol=0),
            f"for {task.value} a batch twice over has {float(twice / once):.3g} times the loss. Use mean(), not sum().",
        )


@contract("loss")
def prefers_the_right_prediction(technique: Loss) -> None:
    """A right and sure prediction has a smaller loss than its opposite."""
    for task in tasks(technique):
        prediction, target = pair(task)
        right = target if task is Task.regression else 5 * (2 * _soft(target, prediction.shape[1]) - 1)
        criterion = technique.build(task)
        # Embeddings that are turned round lie as they did; close together at random, the classes are mixed.
        opposite = 0.1 * prediction if task is Task.embedding else -right
        good, bad = float(criterion(right, target)), float(criterion(opposite, target))
        demand(good < bad, f"for {task.value} it is {good:.3g} for the target and {bad:.3g} for its opposite.")


@contract("loss")
def takes_soft_targets_or_says_no(technique: Loss) -> None:
    """Shares of the classes (B, classes, *S), as smoothing makes them, give a finite scalar or are refused in words."""
    for task in tasks(technique):
        if task is Task.regression:
            continue
        prediction, target = pair(task)
        try:
            loss = technique.build(task)(prediction, _soft(target, prediction.shape[1]))
        except (ValueError, AblateError):
            continue
        demand(loss.ndim == 0 and bool(loss.isfinite()), f"for {task.value} soft targets give {loss}.")
