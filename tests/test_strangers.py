"""A folder of records from a stranger, who means ill: read, listed, reported and compared without running, leaving or
breaking anything.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import shutil
import warnings
from collections.abc import Callable
from dataclasses import fields
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch

from ablate.cli.main import main
from ablate.curves import read_curves
from ablate.errors import DamageWarning, RecordError
from ablate.facts import Facts
from ablate.record import find, read
from ablate.results import Sweep, open_sweep
from ablate.shapes import clean, shaped
from ablate.sweep_facts import SweepFacts
from ablate.training.checkpoints import CheckpointError, load
from tests.recorded import recorded, with_layers

SCRIPT = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
ESCAPE = "\x1b]0;owned\x07\x1b[31m\x9b2J\u202egnp.exe"
ODD = f"{SCRIPT}{ESCAPE}{{{{7*7}}}}\\write18{{x}}[link=file:///etc/passwd]\"'`=cmd|x"
UP = "../../../../escaped"
HOSTILE: list[Any] = [
    *(None, "", SCRIPT, UP, "\ud800", -1, 10**400, 1e308, float("nan"), float("inf"), True),
    *([], {}, [[[]]], {"a": {"b": [1]}}),
]


class Pwned:
    """Leaves a file when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, ...]]:
        return os.system, ("touch pwned",)


