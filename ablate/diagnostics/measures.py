"""What can be measured of a layer: pure functions of tensors.

Shapes: B batch · U units (features or channels) · R rows, every place where a unit has a value: examples, times the
positions of an image or the steps of a sequence · M members of a stack: (K,), and nothing for a network by itself.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

ROUNDING = 1e-6
"""Relative differences below this are rounding in float32."""

FLAT = 0.01
"""A slope below this passes next to nothing of a gradient: 4 % of the sigmoid's steepest, 1 % of tanh's and relu's."""

NEARLY_ALL = 0.95
"""Share of the rows on which a saturated unit is flat."""

ENOUGH = 8
"""Rows below which a share of rows says nothing."""


def rows(x: Tensor, dim: int, members: int = 0) -> Tensor:
    """Return ``x`` (M, B, …) with its units in ``dim`` as (M, R, U) floats, without its history.

    ``members`` is the number of dims of M; positive dims are counted behind them.
    """
    x = x.detach().movedim(dim + members if dim > 0 else dim, -1)
    return x.reshape(*x.shape[:members], -1, x.shape[-1]).float()


def constant(low: Tensor, high: Tensor) -> Tensor:
    """Return which units (M, U) always give the same number, from the least and the greatest that each gave."""
    return high - low <= ROUNDING * torch.maximum(low.abs(), high.abs())


def slope(activation: nn.Module, x: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return what ``activation`` makes of ``x`` in evaluation mode, and its derivative at each number of ``x``.

    None where an output depends on more than the input in its own place, or on nothing. The derivative is the one that
    training would use: autograd's. Gradients of every other output with respect to all inputs have to vanish at the
    rest: what has two such gradients without overlap is elementwise on this input. Neither module nor random state
    change.
    """
    alone = copy.copy(activation)  # shallow: it holds no parameters, and its hooks stay behind
    alone.training = False
    devices = [x.device] if x.is_cuda else []
    with torch.random.fork_rng(devices=devices), torch.enable_grad():
        leaf = x.detach().clone().requires_grad_()
        y = alone.forward(leaf * 1)  # of a copy: the activation may write in place
        if not isinstance(y, Tensor) or y.shape != x.shape or not y.requires_grad:
            return None
        even = (torch.arange(x.numel(), device=x.device) % 2 == 0).view(x.shape)
        at_even, at_odd = (
            torch.autograd.grad(y, leaf, mask.to(y.dtype), retain_graph=True)[0] for mask in (even, ~even)
        )
    if at_even[~even].any() or at_odd[even].any():
        return None
    return y.detach(), at_even + at_odd


def norm(tensors: Sequence[Tensor], members: int = 0) -> Tensor:
    """Return the Euclidean norm (M) of all numbers of ``tensors`` (M, …) together."""
    flat = [t.detach().float().reshape(*t.shape[:members], -1) for t in tensors]
    total: Tensor = torch.linalg.vector_norm(torch.stack([t.norm(dim=-1) for t in flat]), dim=0)
    return total


def update_ratio(before: Sequence[Tensor], after: Sequence[Tensor], members: int = 0) -> Tensor:
    """Return ‖after - before‖ / ‖before‖ (M); not a number where all weights were zero."""
    change = norm([b.detach() - a for a, b in zip(before, after, strict=True)], members)
    weight = norm(before, members)
    return torch.where(weight > 0, change / weight, torch.nan)


class Moments:
    """Mean and standard deviation of numbers that come in parts (Chan et al. 1979)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = self.squares = torch.zeros(())

    def add(self, x: Tensor) -> None:
        """Take the numbers of ``x`` (M, R, U) in."""
        if not x.numel():
            return
        variance, mean = torch.var_mean(x, dim=(-2, -1), correction=0)
        count = x.shape[-2] * x.shape[-1]
        total = self.count + count
        apart = mean - self.mean
        self.squares = self.squares + variance * count + apart.square() * (self.count * count / total)
        self.mean = self.mean + apart * (count / total)
        self.count = total

    @property
    def deviation(self) -> Tensor:
        """The standard deviation, of all numbers seen (not of a sample)."""
        return (self.squares / max(1, self.count)).sqrt()


class Units:
    """What the units of one module gave, call after call."""

    def __init__(self) -> None:
        self.moments = Moments()
        self.count = 0
        self.low = self.high = self.flat = torch.zeros(())
        self.sloped = False

    def add(self, values: Tensor, slopes: Tensor | None = None) -> None:
        """Take in values (M, R, U) and, where they are an activation's, its slopes there (M, R, U)."""
        low, high = values.aminmax(dim=-2)
        self.moments.add(values)
        self.low = torch.minimum(self.low, low) if self.count else low
        self.high = torch.maximum(self.high, high) if self.count else high
        if slopes is not None:
            flat = (slopes.abs() < FLAT).sum(-2)
            self.flat = self.flat + flat if self.sloped else flat
            self.sloped = True
        self.count += values.shape[-2]

    @property
    def dead(self) -> Tensor | None:
        """The share (M) of units that gave one and the same number on every row; None where there were too few rows."""
        return constant(self.low, self.high).float().mean(-1) if self.count >= ENOUGH else None

    @property
    def saturated(self) -> Tensor | None:
        """The share (M) of units whose activation was flat on nearly all rows."""
        if not self.sloped or self.count < ENOUGH:
            return None
        return (self.flat >= NEARLY_ALL * self.count).float().mean(-1)
