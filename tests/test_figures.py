"""Figures show the numbers that they are given, to every eye and in grey."""

from __future__ import annotations

import html
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from ablate.analysis import bands, cells, effects
from ablate.analysis.measure import as_metric
from ablate.errors import ConfigError
from ablate.figures.chart import log_ticks
from ablate.figures.curves import curves
from ablate.figures.effects import better
from ablate.figures.effects import effects as forest
from ablate.figures.interactions import MOST, interactions
from ablate.figures.palette import look
from ablate.report.effects import difference
from tests.recorded import recorded

TWO = {"norm": ["bn", "none"], "act": ["relu", "sigmoid"]}


def test_a_cell_is_the_mean_over_seeds_of_means_over_the_other_factors(tmp_path: Path) -> None:
    frame = recorded(tmp_path, TWO | {"opt": ["sgd", "adam"]}).frame()
    found = cells(frame, ["norm", "act", "opt"], as_metric("area"))
    row = found[(found["factor"] == "norm") & (found["other"] == "act")].iloc[1]
    assert (row["level"], row["other_level"]) == ("bn", "sigmoid")
    of = frame[(frame["norm"] == "bn") & (frame["act"] == "sigmoid")]
    seeds = of.groupby("seed")["area"].mean().to_numpy()
    assert row["mean"] == pytest.approx(seeds.mean(), rel=1e-12)
    interval = stats.t.interval(0.95, len(seeds) - 1, seeds.mean(), stats.sem(seeds))
    assert (row["low"], row["high"]) == pytest.approx(interval, rel=1e-12)
    assert row["seeds"] == 6


def test_a_cell_of_times_is_a_geometric_mean_that_counts_what_was_not_reached_with_the_budget(tmp_path: Path) -> None:
    frame = recorded(tmp_path, TWO).frame()
    missed = (frame["norm"] == "none") & (frame["act"] == "sigmoid") & (frame["seed"] == 0)
    frame.loc[missed, "steps_to_target"] = np.nan
    row = cells(frame, ["norm", "act"], "steps_to_target").iloc[3]
    times = frame[(frame["norm"] == "none") & (frame["act"] == "sigmoid")]["steps_to_target"].fillna(200)
    assert row["mean"] == pytest.approx(stats.gmean(times), rel=1e-12)


def test_a_seed_that_lacks_a_run_of_the_cell_does_not_count(tmp_path: Path) -> None:
    frame = recorded(tmp_path, TWO | {"opt": ["sgd", "adam"]}, failed=[(0, 2)]).frame()
    found = cells(frame, ["norm", "act", "opt"], as_metric("area"))
    assert found["seeds"].tolist()[:4] == [5, 6, 6, 6]


def test_one_seed_has_a_mean_and_no_interval(tmp_path: Path) -> None:
    sweep = recorded(tmp_path, TWO, seeds=1)
    found = cells(sweep.frame(), sweep.factors, as_metric("area"))
    assert found["mean"].notna().all()
    assert found["low"].isna().all()
    for kind in ("curves", "effects", "interactions"):
        assert sweep.plot(kind).png().startswith(b"\x89PNG")


def test_curves_draw_the_means_and_bands_of_the_analysis(tmp_path: Path) -> None:
    sweep = recorded(tmp_path, TWO)
    shown = bands(sweep.curves(), sweep.factors, "val/acc")
    chart = curves(shown, "val/acc", 0.85)
    assert [axes.get_title(loc="left") for axes in chart.axes] == ["norm", "act"]
    line = chart.axes[1].lines[1]
    expected = shown[(shown["factor"] == "act") & (shown["level"] == "sigmoid")]
    np.testing.assert_array_equal(line.get_xydata(), expected[["step", "mean"]])
    assert line.get_label() == "act=sigmoid"
    np.testing.assert_array_equal(np.asarray(chart.axes[1].lines[2].get_ydata()), [0.85, 0.85])


def test_a_forest_plot_draws_each_interval_and_says_the_verdict(tmp_path: Path) -> None:
    sweep = recorded(tmp_path, TWO)
    found = sweep.effects(["steps_to_target"]).contrasts
    axes = forest(found).axes[0]
    assert axes.get_xscale() == "log"
    ends = np.array([found[0].test.low, found[0].test.high], dtype=float)
    np.testing.assert_allclose(np.asarray(axes.lines[0].get_xdata(), dtype=float), ends)
    assert [text.get_text() for text in axes.get_yticklabels()] == [one.name for one in found]
    assert all(str(one.test.verdict) in note.get_text() for one, note in zip(found, axes.texts, strict=True))


def test_the_words_of_both_directions_stand_below_an_axis() -> None:
    assert better(as_metric("steps_to_target")) == "← faster   slower →"
    assert better(as_metric("val/acc")) == "← worse   better →"


def test_an_interaction_plot_has_a_line_for_each_level_of_the_other_factor(tmp_path: Path) -> None:
    sweep = recorded(tmp_path, TWO)
    found = cells(sweep.frame(), sweep.factors, as_metric("area"))
    axes = interactions(found, as_metric("area")).axes[0]
    drawn = [container[0].get_ydata() for container in axes.containers]
    np.testing.assert_allclose(drawn, found["mean"].to_numpy().reshape(2, 2).T)


