"""What a data set promises."""

from __future__ import annotations

import torch
from torch import Tensor

from ablate.dataset import Examples, Splits, loaded
from ablate.techniques import Data, Task
from ablate.testing.contract import Scope, contract, demand, seed_torch

NAMES = ("train", "val", "test")
_FLOATS = (torch.float32, torch.float64)


def _loaded(technique: Data, seed: int) -> Splits:
    """Return the raw splits, all of them in memory."""
    return loaded(technique, seed).in_memory()


@contract("data")
def gives_three_splits(technique: Data) -> None:
    """Training, validation and test all have examples, as many inputs as targets, and inputs of one shape."""
    splits = _loaded(technique, 0)
    for name, (x, y) in zip(NAMES, splits, strict=True):
        demand(len(x) > 0, f"the {name} split is empty. Give each split some examples.")
        demand(len(x) == len(y), f"the {name} split has {len(x)} inputs and {len(y)} targets.")
    shapes = {tuple(split.x.shape[1:]) for split in splits}
    demand(len(shapes) == 1, f"examples have different shapes: {', '.join(map(str, shapes))}.")
    demand(
        len(next(iter(shapes))) in (1, 2, 3),
        f"an example has the shape {next(iter(shapes))}. Give (F,) rows, (T, F) sequences or (C, H, W) images.",
    )


@contract("data")
def gives_finite_float32_inputs(technique: Data) -> None:
    """Inputs are float32, or float64 until they are scaled, without NaN and infinity."""
    for name, (x, _) in zip(NAMES, _loaded(technique, 0), strict=True):
        demand(
            x.dtype in (torch.float32, torch.float64),
            f"the inputs of the {name} split are {x.dtype}. Return x.float().",
        )
        demand(bool(x.isfinite().all()), f"the {name} split has NaN or infinity. Drop or fill what is missing.")


@contract("data")
def has_targets_of_its_task(technique: Data) -> None:
    """Classes are int64 from 0, (N,), or (N, H, W) for a segmentation; a regression has floats (N, targets)."""
    for name, (x, y) in zip(NAMES, _loaded(technique, 0), strict=True):
        if technique.task is Task.regression:
            demand(
                y.dtype in _FLOATS and y.ndim == 2,
                f"the targets of the {name} split are {y.dtype} {tuple(y.shape)}. Return float32 (N, targets).",
            )
            demand(bool(y.isfinite().all()), f"the targets of the {name} split have NaN or infinity.")
        elif technique.task in (Task.classification, Task.segmentation):
            shape = (len(x), *x.shape[2:]) if technique.task is Task.segmentation else (len(x),)
            demand(
                y.dtype == torch.int64 and y.shape == shape,
                f"the targets of the {name} split are {y.dtype} {tuple(y.shape)}. Return int64 {shape}.",
            )
            demand(int(y.min()) >= 0, f"the {name} split has the class {int(y.min())}. Count classes from 0.")


def _same(a: Splits, b: Splits) -> bool:
    pairs = [(s, t) for one, other in zip(a, b, strict=True) for s, t in zip(one, other, strict=True)]
    return all(s.shape == t.shape and torch.equal(s, t) for s, t in pairs)


@contract("data", scope=Scope.defaults)
def repeats_its_split(technique: Data) -> None:
    """The same seed gives the same splits, whatever was drawn before: every arm of a sweep sees the same data."""
    first = _loaded(technique, 0)
    seed_torch(1)
    demand(
        _same(first, _loaded(technique, 0)), "two calls with one seed differ. Draw from a generator made of the seed."
    )


@contract("data", scope=Scope.defaults)
def splits_by_its_seed(technique: Data) -> None:
    """Another seed gives another split: seeds are the replications of a study."""
    same = _same(_loaded(technique, 0), _loaded(technique, 1))
    demand(not same, "seeds 0 and 1 give the same splits. Use `seed` (ablate.dataset.random_split), or waive this.")


@contract("data", scope=Scope.defaults)
def keeps_its_splits_apart(technique: Data) -> None:
    """No two splits share examples, beyond what repeats within the training split itself."""
    rows = dict(zip(NAMES, map(_rows, _loaded(technique, 0)), strict=True))
    repeated = 1 - len(set(rows["train"])) / len(rows["train"])
    for name, other in (("val", "train"), ("test", "train"), ("test", "val")):
        seen = set(rows[other])
        shared = sum(row in seen for row in rows[name]) / len(rows[name])
        demand(
            shared <= 2 * repeated + 0.05,
            f"{100 * shared:.0f} % of the {name} split is in the {other} split too. Split first, repeat later.",
        )


def _rows(examples: Examples) -> list[bytes]:
    def flat(t: Tensor) -> Tensor:
        return t.reshape(len(t), -1).double()

    joined = torch.cat((flat(examples.x), flat(examples.y)), 1).numpy()
    return [row.tobytes() for row in joined]
