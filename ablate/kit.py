"""The kit: the chosen techniques, handed to a model that assembles itself from them.

Shapes: B batch · C channels or features · *S any number of spatial dims.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ablate.techniques import Activation, Init, Norm, Pool, Position, Regularizer

Forward = TypeVar("Forward", bound=Callable[..., Any])


@dataclass(frozen=True)
class Kit:
    """What a model may ask for; it asks once for every place where the technique stands."""

    act: Activation
    init: Init
    norm: Norm
    pool: Pool
    reg: Mapping[str, Regularizer]

    def hidden(self, features: int, spatial: int = 0) -> nn.Sequential:
        """Return what follows a hidden layer: normalisation, activation (or the other way round), regularizer layers.

        Keeps (B, C, *S).
        """
        parts = [self.norm.build(features, spatial), self.act.build()]
        if self.norm.position is Position.post:
            parts.reverse()
        return nn.Sequential(*parts, *self.reg_layers(features, spatial))

    def around_activation(self, features: int, spatial: int = 0) -> tuple[nn.Sequential, nn.Sequential]:
        """Return ``hidden`` in two, what stands before the activation and the rest: a sum may stand between."""
        parts = list(self.hidden(features, spatial))
        before = int(self.norm.position is Position.pre)
        return nn.Sequential(*parts[:before]), nn.Sequential(*parts[before:])

    def reg_layers(self, features: int, spatial: int = 0) -> list[nn.Module]:
        """Return the regularizers' layers, in alphabetical order of the regularizers."""
        layers = (self.reg[name].layer(features, spatial) for name in sorted(self.reg))
        return [layer for layer in layers if layer is not None]


def any_leading_dims(forward: Forward) -> Forward:
    """Mark a forward pass that takes (K, B, …) as well as (B, …), so that K networks can compute as one.

    Such a pass counts dims from the end, and uses no parameters or buffers but those of the layers it calls.
    """
    vars(forward)["any_leading_dims"] = True
    return forward


class GatedLinear(nn.Linear):
    """Linear layer whose output is ``gates`` blocks, (B, in) → (B, gates·features), each initialised by itself."""

    def __init__(self, in_features: int, features: int, gates: int, bias: bool = True) -> None:
        super().__init__(in_features, gates * features, bias=bias)
        self.gates = gates


class Residual(nn.Module):
    """``x + scale · branch(x)``: the identity path is untouched, but for a ``shortcut`` where the shape changes."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module | None = None, scale: float = 1.0) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut or nn.Identity()
        self.scale = scale

    @any_leading_dims
    def forward(self, x: Tensor) -> Tensor:
        """Return what has the shape of the branch's output; without a shortcut that is the shape of ``x``."""
        return torch.add(self.shortcut(x), self.branch(x), alpha=self.scale)


def weight_layers(model: nn.Module) -> list[nn.Linear | nn.modules.conv._ConvNd]:
    """Return the linear and convolutional layers of ``model``: what initialisers, penalties and weight norms act on."""
    return [m for m in model.modules() if isinstance(m, nn.Linear | nn.modules.conv._ConvNd)]


@torch.no_grad()
def initialize(model: nn.Module, init: Init, seed: int) -> None:
    """Fill the weights of every linear and convolutional layer of ``model`` with ``init``; biases become zero.

    The same seed gives the same weights, whatever else was drawn before: arms that differ in a layer without
    weights start from the same point. Other layers (normalisation, embeddings) keep their own start. An initialiser
    that ``keeps`` leaves everything as it is.
    """
    if init.keeps:
        return
    generator = torch.Generator().manual_seed(seed)
    for module in weight_layers(model):
        blocks = module.weight.chunk(module.gates) if isinstance(module, GatedLinear) else (module.weight,)
        fan_in, fan_out = fans(module)
        for block in blocks:
            init.fill(block, fan_in, fan_out, generator)
        if module.bias is not None:
            module.bias.zero_()


def fans(module: nn.Linear | nn.modules.conv._ConvNd) -> tuple[int, int]:
    """Return (inputs that one output sums over, outputs that one input reaches).

    A strided transposed convolution spreads each input over kernel / stride neighbours in each direction, so
    that its fan-in is smaller than its kernel by the stride, and vice versa for a strided convolution's fan-out.
    """
    if isinstance(module, nn.Linear):
        gates = module.gates if isinstance(module, GatedLinear) else 1
        return module.in_features, module.out_features // gates
    kernel, stride = math.prod(module.kernel_size), math.prod(module.stride)
    incoming = module.in_channels // module.groups * kernel
    outgoing = module.out_channels // module.groups * kernel
    if module.transposed:
        return max(1, incoming // stride), outgoing
    return incoming, max(1, outgoing // stride)
