"""The triplet loss against the same written as loops over anchors, positives and negatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ablate.errors import ConfigError
from ablate.techniques import Criterion, Loss, Task
from tests.helpers import generator, make, normal, refusal

MININGS = ("random", "semi_hard", "hard")
CLASSES = torch.tensor([0, 1, 2, 0, 1, 0, 3, 2, 1, 0])  # the 3 has no positive


def triplet(**params: Any) -> Criterion:
    torch.manual_seed(0)
    return make(Loss, "triplet", **params).build(Task.embedding)


def by_loops(x: Tensor, classes: Tensor, margin: float, mining: str) -> float:
    a, y = x.detach().numpy(), classes.tolist()
    d = [[float(((p - q) ** 2).sum()) for q in a] for p in a]
    terms = []
    for anchor in range(len(a)):
        positives = [d[anchor][i] for i in range(len(a)) if i != anchor and y[i] == y[anchor]]
        negatives = [d[anchor][i] for i in range(len(a)) if y[i] != y[anchor]]
        if not positives or not negatives:
            continue
        if mining == "hard":
            terms.append(max(0.0, max(positives) - min(negatives) + margin))
        else:
            for positive in positives:
                farther = [n for n in negatives if n > positive]
                terms.append(max(0.0, positive - min(farther) + margin) if farther else 0.0)
    return float(np.mean(terms))


@pytest.mark.parametrize("margin", [0.2, 5.0])
@pytest.mark.parametrize("mining", ["semi_hard", "hard"])
@pytest.mark.parametrize("seed", range(5))
def test_mined_triplets_are_those_of_a_triple_loop(mining: str, margin: float, seed: int) -> None:
    x = normal(10, 3, seed=seed)
    loss = triplet(mining=mining, margin=margin)(x, CLASSES)
    assert loss.item() == pytest.approx(by_loops(x, CLASSES, margin, mining), rel=1e-12)


@pytest.mark.parametrize("mining", MININGS)
def test_a_single_choice_of_triplets_is_torchs_loss(mining: str) -> None:
    # two classes of two and one: anchors 0 and 1 have one positive and one negative each
    x = normal(3, 4).requires_grad_()
    loss = triplet(mining=mining, margin=20.0)(x, torch.tensor([5, 5, 2]))

    def squared(a: Tensor, b: Tensor) -> Tensor:
        return (a - b).square().sum(-1)

    reference = torch.nn.TripletMarginWithDistanceLoss(distance_function=squared, margin=20.0)
    expected = reference(x[[0, 1]], x[[1, 0]], x[[2, 2]])
    if mining == "semi_hard":  # counts a pair only where its negative is farther
        semi_hard = squared(x[[0, 1]], x[[1, 0]]) < squared(x[[0, 1]], x[[2, 2]])
        terms = squared(x[[0, 1]], x[[1, 0]]) - squared(x[[0, 1]], x[[2, 2]]) + 20.0
        expected = torch.where(semi_hard, terms, torch.zeros(2).double()).mean()
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=0)
    (ours,), (theirs,) = torch.autograd.grad(loss, x), torch.autograd.grad(expected, x)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("mining", ["semi_hard", "hard"])
def test_gradients_are_those_of_small_differences(mining: str) -> None:
    x = normal(10, 3).requires_grad_()
    criterion = triplet(mining=mining, margin=1.0)
    assert torch.autograd.gradcheck(lambda e: criterion(e, CLASSES), x)


@pytest.mark.parametrize("mining", MININGS)
@pytest.mark.parametrize("classes", [[1, 1, 1], [0, 1, 2]])
def test_a_batch_without_triplets_costs_nothing_and_has_a_gradient(mining: str, classes: list[int]) -> None:
    x = normal(3, 2).requires_grad_()
    loss = triplet(mining=mining)(x, torch.tensor(classes))
    assert loss.item() == 0
    loss.backward()
    assert x.grad is not None
    assert (x.grad == 0).all()


@pytest.mark.parametrize("mining", MININGS)
def test_collapsed_embeddings_have_a_finite_gradient(mining: str) -> None:
    x = torch.zeros(10, 3).requires_grad_()
    loss = triplet(mining=mining)(x, CLASSES)
    loss.backward()
    assert loss.item() == pytest.approx(0.0 if mining == "semi_hard" else 0.2)
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_random_triplets_are_of_the_right_classes_and_each_is_as_likely() -> None:
    # on a line, so that the sum of squared differences tells which positive and which negative were drawn
    x = torch.tensor([[0.0], [1.0], [2.0], [10.0], [20.0], [30.0]]).double().requires_grad_()
    classes = torch.tensor([0, 0, 0, 1, 1, 2])
    criterion = triplet(mining="random", margin=5000.0)
    sums = [criterion(x, classes).item() for _ in range(2000)]
    d = (x - x.T).square().detach()
    expected = 5000.0
    for a in range(5):  # the last has no positive
        positive = (classes == classes[a]) & (torch.arange(6) != a)
        expected += float(d[a][positive].mean() - d[a][classes != classes[a]].mean()) / 5
    assert len(set(sums)) > 50
    assert np.mean(sums) == pytest.approx(expected, abs=4 * np.std(sums) / 2000**0.5)


def test_random_triplets_go_by_the_seed_and_stay_the_same_in_evaluation() -> None:
    x, drawn = normal(10, 3).requires_grad_(), []
    for _ in range(2):
        criterion = triplet(mining="random", margin=50.0)
        before = torch.get_rng_state()
        first = criterion(x, CLASSES).item()
        with torch.no_grad():
            evaluated = [criterion(x, CLASSES).item() for _ in range(2)]
        drawn.append((first, criterion(x, CLASSES).item(), *evaluated))
        assert torch.equal(before, torch.get_rng_state())
    assert drawn[0] == drawn[1]
    assert drawn[0][0] != drawn[0][1]
    assert drawn[0][2] == drawn[0][3]
    torch.manual_seed(1)
    assert make(Loss, "triplet", mining="random", margin=50).build(Task.embedding)(x, CLASSES).item() != drawn[0][0]


def test_mixed_labels_and_a_bad_margin_are_refused() -> None:
    with pytest.raises(ConfigError, match="loss=triplet needs one class an example"):
        triplet()(normal(4, 2), torch.rand(4, 3, generator=generator()))
    assert "margin must be positive" in refusal(Loss, "triplet", margin=0)


def test_auto_takes_the_triplet_loss_for_an_embedding() -> None:
    x = normal(10, 3)
    assert make(Loss, "auto").build(Task.embedding)(x, CLASSES) == triplet()(x, CLASSES)
    with pytest.raises(ConfigError, match="no loss of a generation"):
        make(Loss, "auto").build(Task.generation)(x, x)
