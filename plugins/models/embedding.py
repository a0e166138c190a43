"""Networks that lay examples out in a space where neighbours share a class."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from ablate.checks import at_least
from ablate.techniques import DataSpec, Model, Task

from .checks import check_channels
from .dense import MLP
from .images import CNN

if TYPE_CHECKING:
    from torch import nn

    from ablate.kit import Kit


class Encoder(Enum):
    """What makes the embedding: a multilayer perceptron, or, of images, a convolutional network."""

    mlp = "mlp"
    cnn = "cnn"


@dataclass
class Embedding(Model):
    """Triplet network: one encoder maps every example to ``dim`` numbers, trained on distances (loss=triplet).

    Hoffer & Ailon 2014, arXiv:1412.6622. Judged by recall at 1: the share of a split's examples whose nearest other
    example has their class. encoder: ``mlp`` of ``depth`` layers of ``width``, or ``cnn`` of images, with ``channels``
    a stage · normalize: embeddings of length 1 (FaceNet, arXiv:1503.03832).
    """

    goal: ClassVar[Task | None] = Task.embedding
    tasks: ClassVar[frozenset[Task]] = frozenset({Task.classification})
    advice: ClassVar[str] = "It needs a class an example: data=digits; encoder=cnn needs images."
    dim: int = 16
    encoder: Encoder = Encoder.mlp
    normalize: bool = True
    depth: int = 2
    width: int = 128
    channels: list[int] = field(default_factory=lambda: [16, 32])

    def __post_init__(self) -> None:
        at_least(1, dim=self.dim, depth=self.depth, width=self.width)
        check_channels(self.channels)

    def network(self) -> Model:
        """Return the model that encodes."""
        return CNN(channels=self.channels) if self.encoder is Encoder.cnn else MLP(depth=self.depth, width=self.width)

    def check(self, spec: DataSpec) -> None:
        super().check(spec)
        if len(spec.input_shape) not in self.network().input_ranks:
            raise ValueError(f"encoder=cnn cannot take {spec.layout}. Take encoder=mlp, or images: data=digits.")

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        from ..networks import embedding

        return embedding.Embedding(self.network().build(kit, replace(spec, outputs=self.dim)), self.normalize)
