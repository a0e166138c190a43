"""Convolutional network, plain and residual."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ablate.kit import Kit, any_leading_dims
from ablate.techniques import DataSpec

from ..layers.forms import Form
from .head import head
from .residual import block


class CNN(nn.Module):
    """Stages of convolutions and a head: (B, C, H, W) → (B, outputs).

    A stage is ``convs`` convolutions to its number of channels, the first with ``stride``, and with ``pooling`` the
    kit's pooling. The first stands alone; of the others each ``per_block`` are a block of the form ``residual``.
    With ``stem`` a convolution before all stages stands alone instead, and the first stage keeps the size: blocks
    then change size and channels too, with a strided 1×1 convolution as their shortcut.
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
        stem: bool,
        residual: Form,
        per_block: int,
        scale: float,
        pooling: bool,
        gap: bool,
        widths: Sequence[int],
    ) -> None:
        super().__init__()
        bare = residual is Form.pre  # blocks take and return what no activation has been through

        def conv(before: int, after: int, step: int) -> nn.Conv2d:
            return nn.Conv2d(before, after, kernel_size, step, padding, dilation)

        def alone(before: int, after: int, step: int) -> list[nn.Module]:
            return [conv(before, after, step), *([] if bare else [kit.hidden(after, spatial=2)])]

        def joined(before: int, after: int, step: int) -> nn.Module:
            layers = [conv(before, after, step), *(conv(after, after, 1) for _ in range(per_block - 1))]
            changes = before != after or step != 1
            shortcut = nn.Conv2d(before, after, 1, step, bias=False) if changes else None
            return block(kit, residual, layers, before, after, spatial=2, shortcut=shortcut, scale=scale)

        body: list[nn.Module] = alone(spec.input_shape[0], channels[0], 1) if stem else []
        before = channels[0] if stem else spec.input_shape[0]
        for index, after in enumerate(channels):
            step = 1 if stem and index == 0 else stride
            if not stem:
                body += alone(before, after, step)
                before, step = after, 1
            for _ in range((convs if stem else convs - 1) // per_block):
                body.append(joined(before, after, step))
                before, step = after, 1
            if bare and (not stem or index == len(channels) - 1):
                body.append(kit.hidden(after, spatial=2))
            if pooling:
                body.append(kit.pool.build(after, spatial=2))
        self.body = nn.Sequential(*body)
        way_out = "fewer channels (stages), a smaller kernel_size or stride, padding=null, or pool=none."
        self.head = head(kit, spec, self.body, gap=gap, widths=widths, way_out=way_out)

    @any_leading_dims
    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, outputs)."""
        out: Tensor = self.head(self.body(x))
        return out
