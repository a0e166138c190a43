from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ablate.techniques import DATA_TASKS, Loss, Task
from tests.helpers import generator, make, normal, refusal

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 1.0, 3.0]], dtype=torch.float64)
CLASSES = torch.tensor([0, 1])


def softmax(row: list[float]) -> list[float]:
    powers = [math.exp(v) for v in row]
    return [p / sum(powers) for p in powers]


def images() -> tuple[Tensor, Tensor]:
    """Return logits (2, 3, 4, 5) and classes (2, 4, 5) of pixels."""
    return normal(2, 3, 4, 5), torch.randint(3, (2, 4, 5), generator=generator())


def as_rows(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return every pixel as an example of its own."""
    return logits.permute(0, 2, 3, 1).reshape(-1, logits.shape[1]), target.flatten()


def test_cross_entropy_is_minus_the_log_of_the_targets_share() -> None:
    expected = -(math.log(softmax([2.0, -1.0, 0.5])[0]) + math.log(softmax([0.0, 1.0, 3.0])[1])) / 2
    loss = make(Loss, "cross_entropy").build(Task.classification)(LOGITS, CLASSES)
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_gradient_of_cross_entropy_is_softmax_minus_one_hot() -> None:
    logits = LOGITS.clone().requires_grad_()
    make(Loss, "cross_entropy").build(Task.classification)(logits, CLASSES).backward()
    one_hot = torch.tensor([[1.0, 0, 0], [0, 1, 0]], dtype=torch.float64)
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, (LOGITS.softmax(1) - one_hot) / 2, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("params", "on_softmax"), [({}, True), ({"on": "softmax"}, True), ({"on": "logits"}, False)])
def test_mse_against_the_one_hot_class(params: dict[str, str], on_softmax: bool) -> None:
    squares = []
    for row, target in zip(LOGITS.tolist(), CLASSES.tolist(), strict=True):
        prediction = softmax(row) if on_softmax else row
        squares += [(value - (c == target)) ** 2 for c, value in enumerate(prediction)]
    loss = make(Loss, "mse", **params).build(Task.classification)(LOGITS, CLASSES)
    assert loss.item() == pytest.approx(sum(squares) / 6, rel=1e-12)


@pytest.mark.parametrize("on", ["softmax", "logits"])
def test_mse_of_a_regression_compares_the_prediction(on: str) -> None:
    prediction = torch.tensor([[1.0, 2.0], [3.0, 5.0]], dtype=torch.float64)
    target = torch.tensor([[0.0, 2.0], [1.0, 8.0]], dtype=torch.float64)
    assert make(Loss, "mse", on=on).build(Task.regression)(prediction, target).item() == (1 + 0 + 4 + 9) / 4


@pytest.mark.parametrize(
    ("name", "params"),
    [("cross_entropy", {}), ("kl", {}), ("focal", {}), ("mse", {}), ("mse", {"on": "logits"}), ("auto", {})],
)
def test_a_segmentation_averages_over_all_pixels(name: str, params: dict[str, str]) -> None:
    loss = make(Loss, name, **params)
    pixelwise = loss.build(Task.segmentation)(*images())
    as_examples = loss.build(Task.classification)(*as_rows(*images()))
    torch.testing.assert_close(pixelwise, as_examples, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("task", "name"),
    [(Task.classification, "cross_entropy"), (Task.segmentation, "cross_entropy"), (Task.regression, "mse")],
)
def test_auto_takes_the_loss_of_the_task(task: Task, name: str) -> None:
    batches = {
        Task.classification: (LOGITS, CLASSES),
        Task.segmentation: images(),
        Task.regression: (LOGITS, normal(2, 3)),
    }
    auto, chosen = make(Loss, "auto").build(task), make(Loss, name).build(task)
    assert torch.equal(auto(*batches[task]), chosen(*batches[task]))


BY_CLASS = frozenset({Task.classification, Task.segmentation})
TASKS = {
    "auto": DATA_TASKS,
    "mse": DATA_TASKS,
    "cross_entropy": BY_CLASS,
    "kl": BY_CLASS,
    "focal": BY_CLASS,
    "hinge": frozenset({Task.classification}),
    "dice": frozenset({Task.segmentation}),
    "mae": frozenset({Task.regression}),
    "huber": frozenset({Task.regression}),
}


@pytest.mark.parametrize("name", TASKS)
def test_a_loss_knows_its_tasks(name: str) -> None:
    goals = {Task.embedding, Task.generation} if name == "auto" else set()
    assert make(Loss, name).tasks == TASKS[name] | goals


@pytest.mark.parametrize(("name", "task"), [(name, task) for name in TASKS for task in Task if task in TASKS[name]])
def test_a_loss_is_a_finite_scalar_with_a_finite_gradient(name: str, task: Task) -> None:
    logits, target = {
        Task.classification: (LOGITS, CLASSES),
        Task.segmentation: images(),
        Task.regression: (LOGITS, normal(2, 3)),
    }[task]
    for scale in (0.0, 1.0, 1000.0):  # all alike · ordinary · as sure as can be, rightly and wrongly
        prediction = (scale * logits.float()).requires_grad_()
        loss = make(Loss, name).build(task)(prediction, target.float() if task is Task.regression else target)
        loss.backward()
        assert loss.shape == ()
        assert loss.isfinite()
        assert prediction.grad is not None
        assert prediction.grad.isfinite().all()


def test_an_unknown_prediction_is_refused_with_the_choices() -> None:
    assert "logits, softmax" in refusal(Loss, "mse", on="probabilities")
