"""Models with one fault each, and one without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from ablate.kit import Kit
from ablate.techniques import (
    DataSpec,
    Model,
)


class Recurrent(nn.Module):
    """A recurrent network that keeps its state, or forgets it at every step."""

    def __init__(self, kit: Kit, spec: DataSpec, carry: bool) -> None:
        super().__init__()
        self.carry = carry
        self.input, self.recurrent = nn.Linear(spec.input_shape[1], 8), nn.Linear(8, 8)
        self.after = kit.hidden(8)
        self.head = nn.Linear(8, spec.outputs)

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(len(x), 8)
        for step in x.unbind(1):
            h = self.after(self.input(step) + self.recurrent(h if self.carry else torch.zeros_like(h)))
        out: Tensor = self.head(h)
        return out


@dataclass
class WithoutCarry(Model):
    """Recurrent network that forgets its state at every step."""

    input_ranks: ClassVar[frozenset[int]] = frozenset({2})

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        return Recurrent(kit, spec, carry=False)


class Dense(nn.Module):
    """One hidden layer between a linear one and the output."""

    def __init__(self, hidden: nn.Module, spec: DataSpec, *, spare: bool = False, outputs: int = 0) -> None:
        super().__init__()
        features = torch.Size(spec.input_shape).numel()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(features, 8), hidden)
        self.head = nn.Linear(8, outputs or spec.outputs)
        self.spare = nn.Linear(8, 8) if spare else None

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(x))
        return out


@dataclass
class IgnoresRegularizers(Model):
    """One hidden layer, without the regularizers' layers."""

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        return Dense(nn.Sequential(kit.norm.build(8, 0), kit.act.build()), spec)


@dataclass
class IgnoresNormalisation(Model):
    """One hidden layer, without its normalisation."""

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        return Dense(nn.Sequential(kit.act.build(), *kit.reg_layers(8)), spec)


@dataclass
class OwnActivation(Model):
    """One hidden layer, always of tanh."""

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        return Dense(nn.Sequential(kit.norm.build(8, 0), nn.Tanh(), *kit.reg_layers(8)), spec)


@dataclass
class SpareLayer(Model):
    """One hidden layer, and one that nothing passes through."""

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        return Dense(kit.hidden(8), spec, spare=True)


@dataclass
class OneOutput(Model):
    """One hidden layer and one output, whatever is asked."""

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        return Dense(kit.hidden(8), spec, outputs=1)


@dataclass
class TakesEverything(Model):
    """One hidden layer; refuses nothing."""

    input_ranks: ClassVar[frozenset[int]] = frozenset({1})

    def check(self, spec: DataSpec) -> None:
        return

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        return Dense(kit.hidden(8), spec)


@dataclass
class Carries(Model):
    """Recurrent network that keeps its state."""

    input_ranks: ClassVar[frozenset[int]] = frozenset({2})

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        return Recurrent(kit, spec, carry=True)
