"""The command line, in this process where that is the same, as a process of its own where it is not."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ablate.cli.main import main
from ablate.cli.report import report
from ablate.errors import DamageWarning
from ablate.registry import registry
from ablate.results import open_sweep
from ablate.sweep_facts import SweepFacts
from ablate.techniques import KINDS
from tests.helpers import python, short
from tests.processes import Call, needs_proc, until


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ablate", *arguments], capture_output=True, text=True, check=False, cwd=cwd
    )


def test_a_sweep_ends_in_its_table_and_a_second_call_trains_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(short("-m", "norm=bn,none", "seed=0,1")) == 0
    out = capsys.readouterr().out
    assert re.search(r"\[4/4\] norm=(bn|none)", out)  # whichever worker ends last
    assert "best val/acc" in " ".join(out.split())
    assert main(short("-m", "norm=bn,none", "seed=0,1")) == 0
    assert "4 runs, all done before: nothing to train." in capsys.readouterr().out


def test_a_call_that_trains_nothing_is_what_the_report_is_reproduced_by() -> None:
    for more in ([], ["target=reached"]):
        assert main(short("-m", "norm=bn,none", "workers=0", *more)) == 0
    facts = SweepFacts.load(Path("outputs/digits-mlp"))
    assert facts is not None
    typed = shlex.join(["python", "-m", "ablate", *short("-m", "norm=bn,none", "workers=0", "target=reached")])
    assert facts.command == typed
    assert typed not in {record.facts.command for record in open_sweep(Path("outputs/digits-mlp")).records}


def test_a_sweep_that_replaces_a_larger_report_says_so_and_how_to_keep_both(capsys: pytest.CaptureFixture[str]) -> None:
    def said(*settings: str) -> str:
        assert main(short("-m", "workers=0", *settings)) == 0
        return " ".join(capsys.readouterr().out.split())

    assert "name=another" not in said("norm=bn,none,ln")
    assert "name=another" not in said("norm=bn,none,ln", "target=reached")
    told = said("norm=bn,none")
    assert "the report of digits-mlp was of 3 arms and is of 2 from now on" in told
    assert "name=another here keeps both" in told
    assert "name=another" not in said("norm=bn,none,ln")


def test_reports_of_several_sweeps_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "two"):
        assert main(short(f"name={name}")) == 0
    assert "Target: val/acc ≥ " in " ".join(capsys.readouterr().out.split())
    report([])
    lines = capsys.readouterr().out.splitlines()
    assert lines.index("one") < lines.index("two")
    report(["one"])
    assert "one" not in capsys.readouterr().out.splitlines()


def test_runs_say_once_what_all_arms_share(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(short("-m", "opt=sgd", "norm=bn,none", "workers=0")) == 0
    capsys.readouterr()
    assert main(["runs"]) == 0
    out = capsys.readouterr().out
    assert out.count("opt=sgd") == 1
    assert "All arms: opt=sgd" in out
    assert "norm=bn" in out


def test_a_quiet_sweep_says_once_what_its_arms_share(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(short("-m", "opt=sgd", "norm=bn,none", "workers=0", "quiet=true")) == 0
    assert capsys.readouterr().out.count("All arms: ") == 1


def test_a_single_run_and_the_same_arm_in_a_sweep_are_one_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(short("norm=bn")) == 0
    assert main(short("-m", "norm=bn,none")) == 0
    assert "2 runs, 1 done before. Training 1." in capsys.readouterr().out


def test_nothing_but_outputs_is_left_behind(tmp_path: Path) -> None:
    main(short("-m", "norm=bn,none"))
    main(short("norm=ln"))
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["norm=bnn"], "Did you mean 'bn'"),
        (["opt.lr=abc"], "opt.lr"),
        (["opt.lr=-1"], "lr must be positive"),
        (["opt.lr="], "opt.lr= is empty"),
        (["-m", "norm=bn,"], "norm=bn,: a level is missing after the comma."),
        (["-m", "norm=bn,none", "design=ofta"], "Did you mean 'ofat'?"),
        (["-m", "norm=bn,none", "target=95"], "target=95: val/acc is 0 to 1. Did you mean 0.95?"),
        (["-m", "norm=bn,none", "target=-0.1", "dry_run=true"], "val/acc is 0 to 1."),
        (["-m", "norm=bn,none", "data=diabetes", "target=2", "dry_run=true"], "val/r2 is at most 1."),
        (["runs", "output_dir=/proc/x"], "There is no folder /proc/x"),
        (["-m", "model=lstm", "data=digits_rows", "pool=max,avg"], "takes no part in pool"),
        (["norm=bn,none"], "add -m"),
        (["runz"], "There is no verb 'runz'. Did you mean 'runs'?"),
        (["runs", "nothing"], "There is no sweep 'nothing'"),
        (["plugins", "nrom"], "no kind 'nrom'"),
        (["plugins", "norm=x"], "no such option"),
        (["--config-name", "mine"], "--config-dir"),
        (["--norm=bn"], "without dashes"),
        (["--norm", "bn"], "without dashes"),
        (["output_dir=/proc/nowhere"], "/proc/nowhere/digits-mlp cannot be written"),
        (["name=" + 300 * "x"], "plain folder name"),
        (["norm=batchnorm"], "Did you mean 'bn'?"),
        (["data=flowers.csv"], "an option that reads it: data=NAME data.path=flowers.csv, with NAME one of"),
        (["data=digit."], "Did you mean 'digits'?"),
        (["data=" + 300 * "a"], "no such option"),
        (["reg=l2,dropout"], "add -m, or in Python call ablate.sweep. For all in one run write reg=[l2,dropout]."),
        (["help", "rnus"], "help rnus: there is no such verb. Did you mean 'runs'?"),
        (["studies", "forgives"], "Of that name are adam_forgives_its_rate."),
        (["-m", "norm=bn,none", "hydra/sweeper=basic"], "the sweeper is ablate's own"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_status_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("ablate: ")
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert not Path("outputs").exists()


def test_diverged_runs_give_exit_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(short("opt=sgd", "opt.lr=1e30")) == 1
    assert "diverged" in capsys.readouterr().out


def test_help_shows_every_kind_option_and_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for kind in KINDS:
        (line,) = [line for line in out.splitlines() if line.split()[:1] == [kind]]
        assert all(name in out for name in registry().options(kind))
        assert len(line) <= 100
    for setting in ("seed", "output_dir", "target", "max_epochs=20", "accelerator=auto", "[conv1,layer1]"):
        assert setting in out
    assert "relu*" in out


def test_plugins_lists_everything_and_one_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins"]) == 0
    out = capsys.readouterr().out
    for kind in KINDS:
        for option in registry().options(kind).values():
            assert f"{kind}={option.name}" in out
            assert all(f"{field.name}=" in out for field in option.fields)
    assert main(["plugins", "init=xavier"]) == 0
    out = capsys.readouterr().out
    assert "fan_in | fan_out | fan_avg" in out
    assert "Glorot and Bengio" in out
    assert "init.gain=1.0" in out


def test_a_preset_is_described_with_the_parameters_it_inherits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "model=resnet", "data=digits"]) == 0
    out = capsys.readouterr().out
    assert "As every CNN:" in out
    assert "residual_scale: s" in out
    assert "model.residual=post  none | pre | post | inside" in out
    assert "label_noise: this fraction" in out


def test_runs_lists_what_is_on_disk(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs"]) == 0
    assert "No runs in outputs yet" in capsys.readouterr().out
    main(short("-m", "norm=bn,none"))
    capsys.readouterr()
    assert main(["runs", "digits-mlp"]) == 0
    out = capsys.readouterr().out
    assert out.count("finished") == 2
    assert "norm=none" in out


def test_presets_from_a_folder_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "presets" / "experiment"
    folder.mkdir(parents=True)
    (folder / "wide.yaml").write_text("# @package _global_\ndefaults:\n  - override /norm: bn\nnorm: {eps: 0.01}\n")
    assert main(short("--config-dir", str(folder.parent), "+experiment=wide")) == 0
    (path,) = Path("outputs").rglob("record.json")
    assert json.loads(path.read_text())["settings"]["norm.eps"] == 0.01


def test_presets_can_be_swept_and_name_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "presets" / "experiment"
    folder.mkdir(parents=True)
    for name, norm in (("a", "bn"), ("b", "ln")):
        text = f"# @package _global_\ndefaults:\n  - override /norm: {norm}\n  - override /model: cnn\n"
        (folder / f"{name}.yaml").write_text(text + "model: {channels: [4]}\ntrainer: {max_epochs: 1}\n")
    assert main(["--config-dir", str(folder.parent), "-m", "+experiment=a,b", "data.train_size=64"]) == 0
    records = [json.loads(path.read_text()) for path in Path("outputs/digits-cnn").rglob("record.json")]
    assert {record["choices"]["norm"] for record in records} == {"bn", "ln"}


def test_a_glob_over_options_is_a_sweep(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-m", "norm=glob(*n)", *short()]) == 0
    assert "norm=ln" in capsys.readouterr().out


def test_shell_completion_and_version_are_answered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "complete -o nospace" in run("-sc", "install=bash", cwd=tmp_path).stdout
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("lightning-ablate ")


def test_an_unreadable_neighbour_is_named_and_hides_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    main(["-m", "norm=bn,none", *short()])
    broken = next(Path("outputs").glob("*/norm=bn*")) / "seed=0" / "record.json"
    broken.write_text("{")
    assert main(["norm=ln", *short()]) == 0
    assert "best val/acc" in " ".join(capsys.readouterr().out.split())
    assert main(["runs"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "norm=ln" in out
    assert "Unreadable" in out


def test_hydras_own_flags_work(tmp_path: Path) -> None:
    done = run("--cfg", "job", "norm=bn", cwd=tmp_path)
    assert done.returncode == 0
    assert "momentum: 0.1" in done.stdout
    assert not (tmp_path / "outputs").exists()


@needs_proc
def test_a_sweep_killed_half_way_finishes_only_what_is_missing(tmp_path: Path) -> None:
    arguments = ["-m", "norm=bn,none", "seed=range(0,6)", "calibration=0", "trainer.max_epochs=4", "model.width=8"]
    sweep = Call(tmp_path, *arguments)

    def finished() -> dict[str, str]:
        records = [json.loads(p.read_text()) for p in tmp_path.rglob("record.json")]
        return {f"{r['arm']}-{r['seed']}": r["started"] for r in records if r["status"] == "finished"}

    try:
        until(lambda: len(finished()) >= 3, 120)
    finally:
        sweep.process.kill()
        sweep.process.communicate()
    until(lambda: not sweep.left(), 60)  # a worker may have been about to finish
    before = finished()
    assert 3 <= len(before) < 12
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"12 runs, {len(before)} done before. Training {12 - len(before)}." in done.stdout
    after = finished()
    assert len(after) == 12
    assert {run: after[run] for run in before} == before


def test_ctrl_c_is_exit_status_130_without_a_traceback(tmp_path: Path) -> None:
    arguments = ["trainer.max_epochs=9999", "trainer.validations=9999", "data.train_size=128", "model.width=8"]
    child = subprocess.Popen(
        [sys.executable, "-m", "ablate", *arguments],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        # started in the background, this process ignores Ctrl-C and its children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    until(lambda: bool(list(tmp_path.rglob("metrics.csv"))), 120)
    os.kill(child.pid, signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "the same command trains what is missing" in errors
    assert "Traceback" not in errors
    (path,) = tmp_path.rglob("record.json")
    assert json.loads(path.read_text())["status"] == "interrupted"


def test_a_misspelled_option_is_found_before_torch_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from ablate.cli.main import main; status = main(sys.argv[1:]); "
        "sys.exit(f'imported {name}' if (name := 'torch') in sys.modules else status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "-m", "norm=bnn,none"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "Did you mean 'bn'" in done.stderr) == (2, True), done.stderr


def test_what_plans_and_trains_a_sweep_does_not_wait_for_its_statistics() -> None:
    later = {"lightning", "matplotlib", "pandas", "pyDOE3", "scipy", "sklearn", "statsmodels", "tensorboard"}
    done = python("-c", f"import sys, ablate.cli.train; print(sorted({later} & {{*sys.modules}}))")
    assert done.stdout == "[]\n", done.stderr


def test_verbs_answer_help_and_runs_takes_the_path_that_was_printed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["norm=bn", *short()])
    capsys.readouterr()
    assert main(["runs", "outputs/digits-mlp"]) == 0
    assert "norm=bn" in capsys.readouterr().out
    assert main(["runs", "--help"]) == 0
    said = capsys.readouterr().out
    assert "python -m ablate runs [NAME]" in said
    assert "Print every run under outputs, or those of the sweeps named" in said
    assert "Kinds" not in said
    for general in (["help"], ["help", "--help"]):
        assert main(general) == 0
        assert "Kinds" in capsys.readouterr().out


def test_a_finished_run_without_its_curves_is_trained_again(capsys: pytest.CaptureFixture[str]) -> None:
    main(["norm=bn", *short()])
    (path,) = Path("outputs").rglob("metrics.csv")
    for damage in ("junk\n1,2\n", "step,val/acc\n1,not a number\n"):
        path.write_text(damage)
        with pytest.warns(DamageWarning, match=r"metrics.csv was damaged .* and is now .*damaged-"):
            assert main(["norm=bn", *short()]) == 0
        assert "Training 1." in capsys.readouterr().out
        assert path.read_text() != damage


def test_a_narrow_terminal_shows_fewer_columns_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.console import Console

    monkeypatch.setattr("ablate.report.terminal.console", lambda: Console(width=60, highlight=False))
    main(["-m", "norm=bn,none", *short()])
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.split()[:1] == ["none"]]
    assert rows[0][-1] == "finished"
    assert "…" not in " ".join(rows[0])
