"""What networks compute: the collapse of linear layers, probabilities, and entropies.

Shapes: B batch · C classes · D inputs.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from ablate.exact import Checked
from ablate.lazy import torch
from ablate.techniques import Task

from ..activation import Identity, Softmax, Step
from ..init import He
from ..loss import KL, CrossEntropy
from ..models.dense import MLP
from .build import classes, kit_of, regression

if TYPE_CHECKING:
    from torch import Tensor


def _normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def linear_collapse(depth: int = 4, width: int = 32) -> Checked:
    """Compare an mlp of ``depth`` identity layers with the one layer A x + c that its weights multiply out to."""
    from ablate.kit import initialize

    net = MLP(depth=depth, width=width).build(kit_of(act=Identity()), classes(8)).double()
    initialize(net, He(), 0)
    x = _normal(64, 8, seed=0)
    with torch.no_grad():
        c = net(torch.zeros(1, 8, dtype=torch.float64))
        a = net(torch.eye(8, dtype=torch.float64)) - c  # (D, C)
        error = float((net(x) - (x @ a + c)).abs().max())
    count = sum(p.numel() for p in net.parameters())
    return Checked(
        error,
        1e-12,
        f"An mlp of {depth} hidden layers without activations, {count} parameters, was held against the single affine "
        f"map of {a.numel() + c.numel()} numbers, at 64 random points",
    )


def pieces_by_depth(depth: int = 8) -> Checked:
    """Count the straight pieces of functions of one number by ReLU networks with two units a layer, or as many in one.

    Each layer folds 0..1 in two by the tent 2 h(x) - 4 h(x - ½), h = max(0, ·), so that there are 2 ^ depth pieces
    (Telgarsky 2015, arXiv:1509.08101). A single layer has one bend a unit at most, here in networks drawn at random.
    Their deviations from these two numbers are added up.
    """
    folded = MLP(depth=depth, width=2).build(kit_of(), regression(1)).double()
    linear = [layer for layer in folded.modules() if isinstance(layer, torch.nn.Linear)]
    with torch.no_grad():
        for at, layer in enumerate(linear):
            layer.weight.copy_(torch.tensor([[2.0, -4.0]]) if at else torch.ones(1, 1))
            layer.bias.copy_(torch.zeros(()) if layer is linear[-1] else torch.tensor([0.0, -0.5]))
    deep = _pieces(folded, 4 * 2**depth)
    units, most = 2 * depth, 0
    for seed in range(20):
        flat = MLP(depth=1, width=units).build(kit_of(), regression(1)).double()
        with torch.no_grad():
            for at, parameter in enumerate(flat.parameters()):
                parameter.copy_(_normal(*parameter.shape, seed=100 * seed + at))
        most = max(most, _pieces(flat, 4 * 2**depth))
    return Checked(
        abs(deep - 2**depth) + max(0, most - units - 1),
        0,
        f"{units} ReLU units in {depth} layers of two bend a line into {deep} straight pieces; as many in one layer "
        f"make {units + 1} at most, and {most} in the best of 20 drawn at random",
    )


def _pieces(net: torch.nn.Module, cells: int) -> int:
    """Return how many straight pieces a function of one number has on 0..1, as far as so many equal cells tell."""
    x = ((torch.arange(cells, dtype=torch.float64) + 0.5) / cells)[:, None].requires_grad_()
    (slope,) = torch.autograd.grad(net(x).sum(), x)
    return 1 + int((slope.diff(dim=0).abs() > 1e-9).sum())


def softmax(classes: int = 10) -> Checked:
    """Softmax of logits between -50 and 50: all within 0 and 1, a sum of 1, and the same after adding a constant."""
    logits = 100 * torch.rand(1000, classes, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 50
    softmax = Softmax().build()
    p = softmax(logits)
    outside = float((p < 0).sum() + (p > 1).sum())
    error = max(float((p.sum(1) - 1).abs().max()), float((softmax(logits + 7) - p).abs().max()), outside)
    return Checked(
        error,
        1e-12,
        f"Of 1000 vectors of {classes} logits every softmax lies between 0 and 1, sums to 1 and does not change when "
        "the same number is added to all logits, but for rounding",
    )


def cross_entropy_from_kl(classes: int = 10) -> Checked:
    """Σ t (ln t - ln p) = CE(t, p) - H(t), for soft and one-hot targets; in bits all of them are divided by ln 2.

    The divergence is written out; the loss of that name, which is made of the right-hand side, is held against it, too.
    """
    logits = _normal(200, classes, seed=1)
    soft = _normal(200, classes, seed=2).softmax(1)
    hard = torch.arange(200) % classes
    kl, cross_entropy = KL().build(Task.classification), CrossEntropy().build(Task.classification)
    entropy = torch.special.entr(soft).sum(1).mean()
    divergence = (soft * (soft.log() - logits.log_softmax(1))).sum(1).mean()
    bits = -(soft * logits.log_softmax(1) / math.log(2)).sum(1).mean()
    error = max(
        abs(float(divergence - cross_entropy(logits, soft) + entropy)),
        abs(float(divergence - kl(logits, soft))),
        abs(float(kl(logits, hard) - cross_entropy(logits, hard))),
        abs(float(bits * math.log(2) - cross_entropy(logits, soft))),
    )
    return Checked(
        error,
        1e-12,
        f"For soft targets the divergence is the cross-entropy less the targets' entropy, {float(entropy):.3g} nats; "
        "for one-hot targets, which have none, the two are equal; logarithms to base 2 divide both by ln 2",
    )


def boolean_by_table(n: int = 3) -> Checked:
    """Every function of n bits by one hidden layer of 2ⁿ step units, one for each row of the truth table.

    Unit r has weight +1 where row r has a one, -1 where it has a zero, and the threshold number of ones - ½; so it
    fires for row r alone, and the output adds up the rows whose value is 1.
    """
    step = Step().build()
    rows = torch.tensor(list(itertools.product((0.0, 1.0), repeat=n)), dtype=torch.float64)  # (2ⁿ, n)
    hidden = step(rows @ (2 * rows - 1).T - rows.sum(1) + 0.5)  # (2ⁿ rows, 2ⁿ units)
    functions = torch.tensor(list(itertools.product((0.0, 1.0), repeat=2**n)), dtype=torch.float64)
    wrong = int((hidden @ functions.T != functions.T).sum())
    return Checked(
        wrong,
        0,
        f"All {len(functions)} functions of {n} bits were written down as networks of {2**n} hidden units; of their "
        f"{functions.numel()} values {wrong} are wrong",
    )
