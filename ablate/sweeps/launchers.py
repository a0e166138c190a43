"""Hydra's launchers of ours: they hand the planned runs of a job to an engine."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from ablate.engines.local import engine_for
from ablate.sweeps.sweeper import Job


class LocalLauncher(Launcher):
    """``hydra/launcher=local``, the default: worker processes on this machine."""

    # Hydra accepts launchers under this name only; see ablate/sweeps/hydra_plugin
    __module__ = "hydra_plugins.ablate"

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep the job."""
        assert isinstance(task_function, Job)
        self._job = task_function

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Train the job's runs, which are planned already: nothing is composed again, and nothing returned."""
        job = self._job
        assert job.watch is not None
        engine_for(job.settings).train(job.runs, job.watch, job.stop, wait=job.wait)
        return []
