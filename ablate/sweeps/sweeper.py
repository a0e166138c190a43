"""The Hydra side of a sweep: our settings go past Hydra's composition, our runs through any Hydra launcher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from ablate.config import to_config
from ablate.engines.engine import Engine, Watch
from ablate.engines.planned import PlannedRun
from ablate.errors import AblateError, ConfigError
from ablate.garbage import uncollected
from ablate.results import Sweep
from ablate.stop import Stop, signals_request
from ablate.sweep_settings import SweepSettings
from ablate.sweeps.execute import execute, foresee
from ablate.sweeps.following import Follower, following
from ablate.sweeps.plan import Plan, make_plan


@dataclass
class Request:
    """What ``@hydra.main`` is asked to do; Hydra hands it on to the sweeper, and it brings the results back.

    Hydra composes with every setting that is not swept, whether or not all arms have it. So it is told its own
    settings only, and ours wait here.
    """

    settings: tuple[str, ...]
    typed: str | None = None
    """The command, for the records."""
    stop: Stop = field(default_factory=Stop)
    loader: ConfigLoader | None = None
    """Hydra's, where a single run was asked for."""
    results: Sweep | None = None

    def __call__(self, _: DictConfig) -> None:
        """Note that a single run is wanted: an error raised inside a Hydra job is announced by Hydra first."""
        self.loader = GlobalHydra.instance().config_loader()

    def carry_out(self, plan: Plan, engine: Engine) -> None:
        """Train ``plan`` and keep the results, or print what it comes to."""
        if plan.settings.dry_run:
            foresee(plan)
        else:
            self.results = execute(plan, engine, self.stop)


class AblateSweeper(Sweeper):
    """Plans the runs, launches what is missing, and leaves the results in the request."""

    # Hydra accepts sweepers under this name only; see ablate/sweeps/hydra_plugin
    __module__ = "hydra_plugins.ablate"

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra hands over."""
        assert isinstance(task_function, Request)
        self._context, self._config, self._request = hydra_context, config, task_function

    def sweep(self, arguments: Sequence[str]) -> None:
        """Plan, launch and keep the results."""
        request = self._request
        with uncollected():
            plan = make_plan(request.settings, self._context.config_loader, sweep=True, typed=request.typed)
        request.carry_out(plan, ThroughHydra(self._context, self._config, plan.settings))


@dataclass(frozen=True)
class ThroughHydra:
    """The engine behind ``hydra/launcher=…``: whichever launcher Hydra was configured with."""

    context: HydraContext
    config: DictConfig
    settings: SweepSettings

    def __post_init__(self) -> None:
        ours = str(self.config.hydra.launcher._target_).startswith(AblateSweeper.__module__)
        if self.settings.stack not in ("off", "1") and not ours:
            name = self.config.hydra.runtime.choices["hydra/launcher"]
            raise ConfigError(
                f"stack={self.settings.stack}: hydra/launcher={name} makes a job of each run, and none in step with "
                "others. Leave stack out, or choose hydra/launcher=local or ray."
            )

    def train(self, runs: Sequence[PlannedRun], watch: Watch, stop: Stop, *, wait: bool = False) -> None:
        """Launch ``runs`` as jobs."""
        again = frozenset(planned.arguments for planned in runs if planned.again)
        job = Job(runs, watch, stop, wait, self.settings, runs[0].typed, again)
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=self.context, task_function=job, config=self._configured(runs[0])
        )
        arguments = [planned.arguments for planned in runs]
        if isinstance(launcher, BasicLauncher) or type(launcher).__module__ == AblateSweeper.__module__:
            launcher.launch(arguments, initial_job_idx=0)
            return
        job.watch = None  # whichever process a job is called in, its record tells
        follower = Follower(runs, watch)
        try:
            with following(follower, stop, lambda: job.here):
                left_out = self._launch(launcher, arguments)
        except KeyboardInterrupt:
            if not stop.requested:
                raise
        if stop.requested:
            follower.look()  # what has begun and not ended by now does so out of sight
        else:
            follower.finish(left_out)

    def _configured(self, planned: PlannedRun) -> DictConfig:
        """Return Hydra's configuration with its folder, where launchers keep their logs, in that of the sweep."""
        config = self.config.copy()
        if config.hydra.sweep.dir == ".":
            with open_dict(config):
                config.hydra.sweep.dir = str(planned.record().folder.parent.parent)
        return config

    def _launch(self, launcher: Launcher, arguments: Sequence[Sequence[str]]) -> list[str | None]:
        """Return what each job returned; what a job raises went wrong around training, which is in the record."""
        try:
            return [returned.return_value for returned in launcher.launch(arguments, initial_job_idx=0)]
        except (AblateError, HydraException):
            raise
        except Exception as error:
            name = self.config.hydra.runtime.choices["hydra/launcher"]
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ConfigError(
                f"hydra/launcher={name}: {reason.rstrip('.')}. The same command trains what is missing."
            ) from error


@dataclass
class Job:
    """A launcher's task: trains one run; safe to repeat, because a run is idempotent.

    Our own launchers take the planned runs from it. Others pickle it for each of their jobs and call it: then it has
    forgotten them, and who watches.
    """

    runs: Sequence[PlannedRun] = ()
    watch: Watch | None = None
    stop: Stop = field(default_factory=Stop)
    wait: bool = False
    settings: SweepSettings = field(default_factory=SweepSettings)
    typed: str | None = None
    again: frozenset[tuple[str, ...]] = frozenset()
    """The runs that are trained even if they have ended, by their overrides."""
    here: bool = False
    """Whether it has been called in this process, where a request to ``stop`` reaches what trains."""

    def __getstate__(self) -> dict[str, Any]:
        return {"wait": self.wait, "typed": self.typed, "again": self.again}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def __call__(self, tree: DictConfig) -> str | None:
        """Train the run that ``tree`` describes; return why it was left out, or None."""
        from ablate.engines.attempt import attempt  # here, as planning needs no Lightning

        self.here = True
        arguments = tuple(HydraConfig.get().overrides.task)
        planned = PlannedRun(to_config(tree), arguments, self.typed, arguments in self.again)
        if self.watch is None:
            with signals_request(self.stop):  # what a cluster sends before it kills a job leaves a checkpoint
                return attempt(planned, self.stop, wait=self.wait)
        if self.stop.requested:
            return None
        self.watch.started(planned)
        left_out = attempt(planned, self.stop, wait=self.wait)
        self.watch.ended(planned, left_out)
        return left_out
