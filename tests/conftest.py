"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import hypothesis
import pytest
import torch

import ablate
from ablate import files
from ablate.config import Config
from ablate.engines import gains
from ablate.registry import registry
from ablate.training.pace import Pace
from tests.helpers import short

torch.set_num_threads(1)  # as a run has: pytest's own processes share the processors
hypothesis.settings.register_profile("untimed", deadline=None)  # how long an example takes is no matter of a test
hypothesis.settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the folders, whose tests are quick, last: a long one at the end would be all that a processor waits for."""
    items.sort(key=lambda item: item.path.parent != Path(__file__).parent)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test writes its outputs to a folder of its own."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is read of data in the tests' own folder, in the processes that they start as well."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(autouse=True)
def _no_gain(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have ``stack=auto`` train every run by itself: no test may depend on how fast the machine is, or was."""
    monkeypatch.setattr(gains, "folder", lambda: tmp_path_factory.getbasetemp() / "stacks")
    monkeypatch.setattr(Pace, "gain", lambda self, members: 0.0)


@pytest.fixture(autouse=True)
def _own_options(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have what a test registers, or names by ``--plugin``, end with it."""
    monkeypatch.setenv(files.VARIABLE, os.environ.get(files.VARIABLE, ""))
    ours = registry()
    before = ours._state()
    yield
    ours._restore(before)


@pytest.fixture
def short_config() -> Callable[..., Config]:
    """Return a maker of quick configurations: ``short_config("norm=bn")``."""

    def make(*settings: str) -> Config:
        return ablate.compose(short(*settings))

    return make


@pytest.fixture
def short_sweep() -> Callable[[Sequence[str]], ablate.Sweep]:
    """Return a runner of quick sweeps in this process: ``short_sweep(["norm=bn,none"])``."""

    def make(settings: Sequence[str]) -> ablate.Sweep:
        return ablate.sweep(short("workers=0", *settings))

    return make
