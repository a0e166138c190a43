"""Regularizers: penalties, layers, changed batches and constraints that act in training alone; ``reg`` takes a list.

They stand in ``regularizers/``, by the way they act.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ablate.hookspecs import Register, hookimpl
from ablate.techniques import Regularizer

from .regularizers import batches, layers, penalties, steps


@dataclass
class Keep(Regularizer):
    """No other regularizer: the network's own dropouts stay (for model=timm, torchvision, import).

    reg=none takes them out, reg=dropout puts ours in their places, reg=[keep,l2] adds a penalty.
    """

    keeps: ClassVar[bool] = True

    def waives(self) -> Mapping[str, str]:
        return {"acts_in_some_way": "what it keeps is in the network"}


@dataclass
class NoRegularizer(Regularizer):
    """No regularizer."""

    def waives(self) -> Mapping[str, str]:
        return {"acts_in_some_way": "it is what others are compared with"}


@hookimpl
def register_techniques(register: Register) -> None:
    """Add the regularizers."""
    for name, technique in {
        "keep": Keep,
        "none": NoRegularizer,
        "l1": penalties.L1,
        "l2": penalties.L2,
        "elastic": penalties.ElasticNet,
        "dropout": layers.Dropout,
        "channel_dropout": layers.ChannelDropout,
        "input_noise": batches.InputNoise,
        "label_smoothing": batches.LabelSmoothing,
        "mixup": batches.Mixup,
        "augment": batches.Augment,
        "early_stopping": steps.EarlyStopping,
        "max_norm": steps.MaxNorm,
        "grad_clip": steps.GradientClipping,
        "ema": steps.WeightAveraging,
    }.items():
        register(name, technique)
