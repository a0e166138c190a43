"""The run that is examined: what several items need is made once."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from ablate.config import Config
from ablate.dataset import Dataset, Examples, prepare, training_batches
from ablate.doctor.trial import Trial, fresh, train
from ablate.module import AblationModule
from ablate.tasks import Task

STREAMED = 4096
"""So many examples of a split are looked at where they are not in memory."""

STEPS = 200
"""Of a short training: enough to tell learning rates apart by decades."""


class Case:
    """A configuration, its data, its network as training begins, and the same after ``STEPS`` steps."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @cached_property
    def dataset(self) -> Dataset:
        """The data as prepared for the run; of what is streamed, the first examples of each split."""
        dataset = prepare(self.config.data, self.config.seed)
        return replace(dataset, splits=dataset.splits.first(STREAMED)) if dataset.splits.is_stored else dataset

    @property
    def task(self) -> Task:
        """What the network is trained for."""
        return self.config.task

    @property
    def has_classes(self) -> bool:
        """Whether predictions are logits of classes."""
        return self.task in (Task.classification, Task.segmentation)

    def fresh(self) -> AblationModule:
        """Return the module as training begins, a new one each time."""
        return fresh(self.config, self.dataset)

    @cached_property
    def trains_itself(self) -> bool:
        """Whether the model has a training procedure of its own, for which short trainings stand for nothing."""
        return not self.fresh().automatic_optimization

    @cached_property
    def batch(self) -> Examples:
        """The first batch of the run."""
        return next(iter(training_batches(self.dataset.splits.train, self.config.data, self.config.seed)))

    @cached_property
    def trained(self) -> Trial:
        """The run's first ``STEPS`` steps."""
        return train(self.config, self.dataset, STEPS)
