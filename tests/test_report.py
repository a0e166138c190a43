from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import Experiment
from tensorboard.plugins.hparams.plugin_data_pb2 import SessionStartInfo

import ablate
from ablate.record import Record, Status, find
from ablate.report.hparams import hparam_columns, write_hparams
from ablate.report.style import level_text, number_text
from ablate.report.terminal import print_sweep

Runner = Callable[[Sequence[str]], ablate.Sweep]


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_the_table_has_one_row_per_arm_best_first(short_sweep: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    result = short_sweep(["norm=bn,none", "opt=sgd,adam"])
    capsys.readouterr()
    print_sweep(result)
    out = lines(capsys)
    rows = [line.split() for line in out if line.split()[:1] in (["bn"], ["none"])]
    assert len(rows) == 4
    best = [float(row[4]) for row in rows]
    assert best == sorted(best, reverse=True)
    runs = {(run["norm"], run["opt"]): run for run in result.frame().to_dict("records")}
    for norm, opt, seeds, _, shown, final, area, _, status in rows:
        run = runs[norm, opt]
        assert (seeds, status) == ("1", "finished")
        expected = (run["best"], run["final"], run["area"])
        assert (float(shown), float(final), float(area)) == pytest.approx(expected, abs=6e-5)
    assert max(map(len, out)) <= 100
    text = "\n".join(out)
    assert "TensorBoard: tensorboard --logdir outputs/digits-mlp" in text
    assert "Files:       outputs/digits-mlp" in text
    assert "One seed an arm" in text


def test_seeds_are_averaged_and_partly_reached_targets_counted(
    short_sweep: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    result = short_sweep(["norm=bn", "seed=0,1,2"])
    reached = float(result.frame()["best"].median())
    result = short_sweep(["norm=bn", "seed=0,1,2", f"target={reached}"])
    capsys.readouterr()
    print_sweep(result)
    text = "\n".join(lines(capsys))
    curves = result.frame()
    mean = curves["steps_to_target"].fillna(curves["steps"].max()).mean()
    assert f"≥{mean:.0f} (2/3)" in text
    assert "≥: only so many of the runs reached the target" in text
    assert f"{result.frame()['best'].mean():.3f}" in text
    assert "One seed an arm" not in text


def test_failures_are_named_below_the_table(short_sweep: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    result = short_sweep(["norm=bn,none", "opt=sgd", "opt.lr=0.1,1e30"])
    record = next(r for r in result.records if r.status is Status.finished)
    record.facts.status, record.facts.error, record.facts.traceback = Status.failed, "KeyError: [x]\nmore", "Traceback"
    capsys.readouterr()
    print_sweep(result)
    text = "\n".join(lines(capsys))
    assert "All arms: opt=sgd, " in text
    assert "diverged norm=none,opt.lr=1e+30" in text
    assert "failed norm=bn,opt.lr=0.1 seed=0: KeyError: [x]\n" in text
    assert "record.json" in text


def summaries(record: Record) -> tuple[Experiment, SessionStartInfo]:
    """Return what the HPARAMS tab reads of a run: its columns, and its values."""
    data = EventAccumulator(str(record.folder)).Reload().summary_metadata
    return (
        metadata.parse_experiment_plugin_data(data[metadata.EXPERIMENT_TAG].plugin_data.content),
        metadata.parse_session_start_info_plugin_data(data[metadata.SESSION_START_INFO_TAG].plugin_data.content),
    )


def test_hparams_group_seeds_and_hold_every_factor(short_sweep: Runner) -> None:
    short_sweep(["norm=bn,none", "seed=0,1"])
    result = short_sweep(["norm=bn", "model.width=4,8"])
    records, _ = find(result.folder)
    write_hparams(records, result.factors)
    groups: dict[str, set[int]] = {}
    for record in records:
        experiment, session = summaries(record)
        assert [info.name for info in experiment.hparam_infos] == ["model.width", "norm", "seed"]
        assert [info.name.tag for info in experiment.metric_infos] == ["val/acc", "val/loss", "train/loss"]
        assert session.hparams["model.width"].number_value == record.facts.settings["model.width"]
        assert session.hparams["norm"].string_value == record.facts.choices["norm"]
        groups.setdefault(session.group_name, set()).add(record.facts.seed)
        scalars = EventAccumulator(str(record.folder)).Reload().Tags()["scalars"]
        assert {"val/acc", "val/loss", "train/loss"} <= set(scalars)
        assert "hp_metric" not in scalars
    assert sorted(map(len, groups.values())) == [1, 2, 2]


def test_hparams_are_rewritten_not_repeated(short_sweep: Runner) -> None:
    result = short_sweep(["norm=bn,none"])
    for _ in range(2):
        write_hparams(result.records, result.factors)
    assert all(len(list(r.folder.glob("*.hparams"))) == 1 for r in result.records)


def test_a_parameter_that_only_one_option_has_is_no_column(short_sweep: Runner) -> None:
    assert hparam_columns(short_sweep(["norm=bn,none"]).records) == ["norm", "seed"]


@pytest.mark.parametrize(
    ("level", "text"), [(True, "true"), (None, "–"), (0.1, "0.1"), ([1, 2], "[1,2]"), ("bn", "bn")]
)
def test_levels_read_as_on_the_command_line(level: object, text: str) -> None:
    assert level_text(level) == text


def test_numbers_without_a_value_are_dashes() -> None:
    assert [number_text(v) for v in (0.12345, None, float("nan"), "x")] == ["0.1235", "–", "–", "–"]
    assert Path("outputs").exists() is False


@pytest.mark.parametrize("more", [[], ["data.permute_pixels=true,false"]])
def test_wide_levels_leave_room_for_the_whole_table(
    short_sweep: Runner, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    result = short_sweep(["reg=early_stopping,label_smoothing", "data.label_noise=0,0.35", *more])
    capsys.readouterr()
    print_sweep(result)
    out = lines(capsys)
    assert max(map(len, out)) <= 100
    assert sum("finished" in line for line in out) == len(result.records)
    assert sum("0.35" in line.split() for line in out) == len(result.records) / 2
