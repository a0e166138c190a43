"""The Hydra side of ``hydra/launcher=ray``."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from ablate.engines.ray import RayEngine, installed
from ablate.sweeps.sweeper import Job


class RayLauncher(Launcher):
    """Hands the planned runs to a :class:`RayEngine`: they need no second composition."""

    # Hydra accepts launchers under this name only; see ablate/sweeps/hydra_plugin
    __module__ = "hydra_plugins.ablate"

    def __init__(self, address: str | None, max_retries: int) -> None:
        self._address, self._max_retries = address, max_retries

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra hands over; raise ``ConfigError`` where Ray is not installed."""
        assert isinstance(task_function, Job)
        self._job = task_function
        installed()

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Train the runs; what became of them is in their records."""
        job = self._job
        assert job.watch is not None
        engine = RayEngine(self._address, self._max_retries, job.settings.runs_per_gpu, job.settings.stack)
        engine.train(job.runs, job.watch, job.stop, wait=job.wait)
        return []
