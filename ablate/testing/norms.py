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
    """``running_mean`` starts at 0 and moves in training: running ← (1 - momentum) · running + momentum · batch.

    For buffers of that name and a parameter ``momentum``: torch's definition, which some libraries turn around.
    """
    momentum = getattr(technique, "momentum", None)
    for place in places(technique):
        module = place.made()
        running = dict(module.named_buffers()).get("running_mean")
        if running is None or not isinstance(momentum, float):
            continue
        x = 3 + place.input()
        mean = x.mean([d for d in range(x.ndim) if d != 1])
        demand(not running.any(), f"{place.where} running_mean does not start at zero.")
        for expected in (momentum * mean, (1 - momentum) * momentum * mean + momentum * mean):
            module.train()(x)
            now = dict(module.named_buffers())["running_mean"]
            demand(
                torch.allclose(now, expected),
                f"{place.where} after a batch of mean {float(mean[0]):.3g} with momentum={momentum} the running mean "
                f"is {float(now[0]):.3g}, not {float(expected[0]):.3g}. Is it (1 - momentum) · batch?",
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
