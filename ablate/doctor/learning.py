"""Is it the training? Ten examples, the learning rate, and labels that mean something."""

from __future__ import annotations

import copy
import dataclasses
import math
from typing import TypeVar

import torch
from torch import Tensor

from ablate.dataset import Dataset, Examples, Splits
from ablate.doctor.case import STEPS, Case
from ablate.doctor.finding import Finding, judged
from ablate.doctor.trial import Trial, predictions, train
from ablate.random_state import isolated
from ablate.tasks import Task

T = TypeVar("T")

FEW = 10
PATIENCE = 500
FITTED, RIGHT = 0.1, 0.99
FACTORS = (0.01, 0.0316, 0.1, 0.316, 1.0, 3.16, 10.0, 31.6, 100.0)
FURTHER = (1e-5, 1e-4, 1e-3, 1e3, 1e4, 1e5)
"""Tried where none of those learns."""
LEARNT = 0.95
"""Of the loss of the best answer that is the same for every input."""
SLOWER, MUCH_SLOWER = 0.1, 0.3
DECADE = 1.01  # rounding aside
UNSETTLED, SETTLED = 3.0, 0.01
LUCK = 4.0
"""Standard deviations of chance."""


def ten_examples(case: Case) -> Finding | None:
    """Can ten examples be learnt by heart, without regularisation?

    Up to 500 steps on the same ten: every class right, or a loss below a tenth of the first. Whoever cannot do that has
    no capacity, a wrong gradient or a wrong learning rate, and more data will not help.
    """
    if case.trains_itself:
        return None
    config = _changed(case.config, reg={}, data=_changed(case.config.data, batch_size="all"))
    train_split, *held = case.dataset.splits
    few = Examples(*(part[:FEW] for part in train_split))
    first: list[float] = []
    shares = [0.0]

    def learnt(prediction: Tensor, y: Tensor, loss: float) -> bool:
        first.append(loss)
        if not case.has_classes:
            return loss <= FITTED * first[0]
        shares.append(float((prediction.argmax(1) == y).float().mean()))
        return shares[-1] >= RIGHT

    dataset = dataclasses.replace(case.dataset, splits=Splits(few, *held))
    trial = train(config, dataset, PATIENCE, until=learnt)
    right = f"{shares[-1]:.0%} right, " if case.has_classes else ""
    return judged(
        "overfit",
        f"{FEW} examples can be learnt by heart",
        f"{right}loss {trial.losses[0]:.2g} → {trial.losses[-1]:.2g} in {len(trial.losses)} steps",
        fail=not trial.reached,
        way="what fails beside this; then a wider model" + ", or opt=adam" * (case.config.choices()["opt"] != "adam"),
    )


def learning_rate(case: Case) -> Finding | None:
    """Is the learning rate within a decade of the best?

    200 steps at a hundredth to a hundred times of it, two values a decade; the loss at the end is the mean over the
    last fifth. A small one only takes longer: what has nine tenths of the deepest fall is as good as the best. Warns
    where all such are more than a decade away, and fails where the chosen one diverges or lacks 30 % of that fall. A
    large one never settles: warns where a tenth of it, or less, ends at a third of the loss. Where none of them does
    better than one answer for all inputs, it looks up to 1e5 times further, and warns where none learns there either.
    """
    rate = getattr(case.config.opt, "lr", None)
    if case.trains_itself or not isinstance(rate, int | float) or rate <= 0:
        return None
    tried = {factor: _at(case, factor * rate) for factor in FACTORS if factor != 1} | {1.0: case.trained}
    guess = _guess(case)
    if not any(trial.loss < LEARNT * guess for trial in tried.values()):
        tried |= {factor: _at(case, factor * rate) for factor in FURTHER}
    own, start, least = tried[1.0], case.trained.losses[0], min(trial.loss for trial in tried.values())
    fall = start - least
    good = [factor for factor, trial in tried.items() if trial.loss <= least + SLOWER * fall]
    best = min(good, key=lambda factor: abs(math.log10(factor)), default=1.0)
    lacking = (own.loss - least) / fall if fall > 0 else 1.0
    away = abs(math.log10(best)) > DECADE
    lower = {factor: trial.loss for factor, trial in tried.items() if factor <= 0.1}
    calmest = min(lower, key=lambda factor: lower[factor])
    unsettled = own.loss > max(SETTLED * start, UNSETTLED * lower[calmest])
    if unsettled:
        best = calmest
    none = least >= LEARNT * guess
    if own.diverged and none:
        figure = f"{rate:.3g} diverges after {len(own.losses)} steps; no rate learns"
    elif own.diverged:
        figure = f"{rate:.3g} diverges after {len(own.losses)} steps; {best * rate:.2g} does not"
    elif fall <= 0 or none:
        figure = "the loss falls at none" if fall <= 0 else f"no rate learns: loss {least:.2g} at best"
    else:
        figure = f"loss {own.loss:.2g}; with {best * rate:.2g} {tried[best].loss:.2g}"
    return judged(
        "learning_rate",
        f"opt.lr={rate:.3g} within a decade of the best",
        figure,
        warn=away or unsettled or none,
        fail=own.diverged or fall <= 0 or (away and lacking > MUCH_SLOWER and not none),
        way=f"opt.lr={best * rate:.1g}" if fall > 0 and not none else "what fails beside this",
    )


