"""From feature maps to one prediction an image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ablate.kit import Kit
from ablate.techniques import DataSpec


def head(kit: Kit, spec: DataSpec, body: nn.Module, *, gap: bool, widths: Sequence[int], way_out: str) -> nn.Sequential:
    """Return the layers from what ``body`` makes of an image, (B, C, H, W), to (B, outputs).

    All features, or with ``gap`` each channel's mean; then hidden layers of ``widths`` units, and a linear one.
    Raises ``ValueError``, with the ``way_out``, if an image shrinks to nothing in the body.
    """
    layers = nn.Sequential(*([nn.AdaptiveAvgPool2d(1)] if gap else []), nn.Flatten())
    features = _features(nn.Sequential(body, layers), spec.input_shape, way_out)
    for width in widths:
        layers.extend([nn.Linear(features, width), kit.hidden(width)])
        features = width
    return layers.append(nn.Linear(features, spec.outputs))


def _features(net: nn.Module, input_shape: tuple[int, ...], way_out: str) -> int:
    """Return how many features ``net`` makes of one image, and leave its running statistics alone."""
    try:
        with torch.no_grad():
            features = net.eval()(torch.zeros(1, *input_shape))
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"an image of {input_shape} becomes too small for these stages ({error}). Use {way_out}"
        ) from error
    net.train()
    return int(features.shape[1])
