"""A search with Optuna, ``hydra/sweeper=optuna``: each trial is an arm, trained seed by seed and given up when it lags.

The objective is the mean over the seeds of the best validation metric. A trial's runs are records like others, so that
nothing is trained twice; the study is in a database beside them, and the same command goes on with it.
"""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape

from ablate.atomic import check_writable
from ablate.composition import load
from ablate.config import to_config
from ablate.errors import ConfigError
from ablate.judges import JUDGES
from ablate.lock import hold
from ablate.overrides import OF_SWEEP, parse, written
from ablate.report.style import console, number_text
from ablate.results import judged
from ablate.search_space import SWEEPER, Dimension, split
from ablate.stop import Stop, signals_request
from ablate.sweeps.plan import Plan, make_plan
from ablate.sweeps.sweeper import AblateSweeper

SAMPLERS = {"tpe": "TPESampler", "random": "RandomSampler"}
PRUNERS = {"median": "MedianPruner", "halving": "SuccessiveHalvingPruner", "none": "NopPruner"}
_ALLOWED = ("quiet",)


class OptunaSweeper(AblateSweeper):
    """Searches the settings that are swept.

    ``n_trials`` counts those of earlier calls, too. ``storage`` is a URL of Optuna's, by default a database in the
    folder of the runs. ``sampler`` is ``tpe`` or ``random``; ``pruner``, which looks at the mean after each seed,
    ``median``, ``halving`` or ``none``. ``seed`` is the sampler's.
    """

    __module__ = "hydra_plugins.ablate"

    def __init__(self, n_trials: int, storage: str | None, sampler: str, pruner: str, seed: int) -> None:
        self.n_trials, self.storage, self.sampler, self.pruner, self.seed = n_trials, storage, sampler, pruner, seed

    def sweep(self, arguments: Sequence[str]) -> None:
        """Search, and say what was found."""
        self._check()
        optuna = _optuna()
        space, shared = split(self._request.settings)
        for text in shared:
            if (key := text.partition("=")[0]) in OF_SWEEP and key not in _ALLOWED:
                raise ConfigError(f"{text}: {key} belongs to a sweep of designed arms, and a search has none.")
        base = to_config(load(self._context.config_loader, [one for one in shared if not _of_runs(one)]))
        name = base.name or f"{base.folder_name}-search"
        folder = Path(base.output_dir) / name
        check_writable(folder)
        higher = JUDGES[base.task].higher_is_better
        storage = self.storage or f"sqlite:///{(folder / 'optuna.db').absolute()}"
        try:
            study = optuna.create_study(
                study_name=name,
                storage=storage,
                load_if_exists=True,
                direction="maximize" if higher else "minimize",
                pruner=getattr(optuna.pruners, PRUNERS[self.pruner])(),
            )
        except Exception as error:  # whatever a database, or what connects to it, answers
            reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
            raise ConfigError(f"hydra.sweeper.storage={storage} cannot be used: {reason}.") from error
        _claim(study, [base.arm_hash, *_seeds(shared), *sorted(map(str, space))])
        # another seed for each call: the same would draw again what the first one drew
        study.sampler = getattr(optuna.samplers, SAMPLERS[self.sampler])(seed=self.seed + len(study.trials))
        with signals_request(self._request.stop), hold(folder):
            _take_up(study, optuna)
            while _count(study, optuna) < self.n_trials and not self._request.stop.requested:
                trial = study.ask()
                chosen = [one.setting(_draw(trial, one)) for one in space]
                settings = [*shared, *chosen, *([] if base.name else [f"name={written(name)}"])]
                self._try(study, optuna, trial, chosen, settings)
        if self._request.stop.requested:
            raise KeyboardInterrupt
        _tell(study, optuna, space, shared, folder)

    def _check(self) -> None:
        for name, value, known in (("sampler", self.sampler, SAMPLERS), ("pruner", self.pruner, PRUNERS)):
            if value not in known:
                raise ConfigError(f"hydra.sweeper.{name}={value}: {', '.join(known)}.")
        for name, count, least in (("n_trials", self.n_trials, 1), ("seed", self.seed, 0)):
            if not isinstance(count, int) or count < least:
                raise ConfigError(f"hydra.sweeper.{name} must be a whole number of at least {least}, not {count}.")

    def _try(self, study: Any, optuna: Any, trial: Any, chosen: Sequence[str], settings: Sequence[str]) -> None:
        """Train a trial's seeds one after the other, as long as it does not lag, and tell the study."""
        states, stop = optuna.trial.TrialState, self._request.stop
        try:
            plan = make_plan(settings, self._context.config_loader, sweep=True, typed=self._request.typed)
        except ConfigError:  # what cannot be trained at all is not asked for again
            study.tell(trial, state=states.FAIL)
            raise
        trial.set_user_attr("settings", list(chosen))
        values, pruned = [], False
        for step, seed in enumerate(plan.seeds):
            value = _train(plan, seed, stop)
            if stop.requested:
                study.tell(trial, state=states.FAIL)
                study.enqueue_trial(trial.params)
                return
            if value is None:
                break
            values.append(value)
            trial.report(sum(values) / len(values), step)
            if len(values) < len(plan.seeds) and trial.should_prune():
                pruned = True
                break
        mean = sum(values) / len(values) if values else None
        trial.set_user_attr("seeds", len(values))
        if pruned:
            study.tell(trial, state=states.PRUNED)
            ended = f"given up after {len(values)} of {len(plan.seeds)} seeds"
        elif len(values) < len(plan.seeds):
            trial.set_user_attr("counts", True)
            study.tell(trial, state=states.FAIL)
            ended = "failed or diverged"
        else:
            study.tell(trial, mean)
            ended = "done"
        count = f"[{_count(study, optuna)}/{self.n_trials}]"
        console().print(escape(f"{count} {','.join(chosen)}  mean {number_text(mean)}, {ended}"))


