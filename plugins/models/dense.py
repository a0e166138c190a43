"""Models of flat features: of tables, and of anything flattened."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from ablate.checks import at_least, positive
from ablate.techniques import DataSpec, Model

from ..layers.forms import Form

if TYPE_CHECKING:
    from torch import nn

    from ablate.kit import Kit


@dataclass
class Linear(Model):
    """W·x + b, no hidden layer; inputs of any shape are flattened: the baseline for small tables.

    By the loss it is linear regression (loss=mse), logistic regression (loss=cross_entropy), or a linear support
    vector machine (loss=hinge). It has no hidden layers, so that act, norm=bn or reg=dropout would change nothing.
    A small table makes few steps an epoch, and the weights start at random: take opt.lr=0.1 with adam.
    """

    advice: ClassVar[str] = "It gives one prediction an example; for one a pixel choose model=fcn."

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        from ..networks import linear

        return linear.linear(spec)


@dataclass
class MLP(Model):
    """Multilayer perceptron; inputs of any shape are flattened.

    depth: hidden layers · width: units of each · residual: form of the blocks, one layer W each, from the second
    hidden layer on: ``none`` h(W·x), h being normalisation and activation; ``pre`` x + s·W·h(x); ``post``
    act(x + s·norm(W·x)); ``inside`` x + s·h(W·x) · residual_scale: s; in deep networks without normalisation
    1 / √depth keeps the sum from growing.
    """

    advice: ClassVar[str] = "It gives one prediction an example; for one a pixel choose model=fcn."
    depth: int = 2
    width: int = 128
    residual: Form = Form.none
    residual_scale: float = 1.0

    def __post_init__(self) -> None:
        at_least(1, depth=self.depth, width=self.width)
        positive(residual_scale=self.residual_scale)

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        from ..networks import mlp

        return mlp.MLP(kit, spec, depth=self.depth, width=self.width, residual=self.residual, scale=self.residual_scale)


class Output(Enum):
    """What the output goes through: nothing, or an activation that cuts off what it can be."""

    identity = "identity"
    relu = "relu"
    sigmoid = "sigmoid"
    tanh = "tanh"


@dataclass
class OutputMLP(MLP):
    """The mlp with an activation on its output: y = f(W·h + b).

    output: f, ``identity`` as in the mlp, ``relu``, ``sigmoid`` or ``tanh``. The targets of a regression are
    standardised, so that about half of them lie below what relu and sigmoid can reach.
    """

    output: Output = Output.identity

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        from ..networks import mlp

        body = super().build(kit, spec)
        return body if self.output is Output.identity else mlp.WithOutput(body, self.output.value)


@dataclass
class WideDeep(MLP):
    """Linear model and mlp with their outputs summed, for tables (Cheng et al. 2016, arXiv:1606.07792).

    The linear, wide part sees the features and, with ``crosses``, the product of every two: for real numbers what
    the paper's cross-products are for its binary features. The deep part is an mlp on the features. One optimizer
    trains both, where the paper takes FTRL with L1 for the wide part and AdaGrad for the deep one.
    """

    input_ranks: ClassVar[frozenset[int]] = frozenset({1})
    advice: ClassVar[str] = "It needs a table: data=breast_cancer, wine or diabetes, or model=mlp."
    crosses: bool = True

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        from ..networks import mlp

        return mlp.WideDeep(spec, super().build(kit, spec), self.crosses)
