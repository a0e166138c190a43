"""TensorBoard's view of a sweep: mean curves with bands, figures and tables, readable without the runs.

outputs/<name>/effects/    tensorboard --logdir outputs/<name>/effects
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
from tensorboard.compat.proto.summary_pb2 import Summary

from ablate.analysis.table import label
from ablate.analysis.wording import setting
from ablate.report import events

SUFFIX = ".effects"
ENDS = ("mean", "lower", "upper")


def write_board(
    folder: Path, bands: Mapping[str, pd.DataFrame], images: Mapping[str, tuple[bytes, str]], texts: Mapping[str, str]
) -> None:
    """Write the sweep's view into ``folder``, in place of an older one.

    ``bands`` are those of ``ablate.analysis.bands`` by metric: a margin chart for each factor, under Custom Scalars.
    ``images`` are PNG and description by name, ``texts`` Markdown by name.
    """
    points: list[tuple[int, Summary]] = []
    categories = []
    for metric, band in bands.items():
        charts = {}
        for factor in dict.fromkeys(band["factor"]):
            series = []
            rows = band[band["factor"] == factor]
            for level, line in rows.groupby(rows["level"].map(label), sort=False):
                tags = tuple(f"{metric} of {setting(factor, level)}/{end}" for end in ENDS)
                series.append((tags[0], tags[1], tags[2]))
                points += _points(tags, line)
            charts[str(factor)] = series
        categories.append(events.margins(f"{metric}: mean and band of each level", charts))
    shown = [
        events.layout(categories),
        *(events.image(f"figures/{tag}", png, description) for tag, (png, description) in images.items()),
        *(events.markdown(f"tables/{tag}", text) for tag, text in texts.items()),
    ]
    events.write_events(folder, [*shown, *points], SUFFIX)


def _points(tags: tuple[str, ...], line: pd.DataFrame) -> Iterator[tuple[int, Summary]]:
    """Yield the points of three curves; with one seed the band has no width."""
    for step, mean, low, high in zip(line["step"], line["mean"], line["low"], line["high"], strict=True):
        for tag, value in zip(tags, (mean, low, high), strict=True):
            yield int(step), events.scalar(tag, float(mean if math.isnan(value) else value))
