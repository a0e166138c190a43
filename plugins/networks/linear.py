"""Linear model."""

from __future__ import annotations

import math

from torch import nn

from ablate.techniques import DataSpec


def linear(spec: DataSpec) -> nn.Sequential:
    """Return W·x + b of the flattened input: (B, *input_shape) → (B, outputs)."""
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(spec.input_shape), spec.outputs))
