"""What is wrong in the layers of which arms, in the terminal, on the page and in the data."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ablate.facts import Status
from ablate.report.content import content_of
from ablate.report.data import document
from ablate.report.ills import ailing, compared, examined
from ablate.report.page import to_html
from ablate.report.terminal import print_sweep
from ablate.results import Sweep
from tests.recorded import recorded, with_layers

TWO = {"norm": ["bn", "none"], "act": ["relu", "sigmoid"]}
DEAD = "layer layer 2: 71% dead units from step 40"


def sweep(folder: Path, *dead: int) -> Sweep:
    """Return four arms of two seeds, of which those with these numbers have dead units."""
    return with_layers(recorded(folder, TWO, seeds=2), {f"{arm:08x}": 0.71 for arm in dead})


def test_each_arm_is_told_by_its_first_run_in_the_order_of_the_sweep(tmp_path: Path) -> None:
    arms = examined(sweep(tmp_path, 3, 1))
    assert [one.arm for one in arms] == [f"norm={n},act={a}" for n in ("bn", "none") for a in ("relu", "sigmoid")]
    assert [one.sentence() for one in ailing(arms)] == [
        f"norm=bn,act=sigmoid: {DEAD}.",
        f"norm=none,act=sigmoid: {DEAD}.",
    ]


@pytest.mark.parametrize(
    ("dead", "told"),
    [
        ((), []),
        ((1, 3), ["Dead units: in 2 of 4 arms: in all with act=sigmoid, in none with act=relu."]),
        ((0, 1, 2, 3), ["Dead units: in all 4 arms."]),
        (
            (0,),
            [
                "Dead units: in 1 of 4 arms: norm=bn,act=relu; not in norm=bn,act=sigmoid, norm=none,act=relu and "
                "norm=none,act=sigmoid."
            ],
        ),
    ],
)
def test_arms_that_have_it_are_told_from_those_that_do_not(
    tmp_path: Path, dead: tuple[int, ...], told: list[str]
) -> None:
    assert compared(examined(sweep(tmp_path, *dead))) == told


def test_runs_that_have_not_come_to_an_end_are_not_examined(tmp_path: Path) -> None:
    made = sweep(tmp_path, 0, 1, 2, 3)
    made.records[0].facts.status = made.records[2].facts.status = made.records[3].facts.status = Status.interrupted
    assert [one.hash for one in examined(made)] == ["00000000", "00000002", "00000003"]


def test_one_arm_is_not_compared_with_itself(tmp_path: Path) -> None:
    made = sweep(tmp_path, 0)
    assert compared(examined(made)[:1]) == []


def test_an_arm_that_was_not_transferred_has_that_level_too(tmp_path: Path) -> None:
    """Records have ``init_from`` only where it was set."""
    made = with_layers(recorded(tmp_path, {"init_from": ["null", "first"]}, seeds=1), {"00000001": 0.71})
    for record in made.records[:1]:
        record.facts.settings = {}
    assert compared(examined(made)) == [
        "Dead units: in 1 of 2 arms: in all with init_from=first, in none with init_from=null."
    ]


def test_all_faces_say_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = sweep(tmp_path, 1, 3)
    arms = examined(made)
    said = [*(one.sentence() for one in ailing(arms)), *compared(arms)]
    print_sweep(made)
    out = capsys.readouterr().out
    content = content_of(made)
    page = to_html(content)
    section = page[page.index('<section id="layers"') :].partition("</section>")[0]
    assert all(sentence in out and sentence in section for sentence in said)
    assert section.count('<span class="verdict bad">dead units</span>') == 2
    told = json.loads(json.dumps(document(content)["layers"]))
    assert told["examined"] == ["00000000", "00000001", "00000002", "00000003"]
    assert told["symptoms"][0] == {
        "arm": "norm=bn,act=sigmoid",
        "hash": "00000001",
        "symptom": "dead units",
        "sentence": DEAD,
    }
    assert told["sentences"] == compared(arms)


def test_where_nothing_is_wrong_one_line_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = sweep(tmp_path)
    print_sweep(made)
    assert "dead" not in capsys.readouterr().out
    page = to_html(content_of(made))
    section = page[page.index('<section id="layers"') :].partition("</section>")[0]
    assert "No known symptom was found in the layers that were measured" in section
    assert "<li>" not in section


def test_where_nothing_was_measured_there_is_no_section(tmp_path: Path) -> None:
    content = content_of(recorded(tmp_path, TWO, seeds=2))
    assert 'id="layers"' not in to_html(content)
    assert document(content)["layers"] == {"examined": [], "symptoms": [], "sentences": []}


def test_what_users_named_is_text(tmp_path: Path) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    made = with_layers(recorded(tmp_path, {"norm": ["bn", hostile]}, seeds=2), {"00000001": 0.9})
    page = to_html(content_of(made))
    assert f"in all with norm={hostile}" not in page
    assert re.search(r"in all with norm=&lt;img src=x", page)
