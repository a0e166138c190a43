"""Regularizers that stand as a layer after each hidden activation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablate.checks import fraction
from ablate.lazy import torch
from ablate.techniques import Regularizer

if TYPE_CHECKING:
    from torch import nn


@dataclass
class Dropout(Regularizer):
    """Each hidden unit is zero with probability ``p`` in training, the others scaled by 1 / (1 - p).

    Srivastava et al. 2014 (JMLR 15), in the inverted form: evaluation is untouched.
    """

    p: float = 0.5

    def __post_init__(self) -> None:
        fraction(p=self.p)

    def layer(self, features: int, spatial: int) -> nn.Module | None:
        return torch.nn.Dropout(self.p)


@dataclass
class ChannelDropout(Regularizer):
    """Dropout of whole feature maps instead of pixels, with probability ``p`` (Tompson et al. 2014, arXiv:1411.4280).

    Layers without pixels have plain dropout.
    """

    p: float = 0.2

    def __post_init__(self) -> None:
        fraction(p=self.p)

    def layer(self, features: int, spatial: int) -> nn.Module | None:
        return (torch.nn.Dropout, torch.nn.Dropout1d, torch.nn.Dropout2d)[spatial](self.p)
