"""TensorBoard's view of a sweep: mean curves with bands, figures and tables, readable without the runs.

outputs/<name>/effects/               figures and tables; the layout of the charts
outputs/<name>/effects/norm=bn/       the mean curves of a level: a run of its own, so that it has a colour of its own
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
from tensorboard.compat.proto.summary_pb2 import Summary

from ablate.analysis.table import label
from ablate.analysis.wording import setting
from ablate.report import events

SUFFIX = ".effects"
ENDS = ("mean", "lower", "upper")
LENGTH = 120
_UNSAFE = re.compile(r"[^A-Za-z0-9=,.+_\[\]-]")


def write_board(
    folder: Path, bands: Mapping[str, pd.DataFrame], images: Mapping[str, tuple[bytes, str]], texts: Mapping[str, str]
) -> None:
    """Write the sweep's view into ``folder``, in place of an older one.

    ``bands`` are those of ``ablate.analysis.bands`` by metric: a margin chart for each factor, under Custom Scalars.
    ``images`` are PNG and description by name, ``texts`` Markdown by name.
    """
    lines: dict[tuple[str, str], list[tuple[int, Summary]]] = {}
    categories = []
    for metric, band in bands.items():
        charts = {}
        for factor, rows in band.groupby("factor", sort=False):
            tags = [f"{metric} by {factor}/{end}" for end in ENDS]
            charts[str(factor)] = [(tags[0], tags[1], tags[2])]
            for level, line in rows.groupby(rows["level"].map(label), sort=False):
                lines.setdefault((str(factor), str(level)), []).extend(_points(tags, line))
        categories.append(events.margins(f"{metric}: mean and band of each level", charts))
    shown = [
        events.layout(categories),
        *(events.image(f"figures/{name}", png, description) for name, (png, description) in images.items()),
        *(events.markdown(f"tables/{name}", text) for name, text in texts.items()),
    ]
    events.write_events(folder, shown, SUFFIX)
    folders = _folders([setting(factor, level) for factor, level in lines])
    for name, points in zip(folders, lines.values(), strict=True):
        events.write_events(folder / name, points, SUFFIX)
    for old in folder.glob(f"*/events.out.tfevents.*{SUFFIX}"):
        if old.parent.name not in folders and not old.parent.is_symlink():
            old.unlink()
            with contextlib.suppress(OSError):  # something else may be in it
                old.parent.rmdir()


def _folders(names: list[str]) -> list[str]:
    """Return a name that every file system takes for each, no two the same."""
    made: list[str] = []
    for name in names:
        safe = _UNSAFE.sub("_", name)[:LENGTH]
        made.append(safe if safe not in made else f"{safe}_{len(made)}")
    return made


def _points(tags: list[str], line: pd.DataFrame) -> Iterator[tuple[int, Summary]]:
    """Yield the points of three curves; with one seed the band has no width."""
    for step, mean, low, high in zip(line["step"], line["mean"], line["low"], line["high"], strict=True):
        for tag, value in zip(tags, (mean, low, high), strict=True):
            yield int(step), events.scalar(tag, float(mean if math.isnan(value) else value))
