"""Shapes in the plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ablate.checks import at_least, not_negative
from ablate.techniques import Task

from .base import Synthetic

if TYPE_CHECKING:
    from ablate.dataset import Splits


@dataclass
class Spirals(Synthetic):
    """Points in the plane on ``classes`` interleaved spiral arms: no straight line parts them.

    An arm runs from the origin to radius 1 in ``turns`` turns. noise: standard deviation of each coordinate.
    Two arms of three turns are the two spirals of Lang & Witbrock 1988.
    """

    task: ClassVar[Task] = Task.classification
    classes: int = 2
    turns: float = 1.0
    noise: float = 0.02

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(2, classes=self.classes)
        not_negative(noise=self.noise, turns=self.turns)

    def load(self, seed: int) -> Splits:
        from ..datasets import plane

        return plane.spirals(seed, self.count, self.classes, self.turns, self.noise)


@dataclass
class Rings(Synthetic):
    """Points in the plane on concentric rings, a class each, of radius 1/classes to 1.

    noise: standard deviation of each coordinate.
    """

    task: ClassVar[Task] = Task.classification
    classes: int = 2
    noise: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(2, classes=self.classes)
        not_negative(noise=self.noise)

    def load(self, seed: int) -> Splits:
        from ..datasets import plane

        return plane.rings(seed, self.count, self.classes, self.noise)


@dataclass
class Gaussians(Synthetic):
    """Points in the plane around ``modes`` places evenly on a circle of radius 1, a class each.

    noise: standard deviation of each coordinate. Eight of them are a common test of generative models: of how many a
    generator finds, and how closely (Metz et al. 2016, arXiv:1611.02163, with 0.02 and a radius of 2).
    """

    task: ClassVar[Task] = Task.classification
    count: int = 10000
    modes: int = 8
    noise: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(2, modes=self.modes)
        not_negative(noise=self.noise)

    def load(self, seed: int) -> Splits:
        from ..datasets import plane

        return plane.gaussians(seed, self.count, self.modes, self.noise)


@dataclass
class PointSets(Synthetic):
    """Outlines in the plane (circle, triangle, square, cross) as sets of ``points`` points, (points, 2), in no order.

    Each is turned at random; the points are drawn evenly along the outline. noise: standard deviation of each
    coordinate, beside a radius of 1. A model sees them as a sequence, so that order invariance can be asked for.
    """

    task: ClassVar[Task] = Task.classification
    points: int = 32
    noise: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(3, points=self.points)
        not_negative(noise=self.noise)

    def load(self, seed: int) -> Splits:
        from ..datasets import plane

        return plane.point_sets(seed, self.count, self.points, self.noise)
