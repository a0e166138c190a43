"""``hydra/sweeper=optuna``: what is drawn from, trials with their seeds, and the same command again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ablate.cli.main import main
from ablate.errors import ConfigError
from ablate.record import Status, find
from ablate.results import judged
from ablate.search_space import Dimension, split
from ablate.sweeps import search
from tests.helpers import short

CALL = short("-m", "hydra/sweeper=optuna", "opt.lr=tag(log,interval(1e-3,0.1))", "norm=bn,none", "seed=0,1")


def test_what_is_swept_is_drawn_from_and_seeds_are_not() -> None:
    space, shared = split(
        [
            "opt.lr=tag(log,interval(1e-4,1))",
            "norm=bn,none",
            "model.depth=range(1,8,2)",
            "reg.l2.weight=interval(0,1)",
            "model.width=int(interval(8,64))",
            "data.batch_size=tag(log,range(8,65))",
            "seed=range(0,3)",
            "act=relu",
        ]
    )
    assert space == [
        Dimension("opt.lr", low=1e-4, high=1, log=True),
        Dimension("norm", choices=("bn", "none")),
        Dimension("model.depth", low=1, high=7, whole=True, step=2),
        Dimension("reg.l2.weight", low=0, high=1),
        Dimension("model.width", low=8, high=64, whole=True),
        Dimension("data.batch_size", low=8, high=64, log=True, whole=True),
    ]
    assert shared == ["seed=range(0,3)", "act=relu"]
    assert space[0].setting(0.01) == "opt.lr=0.01"
    assert space[1].setting("bn") == "norm=bn"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["norm=bn", "seed=0,1"], "has nothing to search"),
        (["opt.lr=tag(log,interval(0,1))"], "on a logarithmic scale from above 0"),
        (["opt.lr=interval(1,0.1)"], "from less to more"),
        (["opt.lr=tag(lgo,interval(0.1,1))"], "the only tag is log, not lgo"),
        (["norm=tag(log,choice(bn,none))"], "only an interval or whole numbers have a logarithmic scale"),
        (["model.width=tag(log,range(1,9,2))"], "whole numbers go from 1 or more by ones"),
        (["model.depth=tag(log,range(0,4))"], "whole numbers go from 1 or more by ones"),
        (["norm=bn,bn"], "is there twice"),
        (["norm=bn,,"], "cannot be read|level is missing"),
    ],
)
def test_what_cannot_be_searched_is_one_sentence(settings: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        split(settings)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["hydra/sweeper=optuna", "norm=bn,none"], "add -m"),
        (["-m", "hydra/sweeper=basic", "norm=bn,none"], "leave it out, or search with hydra/sweeper=optuna"),
        (["-m", "hydra/sweeper=optuna", "norm=bn,none", "hydra.sweeper.sampler=grid"], "sampler=grid: tpe, random."),
        (["-m", "hydra/sweeper=optuna", "norm=bn,none", "hydra.sweeper.pruner=grid"], "pruner=grid: median, halving,"),
        (["-m", "hydra/sweeper=optuna", "norm=bn,none", "hydra.sweeper.n_trials=0"], "at least 1, not 0."),
        (["-m", "hydra/sweeper=optuna", "norm=bn,none", "hydra.sweeper.seed=x"], "number of at least 0, not x."),
    ],
)
def test_a_search_that_cannot_be_meant_is_one_sentence(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert told in error
    assert "Error in call" not in error
    assert error.count("\n") == 1
    assert not Path("outputs").exists()


def test_without_optuna_a_search_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    assert main(CALL) == 2
    assert 'pip install "lightning-ablate[optuna]"' in capsys.readouterr().err


@pytest.fixture
def optuna() -> Any:
    return pytest.importorskip("optuna", reason="Optuna is not installed", exc_type=ImportError)


def study_of(optuna: Any, folder: Path) -> Any:
    return optuna.load_study(study_name=folder.name, storage=f"sqlite:///{(folder / 'optuna.db').absolute()}")


@pytest.mark.filterwarnings("ignore")  # of what Optuna stands on
def test_a_trial_is_an_arm_and_its_value_the_mean_over_its_seeds(
    optuna: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    call = [*CALL, "hydra.sweeper.n_trials=3", "hydra.sweeper.pruner=none"]
    assert main(call) == 0
    out = capsys.readouterr().out
    assert "3 trials: 3 done, 0 given up." in out
    assert re.search(r'python -m ablate -m .*opt\.lr=0\.\d+.* "seed=range\(100,110\)"', out)
    folder = Path("outputs/digits-mlp-search")
    records, _ = find(folder)
    assert len(records) == 6
    for trial in study_of(optuna, folder).trials:
        own = [one for one in records if one.facts.settings["opt.lr"] == trial.params["opt.lr"]]
        values = [judged(one) for one in own]
        assert {one.facts.seed for one in own} == {0, 1}
        assert {one.facts.settings["norm"] for one in own} == {trial.params["norm"]}
        assert trial.value == pytest.approx(sum(value for value in values if value is not None) / 2)
    assert main(call) == 0
    assert len(find(folder)[0]) == 6
    assert main([*CALL, "hydra.sweeper.n_trials=4", "hydra.sweeper.pruner=none"]) == 0
    assert len(study_of(optuna, folder).trials) == 4


@pytest.mark.filterwarnings("ignore")
def test_a_search_of_a_setting_that_none_can_have_asks_for_another_one_next(
    optuna: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    call = short("-m", "hydra/sweeper=optuna", "model.depth=range(-9,1)", "hydra.sweeper.n_trials=1")
    for number in (1, 2):
        assert main(call) == 2
        assert "depth must be at least 1" in capsys.readouterr().err
        trials = study_of(optuna, Path("outputs/digits-mlp-search")).trials
        assert [one.state.name for one in trials] == ["FAIL"] * number


@pytest.mark.filterwarnings("ignore")
def test_another_search_does_not_go_on_with_what_one_has_found(optuna: Any, capsys: pytest.CaptureFixture[str]) -> None:
    call = short("-m", "hydra/sweeper=optuna", "norm=bn,none", "hydra.sweeper.n_trials=1")
    assert main([*call, "seed=0,1"]) == 0
    for other in (["seed=0,1,2"], ["seed=0,1", "act=tanh"], ["seed=0,1", "opt.lr=interval(0.1,1)"]):
        assert main([*call, *other]) == 2
        assert "is a search of other settings, seeds or ranges" in capsys.readouterr().err
    assert main([*call, "seed=range(0,2)", "quiet=true"]) == 0
    assert main([*call, "seed=0,1,2", "name=other"]) == 0


@pytest.mark.filterwarnings("ignore")
def test_a_storage_that_cannot_be_used_is_one_sentence(optuna: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*CALL, "hydra.sweeper.storage=nowhere"]) == 2
    error = capsys.readouterr().err
    assert "hydra.sweeper.storage=nowhere cannot be used: " in error
    assert error.count("\n") == 1


@pytest.mark.filterwarnings("ignore")
def test_a_trial_that_lags_is_given_up_after_its_first_seed(
    optuna: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(optuna.Trial, "should_prune", lambda self: self.number == 1)
    assert main([*CALL, "hydra.sweeper.n_trials=2"]) == 0
    assert "given up after 1 of 2 seeds" in capsys.readouterr().out
    assert len(find(Path("outputs/digits-mlp-search"))[0]) == 3


@pytest.mark.filterwarnings("ignore")
def test_a_search_that_was_interrupted_asks_for_the_same_trial_again(
    optuna: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = search._train

    def dying(plan: Any, seed: int, stop: Any) -> float | None:
        if seed == 1:
            raise KeyboardInterrupt
        return original(plan, seed, stop)

    call = [*CALL, "hydra.sweeper.n_trials=1"]
    monkeypatch.setattr(search, "_train", dying)
    assert main(call) == 130
    monkeypatch.setattr(search, "_train", original)
    assert main(call) == 0
    records, _ = find(Path("outputs/digits-mlp-search"))
    assert [one.status for one in records] == [Status.finished] * 2
    assert len({one.facts.arm_hash for one in records}) == 1
