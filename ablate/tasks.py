"""What is asked of a network: its task, and the shapes of the data it is built for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Task(Enum):
    """What a network is trained for, and so which loss and which metrics are meant by default.

    A data set asks for one of the first three. The others are a model's own goal: an embedding lays examples of one
    class close together, a generation makes examples like the data's.
    """

    classification = "classification"
    regression = "regression"
    segmentation = "segmentation"
    embedding = "embedding"
    generation = "generation"


DATA_TASKS = frozenset({Task.classification, Task.regression, Task.segmentation})
"""The tasks that a data set can ask for."""


@dataclass(frozen=True)
class DataSpec:
    """What a model has to know of the data it is built for."""

    task: Task
    input_shape: tuple[int, ...]
    """One example: (F,) table · (T, F) sequence · (C, H, W) image."""
    outputs: int
    """Classes, or regression targets. Segmentation predicts so many classes for each pixel."""

    @property
    def layout(self) -> str:
        """The input in a person's words, for error messages."""
        words = {
            1: "table rows (features)",
            2: "sequences (time, features)",
            3: "images (channels, height, width)",
        }
        return f"{words.get(len(self.input_shape), 'examples')} of shape {self.input_shape}"
