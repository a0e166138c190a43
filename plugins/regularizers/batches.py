"""Regularizers that change each training batch. x (B, *input_shape) · y classes (B, *S), or soft (B, classes, *S)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablate.checks import fraction, not_negative, positive
from ablate.lazy import torch
from ablate.techniques import DataSpec, Regularizer, Task

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass
class InputNoise(Regularizer):
    """Normal noise on the training inputs (Bishop 1995); std in units of the scaled inputs."""

    std: float = 0.1

    def __post_init__(self) -> None:
        positive(std=self.std)

    def transform(self, x: Tensor, y: Tensor, spec: DataSpec, generator: Generator) -> tuple[Tensor, Tensor]:
        return x + self.std * torch.randn(x.shape, generator=generator).to(x), y


@dataclass
class LabelSmoothing(Regularizer):
    """Targets (1 - epsilon) · one-hot + epsilon / classes (Szegedy et al. 2015, arXiv:1512.00567)."""

    epsilon: float = 0.1

    def __post_init__(self) -> None:
        fraction(epsilon=self.epsilon)

    def transform(self, x: Tensor, y: Tensor, spec: DataSpec, generator: Generator) -> tuple[Tensor, Tensor]:
        soft = soft_targets(x, y, spec)
        return x, (1 - self.epsilon) * soft + self.epsilon / spec.outputs


@dataclass
class Mixup(Regularizer):
    """Each example mixed with another, inputs and targets alike: λ a + (1 - λ) b, λ ~ Beta(alpha, alpha).

    Zhang et al. 2017, arXiv:1710.09412, with one λ a batch, as there.
    """

    alpha: float = 0.2

    def __post_init__(self) -> None:
        positive(alpha=self.alpha)

    def transform(self, x: Tensor, y: Tensor, spec: DataSpec, generator: Generator) -> tuple[Tensor, Tensor]:
        # Beta(a, a) = G / (G + G'), with two gamma variables drawn from the run's own generator
        first, second = torch._standard_gamma(torch.full((2,), self.alpha, dtype=torch.float64), generator)
        share = float(first / (first + second).clamp(min=1e-300))
        other = torch.randperm(len(x), generator=generator).to(x.device)
        soft = y if spec.task is Task.regression else soft_targets(x, y, spec)
        return share * x + (1 - share) * x[other], share * soft + (1 - share) * soft[other]


def soft_targets(x: Tensor, y: Tensor, spec: DataSpec) -> Tensor:
    """Return class indices y (B, *S) as one-hot (B, classes, *S) in the inputs' dtype; soft targets stay."""
    if spec.task is Task.regression:
        raise ValueError("the targets of a regression have no classes to soften: choose a regularizer for them")
    if y.is_floating_point():
        return y
    return torch.nn.functional.one_hot(y, spec.outputs).movedim(-1, 1).to(x.dtype)


@dataclass
class Augment(Regularizer):
    """Training images shifted, turned, scaled at random (cf. Simard et al. 2003), with noise; pixel labels move along.

    shift: pixels · rotate: degrees · scale: fraction · noise: standard deviation, in units of the scaled
    inputs. Each is the largest change in either direction; zeros come in from outside.
    """

    shift: float = 1.0
    rotate: float = 10.0
    scale: float = 0.1
    noise: float = 0.0

    def __post_init__(self) -> None:
        not_negative(shift=self.shift, rotate=self.rotate, noise=self.noise)
        fraction(scale=self.scale)

    def transform(self, x: Tensor, y: Tensor, spec: DataSpec, generator: Generator) -> tuple[Tensor, Tensor]:
        from .images import affine, random_matrices

        if x.ndim != 4:
            raise ValueError(f"reg=augment moves images, and this data gives {spec.layout}")
        matrices = random_matrices(x, shift=self.shift, rotate=self.rotate, scale=self.scale, generator=generator)
        labels = y if spec.task is Task.segmentation else None
        x, moved = affine(x, labels, matrices)
        if self.noise:
            x = x + self.noise * torch.randn(x.shape, generator=generator).to(x)
        return x, y if moved is None else moved
