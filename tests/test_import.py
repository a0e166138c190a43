"""``import``: runs of other programs become records, with what they were given as factors."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from ablate.cli.main import main
from ablate.imports import write
from ablate.imports.found import Found, parameters_near
from ablate.imports.mapping import Pick
from ablate.record import find, read
from ablate.results import open_sweep
from ablate.sweep_facts import SweepFacts
from tests.recorded import recorded

ARMS = [("none", "sgd"), ("none", "adam"), ("bn", "sgd"), ("bn", "adam")]


def accuracy(norm: str, opt: str, seed: int, epoch: int) -> float:
    return 0.5 + 0.05 * epoch + 0.1 * (norm == "bn") + 0.02 * (opt == "adam") + 0.001 * seed


def multirun(root: Path, seeds: int = 3, hydra: bool = True) -> Path:
    """Write what a Hydra sweep of a Lightning module leaves, by Lightning's own loggers."""
    jobs = ((norm, opt, seed) for norm, opt in ARMS for seed in range(seeds))
    for number, (norm, opt, seed) in enumerate(jobs):
        job = root / str(number)
        if hydra:
            given = {"norm": norm, "opt": opt, "seed": seed, "width": 8, "out": {"dir": str(job)}}
            (job / ".hydra").mkdir(parents=True)
            (job / ".hydra" / "config.yaml").write_text(yaml.safe_dump(given))
            (job / ".hydra" / "overrides.yaml").write_text(
                yaml.safe_dump([f"norm={norm}", f"opt={opt}", f"seed={seed}"])
            )
        for logger in (TensorBoardLogger(job, "tb"), CSVLogger(job, "csv")):
            logger.log_hyperparams({"norm": norm, "opt": opt, "seed": seed})
            for epoch in range(1, 6):
                step = 23 * epoch - 1
                logger.log_metrics({"val_acc": accuracy(norm, opt, seed, epoch), "epoch": epoch}, step)
                logger.log_metrics({"val_loss": 1 / epoch}, step)
                logger.log_metrics({"train_loss_epoch": 2 / epoch, "epoch": epoch}, step)
            logger.save()
            logger.finalize("success")
    return root


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return multirun(tmp_path_factory.mktemp("theirs") / "multirun")


