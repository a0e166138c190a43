"""Dynamic tanh and the Signum optimizer: adds the options ``norm=dyt`` and ``opt=signum``, and a study."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ablate import hookimpl
from ablate.techniques import Norm, Optimizer

if TYPE_CHECKING:
    import torch
    from torch import nn

# The classes derived from torch's are in a module of their own, imported when one is built:
# this one is read for every `python -m ablate --help`, which need not wait for torch.


@dataclass
class DynamicTanh(Norm):
    """scale · tanh(alpha · x) + shift in place of a normalisation (Zhu et al. 2025, arXiv:2503.10622).

    scale and shift are learned per feature, one alpha for all of them; alpha: where it starts.
    """

    alpha: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.alpha < math.inf:
            raise ValueError(f"alpha must be positive, not {self.alpha}")

    def build(self, features: int, spatial: int) -> nn.Module:
        from ablate_extras_torch import DynamicTanhLayer

        return DynamicTanhLayer(features, self.alpha)


@dataclass
class Signum(Optimizer):
    """Steps of one size, along the sign of a running mean of g (Bernstein et al. 2018, arXiv:1802.04434).

    m ← momentum · m + (1 - momentum) · g, w ← w - lr · (sign(m) + weight_decay · w).
    """

    lr: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.lr < math.inf:
            raise ValueError(f"lr must be positive, not {self.lr}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must be in [0, 1), not {self.momentum}")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight_decay must not be negative, but is {self.weight_decay}")

    def build(self, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        from ablate_extras_torch import SignumOptimizer

        return SignumOptimizer(params, self.lr, self.momentum, self.weight_decay)


@hookimpl
def register_studies(register):
    register(Path(__file__).parent / "ablate_extras_studies")


@hookimpl
def register_techniques(register):
    register("dyt", DynamicTanh)
    register("signum", Signum)
