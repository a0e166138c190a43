"""Metrics against the same written as loops, or by another library."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from ablate.judges import JUDGES
from ablate.metrics import MaximumMeanDiscrepancy, RecallAt1, metrics_for
from ablate.techniques import DataSpec, Task
from tests.helpers import generator, normal


def mmd_by_loops(generated: Tensor, real: Tensor) -> float:
    a, b = ([np.asarray(row).ravel() for row in part] for part in (generated, real))
    apart = [float(np.linalg.norm(b[i] - b[j])) for i in range(len(b)) for j in range(i)]
    sigma = sorted(apart)[(len(apart) - 1) // 2]

    def mean(left: list[np.ndarray], right: list[np.ndarray]) -> float:
        values = [math.exp(-float(((p - q) ** 2).sum()) / (2 * sigma**2)) for p in left for q in right]
        return sum(values) / len(values)

    return math.sqrt(mean(a, a) - 2 * mean(a, b) + mean(b, b))


@pytest.mark.parametrize(("generated", "real"), [((7, 2), (9, 2)), ((6, 1, 3, 2), (5, 1, 3, 2))])
def test_the_maximum_mean_discrepancy_is_that_of_a_double_loop(
    generated: tuple[int, ...], real: tuple[int, ...]
) -> None:
    a, b = normal(*generated), 0.5 + normal(*real, seed=1)
    metric = MaximumMeanDiscrepancy()
    metric.update(a[:4], b[:2])
    metric.update(a[4:], b[2:])
    assert float(metric.compute()) == pytest.approx(mmd_by_loops(a, b), rel=1e-12)


def test_the_discrepancy_of_a_sample_from_itself_is_zero_and_grows_with_distance() -> None:
    real = normal(50, 2)
    values = []
    for shift in (0.0, 0.5, 1.0, 5.0):
        metric = MaximumMeanDiscrepancy()
        metric.update(real + shift, real)
        values.append(float(metric.compute()))
    assert values[0] == pytest.approx(0, abs=1e-7)
    assert values == sorted(values)
    assert values[-1] <= math.sqrt(2)


def test_the_discrepancy_of_data_without_spread_is_defined() -> None:
    metric = MaximumMeanDiscrepancy()
    metric.update(torch.zeros(4, 2), torch.zeros(4, 2))
    assert float(metric.compute()) == 0


def test_recall_at_1_is_that_of_scikit_learn() -> None:
    x, y = normal(2100, 3), torch.randint(4, (2100,), generator=generator())
    x = x + y[:, None]
    metric = RecallAt1()
    for batch in zip(x.split(500), y.split(500), strict=True):
        metric.update(*batch)
    nearest = NearestNeighbors(n_neighbors=1).fit(x.numpy()).kneighbors(return_distance=False)[:, 0]
    assert float(metric.compute()) == pytest.approx(float((y.numpy()[nearest] == y.numpy()).mean()), abs=1e-7)


def test_recall_at_1_of_neighbours_by_hand() -> None:
    metric = RecallAt1()
    metric.update(torch.tensor([[0.0], [1.0], [3.0], [3.5]]), torch.tensor([0, 0, 1, 0]))
    assert float(metric.compute()) == 0.5
    metric.reset()
    metric.update(torch.zeros(1, 1), torch.zeros(1, dtype=torch.int64))
    assert float(metric.compute()) == 0


@pytest.mark.parametrize("task", Task)
def test_every_task_has_its_judge_among_its_metrics(task: Task) -> None:
    assert JUDGES[task].metric in metrics_for(DataSpec(task, (2,), 3), torch.ones(()))