def test_more_pairs_than_there_is_room_for_are_said_to_be_left_out(tmp_path: Path) -> None:
    factors = {f"f{number}": ["a", "b"] for number in range(5)}
    sweep = recorded(tmp_path, factors, seeds=1)
    chart = sweep.plot("interactions", "area")
    assert len(chart.axes) == MOST
    assert chart.get_suptitle() == "9 of 10 pairs of factors"


def test_35_levels_look_different_with_colour_and_12_without() -> None:
    looks = [look(level) for level in range(35)]
    assert len(set(looks)) == 35
    grey = {(one.marker, str(one.line)) for one in looks[:12]}
    assert len(grey) == 12


def test_dollar_signs_and_unknown_letters_in_a_level_are_letters(tmp_path: Path) -> None:
    sweep = recorded(tmp_path, {"norm": ["$a_b$ 汉", "_x"], "act": ["<b>", "&"]})
    for kind in ("curves", "effects", "interactions"):
        text = "".join(ET.fromstring(sweep.plot(kind).svg()).itertext())
        assert "$a_b$ 汉" in text
        assert "_x" in text


def test_a_figure_is_the_same_file_each_time(tmp_path: Path) -> None:
    sweep = recorded(tmp_path, TWO, seeds=2)
    assert sweep.plot("effects").svg() == sweep.plot("effects").svg()


def test_plot_names_the_plots_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"There is no plot 'curve'\. There is curves, effects, interactions\."):
        recorded(tmp_path, TWO, seeds=1).plot("curve")
    with pytest.raises(ConfigError, match="takes two factors, and the sweep has 1: vary norm=bn,none opt=sgd"):
        recorded(tmp_path, {"norm": ["bn", "none"]}, seeds=1).plot("interactions")
    with pytest.raises(ConfigError, match="This takes a factor, and the sweep has 0: vary norm=bn,none, say"):
        recorded(tmp_path, {}, seeds=1).effects()


def test_plot_says_why_there_is_nothing_to_plot(tmp_path: Path) -> None:
    none = recorded(tmp_path / "none", {"norm": ["bn", "none"]}, seeds=1, failed=[(0, 0), (1, 0)])
    with pytest.raises(ConfigError, match="no run has a curve yet"):
        none.plot("curves")
    half = recorded(tmp_path / "half", {"norm": ["bn", "none"]}, seeds=1, failed=[(1, 0)])
    with pytest.raises(ConfigError, match="no two levels have runs with a result and the same seed"):
        half.plot("effects")


def test_a_sweep_in_a_notebook_is_a_small_table_of_arms_that_escapes_what_users_named(tmp_path: Path) -> None:
    sweep = recorded(tmp_path, {"norm": ["<script>", "none"]}, name="a&b", failed=[(0, 0)])
    table = sweep._repr_html_()
    assert "&lt;script&gt;" in table
    assert "<script>" not in table
    assert "a&amp;b: 12 runs, 2 arms" in table
    assert table.count("<tr") == 3


def test_effects_in_a_notebook_are_a_small_table_with_the_words_of_the_terminal(tmp_path: Path) -> None:
    found = recorded(tmp_path, {"norm": ["none", "<script>"], "act": ["relu", "sigmoid"]}).effects(["area"])
    shown = found._repr_html_()
    assert shown.count("<tr") == 3
    assert "norm=&lt;script&gt; against norm=none" in shown
    assert "<script>" not in shown
    for contrast in found.contrasts:
        assert difference(contrast.test).replace("\\[", "[") in shown
        assert f"<td>{contrast.test.verdict}</td>" in shown
    for interaction in found.interactions:
        assert (html.escape(interaction.reading()) in shown) == interaction.test.verdict.effect
    assert html.escape(found.notes[0]) in shown
    assert repr(found) == "Effects(2 contrasts, 1 interactions; see sentences(), frame())"


def test_a_sweep_compares_and_draws_its_arms_by_any_column_that_says_which_way_is_better(tmp_path: Path) -> None:
    sweep = recorded(tmp_path, TWO)
    for name in ("best", "final", "area", "steps_to_target"):
        assert {one.metric.column for one in sweep.effects(name).contrasts} == {name}
        assert sweep.effects([name]) == sweep.effects(name)
        assert sweep.plot("interactions", name).axes
    best = sweep.effects("best").contrasts[0].metric
    assert (best.name, best.higher_is_better) == ("best val/acc", True)
    assert sweep.effects("best").contrasts[0] == next(
        one for one in sweep.effects(["best", "area"]).contrasts if one.metric.column == "best"
    )


def test_effects_of_a_sweep_are_those_of_the_analysis(tmp_path: Path) -> None:
    sweep = recorded(tmp_path, TWO)
    against = {"norm": "none"}  # a technique is compared with its absence
    assert (
        sweep.effects(["area"]).sentences()
        == effects(sweep.frame(), sweep.factors, ["area"], baseline=against).sentences()
    )
    assert sweep.interactions(["area"]) == sweep.effects(["area"]).interactions


@pytest.mark.parametrize(("low", "high"), [(0.97, 1.4), (0.01, 300.0), (0.5, 1.9), (60, 90)])
def test_ratios_have_a_few_ticks_within_the_range(low: float, high: float) -> None:
    within = [tick for tick in log_ticks(low, high) if low <= tick <= high]
    assert 2 <= len(within) <= 9
    assert 1.0 in within or not low <= 1 <= high
