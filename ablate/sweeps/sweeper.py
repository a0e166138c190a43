"""The Hydra side of a sweep: plan the arms, train what is missing through any Hydra launcher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from ablate.config import to_config
from ablate.report.terminal import announce
from ablate.results import Sweep
from ablate.sweeps.execute import attempt, finish
from ablate.sweeps.plan import make_plan


@dataclass(frozen=True)
class Job:
    """One run as a launcher's task; picklable, and safe to repeat because a run is idempotent."""

    total: int

    def __call__(self, tree: DictConfig) -> None:
        """Train the run that ``tree`` describes."""
        attempt(to_config(tree), HydraConfig.get().job.num + 1, self.total)


class AblateSweeper(Sweeper):
    """Full factorial of the swept settings; what is done already is not launched again."""

    # Hydra accepts sweepers under this name only; see ablate/sweeps/hydra_plugin
    __module__ = "hydra_plugins.ablate"

    results: Sweep | None = None
    """What the last sweep of this process left on disk; Hydra gives a sweeper no way to return it."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra hands over; the task is ours, whatever ``task_function`` is."""
        self._context, self._config = hydra_context, config

    def sweep(self, arguments: Sequence[str]) -> None:
        """Plan, launch and keep the results."""
        plan = make_plan(arguments, self._context.config_loader, sweep=True)
        missing = plan.missing()
        announce(plan.results(), len(missing), plan.warnings, plan.transfers)
        if missing:
            launcher = Plugins.instance().instantiate_launcher(
                hydra_context=self._context, task_function=Job(len(missing)), config=self._config
            )
            launcher.launch([planned.arguments for planned in missing], initial_job_idx=0)
        type(self).results = finish(plan)
