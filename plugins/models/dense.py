"""Models of flat features: of tables, and of anything flattened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ablate.checks import at_least
from ablate.techniques import DataSpec, Model

if TYPE_CHECKING:
    from torch import nn

    from ablate.kit import Kit


@dataclass
class MLP(Model):
    """Multilayer perceptron; inputs of any shape are flattened.

    residual: pre-norm blocks, x + W·act(norm(x)), from the second hidden layer on.
    """

    advice: ClassVar[str] = "It gives one prediction an example; for one a pixel choose model=fcn."
    depth: int = 2
    width: int = 128
    residual: bool = False

    def __post_init__(self) -> None:
        at_least(1, depth=self.depth, width=self.width)

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        from ..networks import mlp

        return mlp.MLP(kit, spec, depth=self.depth, width=self.width, residual=self.residual)
