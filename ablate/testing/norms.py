"""What a normalisation promises beside what all layers do."""

from __future__ import annotations

import torch
from torch import nn

from ablate.kit import weight_layers
from ablate.techniques import Norm
from ablate.testing.contract import contract, demand
from ablate.testing.places import places
from ablate.testing.stand_ins import network


@contract("norm")
def moves_running_statistics_by_momentum(technique: Norm) -> None:
    """``running_mean`` starts at 0; it moves in training: running ← (1 - momentum) · running + momentum · batch.

    So does ``running_var``, by the unbiased variance of the batch, Σ(x - mean)² / (N - 1). For buffers of these names
    and a parameter ``momentum``: torch's definition, which some libraries turn around.
    """
    momentum = getattr(technique, "momentum", None)
    if not isinstance(momentum, float):
        return
    for place in places(technique):
        x = 3 + place.input()
        dims = [d for d in range(x.ndim) if d != 1]
        for name, batch in (("running_mean", x.mean(dims)), ("running_var", x.var(dims))):  # (C,) each
            module = place.made().train()
            expected = dict(module.named_buffers()).get(name)
            if expected is None:
                continue
            started = name == "running_mean" and bool(expected.any())
            demand(not started, f"{place.where} running_mean does not start at zero.")
            for _ in range(2):
                expected = (1 - momentum) * expected + momentum * batch
                module(x)
                now = dict(module.named_buffers())[name]
                demand(
                    torch.allclose(now, expected),
                    f"{place.where} after a batch of {float(batch[0]):.3g} with momentum={momentum} {name} is "
                    f"{float(now[0]):.3g}, not {float(expected[0]):.3g}. Is it (1 - momentum) · batch, or over N?",
                )


@contract("norm", overrides="reparametrize")
def reparametrizes_every_layer(technique: Norm) -> None:
    """After ``reparametrize`` linear and convolutional layers still work, learn, and can be saved and loaded."""
    model, twin = network(), network()
    for each in (model, twin):
        for layer in weight_layers(each):
            technique.reparametrize(layer)
    x = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    out = model.train()(x)
    out.square().sum().backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None]
    demand(not idle, f"{', '.join(idle)} get no gradient. Compute the weight from the parameters at every call.")
    _step(model)
    twin.load_state_dict(model.state_dict())
    same = torch.equal(model.eval()(x), twin.eval()(x))
    demand(same, "a reloaded network gives another output. Use torch.nn.utils.parametrize.")


@torch.no_grad()
def _step(model: nn.Module) -> None:
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.sub_(0.01 * parameter.grad)
