"""Transfer: a network starts from the weights of an earlier run, as far as names and shapes agree."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ablate.config import Config, InitHead
from ablate.errors import ConfigError
from ablate.record import Facts, Record, Status, read

HEAD = "head"
"""The submodule of a network that makes the prediction; all others are its body."""

_TOLD = 4


@dataclass(frozen=True)
class Transfer:
    """What a network took over from a source; tensors are weights and buffers, by their names in the network."""

    source: str
    """The run: ``<arm hash>/seed=<n>``."""
    folder: str
    seeds: list[int]
    """Of the run, and of all that it started from itself: their splits are in the weights."""
    loaded: list[str]
    fresh: dict[str, str]
    """What kept its first values, and why."""
    unused: list[str]
    """What the source has and the network has not."""
    share: float
    """Of the network's weights, buffers left out: how many were loaded, from 0 to 1."""
    trained: int
    """How many weights the optimizer changes."""
    weights: int

    def __str__(self) -> str:
        """``6 of 8 tensors loaded, 92 % of the weights; not loaded: …``."""
        count = len(self.loaded) + len(self.fresh)
        parts = [f"{len(self.loaded)} of {count} tensors loaded, {math.floor(100 * self.share)} % of the weights"]
        if self.fresh:
            parts.append("not loaded: " + _listed([f"{name} {why}" for name, why in self.fresh.items()]))
        if self.unused:
            parts.append("no place for: " + _listed(self.unused))
        if self.trained < self.weights:
            parts.append(f"trained: {self.trained} of {self.weights} weights")
        return "; ".join(parts)


def load(model: nn.Module, config: Config) -> Transfer | None:
    """Load into ``model`` the weights that ``config.init_from`` names, and freeze its body where that is asked for.

    The weights are those with the best validation metric, which the source was tested with. What differs in name
    or shape keeps its first values. Returns None for a run without a source; raises ``ConfigError`` for a source
    that cannot be used and where no weight matrix or kernel matches.
    """
    source = config.source
    if source is None:
        return None
    record = source_record(config)
    if config.init_head is not InitHead.keep and not isinstance(getattr(model, HEAD, None), nn.Module):
        raise ConfigError(
            f"init_head={config.init_head.name}: the network of model={config.choices()['model']} has no submodule "
            f"'{HEAD}' to tell from its body. init_head=keep loads all that matches."
        )
    there = _weights(record)
    here = {name: t for name, t in model.state_dict().items() if isinstance(t, Tensor)}
    fresh = {name: why for name, tensor in here.items() if (why := _mismatch(name, tensor, there, config.init_head))}
    loaded = [name for name in here if name not in fresh]
    parameters = {name: parameter.numel() for name, parameter in model.named_parameters()}
    # a bias of the output fits almost anything of the same data, and transfers nothing
    matrices = {name for name, parameter in model.named_parameters() if parameter.ndim > 1}
    if not (matrices or parameters.keys()) & set(loaded):
        raise ConfigError(
            f"init_from={source.reference}: none of its weight matrices has the name and shape of one in this network "
            f"(here: {_listed([_described(n, t) for n, t in here.items()])}; there: "
            f"{_listed([_described(n, t) for n, t in there.items()])}). Give both runs the same model."
        )
    model.load_state_dict({name: there[name] for name in loaded}, strict=False)
    if config.init_head is InitHead.frozen:
        freeze_body(model)
    return Transfer(
        source=f"{record.facts.arm_hash}/seed={record.facts.seed}",
        folder=str(record.folder),
        seeds=sorted(_seeds(record.facts)),
        loaded=loaded,
        fresh=fresh,
        unused=[name for name in there if name not in here],
        share=sum(parameters.get(name, 0) for name in loaded) / sum(parameters.values()),
        trained=sum(p.numel() for p in model.parameters() if p.requires_grad),
        weights=sum(parameters.values()),
    )


def check(config: Config) -> list[str]:
    """Raise ``ConfigError`` where the run cannot start from its source; return warnings. Reads no weights."""
    source = config.source
    if source is None:
        return []
    facts = source_record(config).facts
    # Another seed is another split, whatever the data: several sets are made of the same images.
    others = sorted(_seeds(facts) - {config.seed})
    if not others:
        return []
    return [
        f"init_from={source.reference} has learned with seed={','.join(map(str, others))}, whose split is another: "
        "examples that runs of other seeds are validated and tested on may have been among its training examples. "
        f"init_from={facts.arm_hash} takes for each seed the run of its own."
    ]


def _seeds(facts: Facts) -> set[int]:
    """Return the seeds of a source and of all that it started from itself."""
    own = {facts.seed}
    return own | set(facts.transfer["seeds"]) if facts.transfer else own


def source_record(config: Config) -> Record:
    """Return the record of the run that ``config`` starts from; raise ``ConfigError`` where it cannot be used."""
    source = config.source
    assert source is not None
    record = read(source.run(config.seed))
    where = f"init_from={source.reference}: the run {record.folder}"
    if record.facts.imported is not None:
        raise ConfigError(f"{where} was imported, and its weights were not.")
    if record.status is not Status.finished:
        raise ConfigError(f"{where} is {record.status}: only a finished run has weights to start from.")
    if not record.checkpoint.is_file():
        raise ConfigError(f"{where} has lost its weights: there is no {record.checkpoint.name}.")
    return record


def freeze_body(model: nn.Module) -> None:
    """Take all weights outside the head from training; the body stays in evaluation mode.

    So its batch statistics do not move and its dropout is off, whoever puts the network into training mode.
    """
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(f"{HEAD}."))
    model.register_forward_pre_hook(_body_in_evaluation)


def _body_in_evaluation(model: nn.Module, _: Any) -> None:
    for name, child in model.named_children():
        if name != HEAD:
            child.eval()


def _weights(record: Record) -> dict[str, Tensor]:
    """Return the weights and buffers of the network in a record's best checkpoint."""
    try:
        state = torch.load(record.checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    except Exception as error:  # unpickling fails in as many ways as a file can be broken
        raise ConfigError(f"init_from: {record.checkpoint} cannot be read as weights. Train that run again.") from error
    prefix = "model."
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in state.items()
        if name.startswith(prefix) and isinstance(tensor, Tensor)
    }


def _mismatch(name: str, tensor: Tensor, there: dict[str, Tensor], head: InitHead) -> str:
    """Say why a tensor of the network is not loaded; nothing where it is."""
    if head is not InitHead.keep and name.startswith(f"{HEAD}."):
        return "(new head)"
    if name not in there:
        return "(not in the source)"
    if tensor.shape != there[name].shape:
        return f"{_shape(tensor)} against {_shape(there[name])} in the source"
    return ""


def _shape(tensor: Tensor) -> str:
    return f"({', '.join(map(str, tensor.shape))})"


def _described(name: str, tensor: Tensor) -> str:
    return f"{name} {_shape(tensor)}"


def _listed(parts: list[str]) -> str:
    more = len(parts) - _TOLD
    return ", ".join(parts[:_TOLD]) + (f" and {more} more" if more > 0 else "")
