"""How each layer of torch computes K members at once: its rule, a function of the layer and its input.

Shapes: K members · B batch · C channels or features · *S any number of spatial dims. The layer that a rule is given has
parameters and buffers of all members, (K, *shape) each. Inputs and outputs are (K, B, …), in whatever order of memory
the layer before has left them: a view between (K, B, C, *S) and (B, K·C, *S) costs nothing where channels come last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablate.kit import GatedLinear

Rule: TypeAlias = Callable[[Any, Tensor], Tensor]


def channels(x: Tensor) -> Tensor:
    """Lay the members side by side: (K, B, C, *S) → (B, K·C, *S), images with the channels last in memory."""
    x = x.transpose(0, 1).flatten(1, 2)
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def apart(x: Tensor, members: int) -> Tensor:
    """Undo :func:`channels`: (B, K·C, *S) → (K, B, C, *S)."""
    return x.view(len(x), members, -1, *x.shape[2:]).transpose(0, 1)


def flat(parameter: Tensor | None) -> Tensor | None:
    """Join the first two dims, (K, C, …) → (K·C, …); None stays."""
    return None if parameter is None else parameter.flatten(0, 1)


def linear(layer: nn.Linear, x: Tensor) -> Tensor:
    """Map (K, B, *any, in) to (K, B, *any, out): one product of matrices a member."""
    if x.ndim == 3 and not isinstance(layer, GatedLinear):
        # (K, out, B) in memory: batch normalisation takes it as it is. Gates want their features together.
        x = x.transpose(1, 2)
        if layer.bias is None:
            return torch.bmm(layer.weight, x).transpose(1, 2)
        return torch.baddbmm(layer.bias[..., None], layer.weight, x).transpose(1, 2)
    rows, weight = x.flatten(1, -2), layer.weight.transpose(1, 2)
    product = torch.bmm(rows, weight) if layer.bias is None else torch.baddbmm(layer.bias[:, None], rows, weight)
    return product.view(*x.shape[:-1], -1)


def convolution(layer: nn.modules.conv._ConvNd, x: Tensor) -> Tensor:
    """Map (K, B, C, *S) to (K, B, C', *S'): one convolution in K times as many groups."""
    members, weight, bias = len(x), layer.weight.flatten(0, 1), flat(layer.bias)
    groups, x = members * layer.groups, channels(x)
    if layer.padding_mode != "zeros":
        raise ValueError(f"padding_mode={layer.padding_mode} has no rule")
    spatial = x.ndim - 2
    if layer.transposed:
        spread: Callable[..., Tensor] = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[spatial - 1]
        out = spread(x, weight, bias, layer.stride, layer.padding, layer.output_padding, groups, layer.dilation)
    else:
        convolve: Callable[..., Tensor] = (F.conv1d, F.conv2d, F.conv3d)[spatial - 1]
        out = convolve(x, weight, bias, layer.stride, layer.padding, layer.dilation, groups)
    return apart(out, members)


def batch_norm(layer: nn.modules.batchnorm._BatchNorm, x: Tensor) -> Tensor:
    """Keep (K, B, C, *S); each member has statistics of its own, of the batch and running."""
    if layer.momentum is None:
        raise ValueError("momentum=None has no rule")
    if layer.training and layer.num_batches_tracked is not None:
        layer.num_batches_tracked.add_(1)
    table = x.ndim == 3
    wide = x.transpose(1, 2).reshape(1, -1, x.shape[1]) if table else channels(x)  # (1, K·C, B), (B, K·C, *S)
    out = F.batch_norm(
        wide,
        flat(layer.running_mean),  # views: updated in place
        flat(layer.running_var),
        flat(layer.weight),
        flat(layer.bias),
        layer.training or layer.running_mean is None,
        layer.momentum,
        layer.eps,
    )
    return out.view(len(x), -1, x.shape[1]).transpose(1, 2) if table else apart(out, len(x))


def group_norm(layer: nn.GroupNorm, x: Tensor) -> Tensor:
    """Keep (K, B, C, *S); the groups of all members are groups side by side."""
    wide = channels(x)
    return apart(F.group_norm(wide, len(x) * layer.num_groups, flat(layer.weight), flat(layer.bias), layer.eps), len(x))


def instance_norm(layer: nn.modules.instancenorm._InstanceNorm, x: Tensor) -> Tensor:
    """Keep (K, B, C, *S)."""
    if layer.track_running_stats:
        raise ValueError("track_running_stats=True has no rule")
    out = F.instance_norm(channels(x), None, None, flat(layer.weight), flat(layer.bias), eps=layer.eps)
    return apart(out, len(x))


def layer_norm(layer: nn.LayerNorm, x: Tensor) -> Tensor:
    """Keep (K, B, *any, *normalized); scale and shift differ from member to member."""
    out = F.layer_norm(x, layer.normalized_shape, eps=layer.eps)
    between = [1] * (x.ndim - 1 - len(layer.normalized_shape))

    def beside(parameter: Tensor) -> Tensor:
        return parameter.view(len(x), *between, *layer.normalized_shape)

    if layer.weight is not None:
        out = out * beside(layer.weight)
    return out if layer.bias is None else out + beside(layer.bias)


def prelu(layer: nn.PReLU, x: Tensor) -> Tensor:
    """Keep (K, B, C, *S); one slope a member, or one a channel."""
    slopes = layer.weight.expand(len(x), x.shape[2]).flatten()
    return apart(F.prelu(channels(x), slopes), len(x))


def softmax(layer: nn.Softmax | nn.LogSoftmax, x: Tensor) -> Tensor:
    """Keep (K, B, …); dims that are counted from the front move by one."""
    assert layer.dim is not None
    function = F.softmax if isinstance(layer, nn.Softmax) else F.log_softmax
    return function(x, layer.dim + (layer.dim >= 0))


def flatten(layer: nn.Flatten, x: Tensor) -> Tensor:
    """Map (K, B, *any) to (K, B, F); dims that are counted from the front move by one."""
    first, last = (dim + (dim >= 0) for dim in (layer.start_dim, layer.end_dim))
    return x.flatten(first, last)


def per_channel(layer: nn.Module, x: Tensor) -> Tensor:
    """Map (K, B, C, *S) to (K, B, C, *S') by the layer itself, which treats each channel alike."""
    return apart(type(layer).forward(layer, channels(x)), len(x))


_RULES: dict[Rule, tuple[type[nn.Module], ...]] = {
    linear: (nn.Linear,),
    convolution: (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
    batch_norm: (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d),
    instance_norm: (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
    group_norm: (nn.GroupNorm,),
    layer_norm: (nn.LayerNorm,),
    prelu: (nn.PReLU,),
    softmax: (nn.Softmax, nn.LogSoftmax),
    flatten: (nn.Flatten,),
    per_channel: (
        *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
        *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
        *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
        *(nn.LPPool1d, nn.LPPool2d, nn.Upsample, nn.ZeroPad1d, nn.ZeroPad2d),
    ),
}
RULES: dict[Any, Rule] = {cls.forward: rule for rule, classes in _RULES.items() for cls in classes}
"""The rule of each forward pass that has one: a subclass that keeps its base's forward keeps its rule."""

AS_THEY_ARE = {
    cls.forward
    for cls in (
        *(nn.Sequential, nn.Identity, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU),
        *(nn.Mish, nn.Sigmoid, nn.LogSigmoid, nn.Tanh, nn.Softplus, nn.Softsign, nn.Tanhshrink, nn.Softshrink),
        *(nn.Hardshrink, nn.Hardtanh, nn.Hardsigmoid, nn.Hardswish, nn.Threshold),
    )
}
"""The forward passes of torch that take any number of dims in front."""

DROPOUTS: dict[Any, int | None] = {
    nn.Dropout.forward: None,
    nn.Dropout1d.forward: 2,
    nn.Dropout2d.forward: 2,
    nn.Dropout3d.forward: 2,
}
"""Layers that draw masks, and how many dims of (B, C, *S) a mask has an entry of its own for; None: all."""


def dropout(layer: nn.Module, x: Tensor, *, members: Sequence[Any], generators: Sequence[torch.Generator]) -> Tensor:
    """Keep (K, B, C, *S); each of the members' layers has its rate, and draws from its generator as it would alone."""
    rates = [member.p for member in members]
    own = DROPOUTS[type(layer).forward]
    shape = x.shape if own is None else (*x.shape[: own + 1], *[1] * (x.ndim - own - 1))
    if not layer.training or not any(rates):
        return x
    masks = x.new_ones(shape)
    for mask, rate, generator in zip(masks, rates, generators, strict=True):
        if rate == 1:
            mask.zero_()
        elif rate:
            mask.bernoulli_(1 - rate, generator=generator).div_(1 - rate)
    return x * masks
