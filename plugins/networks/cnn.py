"""Convolutional network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ablate.kit import Kit, Residual
from ablate.techniques import DataSpec


class CNN(nn.Module):
    """Stages of convolutions with pooling between, and a head: (B, C, H, W) → (B, outputs).

    A stage is ``convs`` convolutions to its number of channels, the first with ``stride``, and then pooling.
    With ``residual``, each convolution after a stage's first is a pre-norm block, x + conv(act(norm(x))).
    The head is a linear layer on all features (``gap=False``) or on each channel's mean (``gap=True``).
    """

    def __init__(
        self,
        kit: Kit,
        spec: DataSpec,
        *,
        channels: Sequence[int],
        convs: int,
        kernel_size: int,
        stride: int,
        padding: int,
        dilation: int,
        residual: bool,
        gap: bool,
    ) -> None:
        super().__init__()
        before = spec.input_shape[0]
        stages: list[nn.Module] = []
        for after in channels:
            stages.append(nn.Conv2d(before, after, kernel_size, stride, padding, dilation))
            for _ in range(convs - 1):
                conv = nn.Conv2d(after, after, kernel_size, 1, padding, dilation)
                block = nn.Sequential(kit.hidden(after, spatial=2), conv)
                stages.append(Residual(block) if residual else block)
            stages += [kit.hidden(after, spatial=2), kit.pool.build(after, spatial=2)]
            before = after
        self.body = nn.Sequential(*stages)
        reduce: list[nn.Module] = [nn.AdaptiveAvgPool2d(1)] if gap else []
        self.head = nn.Sequential(*reduce, nn.Flatten())
        self.head.append(nn.Linear(self._features(spec.input_shape), spec.outputs))

    def _features(self, input_shape: tuple[int, ...]) -> int:
        """Return how many features reach the linear layer."""
        training = self.training
        try:
            with torch.no_grad():
                features = self.head(self.eval().body(torch.zeros(1, *input_shape)))
        except RuntimeError as error:
            raise ValueError(
                f"an image of {input_shape} becomes too small for these stages ({error}). "
                "Use fewer channels (stages), a smaller kernel_size or stride, padding=null, or pool=none."
            ) from error
        self.train(training)
        return int(features.shape[1])

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, outputs)."""
        out: Tensor = self.head(self.body(x))
        return out
