from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import pytest

import ablate
from ablate.composition import config_loader
from ablate.sweeps.plan import Plan, make_plan

Runner = Callable[[Sequence[str]], ablate.Sweep]


def plan(*arguments: str, sweep: bool = True) -> Plan:
    with config_loader() as loader:
        return make_plan(arguments, loader, sweep=sweep)


def test_a_plan_pairs_every_arm_with_every_seed() -> None:
    made = plan("norm=bn,none", "opt=sgd,adam", "seed=range(0,3)", "trainer.max_epochs=2")
    assert [f.key for f in made.factors] == ["norm", "opt"]
    assert made.seeds == (0, 1, 2)
    seen = [(r.config.choices()["norm"], r.config.choices()["opt"], r.config.seed) for r in made.runs]
    assert seen == [(n, o, s) for n in ("bn", "none") for o in ("sgd", "adam") for s in (0, 1, 2)]
    assert made.runs[0].config.label == "norm=bn,opt=sgd,trainer.max_epochs=2"


def test_planned_arguments_compose_to_the_planned_configuration() -> None:
    for planned in plan("norm=bn,none", "reg=[l2,dropout],none", r"label='it\'s'", "seed=1,2").runs:
        with config_loader() as loader:
            from ablate.composition import load
            from ablate.config import to_config

            assert to_config(load(loader, planned.arguments)) == planned.config


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("norm=bn,none",), "digits-mlp"),
        (("model=mlp,cnn",), "digits"),
        (("model=lstm", "data=digits_rows"), "digits_rows-lstm"),
        (("data=digits,digits_rows",), "mlp"),
        (("model=mlp,lstm", "data=digits_rows"), "digits_rows"),
        (("model=mlp,lstm", "data=digits_rows,digits_rows"), None),
        (("name=mine", "model=mlp,cnn"), "mine"),
    ],
)
def test_a_sweeps_folder_does_not_depend_on_how_much_is_swept(arguments: tuple[str, ...], name: str | None) -> None:
    if name is None:
        with pytest.raises(ablate.AblateError, match="there twice"):
            plan(*arguments)
    else:
        assert {r.config.folder_name for r in plan(*arguments).runs} == {name}


def test_wrong_seeds_are_refused() -> None:
    with pytest.raises(ablate.AblateError, match=r"seed=-1: seed must be a whole number.*range\(0,10\)"):
        plan("seed=0,-1")


