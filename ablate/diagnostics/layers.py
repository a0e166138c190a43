"""The layers of any network: the modules that hold parameters themselves."""

from __future__ import annotations

from torch import nn

_WITHIN = "parametrizations"
"""Where torch keeps what a weight is made from; it counts as the layer's own."""


def parameters_of(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Return the own parameters of each layer by its dotted path; those of the network itself as ``(network)``."""
    found: dict[str, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        path, _, _ = name.rpartition(".")
        parts = path.split(".")
        if _WITHIN in parts:
            path = ".".join(parts[: parts.index(_WITHIN)])
        found.setdefault(path or "(network)", []).append(parameter)
    return found


def is_simple(module: nn.Module) -> bool:
    """Say whether a module has no parts but what its weights are made from."""
    return all(name == _WITHIN for name, _ in module.named_children())


def has_weights(module: nn.Module, members: int = 0) -> bool:
    """Say whether a module multiplies by weights, and does not just scale and shift each unit as a norm does.

    So many of the dims of its parameters, in front, are not its own but count members of a stack.
    """
    within = getattr(module, _WITHIN, None)
    own = [*module.parameters(recurse=False), *(within.parameters() if isinstance(within, nn.Module) else ())]
    return any(parameter.ndim > 1 + members for parameter in own)


def unit_dim(module: nn.Module) -> int:
    """Return which dim of a layer's output counts its units: channels of a convolution, else features, the last."""
    return 1 if isinstance(module, nn.modules.conv._ConvNd) else -1
