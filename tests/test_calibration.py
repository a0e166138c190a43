"""Calibration runs on real sweeps: which there are, that they are trained once, and that they alone move the target."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import ablate
from ablate.analysis.inference import SMOKE
from ablate.analysis.target import Rule
from ablate.composition import config_loader
from ablate.record import Record, Status, find
from ablate.report.content import content_of
from ablate.report.data import document
from ablate.report.faces import to_markdown
from ablate.report.terminal import print_sweep
from ablate.results import open_sweep
from ablate.sweeps.calibration import FROM, RUNS
from ablate.sweeps.plan import Plan, make_plan
from ablate.sweeps.preview import preview
from ablate.sweeps.rounds import Rounds
from tests.helpers import short

Runner = Callable[[Sequence[str]], ablate.Sweep]
FIVE = "seed=range(0,5)"
SEEDS = [2_000_000, 2_000_001, 2_000_002, 2_000_003, 2_000_004]
LEARNS = ("opt=sgd", "data.train_size=512", "model.width=32", "trainer.max_epochs=3")
"""A baseline that gets somewhere."""


def plan(*arguments: str) -> Plan:
    with config_loader() as loader:
        return make_plan(short(*arguments), loader, sweep=True)


def runs_apart(folder: Path = Path("outputs/digits-mlp-calibration")) -> list[Record]:
    records, problems = find(folder)
    assert not problems
    return records


def test_the_target_is_what_the_baseline_reaches_with_seeds_of_its_own(
    short_sweep: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = short_sweep(["norm=bn,none", FIVE, *LEARNS])
    print_sweep(sweep)
    out = capsys.readouterr().out
    assert out.index("digits-mlp, calibration: 5 runs. Training 5.") < out.index("digits-mlp: 10 runs. Training 10.")
    runs = runs_apart()
    assert [run.facts.seed for run in runs] == SEEDS
    assert {run.facts.settings["norm"] for run in runs} == {"none"}
    best = [float(run.curves()["val/acc"].max()) for run in runs]
    found = sweep.target()
    assert found.value == statistics.median(best) - 0.01
    assert found.rule is Rule.calibration
    assert len(sweep.records) == 10
    told = f"median best of 5 calibration runs, less {found.margin})"
    assert told in " ".join(out.split())
    content = content_of(sweep)
    assert told in to_markdown(content).replace("\\", "")
    assert document(content)["target"] == {
        "value": found.value,
        "why": found.why,
        "rule": "calibration",
        "margin": 0.01,
        "calibration": {
            "arm": runs[0].facts.arm,
            "seeds": SEEDS,
            "best": best,
            "learned": [True] * 5,
            "why": "",
            "finished": 5,
        },
    }


def test_they_are_trained_once_and_do_not_move_when_seeds_and_levels_are_added(
    short_sweep: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    before = short_sweep(["norm=bn,none", "calibration=2", *LEARNS])
    capsys.readouterr()
    wider = short_sweep(["norm=bn,ln,none", "seed=0,1", "calibration=2", *LEARNS])
    assert "digits-mlp, calibration: 2 runs, all done before: nothing to train." in capsys.readouterr().out
    assert wider.target() == before.target()
    assert [len(run.facts.attempts) for run in runs_apart()] == [1, 1]


def test_a_report_needs_the_folder_of_the_sweep_alone(short_sweep: Runner) -> None:
    sweep = short_sweep(["norm=bn,none", "calibration=2", *LEARNS])
    assert sweep.target().rule is Rule.calibration
    for run in runs_apart():
        (run.folder / "record.json").unlink()
    again = open_sweep(sweep.folder)
    assert again.target() == sweep.target()
    used = json.loads((sweep.folder / "sweep.json").read_text())["target_used"]
    assert used == {
        "value": sweep.target().value,
        "why": sweep.target().why,
        "rule": "calibration",
        "margin": 0.01,
    }


@pytest.mark.parametrize("reported", ["range(0,5)", "1000000,1000001,2000000,2000002,7"])
def test_reported_tuning_and_calibration_seeds_are_disjoint(reported: str) -> None:
    made = plan("norm=bn,none", "tune=lr", f"seed={reported}")
    assert made.tuning is not None
    used = [*made.seeds, *made.tuning.seeds, *made.calibration.seeds]
    assert len(used) == len(set(used)) == 5 + 3 + RUNS
    calibration = next(iter(Rounds(plan("norm=bn,none", f"seed={reported}"))))
    assert "calibration" in calibration.title
    assert {run.config.seed for run in calibration.runs}.isdisjoint(made.seeds)


@pytest.mark.parametrize(
    ("settings", "baseline"),
    [
        (("norm=bn,none", "opt=sgd,adam"), {"norm": "none", "opt": "sgd"}),
        (("norm=bn,ln", "data.permute_pixels=true,false"), {"norm": "bn", "data.permute_pixels": "false"}),
        (("norm=bn,ln,none", "norm.eps=1e-5,1e-3"), {"norm": "none"}),
        (("norm=bn,ln,none", "act=relu,tanh", "design=ofat", "baseline={norm:ln}"), {"norm": "ln", "act": "relu"}),
        (("norm=bn,none", "reg=l2,none", "design=loo"), {"norm": "bn", "reg": "l2"}),
        (("norm=bn,none", "opt=sgd,adam", "design=path"), {"norm": "bn", "opt": "sgd"}),
        (
            ("norm=bn,none", "opt=sgd,adam", "act=relu,tanh", "init=he,xavier", "design=fractional"),
            {"norm": "bn", "opt": "sgd", "act": "relu", "init": "he"},
        ),
    ],
)
def test_the_baseline_is_the_designs_own_or_what_effects_are_taken_against(
    settings: tuple[str, ...], baseline: dict[str, str]
) -> None:
    made = plan(*settings, FIVE)
    assert made.calibration.levels == baseline
    assert list(made.calibration.seeds) == SEEDS
    assert next(iter(Rounds(made))).title == "digits-mlp, calibration: "


def test_the_baseline_of_all_combinations_is_that_of_the_effects(short_sweep: Runner) -> None:
    sweep = short_sweep(["reg=l2,none", "act=tanh,relu", "calibration=1"])
    assert {one.baseline for one in sweep.effects().contrasts} == {"none", "tanh"}
    assert sweep.facts.calibration.arm.startswith("reg=none,act=tanh")


def test_a_tuned_baseline_is_calibrated_with_its_tuned_value(
    short_sweep: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ["norm=bn,none", "tune=lr", "opt.lr=0.1,0.01", "tune_seeds=1", "calibration=2", *LEARNS]
    sweep = short_sweep(settings)
    out = capsys.readouterr().out
    rounds = [line.partition(":")[0] for line in out.splitlines() if "Training" in line]
    assert rounds == ["digits-mlp, tuning", "digits-mlp, calibration", "digits-mlp"]
    (chosen,) = (tuned.chosen["opt.lr"] for tuned in sweep.facts.tuned if tuned.levels == {"norm": "none"})
    assert [run.facts.settings["opt.lr"] for run in runs_apart()] == [float(chosen)] * 2
    (reported,) = (run.facts.arm_hash for run in sweep.records if run.facts.settings["norm"] == "none")
    assert {run.facts.arm_hash for run in runs_apart()} == {reported}
    assert sweep.target().rule is Rule.calibration


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (("norm=bn,none", "seed=range(0,4)"), "calibrated from 5 seeds on"),
        (("norm=bn,none", FIVE, "calibration=0"), "calibration=0"),
        (("norm=bn,none", FIVE, "target=0.9"), ""),
        (("norm=bn,none", FIVE, "target=reached"), ""),
        ((FIVE,), ""),
    ],
)
def test_without_calibration_runs_it_is_said_why(settings: tuple[str, ...], why: str) -> None:
    made = plan(*settings)
    assert made.calibration.seeds == ()
    assert made.calibration.why == why
    assert [each.title for each in Rounds(made)] == ["digits-mlp: "]


def test_one_seed_is_not_calibrated_and_the_table_says_so(
    short_sweep: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    print_sweep(short_sweep(["norm=bn,none"]))
    out = " ".join(capsys.readouterr().out.split())
    assert "less 0.01; calibrated from 5 seeds on). Steps" in out
    assert not Path("outputs/digits-mlp-calibration").exists()
    assert FROM == SMOKE  # no verdict without, so nothing that a target of its own would make fairer


def test_calibration_can_be_had_with_any_number_of_seeds(short_sweep: Runner) -> None:
    sweep = short_sweep(["norm=bn,none", "calibration=1", *LEARNS])
    assert "median best of 1 calibration run, less" in sweep.target().why


def test_a_baseline_that_diverges_gives_way_to_the_best_arm_in_words(short_sweep: Runner) -> None:
    sweep = short_sweep(["opt=sgd", "opt.lr=1e30,0.1", "calibration=3"])
    assert {run.status for run in runs_apart()} == {Status.diverged}
    found = sweep.target()
    assert found.rule is Rule.best_arm
    assert found.why.endswith("; of 3 calibration runs of opt.lr=1e+30 none finished")
    assert sweep.facts.calibration.finished == 0


def test_a_baseline_that_learns_nothing_gives_way_to_the_best_arm(short_sweep: Runner) -> None:
    sweep = short_sweep(["opt.lr=1e-9,0.1", "calibration=2", *LEARNS])
    found = sweep.target()
    assert found.rule is Rule.best_arm
    assert "learned nothing, or all before it was first measured" in found.why
    assert open_sweep(sweep.folder).target() == found


def test_what_every_arm_reached_is_a_target_too(short_sweep: Runner) -> None:
    sweep = short_sweep(["norm=bn,none", "target=reached", "seed=0,1"])
    medians = sweep.frame().groupby("norm")["best"].median()
    found = sweep.target()
    assert found.value == pytest.approx(medians.min(), abs=1e-15)
    assert found.why == f"what every arm reached, the last {sweep.label(_of(sweep, str(medians.idxmin())))}, by medians"
    assert open_sweep(sweep.folder).target() == found


def _of(sweep: ablate.Sweep, norm: str) -> Record:
    return next(record for record in sweep.records if record.facts.settings["norm"] == norm)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("norm=bn,none", "target=best"), "target must be a finite number, auto or reached, not best"),
        (("norm=bn,none", "target=true"), "target must be a finite number, auto or reached, not True"),
        (("norm=bn,none", "target=nan"), "target must be a finite number, auto or reached, not nan"),
        (("norm=bn,none", "target=[0.5]"), "target must be a finite number, auto or reached, not"),
        (("norm=bn,none", "target=0.5,0.6"), "target belongs to a whole sweep and cannot be swept"),
        (("norm=bn,none", "calibration=-1"), "calibration must be at least 0, not -1"),
        (("norm=bn,none", "calibration=some"), "calibration=some"),
        (("norm=bn,none", "calibration=5", "target=0.9"), "calibration belongs to target=auto; drop it, or target=0.9"),
        (("calibration=5", "seed=0,1"), "calibration=5: there is one arm, and nothing that a target would compare"),
    ],
)
def test_a_target_or_calibration_that_cannot_be_is_refused_in_one_sentence(
    settings: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ablate.AblateError, match=message):
        plan(*settings)


def test_runs_that_start_from_others_seed_by_seed_cannot_be_calibrated(short_sweep: Runner) -> None:
    source = short_sweep(["name=source"]).records[0].facts.arm_hash
    made = plan("name=later", f"init_from={source}", "opt.lr=0.1,0.01")
    assert made.calibration.seeds == ()
    assert made.calibration.why == "runs that start from others, seed by seed, are not calibrated"
    with pytest.raises(ablate.AblateError, match=f"start from those of {source}, seed by seed"):
        plan("name=later", f"init_from={source}", "opt.lr=0.1,0.01", "calibration=2")
    assert plan("name=later", f"init_from='{source}/seed=0'", "opt.lr=0.1,0.01", "calibration=2").calibration.seeds


def test_a_hash_names_the_runs_that_are_reported(short_sweep: Runner) -> None:
    sweep = short_sweep(["norm=bn,none", "calibration=2"])
    baseline = _of(sweep, "none").facts.arm_hash
    assert {run.facts.arm_hash for run in runs_apart()} == {baseline}
    (later,) = short_sweep(["name=later", f"init_from={baseline}", "norm=none"]).records
    assert later.facts.transfer is not None
    assert later.facts.transfer["source"] == f"{baseline}/seed=0"


def test_a_plan_counts_the_calibration_runs(short_sweep: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ["norm=bn,none", "calibration=2", "dry_run=true"]
    short_sweep(settings)
    out = " ".join(capsys.readouterr().out.split())
    seeds = "2000000, 2000001"
    assert "design=full, 2 arms × 1 seed = 2 runs, 0 finished, 2 to train." in out
    assert "For the target: 2 calibration runs of norm=none" in out
    assert f"on seeds {seeds}, 0 finished." in out
    assert not Path("outputs").exists()
    short_sweep(settings[:-1])
    capsys.readouterr()
    short_sweep(settings)
    out = " ".join(capsys.readouterr().out.split())
    assert f"on seeds {seeds}, 2 finished." in out
    assert "About 0 s" in out


def test_their_time_is_part_of_the_estimate(
    short_sweep: Runner, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ablate.sweeps.estimate.measure", lambda config: 2.0)
    for more, seconds in ((), 30), (("calibration=0",), 20):
        short_sweep(["norm=bn,none", FIVE, "dry_run=true", *more])
        assert f"About {seconds} s" in capsys.readouterr().out


@pytest.mark.parametrize(("tune", "left"), [((), 0), (("tune=lr", "tune_seeds=1"), 4)])
def test_tuned_they_are_other_runs_and_all_of_their_time_is_left(
    monkeypatch: pytest.MonkeyPatch, tune: tuple[str, ...], left: int
) -> None:
    made = plan("norm=bn,none", "calibration=2", "workers=0", *tune)
    monkeypatch.setattr("ablate.sweeps.preview.seconds_of", lambda runs: {run.config.arm_hash: 1.0 for run in runs})
    monkeypatch.setattr("ablate.sweeps.preview._unfinished", lambda runs: [])
    assert preview(made).seconds == left