def tree(folder: Path) -> Mapping[str, tuple[bytes, int]]:
    """Return every file with its content and when it was written."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["import", *arguments]) == 2
    told = capsys.readouterr().err
    assert told.startswith("ablate: ")
    assert told.count("\n") == 1
    return told


@pytest.mark.parametrize("form", ["tb", "csv"])
def test_a_hydra_sweep_of_lightning_is_reported_with_its_effects(
    sweep: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", form, str(sweep), "name=theirs"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "12 runs: 4 arms, 3 seeds. Factors: norm, opt. Judged by val/acc, higher is better." in told
    assert "val_acc as val/acc" in told
    results = open_sweep(Path("outputs/theirs"))
    assert results.factors == ["norm", "opt"]
    frame = results.frame()
    for _, run in frame.iterrows():
        assert run["best"] == pytest.approx(accuracy(run["norm"], run["opt"], run["seed"], 5), abs=1e-6)
        assert run["steps"] == 23 * 5 - 1
    effects = results.effects().contrasts
    (norm,) = [one for one in effects if (one.factor, one.metric.column) == ("norm", "best")]
    assert norm.level == "bn"
    assert norm.test.estimate == pytest.approx(10.0, abs=1e-4)
    assert main(["report", "theirs"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "trained elsewhere, so that none of it can be rerun or resumed" in told
    assert "Steps are those that were logged" in told
    assert "trained elsewhere" in Path("outputs/theirs/report.html").read_text(encoding="utf-8")
    assert main(["compare", *{r.facts.arm_hash: None for r in results.records if r.facts.seed == 0}]) == 0


def test_what_was_typed_for_hydra_are_the_factors_and_what_else_differs_is_not(sweep: Path) -> None:
    main(["import", "tb", str(sweep), "name=theirs"])
    record = open_sweep(Path("outputs/theirs")).records[0]
    assert record.facts.settings == {"width": 8, "norm": "none", "opt": "sgd"}
    assert record.facts.imported == {"from": "tb", "source": str(sweep), "run": "0/tb/version_0"}


def test_the_same_import_again_writes_nothing_but_the_sweeps_own_file(sweep: Path) -> None:
    main(["import", "tb", str(sweep), "name=theirs"])
    before = tree(Path("outputs/theirs"))
    main(["import", "tb", str(sweep), "name=theirs"])
    after = tree(Path("outputs/theirs"))
    assert {name: content for name, (content, _) in before.items()} == {n: c for n, (c, _) in after.items()}
    assert {name for name in before if before[name] != after[name]} <= {"sweep.json"}


def test_another_import_into_the_folder_takes_the_place_of_the_first(sweep: Path) -> None:
    main(["import", "tb", str(sweep), "name=theirs"])
    main(["import", "tb", str(sweep), "--factor", "method=norm", "--factor", "opt", "name=theirs"])
    records, problems = find(Path("outputs/theirs"))
    assert (len(records), problems) == (12, [])
    assert all(record.facts.arm.startswith("method=") for record in records)
    assert len([path for path in Path("outputs/theirs").iterdir() if path.is_dir()]) == 4


def test_an_import_that_was_killed_is_completed(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dying(count: int) -> Any:
        calls = iter(range(count))

        def save(self: Any, *args: Any) -> None:
            if next(calls, None) is None:
                raise KeyboardInterrupt
            original(self, *args)

        return save

    original = write._save
    monkeypatch.setattr(write, "_save", dying(5))
    assert main(["import", "tb", str(sweep), "name=theirs"]) == 130
    assert len(find(Path("outputs/theirs"))[0]) == 5
    assert all(record.is_done for record in find(Path("outputs/theirs"))[0])
    monkeypatch.setattr(write, "_save", original)
    main(["import", "tb", str(sweep), "name=theirs"])
    assert len(find(Path("outputs/theirs"))[0]) == 12


def test_runs_that_were_trained_here_are_not_mixed_with_others(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded(Path(), {"norm": ["none", "bn"]}, seeds=1, name="ours")
    assert "holds runs that were trained here" in refused(capsys, "tb", str(sweep), "name=ours")
    assert "needs no import" in refused(capsys, "csv", "outputs/ours")


def test_an_imported_run_is_neither_rerun_nor_a_start_for_others(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["import", "tb", str(sweep), "name=theirs"])
    run = next(Path("outputs/theirs").glob("*/seed=0"))
    capsys.readouterr()
    assert main(["rerun", str(run)]) == 2
    assert f"was imported from {sweep}: ablate did not train it" in capsys.readouterr().err
    assert main([f"init_from={read(run).facts.arm_hash}"]) == 2
    assert "was imported, and its weights were not" in capsys.readouterr().err
    assert main(["runs", "theirs"]) == 0
    assert "imported" in capsys.readouterr().out


def test_factors_and_seeds_can_stand_in_the_path(tmp_path: Path) -> None:
    for norm in ("none", "bn"):
        for seed in range(2):
            logger = CSVLogger(tmp_path / "exp" / f"norm_{norm}_lr_0.1" / f"seed{seed}", "", "")
            for step in (1, 2):
                logger.log_metrics({"valid/score": 0.1 * step + (norm == "bn")}, step)
            logger.save()
    arguments = ["--factor", "norm=norm_{}_lr_*", "--seed", "seed{}", "--metric", "val/score", "--mode", "max"]
    assert main(["import", "csv", str(tmp_path / "exp"), *arguments]) == 0
    frame = open_sweep(Path("outputs/exp")).frame()
    assert set(zip(frame["norm"], frame["seed"], frame["best"], strict=True)) == {
        ("none", 0, 0.2),
        ("none", 1, 0.2),
        ("bn", 0, 1.2),
        ("bn", 1, 1.2),
    }


@pytest.mark.parametrize(
    ("pattern", "place", "value"),
    [
        ("norm={}", "a/norm=bn/seed=0", "bn"),
        ("norm={}", "a/xnorm=bn", None),
        ("exp_{}_*", "exp_bn_sgd/0", "bn"),
        ("*_{}", "exp_bn_sgd/0", "sgd"),
        ("{}/version_*", "a/b/version_3", "b"),
        ("a/{}", "a/b+c/d", "b+c"),
    ],
)
def test_a_pattern_leaves_one_part_of_a_path_open(pattern: str, place: str, value: str | None) -> None:
    assert Pick(pattern).of(Found(place)) == value


def test_a_table_of_many_runs_is_split_by_its_columns(tmp_path: Path) -> None:
    lines = ["step,lr,optimizer,seed,val/loss"]
    for lr in (0.1, 0.01):
        for seed in range(2):
            lines += [f"{step},{lr},sgd,{seed},{lr / step}" for step in (1, 2, 4)]
    (tmp_path / "all.csv").write_text("\n".join(lines))
    assert main(["import", "csv", str(tmp_path / "all.csv"), "--factor", "lr"]) == 0
    results = open_sweep(Path("outputs/all"))
    assert not results.higher_is_better
    frame = results.frame()
    assert frame.set_index(["lr", "seed"])["best"].to_dict() == {
        (lr, seed): pytest.approx(float(lr) / 4) for lr in ("0.1", "0.01") for seed in range(2)
    }
    curves = results.records[0].curves()
    assert np.array_equal(curves["step"], [1, 2, 4])
    assert set(curves) == {"step", "val/loss"}


def test_rows_of_several_runs_are_never_taken_for_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{step},{opt},{lr},0,{lr * step}" for opt in "ab" for lr in (0.1, 0.2) for step in (1, 2)]
    (tmp_path / "all.csv").write_text("\n".join(["step,opt,lr,seed,val/acc", *rows]))
    told = refused(capsys, "csv", str(tmp_path / "all.csv"), "--factor", "opt")
    assert "has lr twice at step=1 of opt=a,seed=0: 0.1 and 0.2. Name the columns that tell runs apart" in told
    assert not Path("outputs").exists()
    assert main(["import", "csv", str(tmp_path / "all.csv"), "--factor", "opt", "--factor", "lr"]) == 0
    assert len(open_sweep(Path("outputs/all")).records) == 4


def test_rows_of_one_run_may_each_have_curves_of_their_own(tmp_path: Path) -> None:
    lines = ["step,time,opt,seed,train/loss,val/loss", "1,0.1,a,0,2,", "1,0.2,a,0,,1", "1,0.1,b,0,3,", "1,0.2,b,0,,2"]
    (tmp_path / "all.csv").write_text("\n".join(lines))
    assert main(["import", "csv", str(tmp_path / "all.csv")]) == 0
    assert open_sweep(Path("outputs/all")).frame()["best"].tolist() == [1.0, 2.0]


def test_a_step_that_is_no_whole_number_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "all.csv").write_text("epoch,opt,seed,val/acc\n0.25,a,0,0.1\n0.5,a,0,0.2\n0.5,b,0,0.2\n")
    assert "epoch=0.25 is no whole number, as steps are" in refused(capsys, "csv", str(tmp_path / "all.csv"))


def test_a_test_judges_no_run_unless_it_is_said_to_be_a_curve(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "all.csv").write_text("step,opt,seed,test/acc\n1,a,0,0.1\n2,a,0,0.2\n1,b,0,0.2\n")
    call = ["csv", str(tmp_path / "all.csv")]
    assert "say so: --curve val/acc=test/acc" in refused(capsys, *call, "--metric", "test/acc")
    assert main(["import", *call, "--curve", "val/acc=test/acc"]) == 0
    assert open_sweep(Path("outputs/all")).frame()["best"].tolist() == [0.2, 0.2]


def test_a_name_that_a_factor_cannot_have_is_said_to_be_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "all.csv").write_text("step,learning rate,seed,val/acc\n1,x,0,0.1\n1,y,0,0.2\n")
    told = refused(capsys, "csv", str(tmp_path / "all.csv"))
    assert "letters, digits and . _ / @ -. Give it another name, --factor NAME=learning rate." in told


def test_a_file_says_the_same_as_flags_and_flags_have_the_last_word(sweep: Path) -> None:
    Path("map.yaml").write_text(
        "factors: {method: norm, opt: opt}\nseed: seed\nmetric: val/acc\ncurves: {val/loss: val_loss}\n"
    )
    assert main(["import", "tb", str(sweep), "--map", "map.yaml", "--metric", "val/loss", "name=theirs"]) == 0
    results = open_sweep(Path("outputs/theirs"))
    assert (results.factors, results.metric, results.higher_is_better) == (["method", "opt"], "val/loss", False)


def test_the_target_can_be_said_and_is_kept(sweep: Path) -> None:
    assert main(["import", "tb", str(sweep), "name=theirs", "target=0.695"]) == 0
    facts = SweepFacts.load(Path("outputs/theirs"))
    assert facts is not None
    assert facts.target == 0.695
    frame = open_sweep(Path("outputs/theirs")).frame()
    arm = frame[(frame["norm"] == "bn") & (frame["opt"] == "sgd") & (frame["seed"] == 0)]
    assert arm["steps_to_target"].item() == 23 * 2 - 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--factor", "nrom"], "--factor nrom=nrom: no run has it. Parameters: norm, opt, seed"),
        (["--factor", "seed=opt"], "a report calls something else so"),
        (["--metric", "val/ac"], "--metric val/ac: no run has it. Did you mean 'val/acc'?"),
        (["--curve", "val/loss=vloss"], "no run has a curve of this name"),
        (["--factor", "norm"], "Two runs have norm=none, seed=0: 0/tb/version_0 and 3/tb/version_0"),
        (["--seed", "opt"], "the seed of 0/tb/version_0 is 'sgd'"),
        (["--mode", "up"], "--mode up: max or min"),
        (["--map", "none.yaml"], "--map none.yaml cannot be read"),
        (["--factr", "norm"], "unrecognized arguments"),
        (["name=../up"], "plain folder name"),
        (["target=high"], "a value of the metric"),
        (["--factor", "norm={}_{}"], "leaves one place open"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    sweep: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told in refused(capsys, "tb", str(sweep), *arguments)
    assert not Path("outputs").exists()


def test_a_folder_without_runs_and_a_mapping_without_sense_are_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "there is no such folder" in refused(capsys, "tb", "nowhere")
    assert "there are no runs" in refused(capsys, "tb", str(tmp_path))
    Path("map.yaml").write_text("factor: {norm: norm}\n")
    assert "Did you mean 'factors'?" in refused(capsys, "tb", str(tmp_path), "--map", "map.yaml")
    Path("map.yaml").write_text("seed: !!python/object/apply:os.system ['touch pwned']\n")
    assert "cannot be read" in refused(capsys, "tb", str(tmp_path), "--map", "map.yaml")
    assert not Path("pwned").exists()


def test_objects_in_a_file_of_parameters_are_passed_over_and_never_made(tmp_path: Path) -> None:
    text = "norm: bn\nhook: !!python/object/apply:os.system ['touch pwned']\nmodel: {width: 8, rate: .inf}\n"
    (tmp_path / "hparams.yaml").write_text(text)
    found, _ = parameters_near(tmp_path, tmp_path)
    assert found == {"norm": "bn", "hook": None, "model.width": 8, "model.rate": "inf"}
    assert not (tmp_path / "pwned").exists()


def test_a_file_of_parameters_cannot_grow_by_its_aliases_nor_be_waited_for(tmp_path: Path) -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{i}: &a{i} {{{', '.join(f'k{j}: *a{i - 1}' for j in range(9))}}}" for i in range(1, 15)]
    (tmp_path / "hparams.yaml").write_text("\n".join(lines))
    found, _ = parameters_near(tmp_path, tmp_path)
    assert found["a0.x"] == found["a1.k8.x"] == 1
    assert len(found) < 10_000
    (tmp_path / "hparams.yaml").unlink()
    os.mkfifo(tmp_path / "hparams.yaml")
    assert parameters_near(tmp_path, tmp_path) == ({}, frozenset())


def test_a_damaged_event_file_counts_up_to_its_damage(sweep: Path, tmp_path: Path) -> None:
    shutil.copytree(sweep, tmp_path / "copy")
    events = next((tmp_path / "copy" / "3").rglob("*tfevents*"))
    events.write_bytes(events.read_bytes()[: events.stat().st_size - 100])
    assert main(["import", "tb", str(tmp_path / "copy"), "name=theirs"]) == 0
    steps = open_sweep(Path("outputs/theirs")).frame()["steps"]
    assert sorted(steps)[0] <= 23 * 5 - 1
    assert len(steps) == 12


def test_numbers_that_are_none_are_left_out_and_a_loss_that_ends_so_diverged(tmp_path: Path) -> None:
    for seed in range(2):
        for arm in ("a", "b"):
            folder = tmp_path / "runs" / f"arm={arm}" / f"seed={seed}"
            folder.mkdir(parents=True)
            end = "nan" if arm == "b" else "0.5"
            (folder / "metrics.csv").write_text(f"step,val/loss\n1,1.0\n-5,3\n1e300,3\n2,{end}\n")
    assert main(["import", "csv", str(tmp_path / "runs"), "--factor", "of=arm={}", "--seed", "seed={}"]) == 0
    frame = open_sweep(Path("outputs/runs")).frame()
    assert set(zip(frame["of"], frame["status"], frame["steps"], strict=True)) == {
        ("a", "finished", 2.0),
        ("b", "diverged", 2.0),
    }


def test_runs_that_ended_early_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, steps in {"a-0": 3, "a-1": 5, "b-0": 5, "b-1": 5}.items():
        writer = EventFileWriter(str(tmp_path / "runs" / name))
        for step in range(1, steps + 1):
            summary = Summary(value=[Summary.Value(tag="val/acc", simple_value=0.1 * step)])
            writer.add_event(Event(step=step, wall_time=1.0 + step, summary=summary))
        writer.close()
    arguments = ["--factor", "arm={}-*", "--seed", "*-{}"]
    told = refused(capsys, "tb", str(tmp_path / "runs"), *arguments)
    assert "a report calls something else so" in told
    arguments[1] = "which={}-*"
    assert main(["import", "tb", str(tmp_path / "runs"), *arguments]) == 0
    assert "1 of 4 runs end before step 5" in " ".join(capsys.readouterr().out.split())
    content = json.loads(next(Path("outputs/runs").glob("which=a*/seed=0/record.json")).read_text())
    assert content["budget"] == 5


@pytest.mark.filterwarnings("ignore")  # of what MLflow stands on
def test_runs_of_mlflow_are_read_through_its_client(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mlflow = pytest.importorskip("mlflow.tracking", reason="MLflow is not installed", exc_type=ImportError)
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiments = [client.create_experiment(name) for name in ("norms", "other")]
    for norm in ("none", "bn"):
        for seed in range(2):
            run = client.create_run(experiments[0], tags={"team": "a"}).info.run_id
            client.log_param(run, "norm", norm)
            client.log_param(run, "seed", seed)
            for step in (10, 20):
                client.log_metric(run, "val_acc", 0.01 * step + 0.1 * (norm == "bn"), step=step)
            client.set_terminated(run, "FAILED" if (norm, seed) == ("bn", 1) else "FINISHED")
    assert main(["import", "mlflow", str(tmp_path / "mlflow.db")]) == 0
    frame = open_sweep(Path("outputs/norms")).frame()
    told = set(zip(frame["norm"], frame["seed"], frame["status"], frame["best"].round(6), strict=True))
    failed = ("bn", 1, "failed", 0.3)
    assert told == {("none", 0, "finished", 0.2), ("none", 1, "finished", 0.2), ("bn", 0, "finished", 0.3), failed}
    client.log_metric(client.create_run(experiments[1]).info.run_id, "val_acc", 1.0, step=1)
    capsys.readouterr()
    assert "name one, --experiment" in refused(capsys, "mlflow", str(tmp_path / "mlflow.db"))
    assert "no such file or folder" in refused(capsys, "mlflow", "nowhere.db")
