"""What arms are called in a report: what differs between them, and never the same for two."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.analysis.naming import Names, names, settings
from ablate.report.content import content_of
from ablate.report.data import document
from ablate.report.faces import to_latex, to_markdown
from ablate.report.hparams import write_hparams
from ablate.report.page import to_html
from ablate.report.terminal import print_sweep
from ablate.results import Sweep, open_sweep
from ablate.sweep_facts import SweepFacts
from tests.recorded import recorded

FIXED = "model.depth=6,reg=[l2,dropout]"


def test_what_all_arms_have_is_said_once() -> None:
    found = names({"a": f"{FIXED},norm=bn,opt=sgd", "b": f"{FIXED},norm=none,opt=sgd"})
    assert found == Names({"a": "norm=bn", "b": "norm=none"}, ("model.depth=6", "reg=[l2,dropout]", "opt=sgd"))
    assert found.sentence() == "All arms: model.depth=6, reg=[l2,dropout], opt=sgd"
    assert names({"a": "norm=bn", "b": "norm=none"}).sentence() == ""


def test_an_arm_that_was_merged_has_no_level_where_it_has_no_meaning() -> None:
    found = names({"a": "norm=bn,norm.eps=1e-5,sched=step", "b": "norm=bn,norm.eps=1e-3,sched=step", "c": "norm=none"})
    assert list(found.own.values()) == [
        "norm=bn,norm.eps=1e-5,sched=step",
        "norm=bn,norm.eps=1e-3,sched=step",
        "norm=none",
    ]
    found = names({"a": "norm=bn,norm.eps=1e-5", "b": "norm=bn"})
    assert list(found.own.values()) == ["norm.eps=1e-5", "default"]


def test_a_tuned_value_is_named_where_arms_differ_in_it() -> None:
    apart = names({"a": "norm=bn,opt.lr=0.1", "b": "norm=none,opt.lr=0.01"})
    assert list(apart.own.values()) == ["norm=bn,opt.lr=0.1", "norm=none,opt.lr=0.01"]
    alike = names({"a": "norm=bn,opt.lr=0.1", "b": "norm=none,opt.lr=0.1"})
    assert (list(alike.own.values()), alike.shared) == (["norm=bn", "norm=none"], ("opt.lr=0.1",))


def test_one_arm_keeps_its_label() -> None:
    assert names({"a": f"{FIXED},norm=bn"}) == Names({"a": f"{FIXED},norm=bn"})
    assert names({}) == Names({})


def test_labels_that_a_person_gave_stay_whole_and_apart() -> None:
    assert list(names({"a": "mine, first", "b": "mine, second"}).own.values()) == ["mine, first", "mine, second"]
    assert list(names({"3fa9c1d2": "mine", "77ab01ff": "mine"}).own.values()) == ["mine-3fa9c1d2", "mine-77ab01ff"]


@pytest.mark.parametrize(
    ("label", "parts"),
    [
        ("default", []),
        ("norm=bn", ["norm=bn"]),
        ("reg=[l2,[a,b]],act=relu", ["reg=[l2,[a,b]]", "act=relu"]),
        ("data.path='a,b',+x.y={k:1,m:2}", ["data.path='a,b'", "+x.y={k:1,m:2}"]),
        ("mine", ["mine"]),
        ("mine, norm=bn", ["mine, norm=bn"]),
    ],
)
def test_a_label_is_split_between_settings_only(label: str, parts: list[str]) -> None:
    assert settings(label) == parts


parts = st.lists(st.sampled_from(["norm=bn", "norm=none", "a=[1,2]", "b='x,y'", "mine", "c=1"]), max_size=4)


@given(st.lists(parts.map(",".join), max_size=6))
def test_no_two_arms_have_the_same_name(labels: list[str]) -> None:
    arms = {f"{number:08x}": label or "default" for number, label in enumerate(labels)}
    found = names(arms)
    assert list(found.own) == list(arms)
    assert len(set(found.own.values())) == len(arms)
    for arm, label in arms.items():  # nothing is lost: what a name leaves out is said of all
        assert all(part in found.shared or part in found.own[arm] for part in settings(label))


@pytest.fixture
def deep(tmp_path: Path) -> Sweep:
    """Return a sweep of which all arms have settings in common, with a run that failed."""
    sweep = recorded(tmp_path, {"norm": ["bn", "none"]}, seeds=2, failed=[(1, 1)])
    for record in sweep.records:
        record.facts = dataclasses.replace(record.facts, arm=f"{FIXED},{record.facts.arm}")
        record.save()
    facts = SweepFacts(factors={"norm": ["bn", "none"]}, seeds=[0, 1])
    facts.arms = list(dict.fromkeys(record.facts.arm_hash for record in sweep.records))
    return Sweep(sweep.name, sweep.folder, sweep.records, sweep.factors, facts=facts)


def test_every_face_says_it_once(deep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    print_sweep(deep)
    printed = capsys.readouterr().out
    assert "All arms: model.depth=6, reg=[l2,dropout]\n" in printed
    assert "failed norm=none seed=1" in printed
    assert "norm=bn, less 0.01" in printed.replace("\n", " ")
    content = content_of(deep)
    page = to_html(content)
    faces = [printed, page, to_markdown(content).replace("\\", ""), to_latex(content).replace("\\", "")]
    assert [face.count("model.depth=6") for face in faces] == [1, 1, 1, 1]
    told = document(content)
    assert told["design"]["shared"] == FIXED.split(",", 1)
    assert [arm["arm"] for arm in told["arms"]] == ["norm=bn", "norm=none"]
    assert "norm=bn" in told["target"]["why"]
    assert "model.depth" not in told["target"]["why"]
    assert deep._repr_html_().count("model.depth=6") == 1
    assert set(deep.curves()["arm"]) == {"norm=bn", "norm=none"}


def test_hparams_call_the_seeds_of_an_arm_by_its_name(deep: Sweep) -> None:
    write_hparams(deep.records)
    for record in deep.records:
        (events,) = record.folder.glob("*.hparams")
        content = events.read_bytes()
        assert deep.label(record).encode() in content
        assert b"model.depth" not in content


def test_a_report_from_the_folder_has_the_names_of_the_sweep(deep: Sweep) -> None:
    deep.facts.save(deep.folder)
    assert open_sweep(deep.folder).names == deep.names
    deep.facts.labels = ["norm=no", "norm=yes"]
    deep.facts.save(deep.folder)
    assert list(open_sweep(deep.folder).names.own.values()) == ["norm=no", "norm=yes"]


def test_a_bracket_is_closed_by_its_own_kind_alone() -> None:
    assert settings("a=[{x],y},z],b=1") == ["a=[{x],y},z]", "b=1"]