class Page(HTMLParser):
    """Collects the elements of a page and what would act in them."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.acting: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self.scripts.append(dict(attributes).get("type") or "")
        self.acting += [f"{tag} {name}" for name, _ in attributes if name.startswith("on")]
        self.acting += [f"{tag} {value}" for _, value in attributes if (value or "").strip().startswith("javascript:")]


def page(path: Path) -> Page:
    made = Page()
    made.feed(path.read_text(encoding="utf-8"))
    return made


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    """A sweep of two factors whose every name and text is hostile."""
    levels = {"norm": [f"none{ODD}", UP], ODD.replace("\ud800", ""): ["a", "<b>b</b>"]}
    made = with_layers(recorded(tmp_path, levels, seeds=3, failed=[(1, 0)], name="theirs"), {"00000001": 0.9})
    for record in made.records:
        facts = record.facts
        facts.error = facts.error and ODD
        facts.traceback, facts.log, facts.warnings, facts.command = ODD, [ODD], [ODD], f"python -m ablate {ODD}"
        facts.overrides, facts.plugins = [ODD], [UP, str(tmp_path / "evil.py")]
        facts.versions, facts.choices = {ODD: ODD}, {ODD: UP}
        facts.git, facts.machine = {"commit": ODD}, {"host": ODD}
        facts.transfer = {"folder": UP, "share": 0.5, "source": ODD}
        record.save()
    (tmp_path / "evil.py").write_text("open('pwned', 'w')")
    for path in made.folder.rglob("metrics.csv"):
        header, _, rest = path.read_text().partition("\n")
        path.write_text(
            header.strip() + f',"{SCRIPT}"\n' + "\n".join(f"{row.strip()},1e308" for row in rest.splitlines())
        )
        payload = io.BytesIO()
        torch.save({"state_dict": Pwned()}, payload)
        for name in ("best.ckpt", "last.ckpt"):
            (path.parent / name).write_bytes(payload.getvalue())
        (path.parent / "config.yaml").write_text("!!python/object/apply:os.system ['touch pwned']")
        (path.parent / "events.out.tfevents.1").write_bytes(pickle.dumps(Pwned()))
    return made


def outside(folder: Path, root: Path) -> set[Path]:
    """Return the files that are not in ``folder``."""
    return {path for path in root.rglob("*") if path.is_file() and not path.is_relative_to(folder)}


def test_a_hostile_sweep_is_listed_reported_and_compared_and_nothing_of_it_acts(
    sweep: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (sweep.folder / "effects").symlink_to(elsewhere)
    (sweep.folder / "report.html").symlink_to(tmp_path / "evil.py")
    before = {path: path.read_bytes() for path in outside(sweep.folder, tmp_path)}
    arms = sorted({record.facts.arm_hash for record in sweep.records})
    calls = [["runs"], ["report"], ["compare", *arms[:2], "--html", "c.html"], ["compare", *arms[:2], "--json"]]
    for call in [*calls, *(["report", "--format", form] for form in ("md", "latex", "json", "csv"))]:
        assert main(call) == 0, call
        out, error = capsys.readouterr()
        assert not re.search("[\x1b\x07\x9b\u202e]", out + error), call
        if call[-1] in ("json", "--json"):
            json.loads(out, parse_constant=pytest.fail)
    for name in (sweep.folder / "report.html", Path("c.html")):
        found = page(name)
        assert found.acting == []
        assert {*found.scripts} <= {"", "application/json", "application/gzip"}
        assert "<b>b</b>" not in name.read_text(encoding="utf-8")
    assert {path: path.read_bytes() for path in outside(sweep.folder, tmp_path) if path.name != "c.html"} == before
    assert not list(tmp_path.rglob("pwned"))
    assert not list(tmp_path.parent.glob("escaped*"))


def test_what_a_sweep_is_said_to_be_is_believed_only_where_it_fits(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [clean(name) for name in sweep.factors]
    for facts in (
        SweepFacts(factors={SCRIPT: [UP]}),
        SweepFacts(factors={name: [] for name in names}, design="path"),
        SweepFacts(factors={"best": ["1"], "seed": ["2"]}),
    ):
        facts.save(sweep.folder)
        with pytest.warns(DamageWarning, match="does not tell the arms apart"):
            assert open_sweep(sweep.folder).factors == names
    arms = sorted({record.facts.arm_hash for record in sweep.records})
    facts = SweepFacts(
        design=SCRIPT,
        factors={name: [SCRIPT] for name in names},
        seeds=[2, 0],
        arms=[*arms, UP],
        labels=[ODD.replace("\ud800", "")],
        notes=[SCRIPT],
        inestimable=[[SCRIPT], ["nothing", "else"]],
        target=1e99,
        command=SCRIPT,
        host=UP,
        pid=1,
    )
    facts.save(sweep.folder)
    assert main(["report"]) == 0
    assert page(sweep.folder / "report.html").acting == []
    assert "alert" in capsys.readouterr().out


@pytest.mark.parametrize("name", [one.name for one in fields(Facts)])
def test_a_record_is_read_as_what_it_is_declared_or_not_at_all(tmp_path: Path, name: str) -> None:
    sweep = recorded(tmp_path, {"norm": ["none", "bn"]}, seeds=1)
    path = sweep.records[0].folder / "record.json"
    content = json.loads(path.read_text())
    for value in HOSTILE:
        path.write_text(json.dumps(content | {name: value}))
        records, problems = find(sweep.folder)
        assert len(records) + len(problems) == 2
        for record in records:
            assert shaped(json.loads(json.dumps(vars(record.facts), default=vars)), Facts) == record.facts
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DamageWarning)
            found = open_sweep(sweep.folder)
        found.frame()
        if found.factors:
            found.effects()
        assert isinstance(found.target().value, float | None)


@pytest.mark.parametrize("name", [one.name for one in fields(SweepFacts)])
def test_facts_of_a_sweep_are_read_as_what_they_are_declared_or_left_out(tmp_path: Path, name: str) -> None:
    sweep = recorded(tmp_path, {"norm": ["none", "bn"]}, seeds=2)
    for value in HOSTILE:
        arms = sorted({record.facts.arm_hash for record in sweep.records})
        SweepFacts(factors={"norm": ["none", "bn"]}, seeds=[0, 1], arms=arms).save(sweep.folder)
        path = sweep.folder / "sweep.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DamageWarning)
            found = open_sweep(sweep.folder)
        found.frame()
        if found.factors:
            found.effects()
        found.target()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "7", '"x"', "[" * 100_000, '{"status": "finished"}', '{"a": ' * 10_000, "\x00", "9" * 5000],
    ids=range(11),
)
def test_a_record_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    sweep = recorded(tmp_path, {"norm": ["none", "bn"]}, seeds=1)
    run = sweep.records[0].folder
    (run / "record.json").write_text(text)
    with pytest.raises(RecordError, match=r"record\.json cannot be read: ."):
        read(run)
    assert len(find(sweep.folder)[0]) == 1


def test_pipes_and_giants_are_not_waited_for(tmp_path: Path) -> None:
    sweep = recorded(tmp_path, {"norm": ["none", "bn"]}, seeds=2)
    pipe, giant = sweep.records[0].folder / "record.json", sweep.records[1].folder / "record.json"
    pipe.unlink()
    os.mkfifo(pipe)
    with giant.open("wb") as file:
        file.truncate(2**40)  # a hole, which takes no room
    records, problems = find(sweep.folder)
    assert len(records) == 2
    assert "there is no file" in problems[0]
    assert "it is larger than 16 MiB" in problems[1]


@pytest.mark.parametrize(
    "table",
    [
        "step,val/acc,val/loss\n1,0.5",
        "step,val/acc,val/loss\n-1,0.5,1\n",
        "step,val/acc,val/loss\n2,0.5,1\n1,0.5,1\n",
        "step,val/acc,val/loss\n1e300,0.5,1\n",
        "step,val/acc,val/loss\nnan,0.5,1\n",
        "val/acc,val/loss\n0.5,1\n",
        "step,val/acc,val/loss\n1,0.5,1,9,9\n",
        "step,val/acc,val/loss\n1,__import__('os'),1\n",
        "step,val/acc,val/loss\n1," + "9" * 200_000 + ",1\n",
        "\x00\x01\x02",
    ],
    ids=range(10),
)
def test_curves_that_are_none_are_no_curves(tmp_path: Path, table: str) -> None:
    (tmp_path / "metrics.csv").write_text(table)
    assert read_curves(tmp_path / "metrics.csv") in ({}, {"step": [1], "val/acc": [0.5], "val/loss": [None]}) or (
        table.endswith("1,0.5")
    )


def test_huge_numbers_are_infinite_and_a_report_of_them_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = recorded(tmp_path, {"norm": ["none", "bn"]}, seeds=6)
    for record in sweep.records:
        end = {0: "1e308,1e308", 1: "-1e99,1e99", 2: "0.9,0.1"}[record.facts.seed % 3]
        (record.folder / "metrics.csv").write_text(f"step,val/acc,val/loss\n1,0.1,2\n9007199254740991,{end}\n")
        record.facts.test, record.facts.seconds, record.facts.budget = {"test/acc": 1e99}, 1e99, 2**62
        record.facts.chance, record.facts.parameters, record.facts.macs = 1e-300, 2**62, 2**62
        record.save()
    assert main(["report"]) == 0
    assert main(["runs"]) == 0
    assert main(["report", "--format", "json"]) == 0
    out = capsys.readouterr().out
    json.loads(out[out.index("\n{") :], parse_constant=pytest.fail)


def test_runs_that_are_there_twice_are_taken_once(tmp_path: Path) -> None:
    sweep = recorded(tmp_path, {"norm": ["none", "bn"]}, seeds=2)
    shutil.copytree(sweep.folder / "arm-00000000", sweep.folder / "brm-00000000")
    with pytest.warns(DamageWarning, match="2 runs twice"):
        assert len(open_sweep(sweep.folder).records) == 4


def test_a_checkpoint_that_would_run_code_is_not_loaded(tmp_path: Path) -> None:
    torch.save({"state_dict": Pwned()}, tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match="which could run code"):
        load(tmp_path / "last.ckpt")
    assert not Path("pwned").exists()


def test_clean_text_has_no_signs_that_steer() -> None:
    assert clean("a\x1b[31mb\nc\td\r\u202ee\ud800") == "a�[31mb\nc\td��e�"
