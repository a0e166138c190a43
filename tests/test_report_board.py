"""What the report writes for TensorBoard, read back through TensorBoard's own server."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode
from urllib.request import Request, urlopen

import pytest

from ablate.analysis import bands
from ablate.report.content import Content, content_of
from ablate.report.faces import write_tensorboard
from ablate.report.hparams import write_hparams
from tests.recorded import recorded

TWO = {"norm": ["bn", "none"], "act": ["relu", "a/b|c"]}


class Server:
    """TensorBoard over a folder, in a process of its own, once it has read it."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--port", "0"]
        self.process = subprocess.Popen([*command, "--load_fast=false"], stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        port = next(m.group(1) for line in self.process.stderr if (m := re.search(r"at http://[^ ]*:(\d+)/", line)))
        self.url = f"http://localhost:{port}/data/"
        read_last = sorted({file.parent for file in folder.rglob("events.out*")})[-1].relative_to(folder).as_posix()
        while read_last not in self.get("runs") or not self.get("plugin/text/tags"):
            time.sleep(0.2)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def get(self, path: str, content: object = None, **query: object) -> Any:
        data = None if content is None else json.dumps(content).encode()
        asked = Request(f"{self.url}{path}?{urlencode(query)}", data, {"Content-Type": "application/json"})
        with urlopen(asked, timeout=60) as answer:
            read = answer.read()
            return json.loads(read) if "json" in answer.headers["Content-Type"] else read


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Content:
    sweep = recorded(tmp_path_factory.mktemp("board"), TWO)
    write_hparams(sweep.records, sweep.factors)
    made = content_of(sweep)
    write_tensorboard(made)
    return made


@pytest.fixture(scope="module")
def server(content: Content) -> Iterator[Server]:
    with Server(content.folder / "effects") as running:
        yield running


def test_each_level_is_a_run_of_its_own(server: Server) -> None:
    assert set(server.get("runs")) == {".", "norm=bn", "norm=none", "act=relu", "act=a_b_c"}


def test_custom_scalars_have_a_margin_chart_for_each_factor_and_metric(server: Server) -> None:
    layout = server.get("plugin/custom_scalars/layout")
    titles = [(category["title"], chart["title"]) for category in layout["category"] for chart in category["chart"]]
    said = "mean and band of each level"
    assert titles == [(f"{metric}: {said}", factor) for metric in ("val/acc", "val/loss") for factor in ("norm", "act")]
    series = layout["category"][0]["chart"][0]["margin"]["series"]
    assert series == [
        {end: f"val/acc by norm/{tag}" for end, tag in zip(("value", "lower", "upper"), TAGS, strict=True)}
    ]


TAGS = ("mean", "lower", "upper")


def test_the_lines_are_the_bands_of_the_analysis(server: Server, content: Content) -> None:
    band = bands(content.curves, list(TWO), "val/acc")
    expected = band[(band["factor"] == "act") & (band["level"] == "a/b|c")]
    for tag, column in zip(TAGS, ("mean", "low", "high"), strict=True):
        points = server.get("plugin/scalars/scalars", run="act=a_b_c", tag=f"val/acc by act/{tag}")
        assert [step for _, step, _ in points] == expected["step"].tolist()
        assert [value for _, _, value in points] == pytest.approx(expected[column].tolist(), rel=1e-6)


def test_figures_are_images(server: Server, content: Content) -> None:
    tags = server.get("plugin/images/tags")
    names = {"effects", "curves/val/acc", "curves/val/loss", "interactions/steps_to_target", "interactions/test/acc"}
    assert set(tags["."]) == {f"figures/{name}" for name in names}
    (one,) = server.get("plugin/images/images", run=".", tag="figures/effects", sample=0)
    assert server.get("plugin/images/individualImage", **dict(parse_qsl(one["query"]))).startswith(b"\x89PNG")


def test_tables_are_texts_in_which_what_users_named_is_shown_as_it_is(server: Server) -> None:
    assert "tables/findings" in server.get("plugin/text/tags")["."]
    (table,) = server.get("plugin/text/text", run=".", tag="tables/arms")
    assert table["text"].count("<tr>") == 5
    assert "<td>a/b|c</td>" in table["text"] or ">a/b|c</td>" in table["text"]


def test_the_runs_and_their_hparams_are_beside_it_as_before(content: Content) -> None:
    with Server(content.folder) as server:
        assert "effects/norm=bn" in server.get("runs")
        asked = {"experimentName": "", "allowedStatuses": ["STATUS_SUCCESS"], "startIndex": 0, "sliceSize": 99}
        groups = server.get("plugin/hparams/session_groups", asked)["sessionGroups"]
    assert sorted(group["name"] for group in groups) == sorted(arm.name for arm in content.arms)
    assert {len(group["sessions"]) for group in groups} == {6}


def test_a_new_report_replaces_the_old_one_and_leaves_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "outputs" / "made-up" / "effects"
    write_tensorboard(content_of(recorded(tmp_path, TWO, seeds=2)))
    kept = folder / "norm=bn" / "notes.txt"
    kept.write_text("mine", encoding="utf-8")
    write_tensorboard(content_of(recorded(tmp_path, {"opt": ["sgd", "adam"]}, seeds=2)))
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {"opt=sgd", "opt=adam", "norm=bn"}
    assert [path.name for path in kept.parent.iterdir()] == ["notes.txt"]
    assert len(list(folder.glob("events*"))) == 1


def test_a_sweep_without_factors_has_its_table(tmp_path: Path) -> None:
    made = content_of(recorded(tmp_path, {}, seeds=2))
    with Server(write_tensorboard(made)) as server:
        assert server.get("plugin/text/tags") == {".": ["tables/arms"]}
