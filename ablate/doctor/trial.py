"""Short trainings, without Lightning: no validation, no schedule, no callbacks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ablate.assembly import build
from ablate.config import Config
from ablate.dataset import Dataset, Examples, training_batches
from ablate.module import AblationModule
from ablate.random_state import isolated

_LAST = 5
"""The loss at the end is the mean over a fifth of the steps."""


@dataclass(frozen=True)
class Trial:
    """A network after some steps."""

    module: AblationModule
    start: dict[str, Tensor]
    """Its parameters before."""
    losses: list[float]
    """Of each step, penalties left out; the last may not be finite."""
    reached: bool = False
    """Whether it ended because what it was to reach was reached."""

    @property
    def diverged(self) -> bool:
        """Whether the loss was no longer finite."""
        return not math.isfinite(self.losses[-1])

    @property
    def loss(self) -> float:
        """The loss at the end."""
        if self.diverged:
            return math.inf
        last = self.losses[-max(1, len(self.losses) // _LAST) :]
        return sum(last) / len(last)


def fresh(config: Config, dataset: Dataset) -> AblationModule:
    """Return the module of a run as training begins, whatever was drawn before."""
    with isolated(config.seed):
        return build(config, dataset)


def train(
    config: Config, dataset: Dataset, steps: int, *, until: Callable[[Tensor, Tensor, float], bool] | None = None
) -> Trial:
    """Train ``steps`` optimizer steps from the run's first weights, on its batches and with its penalties.

    Ends before where the loss is not finite, or ``until`` says so of a batch, by its predictions, its
    targets and their loss.
    """
    with isolated(config.seed):
        module = build(config, dataset)
        module.model.train()
        start = {name: p.detach().clone() for name, p in module.model.named_parameters()}
        trainable = [p for p in module.model.parameters() if p.requires_grad]
        optimizer = module.optimizer_for(iter(trainable))
        losses: list[float] = []
        batches = training_batches(dataset.splits.train, config.data, config.seed)
        while len(losses) < steps:
            for batch in batches:
                prediction, loss = _step(module, optimizer, batch, config.trainer.gradient_clip_val)
                losses.append(loss)
                if until and until(prediction, batch.y, loss):
                    return Trial(module, start, losses, reached=True)
                if len(losses) >= steps or not math.isfinite(loss):
                    return Trial(module, start, losses)
            batches.set_epoch(batches.epoch + 1)
    return Trial(module, start, losses)


def _step(
    module: AblationModule, optimizer: torch.optim.Optimizer, batch: Examples, clip: float | None
) -> tuple[Tensor, float]:
    """Make one step; return the predictions and the loss before it."""
    x, y = module.transformed(batch)
    seen: list[tuple[Tensor, float]] = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        prediction, loss = module.outcome(x, y)
        penalty = module.penalty()
        total = loss if penalty is None else loss + penalty
        if total.requires_grad:
            total.backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(module.model.parameters(), clip)
        seen.append((prediction.detach(), float(loss.detach())))
        return total.detach()

    optimizer.step(closure)  # type: ignore[arg-type]  # torch means what its float is made of
    return seen[0]


@torch.no_grad()
def predictions(module: AblationModule, x: Tensor) -> Tensor:
    """Return what the network says of examples (N, …), in evaluation mode."""
    module.model.eval()
    return torch.cat([module(part) for part in x.split(1024)])
