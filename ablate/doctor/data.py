"""Is it the data? Inputs, splits, duplicates, batches."""

from __future__ import annotations

import torch
from torch import Tensor

from ablate.doctor.case import Case
from ablate.doctor.finding import Finding, judged

UNEVEN, VERY_UNEVEN = 20.0, 100.0
WIDE, VERY_WIDE = 5.0, 30.0
LEAKED, SHARED = 0.05, 0.01


def inputs(case: Case) -> Finding:
    """Are inputs normalised: spreads of the features alike, about 1, and means not far from 0?

    A first layer's gradient is proportional to its inputs: a feature 100 times as wide as another learns 100 times as
    fast (LeCun et al. 1998, "Efficient BackProp", section 4.3). Warns from a ratio of 20 or a size of 5 on, fails from
    100 or 30 on; features that are constant have no spread and do not count.
    """
    x = case.dataset.splits.train.x
    feature = 1 if x.ndim == 4 else x.ndim - 1
    others = [d for d in range(x.ndim) if d != feature]
    mean, spread = x.mean(others), x.std(others, correction=0)
    spread = spread[spread > 1e-6 * x.abs().amax(others).clamp(min=1e-30)]
    if not len(spread):
        return judged("inputs", "inputs normalised", "all inputs are the same", fail=True, way="other data")
    widest, ratio = float(spread.max()), float(spread.max() / spread.min())
    offset = float(mean.abs().max())
    return judged(
        "inputs",
        "inputs normalised",
        f"spread {float(spread.min()):.2g} to {widest:.2g}, mean ≤ {offset:.1f}",
        warn=ratio > UNEVEN or max(widest, offset) > WIDE or widest < 1 / WIDE / 10,
        fail=ratio > VERY_UNEVEN or max(widest, offset) > VERY_WIDE,
        way="data.scale=standard",
    )


def duplicates(case: Case) -> Finding:
    """Are there test or validation examples among the training inputs?

    Warns above 1 %, and fails above 5 % of a split: its score is then partly memory. Inputs of a few bits repeat.
    """
    train, *held = case.dataset.splits
    seen = set(_keys(train.x))
    share = max(sum(key in seen for key in _keys(split.x)) / max(1, len(split.x)) for split in held)
    distinct = len(seen) / max(1, len(train.x))
    few = distinct < 0.5  # a small world: whoever draws from it twice meets the same
    return judged(
        "duplicates",
        "no test or validation input is in training",
        f"{share:.1%} are" + (f", of a world of {len(seen)} inputs" if few else ""),
        warn=share > SHARED and not few,
        fail=share > LEAKED and not few,
        way="remove duplicates before the split",
    )


def _keys(x: Tensor) -> list[bytes]:
    return [row.numpy().tobytes() for row in x.flatten(1)]


def split(case: Case) -> Finding | None:
    """Does the training split have every class, and enough of each?

    Fails where a class of another split is never seen in training, warns where one has fewer than five examples.
    """
    if not case.has_classes:
        return None
    train, *held = (torch.bincount(s.y.flatten(), minlength=case.dataset.spec.outputs) for s in case.dataset.splits)
    missing = [c for c in range(len(train)) if train[c] == 0 and any(int(h[c]) for h in held)]
    rarest = int(train[train > 0].min())
    return judged(
        "split",
        "every class in the training split",
        f"missing: {', '.join(map(str, missing))}" if missing else f"the rarest has {rarest}",
        warn=rarest < 5,
        fail=bool(missing),
        way="more data.train_size, or another seed",
    )


def batch_size(case: Case) -> Finding:
    """Is the batch size sensible?

    Fails at one or two examples where the network normalises over the batch: their mean is all it would see (Wu & He
    2018, arXiv:1803.08494). Warns where one batch is all there is, and nobody asked for that.
    """
    count = len(case.dataset.splits.train.x)
    size = case.config.data.batch(count)
    mixes = size <= 2 and _mixes_examples(case)
    whole = case.config.data.batch_size == "all"
    return judged(
        "batch_size",
        "batch size",
        f"{min(size, count)} of {count} examples" + (", and the network normalises over the batch" if mixes else ""),
        warn=not whole and size >= count,
        fail=mixes,
        way="data.batch_size=64, or norm=ln" if mixes else "a smaller data.batch_size, or data.batch_size=all",
    )


def _mixes_examples(case: Case) -> bool:
    """Say whether in training what an example gives depends on the others of its batch."""
    model = case.fresh().model
    model.train()
    x = case.dataset.splits.train.x[:4]
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        alone = model(x)[0]
        torch.manual_seed(0)
        among = model(torch.cat((x[:1], -2 * x[1:])))[0]
    return not torch.allclose(alone, among, rtol=1e-4, atol=1e-5)
