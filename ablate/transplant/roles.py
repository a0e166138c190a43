"""What a module of somebody else's network is: activation, normalisation, pooling, dropout, or none of them.

Activations are told by what they compute, so that no list of them is needed; the others by what they are called, which
is how the field writes them.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from ablate.transplant.observed import Call

BESIDE_NORM = ("drop", "act")
"""The children of a normalisation that computes more than itself, in the order in which it calls them: as timm's do."""


def role(module: nn.Module, call: Call | None) -> str | None:
    """Return the kind of technique that ``module`` stands for: act, norm, pool or reg.

    ``call`` is what it was seen with, None where it was not called. ``gate`` is an activation that is none to replace:
    it scales something else, or is the network's output.
    """
    if _is_dropout(module):
        return "reg"
    if _is_norm(module, call):
        return "norm"
    if call is None:
        return None
    if _is_pool(module) and len(call.x) > 2:
        return "pool"
    if _may_be_activation(module) and _is_nonlinear(module, call.x):
        return "gate" if call.is_output or _scales(module, call) else "act"
    return None


def _is_dropout(module: nn.Module) -> bool:
    return isinstance(module, _DropoutNd) or (_is_leaf(module) and _called(module, "dropout"))


def _is_norm(module: nn.Module, call: Call | None) -> bool:
    """Say whether ``module`` is a normalisation of torch, or is called one and does no more: no parts that are none.

    What is only called so keeps the shape and has no matrix: a ``NormedLinear`` is a layer of weights.
    """
    if not isinstance(module, _NormBase | nn.GroupNorm | nn.LayerNorm):
        matrix = any(p.numel() != max(p.shape, default=1) for p in module.parameters(recurse=False))
        if not _called(module, "norm") or call is None or call.x != call.y or matrix:
            return False
    return all(name in BESIDE_NORM for name, _ in module.named_children())


@torch.no_grad()
def _is_nonlinear(module: nn.Module, shape: tuple[int, ...]) -> bool:
    """Say whether ``module``, in evaluation mode, maps each number by itself, and not along a straight line.

    It is tried on a copy with numbers of ``shape`` (B, *any): what one number is changed to must change no other.
    """
    x = 3 * torch.randn(1, *shape[1:], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    try:
        f = copy.deepcopy(module).double().eval()

        def at(x: Tensor) -> Tensor:
            y: Tensor = f(x.clone())  # some write into what they are given
            return y

        y, middle = at(x), x.numel() // 2
        if not isinstance(y, Tensor) or y.shape != x.shape:
            return False
        moved = x.clone()
        moved.view(-1)[middle] += 1.7
        others = torch.ones(x.numel(), dtype=torch.bool)
        others[middle] = False
        if not torch.equal(at(moved).flatten()[others], y.flatten()[others]):
            return False
        zero = at(torch.zeros_like(x))
        return not (torch.allclose(at(-x) + y, 2 * zero) and torch.allclose(at(2 * x) - y, y - zero))
    except Exception:  # somebody's module, which may need more than a tensor
        return False


def _scales(module: nn.Module, call: Call) -> bool:
    """Say whether ``module`` gives numbers from 0 to 1 that are fewer than what they are to scale: a gate."""
    narrow = len(call.y) > 2 and (call.y[1] == 1 or all(size == 1 for size in call.y[2:]))
    if not narrow:
        return False
    with torch.no_grad():
        x = torch.linspace(-50, 50, 101, dtype=torch.float64).reshape(-1, *[1] * (len(call.x) - 1))
        y = copy.deepcopy(module).double().eval()(x.expand(-1, *call.x[1:]).clone())
    return bool(y.min() >= 0 and y.max() <= 1)


def _is_pool(module: nn.Module) -> bool:
    return _is_leaf(module) and _called(module, "pool")


def _may_be_activation(module: nn.Module) -> bool:
    """Say whether ``module`` is one thing: no container, and no parts that learn, keep something or drop out."""
    if isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict | nn.Identity):
        return False
    return _is_leaf(module) or not (
        any(True for _ in (*module.parameters(), *module.buffers())) or any(map(_is_dropout, module.modules()))
    )


def _is_leaf(module: nn.Module) -> bool:
    return next(module.children(), None) is None


def _called(module: nn.Module, word: str) -> bool:
    return word in type(module).__name__.lower()
