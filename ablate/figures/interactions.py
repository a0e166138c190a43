"""Interaction plots: a metric by the levels of one factor, one line for each level of another."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ablate.analysis import Metric, Scale
from ablate.analysis.table import label
from ablate.analysis.wording import setting
from ablate.figures.chart import Chart, grid, logarithmic, styled
from ablate.figures.palette import look

COLUMNS = 3
MOST = 9
"""Panels that a figure has room for."""


def interactions(cells: pd.DataFrame, metric: Metric) -> Chart:
    """Draw what ``ablate.analysis.cells`` returns: lines that are not parallel are an interaction.

    The first pairs of factors, as many as there is room for; the title says so where some are left out.
    """
    pairs = list(dict.fromkeys(zip(cells["factor"], cells["other"], strict=True)))
    with styled():
        chart, panels = grid(len(pairs[:MOST]), COLUMNS, 3.5, 3.0)
        for (factor, other), axes in zip(pairs[:MOST], panels, strict=True):
            rows = cells[(cells["factor"] == factor) & (cells["other"] == other)]
            at = {name: place for place, name in enumerate(dict.fromkeys(rows["level"].map(label)))}
            others = list(dict.fromkeys(rows["other_level"].map(label)))
            for index, other_level in enumerate(others):
                line = rows[rows["other_level"].map(label) == other_level]
                how = look(index)
                aside = 0.05 * (index - (len(others) - 1) / 2)  # so that intervals do not hide each other
                mean = line["mean"].to_numpy(dtype=float)
                reach = np.nan_to_num(np.stack([mean - line["low"], line["high"] - mean]))
                axes.errorbar(
                    [at[label(level)] + aside for level in line["level"]],
                    mean,
                    yerr=reach,
                    color=how.color,
                    linestyle=how.line,
                    marker=how.marker,
                    markersize=5,
                    capsize=3,
                    linewidth=1.5,
                    label=setting(other, other_level),
                )
            if metric.scale is Scale.ratio:
                known = rows[["mean", "low", "high"]].to_numpy(dtype=float)
                logarithmic(axes, "y", float(np.nanmin(known)), float(np.nanmax(known)))
            axes.set_xticks(range(len(at)), labels=list(at))
            axes.set_xlim(-0.4, len(at) - 0.6)
            axes.set_xlabel(factor, fontsize=8.5)
            axes.set_ylabel(metric.name, fontsize=8.5)
            axes.set_title(f"{factor} × {other}", fontsize=10, loc="left", fontweight="bold")
            axes.legend(fontsize=8, frameon=False, handlelength=3)
        if len(pairs) > MOST:
            chart.suptitle(f"{MOST} of {len(pairs)} pairs of factors", fontsize=9)
    return chart
