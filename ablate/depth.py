"""How far a weight is from the output, and learning rates that go down with it.

Discriminative rates: lr · decay^distance, so that what a network has learned elsewhere changes less the nearer it is to
the input (Howard & Ruder 2018, arXiv:1801.06146; layer by layer as in Clark et al. 2020, arXiv:2003.10555).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn
from torch.optim import LBFGS, Optimizer

from ablate.errors import ConfigError


def distances(model: nn.Module) -> dict[str, int]:
    """Return for each parameter how many levels lie between it and the output, in the order in which they were made.

    A level is what has one name up to its first number, ``blocks.3`` or ``layer1.0``, or else one submodule, ``conv1``,
    below the module that holds all weights. One without weight matrices, such as a normalisation, belongs to the level
    before it; parameters of the network itself belong to the first.
    """
    parameters = dict(model.named_parameters())
    modules = [name.split(".")[:-1] for name in parameters]
    columns = enumerate(zip(*modules, strict=False))
    around = next((i for i, column in columns if len(set(column)) > 1), min(map(len, modules), default=0))
    names: dict[str, list[str]] = {}
    for name in parameters:
        names.setdefault(_level(name.split(".")[around:-1]), []).append(name)
    own = names.pop("", [])
    levels: list[list[str]] = []
    for part in names.values():
        if levels and all(parameters[name].ndim < 2 for name in part):
            levels[-1] += part
        else:
            levels.append(list(part))
    if own:
        levels[:1] = [own + (levels[0] if levels else [])]
    return {name: len(levels) - 1 - i for i, level in enumerate(levels) for name in level}


def _level(modules: Sequence[str]) -> str:
    number = next((i for i, part in enumerate(modules) if part.isdecimal()), 0)
    return ".".join(modules[: number + 1])


def decay_rates(optimizer: Optimizer, model: nn.Module, decay: float) -> None:
    """Give each parameter lr · decay^distance: the groups of ``optimizer`` are split, those of the output first.

    Raises ``ConfigError`` where the optimizer has one rate for all, or none, and where all that it trains is in the
    level of the output.
    """
    away = distances(model)
    distance = {parameter: away[name] for name, parameter in model.named_parameters()}
    if not any(distance[parameter] for group in optimizer.param_groups for parameter in group["params"]):
        raise ConfigError(f"layer_decay={decay} would change nothing: all that is trained is in the last level.")
    if isinstance(optimizer, LBFGS) or not all("lr" in group for group in optimizer.param_groups):
        raise ConfigError(
            f"layer_decay={decay}: {type(optimizer).__name__} has one rate for all weights. Take opt=adamw."
        )
    split = []
    for group in optimizer.param_groups:
        for level in sorted({distance[parameter] for parameter in group["params"]}):
            own = [parameter for parameter in group["params"] if distance[parameter] == level]
            split.append({**group, "params": own, "lr": group["lr"] * decay**level})
    optimizer.param_groups[:] = split
