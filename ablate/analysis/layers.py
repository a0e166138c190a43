"""What is wrong in the layers of a run, in plain sentences: from the table of measures, nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

DEAD = SATURATED = 0.5
TOO_SMALL, TOO_LARGE = 1e-4, 0.1
VANISHED = 1e-3
GROWTH = 10.0


@dataclass(frozen=True)
class Symptom:
    """One thing that is wrong in the layers of a run."""

    name: str
    """What it is in a word or two, the same in every run."""
    sentence: str
    """Where, how much, and since when."""


def symptoms(frame: pd.DataFrame) -> list[str]:
    """Return one sentence for each thing that is wrong: those of :func:`ills`."""
    return [one.sentence for one in ills(frame)]


def ills(frame: pd.DataFrame) -> list[Symptom]:
    """Return each thing that is wrong; none for a run whose layers are well.

    ``frame`` is that of ``ablate.results.layers``: one row per measured step and layer, layers in the order of calls.
    What is said of a step holds from there to the last one measured. Thresholds, with their reasons:

    - dead or saturated: half the units of a layer (``DEAD``, ``SATURATED``). A trained relu layer has up to about a
      tenth that a batch does not reach; from one half on, the layer is less than half its width.
    - gradients: a thousandfold (``VANISHED``) between first and last layer, in either direction: at one learning rate
      the slower layer stands still (Glorot & Bengio 2010). Well-initialised networks stay within a factor of ten.
    - updates: 1e-3 of the weights is the rule of thumb. Where no layer ever reaches ``TOO_SMALL`` of its weights, a
      run of thousands of steps would hardly leave its start; where one changes by ``TOO_LARGE`` in a single step at
      the end of the run, it settles nowhere.
    - activations: a tenfold (``GROWTH``) spread from one hidden layer to the next on average; he and xavier keep it
      near one, and depth multiplies it.
    """
    frame = frame[np.isfinite(frame["weight_norm"].to_numpy())]
    if frame.empty:
        return []
    found = [*_units(frame, "dead", DEAD), *_units(frame, "saturated", SATURATED), *_gradients(frame)]
    return [*found, *_updates(frame), *_activations(frame)]


def _units(frame: pd.DataFrame, measure: str, limit: float) -> list[Symptom]:
    """Name the layers of which at the last point too many units are dead or saturated, the worst with its share."""
    since: dict[str, float] = {}
    share: dict[str, float] = {}
    for layer, rows in _hidden(frame).groupby("layer", sort=False):
        values = rows[measure].to_numpy()
        if measure == "saturated":  # a dead unit is flat, too, but no news
            values = np.where(rows["dead"].to_numpy() >= DEAD, 0.0, values)
        bad = values >= limit
        if bad[-1]:
            first = len(bad) - int(np.argmin(bad[::-1])) if not bad.all() else 0
            since[str(layer)], share[str(layer)] = float(rows["step"].iloc[first]), float(values[-1])
    if not since:
        return []
    worst = max(share, key=lambda name: share[name])
    others = f", and so in {len(since) - 1} more of {frame['layer'].nunique()} layers" if len(since) > 1 else ""
    what = "dead units" if measure == "dead" else "saturated units"
    return [Symptom(what, f"layer {worst}: {share[worst]:.0%} {what} from step {since[worst]:.0f}{others}")]


def _gradients(frame: pd.DataFrame) -> list[Symptom]:
    """Compare the first layer with the last, where the first is worst off."""
    layers = _called(frame)
    if len(layers) < 2:
        return []
    table = frame.pivot_table("gradient_norm", "step", "layer", sort=False)
    if layers[0] not in table or layers[-1] not in table:
        return []
    first, last = table[layers[0]].to_numpy(), table[layers[-1]].to_numpy()
    known = np.isfinite(first) & np.isfinite(last) & ((first > 0) | (last > 0))
    first, last = first[known], last[known]
    if not len(first):
        return []
    if np.median(first) == 0:
        return [Symptom("vanishing gradients", f"no gradient reaches the first layer, {layers[0]}")]
    with np.errstate(divide="ignore"):
        ratio = float(np.median(np.log10(first) - np.log10(last)))
    if ratio <= math.log10(VANISHED):
        told = f"gradients shrink 1e{-ratio:.0f}-fold from the last layer to the first"
        return [Symptom("vanishing gradients", told)]
    if ratio >= -math.log10(VANISHED):
        told = f"gradients grow 1e{ratio:.0f}-fold from the last layer to the first"
        return [Symptom("exploding gradients", told)]
    return []


def _updates(frame: pd.DataFrame) -> list[Symptom]:
    called = frame[frame["layer"].isin(_called(frame))]
    ratios = called[np.isfinite(called["update_ratio"])]
    if ratios.empty:
        return []
    found = []
    largest = float(ratios["update_ratio"].max())
    if largest == 0:
        moved = ratios["step"].nunique() == 1  # L-BFGS may have arrived
        return [] if moved else [Symptom("unchanged layers", "no layer is changed by training")]
    still = [name for name, rows in ratios.groupby("layer", sort=False) if (rows["update_ratio"] == 0).all()]
    if still and ratios["step"].nunique() > 1:
        more = f" and {len(still) - 1} more" if len(still) > 1 else ""
        found.append(Symptom("unchanged layers", f"layer {still[0]}{more} never changed"))
    if largest < TOO_SMALL:
        told = f"updates are at most {largest:.0e} of the weights: learning rate too small"
        found.append(Symptom("small updates", told))
    last = ratios[ratios["step"] == ratios["step"].max()]
    worst = last.loc[last["update_ratio"].idxmax()]
    if worst["update_ratio"] > 1:
        told = f"updates exceed the weights (layer {worst['layer']}): learning rate too large"
        found.append(Symptom("large updates", told))
    elif worst["update_ratio"] > TOO_LARGE:
        told = (
            f"updates are {worst['update_ratio']:.0%} of the weights (layer {worst['layer']}): learning rate too large"
        )
        found.append(Symptom("large updates", told))
    return found


def _activations(frame: pd.DataFrame) -> list[Symptom]:
    hidden = _called(frame)[:-1]  # logits grow as a network becomes sure
    if len(hidden) < 2:
        return []
    start = frame[frame["step"] == frame["step"].min()].set_index("layer")["activation_std"]
    first, last = float(start[hidden[0]]), float(start[hidden[-1]])
    if not (first > 0 and math.isfinite(last)):
        return []
    growth = (last / first) ** (1 / (len(hidden) - 1))
    told = f"activations grow {growth:.0f}-fold from layer to layer"
    return [Symptom("growing activations", told)] if growth >= GROWTH else []


def _called(frame: pd.DataFrame) -> list[str]:
    """Return the layers that have activations, in the order of calls."""
    return list(frame.loc[frame["activation_std"].notna(), "layer"].unique())


def _hidden(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["layer"].isin(_called(frame))]
