"""Activations with one fault each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablate.techniques import (
    Activation,
)
from tests.faulty.layer import Layer


@dataclass
class ChangesDtype(Activation):
    """x · sigmoid(x), in float32 whatever comes in."""

    def build(self) -> nn.Module:
        return Layer(lambda x, _: x.float() * x.float().sigmoid())


@dataclass
class InPlace(Activation):
    """max(0, x)."""

    def build(self) -> nn.Module:
        return nn.ReLU(inplace=True)


@dataclass
class Detached(Activation):
    """x · sigmoid(x), with the sigmoid detached."""

    def build(self) -> nn.Module:
        return Layer(lambda x, _: x * x.sigmoid().detach())


@dataclass
class Overflows(Activation):
    """log(1 + exp(x))."""

    def build(self) -> nn.Module:
        return Layer(lambda x, _: (1 + x.exp()).log())


@dataclass
class Flattens(Activation):
    """max(0, x) of rows (B, C) = flattened."""

    def build(self) -> nn.Module:
        return nn.Sequential(nn.ReLU(), nn.Flatten())


@dataclass
class MixesExamples(Activation):
    """exp(xᵢ) / Σⱼ exp(xⱼ) over the wrong dim."""

    def build(self) -> nn.Module:
        return nn.Softmax(dim=0)


@dataclass
class OnlyInTraining(Activation):
    """max(0, x) with noise."""

    def build(self) -> nn.Module:
        return Layer(lambda x, training: (x + 0.1 * torch.randn_like(x) if training else x).relu())


class Forgetful(nn.Module):
    """Has a slope that is drawn when it is built and kept nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = float(torch.rand(()))

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, self.slope)


@dataclass
class KeepsNoState(Activation):
    """max(a · x, x) with a random a."""

    def build(self) -> nn.Module:
        with torch.device("cpu"):
            return Forgetful()


class NeverCopied(nn.Module):
    """Gives itself out as its copy."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.slope * x

    def __deepcopy__(self, memo: object) -> NeverCopied:
        return self


@dataclass
class SharesItsCopy(Activation):
    """a · x with a learned a = 1."""

    def build(self) -> nn.Module:
        return NeverCopied()


@dataclass
class NumpyNoise(Activation):
    """x + noise from numpy's random numbers (Bishop 1995)."""

    def build(self) -> nn.Module:
        return Layer(lambda x, _: x + float(np.random.default_rng().normal()))


class OnTheCPU(nn.Module):
    """Owns a tensor that follows no device."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.tensor([0.5] * x.shape[1], device="cpu", dtype=x.dtype).view(-1, *[1] * (x.ndim - 2))


@dataclass
class NeedsTheCPU(Activation):
    """x / 2, by a tensor on the CPU."""

    def build(self) -> nn.Module:
        return OnTheCPU()


@dataclass
class WidensBFloat16(Activation):
    """x / 2, by a constant in float32."""

    def build(self) -> nn.Module:
        return Layer(lambda x, _: x * torch.full((1,), 0.5, device=x.device))


@dataclass
class DetachedInTraining(Activation):
    """x · sigmoid(x), with the sigmoid detached in training alone."""

    def build(self) -> nn.Module:
        return Layer(lambda x, training: x * (x.sigmoid().detach() if training else x.sigmoid()))


class CopiedAfresh(nn.Module):
    """Gives a new module out as its copy."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.slope * x

    def __deepcopy__(self, memo: object) -> CopiedAfresh:
        return CopiedAfresh()


@dataclass
class ForgetsItsCopy(Activation):
    """a · x with a learned a = 1, which the copy has not learned."""

    def build(self) -> nn.Module:
        return CopiedAfresh()


@dataclass
class Draws(Activation):
    """x · u in training, u from U(0.5, 1.5): RReLU's idea, which is no layer that a stack can take."""

    def build(self) -> nn.Module:
        return Layer(lambda x, training: x * (0.5 + torch.rand_like(x)) if training else x)
