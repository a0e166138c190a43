"""Shapes in the plane. N examples · K points of a set."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ablate.dataset import Examples, Splits

from .drawn import balanced, splits


def _at(radius: Tensor, angle: Tensor) -> Tensor:
    """Return polar coordinates (…) as points (…, 2)."""
    return torch.stack((radius * angle.cos(), radius * angle.sin()), -1)


def _blurred(points: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    return points + noise * torch.randn(points.shape, generator=generator)


def spirals(seed: int, count: int, classes: int, turns: float, noise: float) -> Splits:
    """Return points (N, 2) at radius r and angle 2π (turns · r + class / classes), r even in 0..1."""

    def draw(n: int, generator: torch.Generator) -> Examples:
        y = balanced(n, classes, generator)
        radius = torch.rand(n, generator=generator)
        points = _at(radius, 2 * math.pi * (turns * radius + y / classes))
        return Examples(_blurred(points, noise, generator), y)

    return splits(draw, count, seed)


def rings(seed: int, count: int, classes: int, noise: float) -> Splits:
    """Return points (N, 2) at radius (class + 1) / classes and any angle."""

    def draw(n: int, generator: torch.Generator) -> Examples:
        y = balanced(n, classes, generator)
        angle = 2 * math.pi * torch.rand(n, generator=generator)
        return Examples(_blurred(_at((y + 1) / classes, angle), noise, generator), y)

    return splits(draw, count, seed)


def gaussians(seed: int, count: int, modes: int, noise: float) -> Splits:
    """Return points (N, 2) around radius 1 and angle 2π · class / modes."""

    def draw(n: int, generator: torch.Generator) -> Examples:
        y = balanced(n, modes, generator)
        return Examples(_blurred(_at(torch.ones(n), 2 * math.pi * y / modes), noise, generator), y)

    return splits(draw, count, seed)


def point_sets(seed: int, count: int, points: int, noise: float) -> Splits:
    """Return sets (N, K, 2) of points on a turned circle (0), triangle (1), square (2) or cross (3)."""

    def draw(n: int, generator: torch.Generator) -> Examples:
        y = balanced(n, 4, generator)
        along = torch.rand(n, points, generator=generator)
        x = torch.stack((_circle(along), _polygon(along, 3), _polygon(along, 4), _cross(along)))[y, torch.arange(n)]
        turn = 2 * math.pi * torch.rand(n, 1, generator=generator)  # (N, 1)
        cos, sin = turn.cos(), turn.sin()
        turned = torch.stack((cos * x[..., 0] - sin * x[..., 1], sin * x[..., 0] + cos * x[..., 1]), -1)
        return Examples(_blurred(turned, noise, generator), y)

    return splits(draw, count, seed)


def _circle(along: Tensor) -> Tensor:
    """Return points at ``along`` (…), 0 to 1, of a circle of radius 1."""
    return _at(torch.ones_like(along), 2 * math.pi * along)


def _polygon(along: Tensor, corners: int) -> Tensor:
    """Return points at ``along`` of a regular polygon whose corners lie at radius 1."""
    side = (along * corners).floor().clamp(max=corners - 1)
    part = (along * corners - side).unsqueeze(-1)
    one = torch.ones_like(along)
    here, there = (_at(one, 2 * math.pi * (side + k) / corners) for k in (0, 1))
    return (1 - part) * here + part * there


def _cross(along: Tensor) -> Tensor:
    """Return points at ``along`` of two lines of length 2 that cross in the middle."""
    place = (4 * along) % 2 - 1
    upright = along >= 0.5
    return torch.stack((torch.where(upright, 0, place), torch.where(upright, place, 0)), -1)
