"""Models of sets: one prediction a set, whatever the order of its points."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from ablate.techniques import DataSpec, Model

from .checks import check_channels

if TYPE_CHECKING:
    from torch import nn

    from ablate.kit import Kit


class Pooling(Enum):
    """What is kept of each channel over all points."""

    max = "max"
    mean = "mean"
    sum = "sum"


@dataclass
class PointNet(Model):
    """head(pool over points of h(point)), blind to the order of the points (Qi et al. 2016, arXiv:1612.00593).

    channels: hidden layers of h, the same for every point · pooling: ``max``, ``mean`` or ``sum`` over the points ·
    head: hidden layers after it, [] for none. Without the paper's transform nets.
    """

    input_ranks: ClassVar[frozenset[int]] = frozenset({2})
    advice: ClassVar[str] = "It needs sets of points and one prediction a set: data=point_sets, or another model."
    channels: list[int] = field(default_factory=lambda: [64, 128])
    head: list[int] = field(default_factory=lambda: [64])
    pooling: Pooling = Pooling.max

    def __post_init__(self) -> None:
        check_channels(self.channels)
        if any(width < 1 for width in self.head):
            raise ValueError(f"head must list positive numbers, not {self.head}")

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        from ..networks import pointnet

        return pointnet.PointNet(kit, spec, channels=self.channels, head=self.head, pooling=self.pooling.value)
