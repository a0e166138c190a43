"""Models that make examples like those of the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from ablate.checks import at_least
from ablate.techniques import DATA_TASKS, DataSpec, Model, Task

if TYPE_CHECKING:
    from torch import nn

    from ablate.kit import Kit
    from ablate.module import AblationModule


class Objective(Enum):
    """What generator and discriminator minimise."""

    non_saturating = "non_saturating"
    saturating = "saturating"
    least_squares = "least_squares"
    hinge = "hinge"


@dataclass
class GAN(Model):
    """Generator G and discriminator D, trained against each other (Goodfellow et al. 2014, arXiv:1406.2661).

    Two multilayer perceptrons of ``depth`` layers of ``width``; G makes a flattened example of ``latent`` normal
    numbers z. objective, with d = D(x), g = D(G(z)) and p their sigmoids: ``non_saturating`` D: -log p(d) -
    log(1 - p(g)), G: -log p(g) · ``saturating``, the paper's minimax, G: log(1 - p(g)) · ``least_squares``
    D: ½ (d - 1)² + ½ g², G: ½ (g - 1)² (Mao et al. 2016, arXiv:1611.04076) · ``hinge`` D: max(0, 1 - d) +
    max(0, 1 + g), G: -g (Lim & Ye 2017, arXiv:1705.02894).
    discriminator_steps: updates of D before each of G, on the same examples with noise of its own; a step is one of G.

    Both have an optimizer, a schedule and the penalties of their own weights, and the gradient is clipped for each.
    Judged by the maximum mean discrepancy of generated and real examples. train/loss and val/loss are G's. Labels play
    no part.
    """

    goal: ClassVar[Task | None] = Task.generation
    tasks: ClassVar[frozenset[Task]] = DATA_TASKS
    latent: int = 2
    depth: int = 2
    width: int = 128
    objective: Objective = Objective.non_saturating
    discriminator_steps: int = 1

    def __post_init__(self) -> None:
        at_least(1, latent=self.latent, depth=self.depth, width=self.width)
        at_least(1, discriminator_steps=self.discriminator_steps)

    def waives(self) -> Mapping[str, str]:
        """Return the contract that is for networks of one part."""
        return {"trains_every_parameter": "its procedure trains the generator, which takes noise and no examples"}

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        from ..networks import gan

        return gan.GAN(kit, spec, latent=self.latent, depth=self.depth, width=self.width)

    def module(self) -> Callable[..., AblationModule]:
        from ..networks import adversarial

        return partial(
            adversarial.AdversarialModule,
            objective=adversarial.OBJECTIVES[self.objective.name],
            discriminator_steps=self.discriminator_steps,
        )
