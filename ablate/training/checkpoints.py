"""The checkpoints of a run: written whole or not at all, and looked at before they are trusted."""

from __future__ import annotations

import copy
import io
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor, nn

from ablate.atomic import atomic, sync
from ablate.facts import Status
from ablate.layer_table import Row
from ablate.record import Record

BEST, LAST = "best.ckpt", "last.ckpt"
_SMALL = 2**24
KEY = "run"
"""Where a checkpoint keeps what Lightning does not: identity, curves, random state, the interval begun."""


class CheckpointError(Exception):
    """A checkpoint that cannot be used; says why."""


class WholeFiles(TorchCheckpointIO):
    """Writes through a temporary file beside the checkpoint; ``check`` raises where the folder is another's by now.

    What a run goes on from, and the best weights that belong to it, outlive a power cut. Small best weights are kept in
    memory until something goes on from them, as they may be improved many times a second.
    """

    def __init__(self, check: Callable[[], None]) -> None:
        super().__init__()
        self.check = check
        self._waiting: tuple[Path, dict[str, Any]] | None = None

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write ``checkpoint`` to ``path``."""
        path, kept = Path(path), Snapshot(checkpoint)
        if path.name == BEST and kept.bytes <= _SMALL:
            self._waiting = path, kept.content
            return
        durable = not checkpoint.get(KEY, {"ended": True})["ended"]
        self._write_waiting()
        if durable and (best := path.with_name(BEST)).exists():
            sync(best)
        self._write(path, kept.content, durable)

    def teardown(self) -> None:
        """Write what waits: training has ended, however."""
        self._write_waiting()

    def _write_waiting(self) -> None:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            self._write(*waiting)

    def _write(self, path: Path, content: dict[str, Any], durable: bool = False) -> None:
        self.check()
        written = io.BytesIO()
        torch.save(content, written)
        with atomic(path, durable=durable) as temporary:
            temporary.write_bytes(written.getbuffer())


class Snapshot:
    """A copy of a checkpoint that training no longer changes.

    Each tensor has memory of its own, but for those that are one: ``torch.save`` writes all of the memory that a tensor
    is a view of, and the weights of a member are a view of those of its whole stack.
    """

    def __init__(self, checkpoint: dict[str, Any]) -> None:
        self.bytes = 0
        """The size of its tensors."""
        self._tensors: dict[tuple[object, ...], Tensor] = {}
        self.content: dict[str, Any] = self._copied(checkpoint)

    def _copied(self, part: Any) -> Any:
        if type(part) in (dict, OrderedDict):
            copied = copy.copy(part)  # a state_dict of torch bears the versions of its layers, too
            copied.update((key, self._copied(value)) for key, value in part.items())
            return copied
        if type(part) in (list, tuple):
            return type(part)(map(self._copied, part))
        if type(part) not in (Tensor, nn.Parameter):
            return part if isinstance(part, int | float | str | None) else copy.deepcopy(part)
        place = part.data_ptr(), part.shape, part.stride(), part.dtype, part.device
        if place not in self._tensors or not part.numel():
            self._tensors[place] = part.detach().clone()
            self.bytes += part.nbytes
        return self._tensors[place]


class BestWeights(ModelCheckpoint):
    """Keeps ``best.ckpt``; where the folder is now, whatever it was called when the run was interrupted."""

    def _monitor_candidates(self, trainer: pl.Trainer) -> dict[str, Tensor]:
        """Return what a checkpoint may be judged by; Lightning copies every tensor of it."""
        counted = {"epoch": torch.tensor(trainer.current_epoch), "step": torch.tensor(trainer.global_step)}
        return {**trainer.callback_metrics, **counted}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the best value so far."""
        assert self.dirpath is not None
        here = {key: self._moved(state_dict[key]) for key in ("best_model_path", "kth_best_model_path")}
        models = {self._moved(path): value for path, value in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **here, "dirpath": self.dirpath, "best_k_models": models})

    def _moved(self, path: str) -> str:
        return str(Path(self.dirpath or "") / Path(path).name) if path else ""


def load(path: Path) -> dict[str, Any]:
    """Return the content of a checkpoint; raise ``CheckpointError`` where a byte of it is not as it was written."""
    try:
        with zipfile.ZipFile(path) as archive:
            if broken := archive.testzip():  # torch.load does not compare checksums
                raise CheckpointError(f"its part {broken} is damaged")
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (CheckpointError, FileNotFoundError):
        raise
    except UnpicklingError as error:
        raise CheckpointError(
            "it holds more than tensors and plain data, which could run code; for what an optimizer of yours keeps "
            "there is torch.serialization.add_safe_globals"
        ) from error
    except Exception as error:  # unpickling fails in as many ways as a file can be broken
        raise CheckpointError(f"{type(error).__name__}: {error}".splitlines()[0]) from error
    return content


@dataclass(frozen=True)
class Saved:
    """What an interrupted run goes on from."""

    path: Path
    step: int
    seconds: float
    """Time in training up to it."""
    ended: bool
    """Whether training is over, and only the test is left."""
    diverged: bool
    rows: list[dict[str, float]]
    layers: list[Row]
    optimizer_state_bytes: int | None


def usable(record: Record) -> Saved | None:
    """Return the checkpoint that the run can go on from, None where it has to begin anew; set aside what is damaged.

    A run that failed begins anew, as what it failed of may have been mended.
    """
    path = record.folder / LAST
    if record.facts.status is Status.failed or not path.is_file():
        return None
    try:
        content = load(path)
    except CheckpointError as error:
        record.set_aside(LAST, str(error))
        return None
    kept = content.get(KEY)
    if kept is None or not (kept["ended"] or "ranks" in kept):  # of an earlier version
        return None
    if kept["identity"] != identity(record):
        record.set_aside(LAST, f"it is of another run, {kept['identity']}")
        return None
    if any(state.get("best_model_path") for state in content["callbacks"].values() if isinstance(state, dict)):
        try:
            load(record.checkpoint)
        except FileNotFoundError:
            record.warn(f"{record.checkpoint} is gone, and the run cannot go on without: it begins anew.")
            return None
        except CheckpointError as error:
            record.set_aside(record.checkpoint.name, str(error))
            return None
    return Saved(
        path,
        content["global_step"],
        kept["seconds"],
        kept["ended"],
        kept.get("diverged", False),
        kept["rows"],
        kept.get("layers", []),
        kept.get("optimizer_state_bytes"),
    )


def identity(record: Record) -> str:
    """Return what no two runs share."""
    return f"{record.facts.arm_hash}/seed={record.facts.seed}"
