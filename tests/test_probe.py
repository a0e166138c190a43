from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import nn

import ablate
from ablate.composition import config_loader
from ablate.config import Config
from ablate.dataset import prepare
from ablate.errors import ConfigError
from ablate.probe import fingerprint
from ablate.sweeps.plan import make_plan
from ablate.techniques import DataSpec, Regularizer


def digest(*settings: str) -> str:
    config = ablate.compose(settings)
    return fingerprint(config, prepare(config.data, config.seed))


ROWS = ("model=lstm", "data=digits_rows")


@pytest.mark.parametrize(
    ("base", "setting"),
    [
        ((), "act=tanh"),
        ((), "init=xavier"),
        ((), "init.mode=fan_out"),
        ((), "norm=ln"),
        (("norm=bn",), "norm.momentum=0.2"),
        (("norm=bn",), "norm.eps=1e-3"),
        (("init=zeros",), "act=tanh"),
        ((), "reg=dropout"),
        ((), "reg=l1"),
        (("reg=l2",), "reg.l2.weight=0.1"),
        (("reg=l2",), "reg.l2.bias=true"),
        ((), "model.residual=pre"),
        (("loss=mse",), "loss.on=logits"),
        (("model=cnn",), "pool=avg"),
        *[(("model=resnet",), f"model.residual={form}") for form in ("none", "pre", "inside")],
        (("model=resnet", "model.stride=1", "model.pooling=true"), "pool=avg"),
        (("model=inception",), "pool=avg"),
        (("model=mlp", "model.residual=post"), "model.residual_scale=0.5"),
        (("model=wide_deep", "data=wine"), "model.crosses=false"),
        (("model=cnn",), "model.residual=pre"),
        ((*ROWS, "model.cell=rnn"), "act=tanh"),
        (ROWS, "model.forget_bias=0"),
        (ROWS, "model.readout=mean"),
        (ROWS, "model.peepholes=true"),
        (("model=attention", "data=digits_rows", "norm=ln"), "norm.position=post"),
        (("model=attention", "data=digits_rows"), "model.positions=none"),
    ],
)
def test_what_takes_part_shows(base: tuple[str, ...], setting: str) -> None:
    assert digest(*base) != digest(*base, setting)


@pytest.mark.parametrize(
    ("base", "setting"),
    [
        ((), "pool=avg"),
        (("model.depth=1",), "model.residual=pre"),
        (("model=cnn", "model.convs=1"), "model.residual=pre"),
        (("model=resnet",), "pool=avg"),
        (("model=resnet", "model.residual=none"), "model.block=1"),
        ((), "model.residual_scale=0.5"),
        (("model=linear",), "act=tanh"),
        (("model=linear",), "norm=bn"),
        (("model=inception", "model.channels=[16]"), "pool=avg"),
        (ROWS, "act=tanh"),
        ((*ROWS, "model.cell=gru"), "model.forget_bias=0"),
        ((), "loss=cross_entropy"),
        (("data=diabetes", "loss=mse"), "loss.on=logits"),
        ((), "opt=sgd"),
    ],
)
def test_what_takes_no_part_does_not(base: tuple[str, ...], setting: str) -> None:
    assert digest(*base) == digest(*base, setting)


def test_small_differences_show_in_double_precision() -> None:
    assert digest("norm=bn", "norm.eps=1e-8") != digest("norm=bn", "norm.eps=1e-9")


def test_probing_leaves_the_random_state_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    digest("reg=dropout")
    torch.testing.assert_close(torch.rand(3), expected)


def plan(*arguments: str, sweep: bool = True) -> None:
    with config_loader() as loader:
        make_plan(arguments, loader, sweep=sweep)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("model=resnet", "pool=max,avg"), "model=resnet takes no part in pool: pool=max and pool=avg"),
        (("model=linear", "data=wine", "act=relu,tanh"), "model=linear takes no part in act"),
        ((*ROWS, "pool=max,avg"), "model=lstm takes no part in pool: pool=max and pool=avg"),
        (("model.depth=1", "model.residual=pre,none"), "model.residual plays no role in this model=mlp"),
        (("model=mlp,lstm", "data=digits_rows", "act=relu,tanh"), r"model=lstm takes no part in act.*with model=lstm"),
        (("reg=[l2,dropout],[dropout,l2]",), "are the same setting, written twice"),
        (("loss=auto,cross_entropy",), "these losses are one"),
        (("opt=gd,sgd",), "opt=gd takes the gradient of the whole training split: add data.batch_size=all"),
        (("model=gan", "data=rings", "data.label_noise=0,0.3"), "model=gan takes no labels"),
        (("pool=avg", "norm=bn,none"), "model=mlp takes no part in pool: pool=avg would change nothing"),
        (("model=lstm",), "model=lstm on data=digits: .*data=digits_rows"),
        (("model=mlp,cnn", "data=digits,digits_rows"), "model=cnn on data=digits_rows"),
        (("loss=cross_entropy", "data=diabetes"), "loss=cross_entropy is for .*classification.*loss=auto"),
        (("norm=bn", "data.batch_size=1"), r"norm=bn .*cannot be trained, as a batch of 1 examples .*ValueError"),
        (("reg=label_smoothing", "data=diabetes"), "have no classes to soften"),
        (("reg=mixup", "loss=hinge"), "loss=hinge .*cannot be trained"),
        (("reg=augment", "data=wine"), "reg=augment moves images"),
        (("data.train_size=5000",), "the training split has 1079 examples"),
        (("model=cnn", "model.channels=[4,4,4,4,4]"), "becomes too small"),
    ],
)
def test_false_ablations_are_refused_before_anything_trains(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ("model=mlp,cnn", "data=digits", "pool=avg"),  # the cnn uses it
        ("norm=bn,none", "pool=max"),  # repeats the default: claims nothing
        ("init=zeros,he", "act=relu,tanh"),  # zeros hide the activation, which is there all the same
        ("opt.lr=0.1,0.01",),
        ("norm=bn", "norm.eps=1e-3,1e-5"),  # leaving norm=bn out would leave its parameter without a norm
    ],
)
def test_sweeps_that_compare_something_pass(arguments: tuple[str, ...]) -> None:
    plan(*arguments)


def test_init_on_a_model_without_weights_takes_no_part(short_config: Callable[..., Config]) -> None:
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(10))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(1)[:, :10] * self.scale

    he, zeros = short_config("init=he"), short_config("init=zeros")
    for config in (he, zeros):
        config.model.build = lambda kit, spec: Fixed()  # type: ignore[method-assign]
    data = prepare(he.data, 0)
    assert fingerprint(he, data) == fingerprint(zeros, data)


@dataclass
class Seldom(Regularizer):
    """Changes one batch in a thousand."""

    def transform(
        self, x: torch.Tensor, y: torch.Tensor, spec: DataSpec, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return (-x if torch.rand((), generator=generator) < 1e-3 else x), y


def test_a_regularizer_that_seldom_acts_takes_part(short_config: Callable[..., Config]) -> None:
    plain, seldom = short_config(), short_config()
    seldom.reg = {"seldom": Seldom()}
    data = prepare(plain.data, 0)
    assert fingerprint(plain, data) != fingerprint(seldom, data)


def test_a_model_that_raises_is_the_configurations_fault(short_config: Callable[..., Config]) -> None:
    class Broken(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise KeyError("planted")

    config = short_config()
    config.model.build = lambda kit, spec: Broken(1, 1)  # type: ignore[method-assign]
    with pytest.raises(ConfigError, match=r"cannot be trained.*KeyError: 'planted'"):
        fingerprint(config, prepare(config.data, 0))
