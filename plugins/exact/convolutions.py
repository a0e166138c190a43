"""Convolution and pooling: sizes, receptive fields, where gradients go, what a 1 × 1 kernel sees."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from ablate.exact import Checked
from ablate.lazy import torch
from ablate.techniques import DataSpec, Task

from ..models.pixels import FCN
from ..pooling import AvgPool, MaxPool
from .build import kit_of

if TYPE_CHECKING:
    from torch import Tensor, nn


def conv_arithmetic() -> Checked:
    """Size of a convolution's map: ⌊(n + 2 p - d (k - 1) - 1) / s⌋ + 1, for 450 combinations, by trying."""
    wrong = cases = 0
    for n, k, s, p, d in itertools.product((5, 8, 11, 16), (1, 2, 3, 5, 7), (1, 2, 3), (0, 1, 2), (1, 2, 3)):
        if n + 2 * p < d * (k - 1) + 1:
            continue
        cases += 1
        size = torch.nn.Conv2d(1, 1, k, s, p, d)(torch.zeros(1, 1, n, n)).shape[-1]
        wrong += size != (n + 2 * p - d * (k - 1) - 1) // s + 1
    half = torch.nn.Conv2d(1, 1, 3, 2, 1)
    first = half(torch.zeros(1, 1, 5, 5))
    second = half(first)
    wrong += (first.shape[-1], second.shape[-1]) != (3, 2)
    return Checked(
        wrong,
        0,
        f"{cases} combinations of size, kernel, stride, padding and dilation were tried, and {wrong} disagree with the "
        f"formula; 5 × 5 with kernel 3, stride 2 and padding 1 becomes {first.shape[-1]} × {first.shape[-1]} and then "
        f"{second.shape[-1]} × {second.shape[-1]}; stride 1 with padding 1 keeps the size",
    )


def _support(layers: nn.Module, size: int) -> int:
    """Return how many pixels in a row the middle unit of the last map depends on, by the gradient."""
    x = torch.zeros(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    for layer in layers.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.ones_(layer.weight)
    out = layers.double()(x)
    out[0, 0, out.shape[2] // 2, out.shape[3] // 2].backward()
    assert x.grad is not None
    return int((x.grad[0, 0] != 0).any(0).sum())


def receptive_field() -> Checked:
    """Receptive field r ← r + (k - 1) · d · (strides before), held against the support of the gradient."""
    chains = {
        "3 of stride 2, twice": ([(3, 2, 1)] * 2, 7),
        "3, three times": ([(3, 1, 1)] * 3, 7),
        "7": ([(7, 1, 1)], 7),
        "3 dilated by 1, 2, 4": ([(3, 1, 1), (3, 1, 2), (3, 1, 4)], 15),
        "5 of stride 2, then 3": ([(5, 2, 1), (3, 1, 1)], 9),
    }
    seen = {}
    for name, (steps, _) in chains.items():
        layers = torch.nn.Sequential(*(torch.nn.Conv2d(1, 1, k, s, d * (k - 1) // 2, d) for k, s, d in steps))
        seen[name] = _support(layers, 65)
    wrong = sum(seen[name] != field for name, (_, field) in chains.items())
    told = "; ".join(f"kernels {name}: {field}" for name, field in seen.items())
    return Checked(wrong, 0, f"Pixels in a row that one unit depends on, by the gradient: {told}")


def dilation_keeps_resolution() -> Checked:
    """Dilation 1, 2, 4 with kernels of 3: as many pixels as before, and a field of 15 instead of 7."""
    dilated, plain = (
        torch.nn.Sequential(*(torch.nn.Conv2d(1, 1, 3, 1, d, d) for d in dilations))
        for dilations in ((1, 2, 4), (1, 1, 1))
    )
    sizes = {net(torch.zeros(1, 1, 33, 33)).shape[-1] for net in (dilated, plain)}
    wide, narrow = _support(dilated, 65), _support(plain, 65)
    wrong = int(sizes != {33}) + abs(wide - 15) + abs(narrow - 7)
    return Checked(
        wrong,
        0,
        f"Three kernels of 3 see {narrow} pixels in a row, and {wide} when they are dilated by 1, 2 and 4, with as "
        "many weights; the map keeps its 33 × 33 pixels either way",
    )


def pooling_gradients(size: int = 2) -> Checked:
    """The gradient of a window: for the mean 1 / size² everywhere, for the maximum 1 at the largest value alone."""

    def gradient(pool: AvgPool | MaxPool, x: Tensor) -> Tensor:
        x = x.clone().requires_grad_()
        pool.build(1, 2)(x).sum().backward()
        assert x.grad is not None
        return x.grad

    x = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    windows = x.unfold(2, size, size).unfold(3, size, size).flatten(4)  # (B, 1, H, W, size²)
    largest = torch.nn.functional.one_hot(windows.argmax(-1), size * size).double()
    found = gradient(MaxPool(size=size), x).unfold(2, size, size).unfold(3, size, size).flatten(4)
    error = max(
        float((gradient(AvgPool(size=size), x) - 1 / size**2).abs().max()), float((found - largest).abs().max())
    )
    return Checked(
        error,
        1e-12,
        f"Of every window of {size} × {size} the mean hands each value {1 / size**2:g} of the gradient, the maximum "
        "hands all of it to the largest value",
    )


def one_by_one(channels: int = 6) -> Checked:
    """A 1 × 1 kernel is one matrix over the channels at every pixel: it commutes with any order of the pixels."""
    generator = torch.Generator().manual_seed(0)
    conv = torch.nn.Conv2d(channels, 4, 1).double()
    for p in conv.parameters():
        torch.nn.init.normal_(p, generator=generator)
    x = torch.randn(3, channels, 9, 9, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        by_matrix = torch.einsum("oc,bchw->bohw", conv.weight[:, :, 0, 0], x) + conv.bias.view(-1, 1, 1)  # type: ignore[union-attr]
        order = torch.randperm(81, generator=generator)

        def mixed(t: Tensor) -> Tensor:
            return t.flatten(2)[:, :, order].view_as(t)

        error = max(float((conv(x) - by_matrix).abs().max()), float((conv(mixed(x)) - mixed(conv(x))).abs().max()))
    return Checked(
        error,
        1e-12,
        "A 1 × 1 convolution is the same matrix over the channels at each pixel, and mixing up the pixels before it is "
        "the same as after it: it sees channels, and nothing of the space",
    )


def fcn_restores_size() -> Checked:
    """A fully convolutional network gives one prediction a pixel, whatever the size of the image it was built for."""
    net = FCN().build(kit_of(), DataSpec(Task.segmentation, (1, 24, 24), 11))
    with torch.no_grad():
        sizes = [net(torch.zeros(2, 1, size, size)).shape for size in (16, 24, 32)]
    wrong = sum(tuple(found) != (2, 11, size, size) for found, size in zip(sizes, (16, 24, 32), strict=True))
    return Checked(
        wrong,
        0,
        "Images of 16, 24 and 32 pixels a side were halved twice and brought back by transposed convolutions: each "
        f"came out with 11 numbers a pixel and its own size; {wrong} did not",
    )
