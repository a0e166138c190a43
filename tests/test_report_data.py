"""The report as data and as text for elsewhere."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ablate.report.content import Content, content_of
from ablate.report.data import SCHEMA, document, to_csv, to_json, write_data
from ablate.report.faces import to_latex, to_markdown, write_report
from ablate.report.plain import escape_latex, escape_markdown, latex_table, markdown_table
from ablate.report.sheets import Cell, Sheet
from ablate.sweep_facts import SweepFacts
from tests.recorded import recorded

TWO = {"norm": ["bn", "none"], "act": ["relu", "sigmoid"]}
DOCS = (Path(__file__).parent.parent / "docs" / "report.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Content:
    return content_of(recorded(tmp_path_factory.mktemp("data"), TWO, failed=[(3, 1)]))


def test_json_has_what_the_analysis_found_and_no_nan(content: Content) -> None:
    read = json.loads(to_json(content), parse_constant=lambda constant: pytest.fail(constant))
    assert read["schema"] == SCHEMA
    one, found = read["effects"][0], content.effects.contrasts[0]
    assert (one["factor"], one["level"], one["baseline"]) == ("norm", "bn", "none")
    assert one["estimate"] == found.test.estimate
    assert (one["low"], one["high"], one["n"]) == (found.test.low, found.test.high, found.test.seeds)
    assert one["verdict"] == found.test.verdict
    assert read["sentences"] == content.effects.sentences()
    assert read["counts"] == {"finished": 23, "failed": 1}
    (failed,) = [run for run in read["runs"] if run["status"] == "failed"]
    assert failed["best"] is None
    assert failed["levels"] == {"norm": "none", "act": "sigmoid"}


def test_one_factor_at_a_time_is_compared_with_what_it_was_varied_from(tmp_path: Path) -> None:
    varied_from = {"norm": "bn", "act": "sigmoid"}  # the second arm
    facts = SweepFacts(design="ofat", arms=["00000001", "00000000", "00000003"])
    sweep = recorded(tmp_path, TWO, facts=facts)
    sweep.records = [record for record in sweep.records if record.facts.arm_hash in facts.arms]
    found = sweep.effects().contrasts
    assert {one.factor: one.baseline for one in found} == varied_from
    assert {(one.level, one.baseline) for one in found} == {("none", "bn"), ("relu", "sigmoid")}


def test_an_arm_has_the_mean_and_deviation_of_its_runs(content: Content) -> None:
    arms = document(content)["arms"]
    best = [arm["metrics"]["best"]["mean"] for arm in arms]
    assert best == sorted(best, reverse=True)
    of = content.frame[content.frame["arm_hash"] == arms[0]["hash"]]["best"]
    assert arms[0]["metrics"]["best"] == {"mean": of.mean(), "sd": pytest.approx(of.std()), "n": 6}
    assert arms[-1]["statuses"] == {"finished": 5, "failed": 1}


def keys(value: Any) -> set[str]:
    """Return every name in a document, but those that users choose."""
    chosen = ("levels", "within", "versions", "statuses", "counts", "factors", "metrics")
    if isinstance(value, dict):
        return set(value) | {name for key, one in value.items() if key not in chosen for name in keys(one)}
    return {name for one in value for name in keys(one)} if isinstance(value, list) else set()


def test_every_name_in_it_is_documented(content: Content) -> None:
    documented = set(re.findall(r"`([\w/]+)`", DOCS))
    assert keys(document(content)) - documented == set()


def test_csv_has_a_row_for_each_run_that_pandas_reads_back(content: Content) -> None:
    read = pd.read_csv(io.StringIO(to_csv(content)), keep_default_na=False, na_values=[""])
    assert len(read) == 24
    assert read["norm"].tolist() == content.frame["norm"].tolist()
    pd.testing.assert_series_equal(read["best"], content.frame["best"].astype(float), check_names=False)


def test_parquet_has_the_curves_that_the_sweep_has(content: Content, tmp_path: Path) -> None:
    *_, path = write_data(content, tmp_path)
    read = pd.read_parquet(path)
    pd.testing.assert_frame_equal(
        read.astype({"arm": "object", "metric": "object", "norm": "object", "act": "object"}),
        content.curves.astype({"arm": "object", "metric": "object", "norm": "object", "act": "object"}),
        check_dtype=False,
    )


def test_levels_of_several_types_and_none_have_one_column_type(tmp_path: Path) -> None:
    sweep = recorded(tmp_path, {"reg": ["none", "l2"]}, seeds=2)
    for record in sweep.records[:2]:
        record.facts.settings["reg"] = None
    for record in sweep.records[2:]:
        record.facts.settings["reg"] = ["l2", 0.1, True]
    *_, path = write_data(content_of(sweep), tmp_path)
    assert set(pd.read_parquet(path)["reg"].dropna()) == {"[l2,0.1,true]"}
    rows = list(csv.DictReader(io.StringIO(to_csv(content_of(sweep)))))
    assert [row["reg"] for row in rows] == ["", "", "[l2,0.1,true]", "[l2,0.1,true]"]


def test_a_report_is_written_whole_beside_the_runs(content: Content) -> None:
    paths = write_report(content)
    names = ["report.html", "report.json", "runs.csv", "curves.parquet", "effects"]
    assert [path.relative_to(content.folder).as_posix() for path in paths] == names
    assert all(path.exists() for path in paths)
    assert not list(content.folder.rglob("*.tmp"))


SHEET = Sheet(
    "odd & ends",
    "Odd",
    ("a_b", "100 %"),
    ((Cell("[x]"), Cell("-1.5")), (Cell("a|b"), Cell("0.5×"))),
    frozenset({"a_b"}),
    ("p < 0.05 # sure",),
)


def test_a_table_in_latex_has_rules_and_escapes() -> None:
    assert latex_table(SHEET) == (
        "\\begin{table}\n"
        "  \\centering\n"
        "  \\caption{Odd. p \\textless{} 0.05 \\# sure}\n"
        "  \\label{tab:odd-ends}\n"
        "  \\begin{tabular}{lr}\n"
        "    \\toprule\n"
        "    a\\_b & 100 \\% \\\\\n"
        "    \\midrule\n"
        "    {}[x] & $-$1.5 \\\\\n"
        "    a\\textbar{}b & 0.5$\\times$ \\\\\n"
        "    \\bottomrule\n"
        "  \\end{tabular}\n"
        "\\end{table}\n"
    )


def test_a_table_in_markdown_keeps_its_columns() -> None:
    assert markdown_table(SHEET) == (
        "| a\\_b | 100 % |\n| :-- | --: |\n| \\[x\\] | -1.5 |\n| a\\|b | 0.5× |\n\np &lt; 0.05 \\# sure\n"
    )


@pytest.mark.parametrize("words", ["a&b", "50%", "$x$", "#1", "_", "{}", "~", "^", "\\input{x}", 'say "no"'])
def test_nothing_in_a_name_is_a_command_of_latex(words: str) -> None:
    plain = re.sub(r"\\(text\w+\{\}|[&%$#_{}])", "", escape_latex(words))
    assert not set(plain) & set("\\&%$#_{}~^")


@pytest.mark.parametrize("words", ["a|b", "<b>", "[x](y)", "*x*", "`x`", "# x", "a\nb"])
def test_nothing_in_a_name_is_markup_of_markdown(words: str) -> None:
    escaped = escape_markdown(words)
    assert "\n" not in escaped
    assert "<" not in escaped
    assert not re.search(r"(?<!\\)[|*`#\[\]]", escaped)


def test_texts_have_every_table_that_there_is(content: Content) -> None:
    titles = ["Effects", "Interactions", "Shares of the variance", "Arms", "Failed and diverged runs"]
    assert re.findall(r"^## (.*)$", to_markdown(content), re.MULTILINE) == titles
    assert re.findall(r"caption\{(.*?)\.", to_latex(content)) == titles
    assert to_latex(content).count("\\begin{tabular}") == to_latex(content).count("\\end{tabular}") == len(titles)
