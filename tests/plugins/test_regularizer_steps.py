"""Regularizers that act between the steps of training, through real runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from ablate_plugins.regularizers.callbacks import GradientClipping, MaxNorm
from lightning.pytorch import Trainer
from torch import Tensor, nn
from torch.optim import SGD

import ablate
from ablate.config import Config
from ablate.dataset import prepare
from ablate.kit import weight_layers
from ablate.record import Status
from ablate.techniques import Regularizer
from tests.helpers import refusal

Maker = Callable[..., Config]


def weights(record: ablate.Record, name: str = "last.ckpt") -> dict[str, Tensor]:
    state: dict[str, Tensor] = torch.load(record.folder / name, weights_only=True)["state_dict"]
    return {key: value for key, value in state.items() if key.startswith("model.")}


def test_max_norm_scales_units_above_the_limit_and_leaves_the_others() -> None:
    net = nn.Sequential(nn.Linear(3, 2), nn.Conv2d(2, 2, 3), nn.ConvTranspose2d(2, 3, 2))
    with torch.no_grad():
        for layer in weight_layers(net):
            layer.weight.fill_(0.01)
        weight_layers(net)[0].weight[1] = torch.tensor([3.0, 0.0, 4.0])
        weight_layers(net)[2].weight[:, 2] = 5.0
    MaxNorm(limit=2.0).constrain(net)
    linear, _, deconv = (layer.weight.detach() for layer in weight_layers(net))
    torch.testing.assert_close(linear, torch.tensor([[0.01, 0.01, 0.01], [1.2, 0.0, 1.6]]))
    assert deconv[:, 2].norm().item() == pytest.approx(2)
    torch.testing.assert_close(deconv[:, :2], torch.full((2, 2, 2, 2), 0.01))


def test_max_norm_holds_in_the_weights_that_are_kept(short_config: Maker) -> None:
    record = ablate.run(short_config("reg=max_norm", "reg.max_norm.limit=0.5", "opt.lr=0.05"))
    for name in ("best.ckpt", "last.ckpt"):
        norms = [w.norm(dim=1).max().item() for key, w in weights(record, name).items() if w.ndim == 2]
        assert max(norms) == pytest.approx(0.5, rel=1e-5), name


def test_gradients_are_clipped_by_norm_or_by_value() -> None:
    module = ablate.build(ablate.compose(["model.width=4"]))
    for by_value in (False, True):
        for parameter in module.parameters():
            parameter.grad = torch.full_like(parameter, -0.3)
        callback = GradientClipping(0.1, by_value)
        callback.on_before_optimizer_step(Trainer(logger=False), module, SGD(module.parameters()))
        values = torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])
        if by_value:
            assert torch.equal(values, torch.full_like(values, -0.1))
        else:
            assert values.norm().item() == pytest.approx(0.1, rel=1e-5)
            assert values.unique().numel() == 1


@pytest.mark.parametrize("by", ["norm", "value"])
def test_clipping_reaches_the_steps(short_config: Maker, by: str) -> None:
    settings = ("opt=sgd", "opt.lr=1", "trainer.max_steps=1", "reg=grad_clip", "reg.grad_clip.limit=1e-3")
    config = short_config(*settings, f"reg.grad_clip.by={by}")
    before = dict(ablate.build(config).model.state_dict(prefix="model."))
    moved = torch.cat([(w - before[key]).flatten() for key, w in weights(ablate.run(config)).items()])
    size = moved.norm() if by == "norm" else moved.abs().max()
    assert size.item() == pytest.approx(1e-3, rel=1e-3)


def test_early_stopping_counts_points_without_improvement(short_config: Maker) -> None:
    # with zero weights and no learning nothing ever improves after the first point
    settings = ("trainer.max_epochs=10", "trainer.validations=10", "opt=sgd", "opt.lr=1e-30")
    record = ablate.run(short_config(*settings, "reg=early_stopping", "reg.early_stopping.patience=3"))
    assert record.status is Status.finished
    assert len(record.curves()["step"]) == 4


def test_weight_averaging_keeps_the_average_of_the_steps(short_config: Maker) -> None:
    # two steps: the average starts at the weights after the first, average = d w1 + (1 - d) w2
    two = ("opt=sgd", "data.batch_size=64", "trainer.validations=1")
    w1 = weights(ablate.run(short_config("opt=sgd", "data.batch_size=64", "trainer.max_steps=1")))
    w2 = weights(ablate.run(short_config(*two)))
    kept = weights(ablate.run(short_config(*two, "reg=ema", "reg.ema.decay=0.9")), "best.ckpt")
    for key, value in kept.items():
        torch.testing.assert_close(value, 0.9 * w1[key] + 0.1 * w2[key], rtol=1e-5, atol=1e-6)


def test_weight_averaging_tests_the_average_that_was_validated(short_config: Maker) -> None:
    config = short_config("opt.lr=0.03", "data.batch_size=16", "trainer.max_epochs=2", "reg=ema", "reg.ema.decay=0.9")
    record = ablate.run(config)
    module = ablate.build(config)
    module.load_state_dict(torch.load(record.checkpoint, weights_only=True)["state_dict"])
    module.eval()
    val, test = prepare(config.data, config.seed).splits[1:]
    with torch.no_grad():
        accuracy = [float((module(split.x).argmax(1) == split.y).float().mean()) for split in (val, test)]
    assert accuracy == pytest.approx([record.curves()["val/acc"].max(), record.facts.test["test/acc"]], abs=1e-6)


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        ("early_stopping", "patience", 0),
        ("early_stopping", "min_delta", -1.0),
        ("max_norm", "limit", 0.0),
        ("grad_clip", "limit", 0.0),
        ("ema", "decay", 1.0),
    ],
)
def test_values_out_of_range_are_refused(name: str, parameter: str, value: float) -> None:
    assert parameter in refusal(Regularizer, name, **{parameter: value})


@pytest.mark.parametrize("norm", ["weight", "spectral"])
def test_max_norm_refuses_weights_that_are_computed(short_config: Maker, norm: str) -> None:
    with pytest.raises(ablate.AblateError, match="cannot hold weights"):
        ablate.run(short_config("reg=max_norm", f"norm={norm}"))
