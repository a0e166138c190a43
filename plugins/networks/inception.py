"""Convolutional network of parallel branches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ablate.kit import Kit, any_leading_dims
from ablate.techniques import DataSpec

from .head import head


class Block(nn.Module):
    """Four branches side by side, concatenated: (B, before, H, W) → (B, after, H, W).

    1×1 to after / 4 channels · 1×1 to 3 after / 8, then 3×3 to after / 2 · 1×1 to after / 16, then 5×5 to
    after / 8 · maximum of 3×3 neighbours, then 1×1 to after / 8: the shares of the paper's first block (3a).
    """

    def __init__(self, kit: Kit, before: int, after: int) -> None:
        super().__init__()
        unit = after // 16

        def conv(incoming: int, outgoing: int, kernel_size: int) -> nn.Sequential:
            layer = nn.Conv2d(incoming, outgoing, kernel_size, padding="same")
            return nn.Sequential(layer, kit.hidden(outgoing, spatial=2))

        self.branches = nn.ModuleList(
            (
                conv(before, 4 * unit, 1),
                nn.Sequential(conv(before, 6 * unit, 1), conv(6 * unit, 8 * unit, 3)),
                nn.Sequential(conv(before, unit, 1), conv(unit, 2 * unit, 5)),
                nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv(before, 2 * unit, 1)),
            )
        )

    @any_leading_dims
    def forward(self, x: Tensor) -> Tensor:
        """Keep height and width."""
        return torch.cat([branch(x) for branch in self.branches], -3)


class Inception(nn.Module):
    """A 3×3 convolution, stages of ``blocks`` blocks with pooling between, and a head: (B, C, H, W) → (B, outputs)."""

    def __init__(
        self, kit: Kit, spec: DataSpec, *, channels: Sequence[int], blocks: int, gap: bool, widths: Sequence[int]
    ) -> None:
        super().__init__()
        before = channels[0]
        stem = nn.Conv2d(spec.input_shape[0], before, kernel_size=3, padding=1)
        body = nn.Sequential(stem, kit.hidden(before, spatial=2))
        for index, after in enumerate(channels):
            if index:
                body.append(kit.pool.build(before, spatial=2))
            for _ in range(blocks):
                body.append(Block(kit, before, after))
                before = after
        self.body = body
        self.head = head(kit, spec, body, gap=gap, widths=widths, way_out="fewer channels (stages) or pool=none.")

    @any_leading_dims
    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, outputs)."""
        out: Tensor = self.head(self.body(x))
        return out
