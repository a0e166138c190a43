"""Regularizers that act between the steps of training, as Lightning callbacks."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from ablate.errors import ConfigError
from ablate.kit import weight_layers


class MaxNorm(Callback):
    """After each step, scale every unit's incoming weights to a norm of at most ``limit``."""

    def __init__(self, limit: float) -> None:
        self.limit = limit

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Refuse weights that are computed from others: scaling them would be lost at the next step."""
        if any(is_parametrized(layer, "weight") for layer in weight_layers(pl_module)):
            raise ConfigError("reg=max_norm cannot hold weights that norm=weight or norm=spectral computes.")

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Constrain the weights that the step left."""
        self.constrain(pl_module)

    @torch.no_grad()
    def constrain(self, model: nn.Module) -> None:
        """Scale the weights, (out, in, *kernel); transposed convolutions hold them as (in, out, *kernel)."""
        for layer in weight_layers(model):
            if not layer.weight.requires_grad:  # frozen
                continue
            unit = 1 if getattr(layer, "transposed", False) else 0
            others = [d for d in range(layer.weight.ndim) if d != unit]
            norm = layer.weight.square().sum(others, keepdim=True).sqrt()
            layer.weight.mul_((self.limit / norm.clamp(min=1e-12)).clamp(max=1.0))


class GradientClipping(Callback):
    """Before each step, limit the norm of the whole gradient, or each of its values."""

    def __init__(self, limit: float, by_value: bool) -> None:
        self.limit = limit
        self.by_value = by_value

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Clip the gradients in place."""
        if self.by_value:
            nn.utils.clip_grad_value_(pl_module.parameters(), self.limit)
        else:
            nn.utils.clip_grad_norm_(pl_module.parameters(), self.limit)
