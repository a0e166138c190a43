"""The module that takes the place of another: it keeps the shape, and takes over the weights that mean the same.

Shapes: B batch · C features · *S spatial dims · *P positions, of tokens or pixels.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from ablate.kit import Kit
from ablate.techniques import Norm, Pool
from ablate.transplant.observed import Call
from ablate.transplant.roles import BESIDE_NORM

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_PADS = (nn.ConstantPad1d, nn.ConstantPad2d)


class EachPosition(nn.Module):
    """A layer of tables at each position by itself: (B, *P, C) → (B, *P, C)."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (B, *P, C)."""
        out: Tensor = self.layer(x.flatten(0, -2))
        return out.view(x.shape)


def activation(kit: Kit) -> nn.Module:
    """Return the kit's activation."""
    return kit.act.build()


def norm(old: nn.Module, call: Call | None, technique: Norm) -> nn.Module:
    """Return what normalises like ``technique`` in the place of ``old``; raise ``ValueError`` where that cannot be."""
    features = _features(old, call)
    last, spatial = _layout(old, call, features)
    if spatial > 2 and not last:
        raise ValueError(f"no option stands for a {type(old).__name__} over {spatial} dims: norm=keep leaves it")
    made = technique.build(features, 0 if last else spatial)
    _carry(old, made)
    new = EachPosition(made) if last and spatial else made
    beside = {name: child for name in BESIDE_NORM for own, child in old.named_children() if own == name}
    if not beside:
        return new
    return nn.Sequential(OrderedDict([("norm", new), *beside.items()]))


def _features(old: nn.Module, call: Call | None) -> int:
    for name in ("num_features", "num_channels"):
        if isinstance(count := getattr(old, name, None), int):
            return count
    if isinstance(shape := getattr(old, "normalized_shape", None), tuple | list):
        return int(shape[0])
    weight = getattr(old, "weight", None)
    if isinstance(weight, Tensor) and weight.ndim == 1:
        return len(weight)
    if call is None:
        raise ValueError(f"how many features a {type(old).__name__} has cannot be told")
    return call.x[1]


def _layout(old: nn.Module, call: Call | None, features: int) -> tuple[bool, int]:
    """Return whether features are the last of several dims, and how many dims there are beside them and examples."""
    name = type(old).__name__.lower()
    if call is None:  # never called in evaluation: its class tells
        last = isinstance(old, nn.LayerNorm) and "2d" not in name
        return last, 1 if last else 2 if "2d" in name else 0
    spatial = len(call.x) - 2
    if isinstance(old, _NormBase | nn.GroupNorm) or len(getattr(old, "normalized_shape", ())) > 1 or not spatial:
        return False, spatial
    last = call.x[-1] == features and not (call.x[1] == features and "2d" in name)
    if not last and call.x[1] != features:
        raise ValueError(f"a {type(old).__name__} of {features} features is called with {call.x}")
    return last, spatial


def _carry(old: nn.Module, new: nn.Module) -> None:
    """Give ``new`` the scale and shift of ``old``, the very parameters, so that tied ones stay so, and statistics."""
    for name, theirs in (("weight", "weight"), ("scale", "weight"), ("bias", "bias")):
        mine, its = getattr(new, name, None), getattr(old, theirs, None)
        if isinstance(mine, nn.Parameter) and isinstance(its, nn.Parameter) and mine.shape == its.shape:
            setattr(new, name, its)
    if isinstance(old, _BatchNorm) and isinstance(new, _BatchNorm):
        for name in _STATISTICS:
            if isinstance(getattr(old, name), Tensor) and isinstance(getattr(new, name), Tensor):
                setattr(new, name, getattr(old, name))


def takes_the_place(old: nn.Module, call: Call, technique: Pool) -> bool:
    """Say whether ``technique`` is for what ``old`` does: one of windows for windows, any other for whole maps."""
    adaptive = "adaptive" in type(old).__name__.lower() or "global" in type(old).__name__.lower()
    return adaptive is not _has(technique, "size")


def pool(old: nn.Module, call: Call, technique: Pool) -> nn.Module:
    """Return pooling by ``technique`` over the windows of ``old``; raise ``ValueError`` where the size would differ."""
    made = _over_windows(old, call, technique) if _has(technique, "size") else _of_maps(call, technique)
    try:
        with torch.no_grad():
            kept = made is not None and tuple(made.eval()(torch.zeros(call.x)).shape) == call.y
    except (RuntimeError, ValueError):
        kept = False
    if made is None or not kept:
        raise ValueError(
            f"a {type(old).__name__} makes {call.y[1:]} of {call.x[1:]}, and this pooling does not: pool=keep leaves it"
        )
    return made


def _of_maps(call: Call, technique: Pool) -> nn.Module | None:
    spatial = len(call.x) - 2
    return technique.build(call.x[1], spatial) if spatial < 3 else None


def _over_windows(old: nn.Module, call: Call, technique: Pool) -> nn.Module | None:
    """Return pooling over the same windows; None where they are not of one size in all dims."""
    size, stride, padding = (_one(getattr(old, name, None)) for name in ("kernel_size", "stride", "padding"))
    spatial, padding = len(call.x) - 2, padding or 0
    if size is None or spatial > 2:
        return None
    windows = {"size": size, "stride": stride or size, "padding": padding}
    fitted = dataclasses.replace(technique, **{name: n for name, n in windows.items() if _has(technique, name)})
    made = fitted.build(call.x[1], spatial)
    for part in made.modules():
        if hasattr(part, "ceil_mode"):  # whether a window may reach over the end
            vars(part)["ceil_mode"] = getattr(old, "ceil_mode", False)
    if _has(technique, "padding") or not padding:
        return made
    return nn.Sequential(_PADS[spatial - 1](padding, 0.0), made)


def _has(technique: Pool, name: str) -> bool:
    return any(field.name == name for field in dataclasses.fields(technique))


def _one(value: object) -> int | None:
    """Return a number that stands for all dims, None where they differ."""
    values = set(value) if isinstance(value, tuple | list) else {value}
    (one, *others) = values
    return one if isinstance(one, int) and not others else None


def dropout(call: Call | None, kit: Kit) -> nn.Module:
    """Return the regularizers' layers in the place of a dropout; Identity where they have none."""
    shape = call.x if call else (1, 1)
    last = len(shape) == 3  # tokens
    layers = kit.reg_layers(shape[-1] if last else shape[1], 0 if last else len(shape) - 2)
    if not layers:
        return nn.Identity()
    made = layers[0] if len(layers) == 1 else nn.Sequential(*layers)
    return EachPosition(made) if last else made
