"""Short ways to make techniques, kits and data for tests."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
import torch
from torch import Tensor

from ablate import technique
from ablate.dataset import Splits
from ablate.errors import ConfigError
from ablate.kit import Kit
from ablate.techniques import Activation, Data, DataSpec, Init, Norm, Pool, Regularizer, Task, Technique

T = TypeVar("T", bound=Technique)


def make(base: type[T], name: str, **params: Any) -> T:
    """Return an option of the kind ``base``, typed as that kind."""
    made = technique(base.kind, name, **params)
    assert isinstance(made, base)
    return made


def refusal(base: type[Technique], name: str, **params: Any) -> str:
    """Return why an option refuses ``params``, without the list of parameters that ends the message."""
    with pytest.raises(ConfigError) as caught:
        technique(base.kind, name, **params)
    reason, _, listed = str(caught.value).partition(" Parameters:")
    assert listed
    return reason


def make_kit(
    *,
    act: str = "relu",
    init: str = "he",
    norm: str = "none",
    pool: str | Pool = "none",
    reg: Mapping[str, Regularizer] | None = None,
) -> Kit:
    """Return a kit of options by name."""
    return Kit(
        act=make(Activation, act),
        init=make(Init, init),
        norm=make(Norm, norm),
        pool=make(Pool, pool) if isinstance(pool, str) else pool,
        reg=reg or {},
    )


def classes(*input_shape: int, outputs: int = 3) -> DataSpec:
    """Return the spec of a classification."""
    return DataSpec(Task.classification, input_shape, outputs)


def pixels(*input_shape: int, outputs: int = 3) -> DataSpec:
    """Return the spec of a segmentation."""
    return DataSpec(Task.segmentation, input_shape, outputs)


def generator(seed: int = 0) -> torch.Generator:
    """Return a fresh source of random numbers."""
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Return float64 normal numbers: exact enough to compare formulas to 1e-12."""
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


@dataclass
class Unchanging(Norm):
    """Changes nothing: what a test registers needs a method that builds."""

    def build(self, features: int, spatial: int) -> torch.nn.Module:
        """Return a module that keeps its input."""
        return torch.nn.Identity()


@dataclass
class Given(Data):
    """A classification of examples that a test made."""

    task: ClassVar[Task] = Task.classification
    splits: Splits | None = None

    def load(self, seed: int) -> Splits:
        """Return them."""
        assert self.splits is not None
        return self.splits


@dataclass
class GivenRegression(Given):
    """A regression of examples that a test made."""

    task: ClassVar[Task] = Task.regression


_SHORT = {"trainer.max_epochs": 1, "trainer.validations": 2, "data.train_size": 128, "model.width": 8}


def flat(tree: Any, name: str = "") -> dict[str, Any]:
    """Return the leaves of nested containers by their path."""
    if isinstance(tree, dict):
        return {k: v for key, part in tree.items() for k, v in flat(part, f"{name}.{key}").items()}
    if isinstance(tree, list | tuple):
        return {k: v for i, part in enumerate(tree) for k, v in flat(part, f"{name}.{i}").items()}
    return {name: tree}


def short(*settings: str) -> list[str]:
    """Return ``settings`` and, where they do not say otherwise, those of an mlp that trains in a tenth of a second."""
    said = {setting.partition("=")[0] for setting in settings}
    if "trainer.max_steps" in said:
        said.add("trainer.max_epochs")
    return [*settings, *(f"{key}={value}" for key, value in _SHORT.items() if key not in said)]


def python(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Call this Python as a person would, with ``environment`` beside what is set already."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def module(name: str, **attributes: Any) -> types.ModuleType:
    """Return a module with these attributes, as a plugin would be imported."""
    made = types.ModuleType(name)
    vars(made).update(attributes)
    return made
