"""Transfer: a network starts from the weights of an earlier run, as far as names and shapes agree."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ablate.config import Config, InitHead
from ablate.errors import ConfigError
from ablate.freezing import freeze_body
from ablate.kit import weight_layers
from ablate.record import Facts, Record, Status, read
from ablate.source import Source, WeightsFile
from ablate.weights import named_alike, read_weights

HEAD = "head"
"""The submodule of our networks that makes the prediction; all others are its body."""

_TOLD = 4


@dataclass(frozen=True)
class Transfer:
    """What a network took over from a source; tensors are weights and buffers, by their names in the network."""

    source: str
    """The run, ``<arm hash>/seed=<n>``, or the file, ``<name>@<hash>``."""
    folder: str
    """Where it lies; of a file, the file."""
    seeds: list[int]
    """Of the run, and of all that it started from itself: their splits are in the weights. A file's are not known."""
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
    head = head_of(model, config)
    if config.init_head is not InitHead.keep and head is None:
        raise ConfigError(
            f"init_head={config.init_head.name}: the network of model={config.choices()['model']} has no submodule "
            f"'{HEAD}' to tell from its body. init_head=keep loads all that matches."
        )
    here = {name: t for name, t in model.state_dict().items() if isinstance(t, Tensor)}
    there, source_name, place, seeds = _read(config, source, here)
    new = None if config.init_head is InitHead.keep else head
    fresh = {name: why for name, tensor in here.items() if (why := _mismatch(name, tensor, there, new))}
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
    if config.init_head is InitHead.frozen and head is not None:
        freeze_body(model, head)
    return Transfer(
        source=source_name,
        folder=str(place),
        seeds=seeds,
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
    if source is None or isinstance(source, WeightsFile):
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
    assert isinstance(source, Source)
    record = read(source.run(config.seed))
    where = f"init_from={source.reference}: the run {record.folder}"
    if record.facts.imported is not None:
        raise ConfigError(f"{where} was imported, and its weights were not.")
    if record.status is not Status.finished:
        raise ConfigError(f"{where} is {record.status}: only a finished run has weights to start from.")
    if not record.checkpoint.is_file():
        raise ConfigError(f"{where} has lost its weights: there is no {record.checkpoint.name}.")
    return record


def head_of(model: nn.Module, config: Config) -> str | None:
    """Return the name of the submodule that makes the prediction, None where that cannot be told.

    In a network that somebody else wrote it is the last layer of weights, unless it has one that is called so.
    """
    if isinstance(getattr(model, HEAD, None), nn.Module):
        return HEAD
    layers = dict.fromkeys(weight_layers(model)) if config.model.foreign else {}
    names = [name for name, module in model.named_modules() if name and module in layers]
    return names[-1] if names else None


def _read(
    config: Config, source: Source | WeightsFile, here: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], str, Path, list[int]]:
    """Return the weights of a source, its name, where it lies and the seeds that it knows."""
    if isinstance(source, WeightsFile):
        return named_alike(read_weights(source.place), here), source.reference, source.place.absolute(), []
    record = source_record(config)
    name = f"{record.facts.arm_hash}/seed={record.facts.seed}"
    return _weights(record), name, record.folder, sorted(_seeds(record.facts))


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


def _mismatch(name: str, tensor: Tensor, there: dict[str, Tensor], head: str | None) -> str:
    """Say why a tensor of the network is not loaded, as one of a new ``head`` is not; nothing where it is."""
    if head is not None and name.startswith(f"{head}."):
        return "(new head)"
    if name not in there:
        return "(not in the source)"
    if tensor.shape != there[name].shape:
        return f"{_shape(tensor)} against {_shape(there[name])} in the source"
    if there[name].layout != tensor.layout or there[name].is_complex() or there[name].is_quantized:
        return "(of other numbers in the source)"
    return ""


def _shape(tensor: Tensor) -> str:
    return f"({', '.join(map(str, tensor.shape))})"


def _described(name: str, tensor: Tensor) -> str:
    return f"{name} {_shape(tensor)}"


def _listed(parts: list[str]) -> str:
    more = len(parts) - _TOLD
    return ", ".join(parts[:_TOLD]) + (f" and {more} more" if more > 0 else "")
