"""A report as data: ``report.json``, the runs as comma-separated values, the curves as Parquet.

The schema of ``report.json`` is in docs/report.md; a change that a reader would notice raises ``SCHEMA``.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from ablate.analysis import Contrast, Divergence, Interaction, Metric, Paired, Share
from ablate.analysis.table import is_absent, label
from ablate.atomic import atomic, write_atomically
from ablate.json_text import json_text
from ablate.report.content import Arm, Content
from ablate.report.ills import compared
from ablate.report.json_values import plain
from ablate.report.plain import csv_table

SCHEMA = 1
NUMBERS = ("steps_to_target", "best", "final", "area", "seconds")


def document(content: Content) -> dict[str, Any]:
    """Return the report as what JSON has: no number in it is infinite or NaN."""
    found, calibration = content.effects, content.facts.calibration
    told: dict[str, Any] = plain(
        {
            "schema": SCHEMA,
            "name": content.name,
            "design": {
                "kind": content.facts.design,
                "factors": content.factors,
                "shared": content.names.shared,
                "seeds": content.seeds,
                "notes": content.facts.notes,
                "inestimable": content.facts.inestimable,
            },
            "metric": {"name": content.metric, "higher_is_better": content.higher_is_better},
            "target": {
                **asdict(content.aim),
                "calibration": asdict(calibration) | {"finished": calibration.finished} if calibration.seeds else None,
            },
            "counts": content.counts,
            "effects": [contrast(one) for one in found.contrasts],
            "interactions": [_interaction(one) for one in found.interactions],
            "shares": [_share(one) for one in found.shares],
            "divergences": [_divergence(one) for one in found.divergences],
            "refused": [{"effects": one.effects, "why": one.why} for one in found.refused],
            "notes": found.notes,
            "sentences": found.sentences(),
            "arms": [_arm(one) for one in content.arms],
            "runs": _runs(content.frame, content.factors),
            "layers": {
                "examined": [one.hash for one in content.layers],
                "symptoms": [
                    {"arm": one.arm, "hash": one.hash, "symptom": symptom.name, "sentence": symptom.sentence}
                    for one in content.layers
                    for symptom in one.symptoms
                ],
                "sentences": compared(content.layers),
            },
            "failures": content.failures,
            "tuned": content.facts.tuned,
            "path": content.facts.path,
            "imported": content.imported,
            "warnings": content.warnings,
            "commands": content.commands,
            "versions": content.versions,
        }
    )
    return told


def to_json(content: Content) -> str:
    """Return the report as JSON."""
    return json_text(document(content))


def to_csv(content: Content) -> str:
    """Return one row per run, levels as on the command line, an empty cell for what is not known."""
    rows = _runs(content.frame, content.factors)
    flat = [
        {"arm": row["arm"], **row["levels"], **{key: row[key] for key in row if key not in ("arm", "levels")}}
        for row in rows
    ]
    heads = list(flat[0]) if flat else []
    return csv_table(heads, [["" if value is None else value for value in row.values()] for row in flat])


def write_data(content: Content, folder: Path) -> list[Path]:
    """Write ``report.json``, ``runs.csv`` and ``curves.parquet``, each whole; return where they are."""
    paths = [folder / name for name in ("report.json", "runs.csv", "curves.parquet")]
    write_atomically(paths[0], to_json(content))
    write_atomically(paths[1], to_csv(content))
    with atomic(paths[2]) as temporary:
        tidy(content.curves, content.factors).to_parquet(temporary, index=False)
    return paths


def tidy(curves: pd.DataFrame, factors: Any) -> pd.DataFrame:
    """Return curves whose columns have one type each: levels as on the command line, null where there is none."""
    columns = {factor: curves[factor].map(_level).astype("string") for factor in factors}
    words = {name: curves[name].astype("category") for name in ("arm", "metric")}
    return curves.assign(**columns | words)


def _level(value: Any) -> str | None:
    return None if is_absent(value) else label(value)


def _runs(frame: pd.DataFrame, factors: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = frame.drop(columns={*factors} - {"arm"}).to_dict("records")  # type: ignore[assignment]
    levels = frame[list(factors)].map(_level).to_dict("records")
    return [plain({"arm": row.pop("arm"), "levels": level, **row}) for row, level in zip(rows, levels, strict=True)]


def _arm(one: Arm) -> dict[str, Any]:
    numbers = {name: pd.to_numeric(one.runs[name]) for name in NUMBERS if name in one.runs}
    numbers |= {str(name): pd.to_numeric(one.runs[name]) for name in one.runs if str(name).startswith("test/")}
    return {
        "arm": one.name,
        "hash": one.hash,
        "levels": {factor: _level(level) for factor, level in one.levels.items()},
        "runs": len(one.runs),
        "statuses": one.statuses,
        "metrics": {
            name: {"mean": values.mean(), "sd": values.std(), "n": int(values.notna().sum())}
            for name, values in numbers.items()
        },
    }


def of_metric(metric: Metric) -> dict[str, Any]:
    """Return what an effect says of its metric."""
    return {
        "metric": metric.column,
        "label": metric.name,
        "unit": metric.scale,
        "margin": metric.margin,
        "higher_is_better": metric.higher_is_better,
    }


def _test(one: Paired) -> dict[str, Any]:
    return {
        "estimate": one.estimate,
        "low": one.low,
        "high": one.high,
        "confidence": one.confidence,
        "n": one.seeds,
        "p": one.p,
        "p_flip": one.p_flip,
        "p_equivalent": one.p_equivalent,
        "p_equivalent_flip": one.p_equivalent_flip,
        "p_holm": one.p_holm,
        "p_flip_holm": one.p_flip_holm,
        "p_equivalent_holm": one.p_equivalent_holm,
        "p_equivalent_flip_holm": one.p_equivalent_flip_holm,
        "family": one.family,
        "verdict": one.verdict,
        "seeds_needed": one.seeds_needed,
    }


def contrast(one: Contrast) -> dict[str, Any]:
    """Return a contrast as an effect of ``report.json``."""
    return {
        "factor": one.factor,
        "level": label(one.level),
        "baseline": label(one.baseline),
        "within": None if one.within is None else {one.within[0]: label(one.within[1])},
        **of_metric(one.metric),
        **_test(one.test),
        "pairs": one.pairs,
        "pairs_planned": one.pairs_planned,
        "p_logrank": one.p_logrank,
        "sides": [
            {
                "level": label(side.level),
                "mean": side.mean,
                "runs": side.used,
                "planned": side.planned,
                "absent": side.absent,
                "diverged": side.diverged,
                "censored": side.censored,
            }
            for side in (one.side, one.baseline_side)
        ],
        "sentence": one.sentence(),
    }


def _interaction(one: Interaction) -> dict[str, Any]:
    return {
        "factor": one.factor,
        "level": label(one.level),
        "baseline": label(one.baseline),
        "other": one.other,
        "other_level": label(one.other_level),
        "other_baseline": label(one.other_baseline),
        **of_metric(one.metric),
        **_test(one.test),
        "at_level": one.at_level.estimate,
        "at_baseline": one.at_baseline.estimate,
        "quads": one.quads,
        "quads_planned": one.quads_planned,
        "sentence": one.sentence(),
    }


def _share(one: Share) -> dict[str, Any]:
    return {"metric": one.metric.column, "effect": one.effect, "name": one.name, "share": one.share, "why": one.why}


def _divergence(one: Divergence) -> dict[str, Any]:
    told = asdict(one) | {"level": label(one.level), "baseline": label(one.baseline)}
    return told | {"differs": one.differs, "sentence": one.sentence()}
