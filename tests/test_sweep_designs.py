"""Designs, merged arms and tuning on real sweeps: which runs are made, and what is printed of them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import ablate
from ablate.composition import config_loader
from ablate.engines.inline import InlineEngine
from ablate.record import Status, find
from ablate.report.terminal import print_sweep
from ablate.sweeps.plan import Plan, make_plan
from ablate.sweeps.rounds import Rounds
from tests.helpers import short

Runner = Callable[[Sequence[str]], ablate.Sweep]
FOUR = ("norm=bn,none", "opt=adam,sgd", "act=relu,sigmoid", "init=he,xavier")
"""Four factors of two levels."""


def plan(*arguments: str) -> Plan:
    with config_loader() as loader:
        return make_plan(arguments, loader, sweep=True)


def levels(sweep: ablate.Sweep) -> list[tuple[str, ...]]:
    """Return the levels of every run."""
    return [tuple(row) for row in sweep.frame()[sweep.factors].to_numpy().tolist()]


def test_one_factor_at_a_time_from_a_baseline(short_sweep: Runner) -> None:
    sweep = short_sweep([*FOUR, "design=ofat", "baseline={norm:none,act:sigmoid}"])
    assert levels(sweep) == [
        ("none", "adam", "sigmoid", "he"),
        ("bn", "adam", "sigmoid", "he"),
        ("none", "sgd", "sigmoid", "he"),
        ("none", "adam", "relu", "he"),
        ("none", "adam", "sigmoid", "xavier"),
    ]
    assert set(sweep.frame()["status"]) == {"finished"}


def test_leave_one_out_of_the_full_kit(short_sweep: Runner) -> None:
    sweep = short_sweep(
        ["norm=bn,ln,none", "reg=[l2,dropout],none", "sched=cosine,none", "act=relu,identity", "design=loo"]
    )
    assert levels(sweep) == [
        ("bn", "[dropout,l2]", "cosine", "relu"),
        ("none", "[dropout,l2]", "cosine", "relu"),
        ("bn", "none", "cosine", "relu"),
        ("bn", "[dropout,l2]", "none", "relu"),
        ("bn", "[dropout,l2]", "cosine", "identity"),
    ]


def test_a_fraction_says_what_it_cannot_tell_apart(short_sweep: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = short_sweep([*FOUR, "design=fractional", "seed=0,1"])
    out = capsys.readouterr().out
    found = set(levels(sweep))
    # the half fraction I = ABCD: an even number of second levels in every arm
    second = ("none", "sgd", "sigmoid", "xavier")
    assert len(sweep.records) == 16
    assert len(found) == 8
    assert all(sum(a == b for a, b in zip(arm, second, strict=True)) % 2 == 0 for arm in found)
    assert "norm×opt is aliased with act×init." in out
    facts = json.loads((sweep.folder / "sweep.json").read_text())
    pairs = [list(pair) for pair in itertools.combinations(("norm", "opt", "act", "init"), 2)]
    assert sorted(map(sorted, facts["inestimable"])) == sorted(map(sorted, pairs))


def test_a_path_turns_every_factor_once_and_repeats_nothing(
    short_sweep: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = short_sweep([*FOUR, "design=path", "seed=range(0,4)"])
    print_sweep(sweep)
    out = capsys.readouterr().out
    steps = sweep.facts.path
    assert {step.factor for step in steps} == {"norm", "opt", "act", "init"}
    assert len(sweep.records) + sum(step.saved for step in steps) == (4 * 5 // 2 + 1) * 4
    arms = sweep.frame().groupby(sweep.factors)["best"]
    # each step is the best of its candidates, by the means of those seeds that all of them were run with
    at = {"norm": "bn", "opt": "adam", "act": "relu", "init": "he"}
    assert sweep.facts.start == pytest.approx(arms.mean()[tuple(at.values())])
    for step in steps:
        assert at[step.factor] == step.before
        at[step.factor] = step.after
        assert step.mean == pytest.approx(arms.mean()[tuple(at.values())])
    assert at == {"norm": "none", "opt": "sgd", "act": "sigmoid", "init": "xavier"}
    assert "runs saved" in out
    again = short_sweep([*FOUR, "design=path", "seed=range(0,4)"])
    assert again.facts.path == steps
    assert "Training" not in capsys.readouterr().out


def test_arms_that_a_parameter_has_no_meaning_for_are_merged(
    short_sweep: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = short_sweep(["norm=bn,ln,none", "norm.eps=1e-5,1e-3", "reg=none,l2", "reg.l2.weight=0.1", "seed=0,1"])
    assert "norm.eps has no meaning for norm=none: trained without it, once." in capsys.readouterr().out
    frame = sweep.frame()
    assert len(frame) == (2 * 2 + 1) * 2 * 2
    assert frame.loc[frame["norm"] == "none", "norm.eps"].isna().all()
    assert frame["arm_hash"].nunique() == 10
    weights = {r.facts.settings.get("reg.l2.weight") for r in sweep.records if r.facts.choices["reg"] == "l2"}
    assert weights == {0.1}
    assert all("reg.l2" not in r.facts.arm for r in sweep.records if r.facts.choices["reg"] == "none")


def test_a_parameter_that_no_option_has_is_still_refused() -> None:
    with pytest.raises(ablate.AblateError, match="norm=bn has no parameter 'epss'"):
        plan("norm=bn,none", "norm.epss=1")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("norm=bn,ln,none", "design=fractional"), "takes two levels a factor, and norm=bn,ln,none has 3"),
        (("norm=bn,ln,none", "design=path"), "takes two levels a factor"),
        (("norm=none,bn", "design=loo"), "Write the full kit first"),
        (("norm=bn,none", "design=ofat", "baseline={norm:ln}"), "ln is no level of norm"),
        (("norm=bn,none", "design=ofat", "baseline={act:relu}"), "act is not swept"),
        (("norm=bn,none", "baseline={norm:none}"), "baseline belongs to design=ofat"),
        (("norm=bn,none", "resolution=IV"), "resolution belongs to design=fractional"),
        (("norm=bn,none", "design=best"), "design=best: .*full, ofat, loo, fractional, path"),
        (("norm=bn,none", "tune=lrr"), r"tune=lrr: no option has such a parameter. Did you mean"),
        (("norm=bn,none", "tune=norm.momentum", "norm=ln,none"), "no arm of this sweep has that parameter"),
        (("norm=bn,none", "tune=data.label_noise"), "Give the values: data.label_noise="),
        (("norm=bn,none", "workers=many"), "workers must be auto or a whole number, not many"),
        (("norm=bn,none", "runs_per_gpu=0"), "runs_per_gpu"),
    ],
)
def test_what_a_design_cannot_do_is_refused_before_anything_trains(settings: tuple[str, ...], message: str) -> None:
    with pytest.raises(ablate.AblateError, match=message):
        plan(*settings)


def test_tuning_chooses_by_the_validation_metric_on_seeds_that_are_not_reported(
    short_sweep: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = short_sweep(["opt=sgd,adam", "norm=bn,none", "tune=lr", "tune_seeds=2", "seed=0,1"])
    print_sweep(sweep)
    out = capsys.readouterr().out
    assert "digits-mlp, tuning: 56 runs. Training 56." in out
    assert "Tuned on seeds 1000000, 1000001" in out
    tried, _ = find(sweep.folder.with_name("digits-mlp-tuning"))
    reported, _ = find(sweep.folder)
    assert {record.facts.seed for record in tried} == {1000000, 1000001}
    assert {record.facts.seed for record in reported} == {0, 1}
    assert max(record.facts.started or "" for record in tried) <= min(r.facts.started or "" for r in reported)
    for tuned in sweep.facts.tuned:
        # the choice, made again from the records of the tuning runs
        own = [r for r in tried if all(r.facts.choices[kind] == level for kind, level in tuned.levels.items())]
        means: dict[float, list[float]] = {}
        for record in own:
            means.setdefault(record.facts.settings["opt.lr"], []).append(record.curves()["val/acc"].max())
        assert sorted(means) == sorted(map(float, tuned.grid["opt.lr"]))
        best = max(means, key=lambda rate: sum(means[rate]))
        assert sum(means[float(tuned.chosen["opt.lr"])]) == pytest.approx(sum(means[best]))
        assert bool(tuned.at_edge) is (float(tuned.chosen["opt.lr"]) in (min(means), max(means)))
        rates = {
            r.facts.settings["opt.lr"]
            for r in sweep.records
            if all(r.facts.choices[kind] == level for kind, level in tuned.levels.items())
        }
        assert rates == {float(tuned.chosen["opt.lr"])}
    assert len(sweep.records) == 8
    again = short_sweep(["opt=sgd,adam", "norm=bn,none", "tune=lr", "tune_seeds=2", "seed=0,1"])
    assert "Training" not in capsys.readouterr().out
    assert again.facts.tuned == sweep.facts.tuned


def test_the_seeds_of_tuning_make_room_for_those_that_are_reported() -> None:
    made = plan("norm=bn,none", "tune=lr", "seed=1000000,1000002,3")
    assert made.tuning is not None
    assert set(made.tuning.seeds).isdisjoint(made.seeds)
    assert len(made.tuning.seeds) == 3


def test_several_parameters_are_tuned_on_the_grids_that_are_given(short_sweep: Runner) -> None:
    sweep = short_sweep(
        [
            "reg=l2,none",
            "tune=opt.lr,reg.l2.weight",
            "opt.lr=0.1,0.01",
            "reg.l2.weight=0.01,0.001,0.0001",
            "tune_seeds=1",
        ]
    )
    with_l2, without = sweep.facts.tuned
    assert set(with_l2.chosen) == {"opt.lr", "reg.l2.weight"}
    assert len(with_l2.means) == 6
    assert set(without.chosen) == {"opt.lr"}
    assert len(without.means) == 2
    assert [r.facts.settings["opt.lr"] for r in sweep.records] == [float(t.chosen["opt.lr"]) for t in sweep.facts.tuned]
    assert sweep.factors == ["reg"]


def test_an_arm_that_cannot_be_tuned_keeps_its_default(short_sweep: Runner) -> None:
    sweep = short_sweep(["norm=bn,none", "opt=sgd", "opt.lr=1e30,1e31", "tune=lr", "tune_seeds=1"])
    assert [tuned.chosen for tuned in sweep.facts.tuned] == [{}, {}]
    assert {record.facts.settings["opt.lr"] for record in sweep.records} == {0.1}


def test_a_path_tunes_each_arm_before_it_is_judged(short_sweep: Runner) -> None:
    sweep = short_sweep(["norm=bn,none", "opt=adam,sgd", "design=path", "tune=lr", "tune_seeds=1", "seed=0,1"])
    assert len(sweep.facts.tuned) == 4
    assert len(sweep.facts.path) == 2


def test_rounds_ask_for_results_before_they_go_on() -> None:
    made = plan(*short("norm=bn,none", "opt=adam,sgd", "design=path", "seed=0"))
    asked = iter(Rounds(made))
    first = next(asked)
    assert {run.config.seed for run in first.runs} == {0}
    assert all(run.record().status is Status.missing for run in first.runs)
    assert isinstance(InlineEngine(), object)
    assert not Path("outputs").exists()
