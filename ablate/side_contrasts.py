"""The contrasts of a comparison: each side with the first, by pairs where seeds are shared, else as two groups."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from ablate import analysis
from ablate.analysis import Contrast, Metric
from ablate.analysis.findings import Refusal
from ablate.analysis.table import RESULTS
from ablate.analysis.unpaired import Unpaired, unpaired

_SIDE = re.compile(r"\bside=([A-Z])\b")


def in_words(sentence: str) -> str:
    """Return a sentence of the analysis, to which the sides are levels and the arms are too, as people say it."""
    return _SIDE.sub(r"\1", sentence.replace("with side=", "of side=")).replace(" within arm=", " in ")


def _pairs(one: set[int], other: set[int]) -> bool:
    """Say whether two sides are compared seed by seed: by one pair alone only where two groups would say no more."""
    shared = len(one & other)
    return shared > 1 or (shared == 1 and min(len(one), len(other)) == 1)


def _seeds_listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


def _seeds(runs: pd.DataFrame) -> dict[str, set[int]]:
    return {str(side): set(own["seed"]) for side, own in runs.groupby("side", sort=False)}


def contrast_sides(
    frame: pd.DataFrame, metrics: Sequence[Metric], by: str | None
) -> tuple[list[Contrast], list[Unpaired], list[str]]:
    """Contrast each side with the first, within each arm: by pairs where seeds are shared, else as two groups."""
    notes: list[str] = []
    first = frame["side"].iloc[0]
    paired: list[pd.DataFrame] = []
    unlike: list[pd.DataFrame] = []
    for arm, runs in frame.groupby("arm", sort=False) if by else [("", frame)]:
        rows = runs[runs["status"].isin(RESULTS)]
        planned, seeds = _seeds(runs), _seeds(rows)
        if first not in seeds:
            continue
        of = f"{arm!s}: " if by else ""
        apart = [side for side in seeds if side != first and not _pairs(seeds[first], seeds[side])]
        for side in filter(lambda side: side != first, seeds):
            shared, left = seeds[first] & seeds[side], seeds[first] ^ seeds[side]
            if side in apart:
                has = f"only seed {min(shared)}" if shared else "no seed"
                has += "" if shared == planned[first] & planned[side] else " with a result"
                notes.append(f"{of}{first} and {side} have {has} in common: compared as two groups, without pairs.")
            elif left:
                lost = [(one, sorted(planned[one] - seeds[one])) for one in (first, side)]
                why = [f"the run of seed {_seeds_listed(those)} of {one} has no result" for one, those in lost if those]
                if alone := sorted(planned[first] ^ planned[side]):
                    why.append(f"the runs of seed {_seeds_listed(alone)} are on one side only, and in no pair")
                paired_by = f"{of}{first} and {side} are paired by the seeds with a result on both sides"
                notes.append(f"{paired_by}, {_seeds_listed(sorted(shared))}; {'; '.join(why)}.")
        groups = rows[rows["side"].isin([first, *apart])]
        pairs = rows[~rows["side"].isin(apart) & rows["seed"].isin(seeds[first])]
        pairs = pairs[pairs["seed"].isin(pairs.loc[pairs["side"] != first, "seed"])]
        paired += [pairs] * (pairs["side"].nunique() > 1)
        unlike += [groups] * (groups["side"].nunique() > 1)
    contrasts: list[Contrast] = []
    apart_found: list[Unpaired] = []
    refused: list[Refusal] = []
    if paired:
        factors = ["side", *([by] if by else [])]
        for metric in metrics:
            told = analysis.effects(pd.concat(paired), factors, [metric], baseline={"side": first}, by=by)
            contrasts += told.contrasts
            notes += [in_words(one.sentence()) for one in told.divergences]
            named = ((f"{metric.name} of {effect}" for effect in one.effects) for one in told.refused)
            refused += [replace(one, effects=tuple(effects)) for one, effects in zip(told.refused, named, strict=True)]
    if unlike:
        apart_found, apart_refused = unpaired(pd.concat(unlike), "side", metrics, baseline=first, by=by)
        refused += apart_refused
    notes += [in_words(one.sentence()) for one in refused]
    return contrasts, apart_found, list(dict.fromkeys(notes))
