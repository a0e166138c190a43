"""K networks of one graph as one network: (K, B, …) → (K, B, …), each member with weights of its own.

The stacked network is a copy of the first member in which every parameter and buffer has a row for each member, and
every layer computes by its rule. Its tensors are the members' memory too: those of a member are row k of them, so that
its state can be read, saved and loaded at any time.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.parametrize import is_parametrized

from ablate.stacks.rules import AS_THEY_ARE, DROPOUTS, RULES, dropout


class NotStackable(Exception):  # noqa: N818 - it is an answer, and no error
    """What cannot train as one program, in one sentence that names the layer: it has to be trained by itself."""


HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


def stack(networks: Sequence[nn.Module], generators: Sequence[torch.Generator]) -> nn.Module:
    """Return one network for all, and make the tensors of each a view of its row.

    ``generators`` stand for the global random state of each run: layers draw from them what they would draw alone.
    Raises ``NotStackable`` for networks that differ in more than their tensors and their rates of dropout.
    """
    first = networks[0]
    for network in networks:
        _check_alike(first, network)
    together = copy.deepcopy(first)
    rows: dict[int, Tensor] = {}  # by tensor of the first network: a layer may share its weight with another
    for name, layer in together.named_modules():
        _join(layer, [network.get_submodule(name) for network in networks], rows)
    for name, layer in computing(together):
        forward, members = type(layer).forward, [network.get_submodule(name) for network in networks]
        own: Callable[..., Tensor]
        if is_parametrized(layer) or forward not in RULES | DROPOUTS:
            own = partial(_vmapped, layer, copy.deepcopy(members[0]))
        elif forward in RULES:
            own = partial(RULES[forward], layer)
        else:
            own = partial(dropout, layer, members=members, generators=generators)
        vars(layer)["forward"] = own
    return together


def release(network: nn.Module) -> None:
    """Give a member memory of its own again: what the others do no longer changes it."""
    for tensor in (*network.parameters(), *network.buffers()):
        tensor.data = tensor.data.clone()


def computing(module: nn.Module, name: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yield the layers of a network that need a forward pass of their own, with their names.

    The others hold layers, and work on any number of dims in front as they are.
    """
    forward = type(module).forward
    holds = forward in AS_THEY_ARE or getattr(forward, "any_leading_dims", False)
    tensors = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    if (holds and not tensors) or isinstance(module, nn.ModuleList | nn.ModuleDict):
        for child_name, child in module.named_children():
            yield from computing(child, f"{name}.{child_name}" if name else child_name)
    else:
        yield name, module


def _join(layer: nn.Module, members: Sequence[nn.Module], rows: dict[int, Tensor]) -> None:
    """Give a layer the parameters and buffers (K, *shape) of all members, and each member the views of its row."""
    for kind in ("_parameters", "_buffers"):
        own: dict[str, Tensor | None] = getattr(layer, kind)
        for name in own:
            tensors: list[Tensor | None] = [getattr(member, kind)[name] for member in members]
            if (first := tensors[0]) is None:
                continue
            if id(first) not in rows:
                joined = torch.stack([cast(Tensor, tensor).detach() for tensor in tensors])
                rows[id(first)] = nn.Parameter(joined, first.requires_grad) if kind == "_parameters" else joined
                for tensor, row in zip(tensors, joined, strict=True):
                    cast(Tensor, tensor).data = row
            own[name] = rows[id(first)]


def _vmapped(layer: nn.Module, alone: nn.Module, *args: Any) -> Any:
    """Compute what has no rule as torch.vmap of ``alone``, the layer of one member, over the tensors of all."""
    alone.train(layer.training)
    tensors = dict(layer.named_parameters()) | dict(layer.named_buffers())

    def one(own: dict[str, Tensor], *args: Any) -> Any:
        return functional_call(alone, own, args)

    in_dims = (0, *(0 if isinstance(argument, Tensor) else None for argument in args))
    return torch.vmap(one, in_dims)(tensors, *args)


def _check_alike(first: nn.Module, other: nn.Module) -> None:
    """Raise ``NotStackable`` where two networks are not of one graph, or something watches a layer of them."""
    layers, others = dict(first.named_modules()), dict(other.named_modules())
    if layers.keys() != others.keys():
        raise NotStackable("The members have different layers.")
    for name, layer in layers.items():
        called = f"Layer {name} ({type(layer).__name__})" if name else "The network"
        if any(getattr(layer, hooks) for hooks in HOOKS):
            raise NotStackable(f"{called} has a hook.")
        if _form(layer) != _form(others[name]):
            raise NotStackable(f"{called} differs from member to member.")


def _form(layer: nn.Module) -> tuple[object, ...]:
    """Return what members have in common in a layer: its class, its settings, the shapes of its tensors."""
    settings = {
        key: value
        for key, value in vars(layer).items()
        if isinstance(value, int | float | str | tuple) and not (key == "p" and type(layer).forward in DROPOUTS)
    }
    tensors = [
        (name, tensor if tensor is None else (tensor.shape, tensor.dtype, tensor.device, tensor.requires_grad))
        for kind in (layer._parameters, layer._buffers)
        for name, tensor in kind.items()
    ]
    return type(layer).__qualname__, settings, tensors