def test_a_second_sweep_trains_only_what_is_new(short_sweep: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    first = short_sweep(["norm=bn,none"])
    assert "Training 2." in capsys.readouterr().out
    assert "nothing to train" in (short_sweep(["norm=bn,none"]), capsys.readouterr().out)[1]
    wider = short_sweep(["norm=bn,none,ln", "seed=0,1"])
    assert "6 runs, 2 done before. Training 4." in capsys.readouterr().out
    assert len(wider.records) == 6
    kept = {r.folder: r.facts.started for r in first.records}
    assert {f: s for f, s in ((r.folder, r.facts.started) for r in wider.records) if f in kept} == kept


def test_one_bad_run_does_not_stop_the_others(
    short_sweep: Runner, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ablate.training import run as training

    original = training.train

    def sometimes(record: ablate.Record, config: ablate.Config, *rest: Any) -> None:
        if config.choices()["norm"] == "bn":
            raise ValueError("planted\nsecond line")
        original(record, config, *rest)

    monkeypatch.setattr(training, "train", sometimes)
    result = short_sweep(["norm=bn,none"])
    assert list(result.frame()["status"]) == ["failed", "finished"]
    assert "[1/2] norm=bn" in (out := capsys.readouterr().out)
    assert "failed: ValueError: planted\n" in out
    monkeypatch.undo()
    assert list(short_sweep(["norm=bn,none"]).frame()["status"]) == ["finished", "finished"]


def test_frames_are_tidy(short_sweep: Runner) -> None:
    result = short_sweep(["norm=bn,none", "data.permute_pixels=true,false", "seed=0,1"])
    frame = result.frame()
    assert len(frame) == 8
    assert list(frame.columns[:5]) == ["arm", "norm", "data.permute_pixels", "seed", "status"]
    assert set(frame["norm"]) == {"bn", "none"}
    assert {"steps_to_target", "best", "best_step", "final", "area", "test/acc", "parameters", "seconds"} <= set(frame)
    curves = result.curves()
    assert list(curves.columns) == ["arm", "norm", "data.permute_pixels", "seed", "step", "metric", "value"]
    one = curves[(curves["norm"] == "bn") & curves["data.permute_pixels"] & (curves["seed"] == 1)]
    pivot = one.pivot(index="step", columns="metric", values="value")
    record = next(
        r for r in result.records if r.facts.arm.startswith("norm=bn,data.permute_pixels=true") and r.facts.seed == 1
    )
    assert pivot["val/acc"].tolist() == record.curves()["val/acc"].tolist()
    best = frame.loc[(frame["norm"] == "bn") & frame["data.permute_pixels"] & (frame["seed"] == 1), "best"]
    assert best.item() == pivot["val/acc"].max()


def test_the_target_is_the_best_arms_median_less_a_margin_or_as_given(short_sweep: Runner) -> None:
    result = short_sweep(["norm=bn,none", "seed=0,1,2"])
    found = result.target()
    medians = result.frame().groupby("norm")["best"].median()
    assert found.value == pytest.approx(medians.max() - 0.01)
    assert f"norm={medians.idxmax()}" in found.why
    given = short_sweep(["norm=bn,none", "seed=0,1,2", "target=1.0"])
    assert (given.target().value, given.target().why) == (1.0, "as given")
    assert given.frame()["steps_to_target"].isna().all()


def test_a_sweep_without_curves_has_empty_frames(short_sweep: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ablate.training.run.train", lambda *_: (_ for _ in ()).throw(RuntimeError("planted")))
    result = short_sweep(["norm=bn,none"])
    assert result.curves().empty
    assert (result.target().value, result.target().why) == (None, "no run has finished")
    assert isinstance(result.frame(), pd.DataFrame)


def test_arms_are_told_apart_by_what_they_are_not_by_their_labels(
    short_sweep: Runner, short_config: Callable[..., ablate.Config]
) -> None:
    # each of these calls its arm "default", and one of them has a seed in the sweep to come
    ablate.run(short_config("norm=bn", "name=shared", "label=default"))
    ablate.run(short_config("norm=none", "name=shared", "label=default"))
    frame = short_sweep(["norm=bn,none", "seed=0,1", "name=shared"]).frame()
    assert frame.groupby("arm_hash")["arm"].agg(["nunique", "size"]).to_numpy().tolist() == [[1, 2], [1, 2]]
    assert [arm.split(",")[0] for arm in frame["arm"]] == ["norm=bn", "norm=bn", "norm=none", "norm=none"]


def test_arms_judged_by_different_metrics_are_refused() -> None:
    with pytest.raises(ablate.AblateError, match=r"data=digits by val/acc and .* by val/r2. Sweep them apart"):
        plan("data=digits,diabetes")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("trainer.precision=banana", "trainer.precision=banana: .*'banana'"),
        ("trainer.accelerator=tpu", "trainer.accelerator=tpu"),
        ("trainer.devices=0", "devices must be at least 1"),
        ("trainer.strategy=ddp", "needs several devices: add trainer.devices=2"),
        ("seed=99999999999", "seed must be a whole number from 0"),
        ("name=../../elsewhere", "name must be a plain folder name"),
        ("reg.l2.weight=${seed}", "cannot refer to others"),
        ("model.width=100000000", "model=mlp on data=digits"),
    ],
)
def test_what_the_machine_cannot_do_is_refused_before_anything_trains(setting: str, message: str) -> None:
    with pytest.raises(ablate.AblateError, match=message):
        plan("reg=l2", setting)


def test_both_budgets_at_once_are_refused() -> None:
    with pytest.raises(ablate.AblateError, match="give one of them"):
        plan("trainer.max_epochs=3", "trainer.max_steps=10")


def test_hydras_settings_are_refused_where_hydra_does_not_run() -> None:
    with pytest.raises(ablate.AblateError, match="belong to the command line"):
        ablate.sweep(["norm=bn,none", "hydra/launcher=joblib"])


def test_a_sweep_in_python_reaches_the_hparams_tab(short_sweep: Runner) -> None:
    files = [list(record.folder.glob("*.hparams")) for record in short_sweep(["norm=bn,none"]).records]
    assert all(files)
    files[0][0].unlink()  # as a process leaves it that is killed at the end
    again = [list(record.folder.glob("*.hparams")) for record in short_sweep(["norm=bn,none"]).records]
    assert all(again)
