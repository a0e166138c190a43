"""Metrics by task.

Shapes: B batch · N examples of a split · D size of an embedding · F features of a flattened example.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torchmetrics import Accuracy, JaccardIndex, MeanAbsoluteError, MeanMetric, Metric, MetricCollection, R2Score
from torchmetrics.utilities.data import dim_zero_cat

from ablate.techniques import DataSpec, Task


def metrics_for(spec: DataSpec, target_scale: Tensor) -> MetricCollection:
    """Return the loss and the metrics of a task.

    Accuracy · R2 and mean absolute error · mean intersection over union · recall at 1 · maximum mean discrepancy.
    """
    metrics: dict[str, Metric | MetricCollection]
    if spec.task is Task.classification:
        metrics = {"acc": Accuracy(task="multiclass", num_classes=spec.outputs, validate_args=False)}
    elif spec.task is Task.regression:
        metrics = {"r2": R2Score(), "mae": ScaledMeanAbsoluteError(target_scale)}
    elif spec.task is Task.segmentation:
        metrics = {"miou": JaccardIndex(task="multiclass", num_classes=spec.outputs, validate_args=False)}
    elif spec.task is Task.embedding:
        metrics = {"recall_at_1": RecallAt1()}
    else:
        metrics = {"mmd": MaximumMeanDiscrepancy()}
    # By default NaN is dropped from the mean, but a diverged run must show; nan_strategy="disable" loses the weights.
    return MetricCollection({"loss": MeanMetric(nan_strategy=math.nan), **metrics})


class ScaledMeanAbsoluteError(MeanAbsoluteError):
    """Mean absolute error in the unit of the raw targets: mean of scale · |prediction - target|, scale (targets,)."""

    scale: Tensor

    def __init__(self, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale, persistent=False)

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add a batch, both (B, targets)."""
        super().update(preds * self.scale, target * self.scale)


class Gathered(Metric):
    """Base of metrics that need all predictions and targets of a split at once."""

    full_state_update = False
    preds: list[Tensor]
    target: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("preds", [], dist_reduce_fx="cat")
        self.add_state("target", [], dist_reduce_fx="cat")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Keep a batch."""
        self.preds.append(preds)
        self.target.append(target)


class RecallAt1(Gathered):
    """Share of the examples whose nearest other example, by Euclidean distance, has their class (Jégou et al. 2011).

    Embeddings (B, D), classes (B,) int64.
    """

    def compute(self) -> Tensor:
        """Return the share, a scalar; 0 for a single example, which has no other."""
        embeddings, classes = dim_zero_cat(self.preds), dim_zero_cat(self.target)
        right = torch.zeros((), dtype=torch.int64, device=embeddings.device)
        if len(embeddings) > 1:
            for own in torch.arange(len(embeddings), device=embeddings.device).split(1024):  # bounds the memory
                distance = distances(embeddings[own], embeddings)  # (own, N)
                distance[torch.arange(len(own)), own] = torch.inf
                right += (classes[distance.argmin(1)] == classes[own]).sum()
        return right / len(embeddings)


class MaximumMeanDiscrepancy(Gathered):
    """Distance of generated from real examples: √(mean k(g, g') - 2 mean k(g, r) + mean k(r, r')), over all pairs.

    The biased estimate, never negative, of Gretton et al. 2012 (JMLR 13), with k(a, b) = exp(-|a - b|² / (2 σ²)) and
    σ the median distance of two real examples, their heuristic. Between two samples of one distribution it is
    about √(2 / N) · √(1 - mean k), not 0. Both (B, *any), flattened; N generated need not be as many as real.
    """

    def compute(self) -> Tensor:
        """Return the distance, a scalar."""
        generated, real = (dim_zero_cat(part).flatten(1) for part in (self.preds, self.target))  # (N, F)
        within = distances(real, real)
        pairs = within[torch.ones_like(within, dtype=torch.bool).triu(1)]
        sigma = pairs.median()  # of an even number the lower one: a quantile would sort them all
        width = 2 * sigma.square().clamp(min=torch.finfo(sigma.dtype).tiny)

        def mean_kernel(distance: Tensor) -> Tensor:
            return (-distance.square() / width).exp().mean()

        squared = (
            mean_kernel(distances(generated, generated))
            - 2 * mean_kernel(distances(generated, real))
            + mean_kernel(within)
        )
        return squared.clamp(min=0).sqrt()  # rounding may fall below 0


def distances(a: Tensor, b: Tensor) -> Tensor:
    """Return the Euclidean distances (N, M) of (N, F) and (M, F), each from its difference: exact for close points."""
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
