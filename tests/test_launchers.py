"""Launchers of other people: each trains the same runs, which end in the same table and records."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import ablate
from ablate.composition import config_loader
from ablate.engines.ray import RayEngine
from ablate.errors import ConfigError
from ablate.facts import Status
from ablate.sweeps.execute import execute
from ablate.sweeps.plan import make_plan
from tests.helpers import python, short

SWEEP = ("norm=bn,none", "seed=0,1")
LAUNCHERS = {
    "basic": ("hydra", ["hydra/launcher=basic"]),
    "joblib": ("hydra_plugins.hydra_joblib_launcher", ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]),
    "submitit": ("hydra_plugins.hydra_submitit_launcher", ["hydra/launcher=submitit_local"]),
}

PLANTED = """
import dataclasses, os, lightning.pytorch as pl, ablate, ablate.techniques
class Fails(pl.Callback):
    def on_train_start(self, trainer, module):
        if os.environ["PL_GLOBAL_SEED"] == "0":
            raise ValueError("planted")
@dataclasses.dataclass
class Planted(ablate.techniques.Regularizer):
    "Fails at seed 0."
    def callbacks(self, metric, higher_is_better):
        return [Fails()]
@ablate.hookimpl
def register_techniques(register):
    register("planted", Planted)
"""


def has(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of the package around it
        return False


@pytest.mark.parametrize("name", LAUNCHERS)
def test_a_sweep_through_a_launcher_ends_like_any_other(
    name: str,
    tmp_path: Path,
    short_sweep: Callable[[Sequence[str]], ablate.Sweep],
    capsys: pytest.CaptureFixture[str],
) -> None:
    module, settings = LAUNCHERS[name]
    if not has(module):
        pytest.skip(f"{module} is not installed: pip install 'lightning-ablate[launchers]'")
    done = python("-m", "ablate", "-m", *short(*SWEEP), *settings, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert sorted(line[:5] for line in done.stdout.splitlines() if line.startswith("[")) == [
        f"[{n}/4]" for n in (1, 2, 3, 4)
    ]
    assert done.stdout.count(" finished") == 2  # arms in the table
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]  # no launcher's logs beside it
    through = short_sweep([*SWEEP, f"output_dir={tmp_path / 'outputs'}"])
    assert "nothing to train" in capsys.readouterr().out
    here = short_sweep(SWEEP)
    assert [r.status for r in through.records] == [Status.finished] * 4
    for one, other in zip(through.records, here.records, strict=True):
        assert one.curves()["val/loss"].tolist() == other.curves()["val/loss"].tolist()
        assert one.facts.test == other.facts.test


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_first_failure_ends_a_launcher_s_sweep_with_its_table(jobs: int, tmp_path: Path) -> None:
    if not has("hydra_plugins.hydra_joblib_launcher"):
        pytest.skip("hydra-joblib-launcher is not installed: pip install 'lightning-ablate[launchers]'")
    (tmp_path / "planted.py").write_text(PLANTED, encoding="utf-8")
    settings = ["reg=planted", "seed=range(0,6)", "fail_fast=true", "trainer.max_steps=100000"]
    launcher = ["hydra/launcher=joblib", f"hydra.launcher.n_jobs={jobs}"]
    done = python("-m", "ablate", "--plugin", "planted.py", "-m", *short(*settings), *launcher, cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr == ""
    assert done.stdout.count("[1/6]") == 1
    assert "[6/6]" not in done.stdout
    assert "Files:       outputs" in done.stdout


def test_what_a_launcher_cannot_do_is_said_in_a_sentence(tmp_path: Path) -> None:
    if not has("hydra_plugins.hydra_submitit_launcher"):
        pytest.skip("hydra-submitit-launcher is not installed: pip install 'lightning-ablate[launchers]'")
    done = python("-m", "ablate", "-m", *short(*SWEEP), "hydra/launcher=submitit_slurm", cwd=tmp_path, PATH="/nowhere")
    assert done.returncode == 2
    assert done.stderr.startswith("ablate: hydra/launcher=submitit_slurm: Could not detect")
    assert "Traceback" not in done.stderr


def test_runs_in_step_are_refused_where_each_is_a_job(tmp_path: Path) -> None:
    done = python("-m", "ablate", "-m", *short(*SWEEP), "hydra/launcher=basic", "stack=2", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "ablate: stack=2: hydra/launcher=basic makes a job of each run, and none in step with others. "
        "Leave stack out, or choose hydra/launcher=local or ray.\n"
    )


def test_ray_that_is_not_installed_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with config_loader() as loader:
        plan = make_plan(short(*SWEEP), loader, sweep=True)
    with pytest.raises(ConfigError, match=r"needs Ray: pip install 'lightning-ablate\[ray\]'"):
        execute(plan, RayEngine())
