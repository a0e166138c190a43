"""Is it the way out? Range of the predictions, probabilities and logits, the loss, and its first value."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from ablate.doctor.case import Case
from ablate.doctor.finding import Finding, judged
from ablate.random_state import isolated
from ablate.tasks import Task

SURE = 20.0
HIGH, VERY_HIGH = 5.0, 50.0


def reach(case: Case) -> Finding | None:
    """Can the network give the targets at all, and are logits free?

    Weights drawn at random, ever larger, show what its output can be: a sigmoid, tanh or relu behind the last layer
    bounds it. A regression fails where a target lies beyond; a classification where probabilities, or logits within
    bounds, meet a loss with a softmax of its own.
    """
    if not (case.has_classes or case.task is Task.regression):
        return None
    train = case.dataset.splits.train
    outputs = _possible(case, train.x[:64])  # (draws · examples, outputs, …)
    low, high = float(outputs.min()), float(outputs.max())
    if case.task is Task.regression:
        least, most = float(train.y.min()), float(train.y.max())
        return judged(
            "output",
            "the output can reach the targets",
            f"{_number(low)} to {_number(high)} for targets of {least:.2g} to {most:.2g}",
            fail=least < low or most > high,
            way="a network without activation behind its last layer",
        )
    simplex = low >= 0 and torch.allclose(outputs.sum(1), torch.ones_like(outputs[:, 0]), atol=1e-4)
    bounded = high - low < SURE / 2
    return judged(
        "output",
        "the network gives logits",
        "probabilities" if simplex else f"{_number(low)} to {_number(high)}",
        fail=(simplex or bounded) and _has_softmax(case),
        way=f"a network without {'softmax' if simplex else 'activation'} behind its last layer: the loss has its own",
    )


def _number(value: float) -> str:
    return f"{value:.2g}" if abs(value) < 1e3 else f"{'-' if value < 0 else ''}∞"


@torch.no_grad()
def _possible(case: Case, x: Tensor) -> Tensor:
    model = copy.deepcopy(case.fresh().model).double().eval()
    parts = []
    with isolated():
        for draw, size in enumerate((1.0, 10.0, 100.0) * 3):
            generator = torch.Generator().manual_seed(draw)
            for parameter in model.parameters():
                fan_in = parameter.numel() // len(parameter) if parameter.ndim > 1 else 1
                values = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
                parameter.copy_(size * (2 / fan_in) ** 0.5 * values)
            parts.append(model(x.double()))
    return torch.cat(parts).nan_to_num()


def _has_softmax(case: Case) -> bool:
    """Say whether the same number added to all logits leaves the loss as it was."""
    criterion = case.fresh().criterion
    with isolated():
        y = case.batch.y[:8]
        z = torch.randn(len(y), case.dataset.spec.outputs, *y.shape[1:], generator=torch.Generator().manual_seed(0))
        return bool(torch.isclose(criterion(z, y), criterion(z + 3, y), rtol=1e-4))


def loss_fits(case: Case) -> Finding | None:
    """Does the loss of a classification push where it should?

    A confidently wrong answer, a logit of 20 for another class, has to get a gradient: of mse on a softmax it is about
    1e-8, and such examples are never mended. A confidently right one must not be pushed back: mse on logits does.
    """
    if case.task is not Task.classification:
        return None
    classes = case.dataset.spec.outputs
    criterion, y = case.fresh().criterion, torch.arange(8) % classes
    right = torch.nn.functional.one_hot(y, classes) * SURE

    def pull(logits: Tensor) -> Tensor:
        logits = logits.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(criterion(logits, y), logits)
        return gradient * len(y)  # of each example

    with isolated():
        wrong = float(pull(right.roll(1, dims=1)).abs().amax())
        back = float(pull(right).gather(1, y[:, None]).max())
    if wrong < 1e-3:
        figure = f"a confidently wrong answer gets a gradient of {wrong:.0e}"
    elif back > 1e-3:
        figure = f"a confidently right answer is pushed back, by {back:.1g}"
    else:
        figure = f"a confidently wrong answer gets a gradient of {wrong:.1g}"
    return judged(
        "loss", "the loss fits a classification", figure, warn=wrong < 1e-3 or back > 1e-3, way="loss=cross_entropy"
    )


def first_loss(case: Case) -> Finding | None:
    """Is the loss at the start what chance predicts?

    All logits alike give ln C for cross-entropy and C classes, a prediction of the mean the variance, 1, of a
    standardised regression; whatever the loss, it is asked. Random weights say more than nothing with confidence, so
    that up to 5 times as much is well; 50 times as much fails.
    """
    if not (case.has_classes or case.task is Task.regression):
        return None
    module = case.fresh()
    module.model.train()
    with isolated(), torch.no_grad():
        prediction, loss = module.outcome(*case.batch)
        chance = float(module.criterion(torch.zeros_like(prediction), case.batch.y))
    ratio = float(loss) / max(chance, 1e-12)
    words = "ln C" if case.has_classes else "the variance"
    return judged(
        "first_loss",
        "first loss as chance predicts",
        f"{float(loss):.3g} for {chance:.3g}" + (f" ({words})" if case.config.choices()["loss"] == "auto" else ""),
        warn=not ratio <= HIGH,
        fail=not ratio <= VERY_HIGH,
        way="data.scale=standard init=he, or a smaller init",
    )
