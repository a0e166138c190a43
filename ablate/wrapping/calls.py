"""How each kind calls a class that somebody else wrote: what it hands over, and under which names."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Call:
    """A kind's method and the names of what it supplies."""

    method: str
    arguments: tuple[str, ...]
    """What the method is given."""
    supplied: Mapping[str, str]
    """Parameters of the class, each with what it gets."""
    always: frozenset[str] = frozenset()
    """Parameters that are supplied even where the class has a default."""
    settings: frozenset[str] = frozenset()
    """What ``of`` takes beside parameters of the class."""
    derive: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict
    """From what the method is given to what is supplied."""


def _names(**by_value: str) -> dict[str, str]:
    return {name: value for value, names in by_value.items() for name in names.split()}


def _of_spec(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a network is usually told of its data: channels or features, classes or targets."""
    spec = given["spec"]
    shape = spec.input_shape
    channels = shape[0] if len(shape) == 3 else shape[-1]
    return {
        **given,
        "input_shape": shape,
        "outputs": spec.outputs,
        "channels": channels,
        "values": math.prod(shape) if len(shape) == 3 else channels,
    }


_FEATURES = "features num_features n_features num_channels channels normalized_shape dim"
_STEPS = "T_max total_steps total_iters num_training_steps"
_SPEC = _names(
    kit="kit",
    spec="spec",
    input_shape="input_shape",
    outputs="outputs num_outputs num_classes n_classes out_features",
    channels="in_channels in_chans input_size",
    values="in_features num_features",
)
CALLS = {
    "act": Call("build", (), {}),
    "init": Call(
        "fill",
        ("weight", "fan_in", "fan_out", "generator"),
        _names(weight="weight tensor", fan_in="fan_in", fan_out="fan_out", generator="generator"),
        always=frozenset({"generator"}),
    ),
    "norm": Call(
        "build",
        ("features", "spatial"),
        _names(features=_FEATURES, spatial="spatial"),
        settings=frozenset({"channels_last"}),
    ),
    "pool": Call("build", ("channels", "spatial"), _names(channels=f"{_FEATURES} in_channels", spatial="spatial")),
    "reg": Call("layer", ("features", "spatial"), _names(features=_FEATURES, spatial="spatial")),
    "opt": Call("build", ("params",), _names(params="params parameters")),
    "sched": Call(
        "build",
        ("optimizer", "total_steps"),
        _names(optimizer="optimizer", total_steps=_STEPS),
        always=frozenset(_STEPS.split()),
    ),
    "loss": Call("build", ("task",), _names(task="task"), settings=frozenset({"tasks"})),
    "model": Call(
        "build",
        ("kit", "spec"),
        _SPEC,
        always=frozenset(_SPEC),
        settings=frozenset({"tasks", "input_ranks", "advice"}),
        derive=_of_spec,
    ),
    "data": Call(
        "load",
        ("seed",),
        _names(seed="seed random_state split_seed"),
        always=frozenset({"seed", "random_state", "split_seed"}),
        settings=frozenset({"task"}),
    ),
}
"""Every kind; what is called for data is a ``LightningDataModule``."""


@contextlib.contextmanager
def drawing_from(generator: torch.Generator) -> Iterator[None]:
    """Let torch's global source of random numbers follow ``generator`` for a while, and give it back as it was."""
    import torch  # who fills a weight has imported it

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        yield
