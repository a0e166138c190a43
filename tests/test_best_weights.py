"""Small best weights wait in memory until something goes on from them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ablate.errors import BusyError
from ablate.training import checkpoints
from ablate.training.checkpoints import BEST, KEY, LAST, WholeFiles


def value(path: Path) -> int:
    content: dict[str, int] = torch.load(path, weights_only=True)
    return content["value"]


def test_the_best_are_written_with_the_checkpoint_that_needs_them(tmp_path: Path) -> None:
    best, last, files = tmp_path / BEST, tmp_path / LAST, WholeFiles(lambda: None)
    files.save_checkpoint({"value": 1}, best)
    files.save_checkpoint({"value": 2}, best)
    assert not best.exists()
    files.save_checkpoint({"value": 3, KEY: {"ended": False}}, last)
    assert (value(best), value(last)) == (2, 3)


def test_the_best_are_written_when_training_ends(tmp_path: Path) -> None:
    best, files = tmp_path / BEST, WholeFiles(lambda: None)
    files.save_checkpoint({"value": 1}, best)
    files.teardown()
    assert value(best) == 1
    best.unlink()
    files.teardown()
    assert not best.exists()


def test_large_ones_are_written_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "_SMALL", 10)
    best, files = tmp_path / BEST, WholeFiles(lambda: None)
    files.save_checkpoint({"value": 1}, best)
    assert value(best) == 1


def test_nothing_is_written_into_a_folder_that_was_taken_over(tmp_path: Path) -> None:
    def taken() -> None:
        raise BusyError("taken")

    files = WholeFiles(taken)
    files.save_checkpoint({"value": 1}, tmp_path / BEST)
    with pytest.raises(BusyError):
        files.teardown()
    assert not list(tmp_path.iterdir())