def _optuna() -> Any:
    try:
        optuna: Any = importlib.import_module("optuna")
    except ImportError as error:
        raise ConfigError(f'{SWEEPER} needs Optuna: pip install "lightning-ablate[optuna]".') from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _seeds(shared: Sequence[str]) -> list[str]:
    """Return the seeds that are said, in whatever way."""
    return [f"seed={level}" for text in shared if text.startswith("seed=") for level in parse([text])[0].levels]


def _claim(study: Any, search: list[str]) -> None:
    """Have a study be for one search; raise ``ConfigError`` where it is for another: their values do not compare."""
    if study.user_attrs.get("search", search) != search:
        raise ConfigError(
            f"name={study.study_name} is a search of other settings, seeds or ranges, and goes on with the same alone. "
            "Give this one a name of its own, name=…"
        )
    study.set_user_attr("search", search)


def _of_runs(text: str) -> bool:
    """Whether a setting is no part of one run's configuration: its seeds, and what belongs to the whole."""
    return text.partition("=")[0] in ("seed", *OF_SWEEP)


def _draw(trial: Any, one: Dimension) -> Any:
    if one.choices:
        return trial.suggest_categorical(one.key, list(one.choices))
    if one.whole:
        step = 1 if one.log else one.step
        return trial.suggest_int(one.key, int(one.low), int(one.high), step=step, log=one.log)
    return trial.suggest_float(one.key, one.low, one.high, log=one.log)


def _train(plan: Plan, seed: int, stop: Stop) -> float | None:
    """Return the best value of a run's metric, trained unless it is done; None where it has none."""
    from ablate.engines.attempt import attempt  # here, as planning needs no Lightning

    planned = plan.arms[0].run(seed)
    if not planned.record().is_done and (why := attempt(planned, stop, wait=True)):
        raise ConfigError(why)
    return judged(planned.record())


def _take_up(study: Any, optuna: Any) -> None:
    """Ask again for what a process that is gone was trying: what it has trained is on disk."""
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        if trial.params:
            study.enqueue_trial(trial.params)


def _count(study: Any, optuna: Any) -> int:
    """Return how many trials have come to an end by themselves."""
    states = optuna.trial.TrialState
    ended = study.get_trials(deepcopy=False, states=(states.COMPLETE, states.PRUNED, states.FAIL))
    return sum(one.state is not states.FAIL or bool(one.user_attrs.get("counts")) for one in ended)


def _tell(study: Any, optuna: Any, space: Sequence[Dimension], shared: Sequence[str], folder: Path) -> None:
    states, out = optuna.trial.TrialState, console()
    done = study.get_trials(states=(states.COMPLETE,))
    pruned = len(study.get_trials(states=(states.PRUNED,)))
    failed = _count(study, optuna) - len(done) - pruned
    told = f", {failed} failed or diverged" if failed else ""
    out.print(f"\n{_count(study, optuna)} trials: {len(done)} done, {pruned} given up{told}.")
    if done:
        best = study.best_trial
        chosen = best.user_attrs.get("settings", [])
        out.print(
            escape(f"Best: {','.join(chosen)}  mean {number_text(best.value)} of {best.user_attrs['seeds']} seeds.")
        )
        out.print("It was chosen by these very runs, so that new seeds are likely to come out worse. To see how much:")
        fixed = [one for one in shared if not _of_runs(one) and not one.startswith("name=")]
        again = shlex.join([*fixed, *chosen])
        out.print(escape(f'  python -m ablate -m {again} "seed=range(100,110)"'), soft_wrap=True)
    out.print(f"Files:       {escape(str(folder))}", soft_wrap=True)
