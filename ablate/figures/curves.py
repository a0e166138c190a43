"""Mean curves with confidence bands: one panel a factor, one line a level."""

from __future__ import annotations

import pandas as pd

from ablate.analysis.table import label
from ablate.analysis.wording import setting
from ablate.figures.chart import FAINT, Chart, grid, styled
from ablate.figures.palette import look

COLUMNS = 2
MARKS = 6
"""About so many markers on a line."""


def curves(bands: pd.DataFrame, metric: str, target: float | None = None) -> Chart:
    """Draw what ``ablate.analysis.bands`` returns: the mean of each level over optimizer steps, its band behind it.

    A panel for each factor or, where there is a column ``panel``, for each of its values.
    """
    by = "panel" if "panel" in bands else "factor"
    titles = list(dict.fromkeys(bands[by]))
    with styled():
        chart, panels = grid(len(titles), COLUMNS, 4.6, 3.1)
        for title, axes in zip(titles, panels, strict=True):
            rows = bands[bands[by] == title]
            factor = rows["factor"].iloc[0]
            for at, (level, band) in enumerate(rows.groupby(rows["level"].map(label), sort=False)):
                how = look(at)
                axes.fill_between(band["step"], band["low"], band["high"], color=how.color, alpha=0.18, linewidth=0)
                axes.plot(
                    band["step"],
                    band["mean"],
                    color=how.color,
                    linestyle=how.line,
                    marker=how.marker,
                    markersize=4,
                    markevery=max(1, len(band) // MARKS),
                    linewidth=1.6,
                    label=setting(factor, level),
                )
            if target is not None:
                axes.axhline(target, color=FAINT, linewidth=1, linestyle=(0, (1, 2)), label=f"target {target:.4g}")
            axes.set_title(title, fontsize=10, loc="left", fontweight="bold")
            axes.set_xlabel("optimizer steps", fontsize=8.5)
            axes.set_ylabel(metric, fontsize=8.5)
            axes.legend(fontsize=8, frameon=False, handlelength=3)
    return chart
