"""Parts of a network that do not learn: their weights have no gradients, and they stay in evaluation mode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from torch import nn

from ablate.errors import ConfigError, did_you_mean


def freeze(model: nn.Module, patterns: Sequence[str]) -> int:
    """Take the weights whose names fit one of ``patterns`` from training, and return how many they are.

    A pattern is a parameter, a module or either with * and ?: ``conv1``, ``layer[12].*``, ``*.bias``. Modules all of
    whose weights are frozen stay in evaluation mode, so that their statistics do not move and their dropout is off.
    Raises ``ConfigError`` for a pattern that fits no weights.
    """
    if not patterns:
        return 0
    parameters = dict(model.named_parameters(remove_duplicate=False))  # tied ones by each of their names
    for pattern in patterns:
        if not any(_fits(name, pattern) for name in parameters):
            modules = [name for name, _ in model.named_modules() if name]
            if any(fnmatchcase(name, pattern) for name in modules):
                raise ConfigError(f"freeze={pattern} would change nothing: there are no weights in it. Leave it out.")
            parts = ", ".join(name for name, _ in model.named_children()) or "none"
            near = did_you_mean(pattern, [*modules, *parameters])
            raise ConfigError(f"freeze={pattern}: nothing in the network is called so.{near} Its parts: {parts}.")
    chosen = {name for name in parameters if any(_fits(name, pattern) for pattern in patterns)}
    _freeze(model, lambda name: name in chosen)
    _keep_in_evaluation(model, [name for name, module in model.named_modules() if _has_only_frozen(module)])
    return sum(parameter.numel() for parameter in {parameters[name] for name in chosen})


def freeze_body(model: nn.Module, head: str) -> None:
    """Take all weights outside the submodule ``head`` from training; all but the head stays in evaluation mode."""
    inside = f"{head}."
    names = [name for name, _ in model.named_modules() if not f"{name}.".startswith(inside)]
    _freeze(model, lambda name: not name.startswith(inside))
    _keep_in_evaluation(model, [name for name in names if name and not inside.startswith(f"{name}.")])


def _freeze(model: nn.Module, chosen: Callable[[str], bool]) -> None:
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if chosen(name):
            parameter.requires_grad_(False)


def _keep_in_evaluation(model: nn.Module, names: Sequence[str]) -> None:
    """Put parts of ``model`` into evaluation mode before each forward pass, whoever asked for training."""
    model.register_forward_pre_hook(partial(_evaluate, names))


def _evaluate(names: Sequence[str], model: nn.Module, _: Any) -> None:
    for name in names:
        model.get_submodule(name).eval()


def _has_only_frozen(module: nn.Module) -> bool:
    learning = [parameter.requires_grad for parameter in module.parameters()]
    return bool(learning) and not any(learning)


def _fits(name: str, pattern: str) -> bool:
    """Say whether a parameter's name, or that of a module it is in, fits."""
    parts = name.split(".")
    return any(fnmatchcase(".".join(parts[:count]), pattern) for count in range(1, len(parts) + 1))
