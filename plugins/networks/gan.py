"""Generator and discriminator."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ablate.kit import Kit
from ablate.techniques import DataSpec

from .mlp import MLP


class GAN(nn.Module):
    """Two multilayer perceptrons.

    ``generator`` maps noise (B, latent) to examples (B, *input_shape), ``discriminator`` examples to a score (B, 1):
    the logit of an example being real, or what else the objective makes of it.
    """

    def __init__(self, kit: Kit, spec: DataSpec, *, latent: int, depth: int, width: int) -> None:
        super().__init__()
        self.latent = latent
        example = DataSpec(spec.task, (latent,), math.prod(spec.input_shape))
        self.generator = nn.Sequential(MLP(kit, example, depth=depth, width=width), nn.Unflatten(1, spec.input_shape))
        score = DataSpec(spec.task, spec.input_shape, 1)
        self.discriminator = MLP(kit, score, depth=depth, width=width)

    def noise(self, like: Tensor, generator: torch.Generator) -> Tensor:
        """Return normal numbers (B, latent) from ``generator``, of the type and on the device of examples (B, …)."""
        return torch.randn(len(like), self.latent, generator=generator).to(like)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores (B, 1) of examples (B, *input_shape)."""
        score: Tensor = self.discriminator(x)
        return score

    def passes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scores of examples, and as many generated ones: all that a step runs, each part once."""
        return self(x), self.generator(x.new_zeros(len(x), self.latent))
