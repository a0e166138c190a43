"""Small best weights wait in memory until something goes on from them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

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
    files.save_checkpoint({"value": 1, "weights": torch.zeros(3)}, best)
    assert value(best) == 1


def test_what_is_kept_is_what_was_saved_and_no_more(tmp_path: Path) -> None:
    best, files = tmp_path / BEST, WholeFiles(lambda: None)
    of_all = torch.arange(30_000.0).view(100, 300)
    layer = nn.BatchNorm1d(300)
    layer.weight.data = of_all[7]
    files.save_checkpoint({"state_dict": layer.state_dict(), "again": layer.weight, "counts": [1, {"n": 2}]}, best)
    of_all.zero_()  # training goes on
    files.teardown()
    kept = torch.load(best, weights_only=True)
    assert torch.equal(kept["state_dict"]["weight"], torch.arange(2100.0, 2400.0))
    assert kept["state_dict"]["weight"].data_ptr() == kept["again"].data_ptr()  # one tensor stays one
    assert vars(kept["state_dict"]) == vars(layer.state_dict())  # the versions of the layers
    assert kept["counts"] == [1, {"n": 2}]
    assert best.stat().st_size < of_all.nbytes / 4


def test_nothing_is_written_into_a_folder_that_was_taken_over(tmp_path: Path) -> None:
    def taken() -> None:
        raise BusyError("taken")

    files = WholeFiles(taken)
    files.save_checkpoint({"value": 1}, tmp_path / BEST)
    with pytest.raises(BusyError):
        files.teardown()
    assert not list(tmp_path.iterdir())
