"""The training of a generator against a discriminator."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, cast

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn.functional import relu, softplus
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torchmetrics import MetricCollection

from ablate.dataset import Examples
from ablate.errors import ConfigError
from ablate.module import AblationModule, Evaluated
from ablate.variations import stream

from .gan import GAN


class Objective(NamedTuple):
    """What the two minimise, from the scores (B, 1) of real and of generated examples."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


def tell_apart(real: Tensor, generated: Tensor) -> Tensor:
    """Return -log p(real) - log(1 - p(generated)), p the sigmoid: softplus(-s) is -log p(s)."""
    return softplus(-real).mean() + softplus(generated).mean()


OBJECTIVES = {
    "non_saturating": Objective(tell_apart, lambda generated: softplus(-generated).mean()),
    "saturating": Objective(tell_apart, lambda generated: -softplus(generated).mean()),
    "least_squares": Objective(
        lambda real, generated: ((real - 1).square().mean() + generated.square().mean()) / 2,
        lambda generated: (generated - 1).square().mean() / 2,
    ),
    "hinge": Objective(
        lambda real, generated: relu(1 - real).mean() + relu(1 + generated).mean(),
        lambda generated: -generated.mean(),
    ),
}


class AdversarialModule(AblationModule):
    """Updates the discriminator ``discriminator_steps`` times and the generator once on every batch.

    Scalars as in ``AblationModule``, ``train/loss``, ``val/loss``, ``lr`` and ``grad_norm`` those of the generator, and
    ``train/discriminator_loss``. Noise comes from streams of its own that the seed decides; evaluation draws the same
    every time.
    """

    model: GAN

    def __init__(self, model: GAN, *, objective: Objective, discriminator_steps: int, **parts: Any) -> None:
        super().__init__(model, **parts)
        self.automatic_optimization = False
        self.objective = objective
        self.discriminator_steps = discriminator_steps
        self.procedure = f"discriminator_steps={discriminator_steps}"
        self._noise = stream(self.seed, "noise")
        self._evaluation_noise = stream(self.seed, "evaluation noise")

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Build an optimizer and a schedule for each of the two."""
        players = self.model.generator, self.model.discriminator
        return cast(OptimizerLRScheduler, [self.optimizer_of(player.parameters()) for player in players])

    def transformed(self, batch: Examples) -> Examples:
        """Return a training batch as the regularizers change it; refuse one that changes its labels alone."""
        for reg in self.reg:
            x, y = reg.transform(*batch, self.spec, self._generator)
            if x is batch.x and y is not batch.y:
                raise ConfigError(f"{type(reg).__name__} changes the labels alone, which a gan does not see. Drop it.")
            batch = Examples(x, y)
        return batch

    def outcome(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return generated examples (B, F) beside the scores of real and generated ones, and the sum of both losses."""
        generated = self.model.generator(self.model.noise(x, self._noise))
        real, score = self.model(x), self.model(generated)
        loss = self.objective.discriminator(real, self.model(generated.detach())) + self.objective.generator(score)
        return torch.cat((generated.flatten(1), real, score), 1), loss

    def training_step(self, batch: Examples, batch_idx: int) -> Tensor:
        """Update both by a batch; return the generator's loss."""
        real, _ = self.transformed(batch)
        g_step, d_step = cast(list[LightningOptimizer], self.optimizers())
        self.interval.batches += 1
        if (penalty := self.penalty()) is not None:
            self.interval.add("train/penalty", penalty)
        for _ in range(self.discriminator_steps):
            with torch.no_grad():
                generated = self.model.generator(self.model.noise(real, self._noise))
            descent = self._descent(self.model.discriminator, partial(self._discriminator_loss, real, generated))
            # past Lightning's wrapper, which would count the update as a step of the run
            d_loss = self.trainer.strategy.optimizer_step(d_step.optimizer, descent)
        noise = self.model.noise(real, self._noise)
        descent = self._descent(self.model.generator, partial(self._generator_loss, noise))
        g_loss = cast(Tensor, g_step.step(descent)).detach()
        for schedule in self.schedules():
            if not isinstance(schedule, ReduceLROnPlateau):
                schedule.step()
        self.interval.add("train/discriminator_loss", d_loss)
        self.interval.add("train/loss", g_loss)
        return g_loss

    def _discriminator_loss(self, real: Tensor, generated: Tensor) -> Tensor:
        return self.objective.discriminator(self.model(real), self.model(generated))

    def _generator_loss(self, noise: Tensor) -> Tensor:
        return self.objective.generator(self.model(self.model.generator(noise)))

    def _descent(self, player: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """Return what an optimizer calls for the loss: it leaves gradients, penalties included, in ``player`` alone."""

        def descent() -> Tensor:
            self.zero_grad()
            value, penalty = loss(), self.penalty()
            weights = [p for p in player.parameters() if p.requires_grad]
            self.manual_backward(value if penalty is None else value + penalty, inputs=weights)
            return value.detach()

        return descent

    def on_validation_epoch_start(self) -> None:
        """Begin the evaluation's noise anew."""
        self._evaluation_noise = stream(self.seed, "evaluation noise")

    def on_test_epoch_start(self) -> None:
        """Begin the evaluation's noise anew."""
        self._evaluation_noise = stream(self.seed, "evaluation noise")

    def evaluate(self, batch: Examples, metrics: MetricCollection) -> None:
        """Update the metrics by as many generated examples as the batch has real ones."""
        generated = self.model.generator(self.model.noise(batch.x, self._evaluation_noise))
        self.update(metrics, Evaluated(generated, batch.x, self.objective.generator(self.model(generated))))