def _guess(case: Case) -> float:
    """Return the training loss of the best answer that is the same for every input; infinite where there is none."""
    y, criterion = case.dataset.splits.train.y, case.fresh().criterion
    if case.task is Task.regression:
        return float(criterion(y.mean(0).expand_as(y), y))
    if not case.has_classes:
        return math.inf
    outputs = case.dataset.spec.outputs
    shares = torch.bincount(y.flatten(), minlength=outputs).clamp(min=1) / y.numel()
    logits = shares.log().view(1, -1, *[1] * (y.ndim - 1)).expand(len(y), outputs, *y.shape[1:])  # (N, C, *S)
    with isolated():
        return min(float(criterion(torch.zeros_like(logits), y)), float(criterion(logits, y)))


def _at(case: Case, rate: float) -> Trial:
    return train(_changed(case.config, opt=_changed(case.config.opt, lr=rate)), case.dataset, STEPS)


def _changed(thing: T, **parts: object) -> T:
    changed = copy.copy(thing)
    vars(changed).update(parts)
    return changed


def labels(case: Case) -> Finding | None:
    """Do labels belong to inputs, and do they lose it where they are shuffled?

    Validation score after 200 steps with the labels as they are and with shuffled training labels (Zhang et al. 2016,
    arXiv:1611.03530). The first has to beat chance, what the commonest class or the mean would score, by 4 standard
    deviations; it fails below chance, warns where nothing is learnt. The second must not beat it: it would be a leak.
    """
    if case.trains_itself or not (case.has_classes or case.task is Task.regression):
        return None
    if case.trained.diverged:
        return None
    train_split, *held = case.dataset.splits
    order = torch.randperm(len(train_split.y), generator=torch.Generator().manual_seed(case.config.seed))
    shuffled = Splits(Examples(train_split.x, train_split.y[order]), *held)
    false = train(case.config, dataclasses.replace(case.dataset, splits=shuffled), STEPS)
    own, chance, margin = _score(case.trained, case.dataset, case.task)
    without = -math.inf if false.diverged else _score(false, case.dataset, case.task)[0]
    leak, wrong = without > chance + margin and without > own / 2, own < chance - margin and case.has_classes
    name = "accuracy" if case.has_classes else "R²"
    way = "the data: labels that belong to inputs (data.label_noise=0)"
    if _says_the_same(case.trained, case.dataset):
        way = "what fails beside this: the network says the same of every input, whatever the labels"
    return judged(
        "labels",
        "labels mean something, shuffled ones do not",
        f"{name} {own:.2f}, shuffled {without:.2f}, chance {chance:.2f}",
        warn=own <= chance + margin,
        fail=leak or wrong,
        way="the data: inputs or splits that tell the answer" if leak else way,
    )


def _says_the_same(trial: Trial, dataset: Dataset) -> bool:
    """Whether the predictions do not depend on the input: such a network shows nothing about its data."""
    said = predictions(trial.module, dataset.splits.val.x)
    return torch.allclose(said, said[:1].expand_as(said))


def _score(trial: Trial, dataset: Dataset, task: Task) -> tuple[float, float, float]:
    """Return the validation accuracy or R², what chance scores, and how far luck may take it."""
    val, train_y = dataset.splits.val, dataset.splits.train.y
    said = predictions(trial.module, val.x)
    if task is Task.regression:
        spread = float((val.y - train_y.mean(0)).square().mean())
        return 1 - float((said - val.y).square().mean()) / spread, 0.0, 0.1
    chance = float(torch.bincount(val.y.flatten()).max() / val.y.numel())
    deviation = math.sqrt(max(chance * (1 - chance), 1e-4) / len(val.x))
    margin = min(LUCK * deviation, (1 - chance) / 2)  # of few examples even all right may be luck
    return float((said.argmax(1) == val.y).float().mean()), chance, margin
