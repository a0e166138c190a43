"""RMS normalisation and the Lion optimizer: adds the options ``norm=rms`` and ``opt=lion``."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablate import hookimpl
from ablate.techniques import Norm, Optimizer

if TYPE_CHECKING:
    import torch
    from torch import nn

# The classes derived from torch's are in a module of their own, imported when one is built:
# this one is read for every `python -m ablate --help`, which need not wait for torch.


@dataclass
class RMS(Norm):
    """Scale by the root mean square over the features, no centring (Zhang & Sennrich 2019, arXiv:1910.07467)."""

    eps: float = 1e-6

    def __post_init__(self) -> None:
        if not 0 < self.eps < math.inf:
            raise ValueError(f"eps must be positive, not {self.eps}")

    def build(self, features: int, spatial: int) -> nn.Module:
        from ablate_extras_torch import RMSNorm

        return RMSNorm(features, self.eps)


@dataclass
class Lion(Optimizer):
    """Steps of one size, along the sign of a running mean of g (Chen et al. 2023, arXiv:2302.06675).

    w ← w - lr · (sign(beta1 · m + (1 - beta1) · g) + weight_decay · w), then m ← beta2 · m + (1 - beta2) · g.
    """

    lr: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.lr < math.inf:
            raise ValueError(f"lr must be positive, not {self.lr}")
        for name, beta in (("beta1", self.beta1), ("beta2", self.beta2)):
            if not 0 <= beta < 1:
                raise ValueError(f"{name} must be in [0, 1), not {beta}")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight_decay must not be negative, but is {self.weight_decay}")

    def build(self, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        from ablate_extras_torch import LionOptimizer

        return LionOptimizer(params, self.lr, self.beta1, self.beta2, self.weight_decay)


@hookimpl
def register_techniques(register):
    register("rms", RMS)
    register("lion", Lion)
