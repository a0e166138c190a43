"""``Technique.of``: an option from somebody's class does exactly what the class does."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from enum import Enum
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

import ablate
from ablate.errors import ConfigError, PluginError
from ablate.record import Status
from ablate.registry import Registry, registry
from ablate.techniques import (
    Activation,
    Data,
    Init,
    Loss,
    Model,
    Norm,
    Optimizer,
    Pool,
    Regularizer,
    Schedule,
    Task,
    Technique,
)
from tests.helpers import classes, generator, make_kit, normal, short

Maker = Callable[..., Any]


@pytest.fixture
def option(monkeypatch: pytest.MonkeyPatch) -> Maker:
    """Return a maker of techniques, registered as ``mine`` in a registry of the test's own."""
    fresh = registry.__wrapped__()
    for module in ("registry", "composition", "override_checks", "overrides", "config"):
        monkeypatch.setattr(f"ablate.{module}.registry", lambda: fresh)
    assert isinstance(fresh, Registry)

    def make(cls: type[Technique], **params: Any) -> Any:
        fresh.add("mine", cls)
        return ablate.technique(cls.kind, "mine", **params)

    return make


def fields(cls: type[Technique]) -> dict[str, tuple[Any, Any]]:
    """Return type and default of each parameter, those of the kind left out."""
    own = [f for f in dataclasses.fields(cls) if f.name != "position"]
    made = cls()
    return {f.name: (f.type, getattr(made, f.name)) for f in own}


class Mode(Enum):
    slow = 1
    fast = 2


def everything(  # type: ignore[no-untyped-def]
    params: Any,
    rate: float = 1,
    unsaid=0,
    count: int = 3,
    flag: bool = False,
    word: str = "a",
    mode: Mode = Mode.slow,
    either: Literal["x", "y"] = "x",
    bound: float | None = None,
    scalar: float | Tensor = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    steps: tuple[int, ...] = (2,),
    eps: tuple[float | None, float] = (None, 1e-3),
    fn: Callable[[float], float] = abs,
    weight: Tensor | None = None,
    dtype: torch.dtype = torch.float32,
    foreach: bool | None = None,
    **rest: Any,
) -> torch.optim.Optimizer:
    return torch.optim.SGD(params, lr=rate)


def test_fields_have_the_types_and_defaults_of_the_signature() -> None:
    found = fields(Optimizer.of(everything))
    assert {name: default for name, (_, default) in found.items()} == {
        "rate": 1.0,
        "unsaid": 0,
        "count": 3,
        "flag": False,
        "word": "a",
        "mode": Mode.slow,
        "either": "x",
        "bound": None,
        "scalar": 1e-3,
        "betas": [0.9, 0.999],
        "steps": [2],
        "eps": [None, 1e-3],
    }
    kinds = {name: kind for name, (kind, _) in found.items()}
    assert kinds["rate"] is kinds["scalar"] is float
    assert isinstance(found["rate"][1], float)
    assert kinds["unsaid"] is Any
    assert kinds["bound"] == float | None
    assert kinds["betas"] == list[float]
    assert kinds["steps"] == list[int]
    assert kinds["eps"] == list[float | None]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"either": "z"}, "either must be one of x, y, not z"),
        ({"betas": [0.9]}, "betas takes 2 values, not 1"),
        ({"unsaid": "many"}, "unsaid must be a number, not 'many'"),
        ({"count": 0.5}, "count: Value '0.5'"),
        ({"rate": -1.0}, r"everything\(rate=-1.0\) refuses: Invalid learning rate: -1.0"),
    ],
)
def test_what_signature_or_class_excludes_is_refused_by_name(option: Maker, params: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=f"opt=mine: {message}"):
        option(Optimizer.of(everything), **params)


def test_lists_go_back_as_tuples_and_given_values_become_defaults(option: Maker) -> None:
    got: dict[str, Any] = {}

    def spy(params: Any, lr: float = 0.1, betas: tuple[float, float] = (0.9, 0.99), fn: Any = abs) -> Any:
        got.update(lr=lr, betas=betas, fn=fn)
        return torch.optim.SGD(params, lr=lr)

    made = option(Optimizer.of(spy, lr=0.5, fn=max), betas=[0.5, 0.6])
    made.build([nn.Parameter(torch.ones(1))])
    assert got == {"lr": 0.5, "betas": (0.5, 0.6), "fn": max}
    assert made.lr == 0.5


@pytest.mark.parametrize(
    ("cls", "params"),
    [
        (torch.optim.Adamax, {"lr": 0.05, "betas": [0.8, 0.95], "weight_decay": 0.01}),
        (torch.optim.ASGD, {"lr": 0.05, "t0": 3.0}),
        (torch.optim.Rprop, {"etas": [0.4, 1.3]}),
        (torch.optim.Adafactor, {"lr": 0.1}),
    ],
)
def test_an_optimizer_steps_exactly_as_the_class_itself(option: Maker, cls: type, params: dict[str, Any]) -> None:
    made = option(Optimizer.of(cls), **params)
    ours, theirs = (nn.Parameter(normal(4, 3)) for _ in range(2))
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in params.items()}
    optimizers = made.build(iter([ours])), cls([theirs], **given)
    for step in range(8):
        ours.grad = theirs.grad = normal(4, 3, seed=step)
        for optimizer in optimizers:
            optimizer.step()
        assert torch.equal(ours, theirs)


def test_a_norm_takes_the_class_for_its_spatial_dims(option: Maker) -> None:
    made = option(Norm.of((nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d)), eps=0.5)
    assert [type(made.build(4, spatial)) for spatial in (0, 1, 2)] == [nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d]
    assert made.build(4, 2).eps == 0.5
    assert made.build(4, 2).num_features == 4


def test_a_norm_that_lacks_a_class_for_the_layer_says_so(option: Maker) -> None:
    made = option(Norm.of((nn.InstanceNorm1d, nn.InstanceNorm2d)))
    assert type(made.build(4, 1)) is nn.InstanceNorm1d
    with pytest.raises(ConfigError, match="norm=mine: InstanceNorm2d needs one or two spatial dims"):
        made.build(4, 0)


@pytest.mark.parametrize("spatial", [0, 1, 2])
def test_a_layer_norm_finds_the_features_in_their_place(option: Maker, spatial: int) -> None:
    x = normal(2, 5, *(3, 4)[:spatial])
    y = option(Norm.of(nn.LayerNorm), eps=1e-3).build(5, spatial).double()(x)
    mean, var = x.mean(1, keepdim=True), x.var(1, correction=0, keepdim=True)
    torch.testing.assert_close(y, (x - mean) / (var + 1e-3).sqrt(), rtol=0, atol=1e-12)


def test_a_required_parameter_is_given_or_refused(option: Maker) -> None:
    assert option(Norm.of(nn.GroupNorm, num_groups=4)).build(8, 2).num_groups == 4
    with pytest.raises(PluginError, match=r"GroupNorm\) needs num_groups .*Norm.of\(GroupNorm, num_groups=…\)"):
        Norm.of(nn.GroupNorm)
    with pytest.raises(PluginError, match=r"Norm.of\(GroupNorm\) has no parameter groups. It has num_groups, num_ch"):
        Norm.of(nn.GroupNorm, groups=4)


def test_a_layer_that_refuses_the_features_is_named(option: Maker) -> None:
    made = option(Norm.of(nn.GroupNorm, num_groups=4), num_groups=3)
    with pytest.raises(ConfigError, match=r"norm=mine: GroupNorm\(num_groups=3\) refuses: num_channels .* must be div"):
        made.build(8, 0)


def test_pools_and_regularizers_keep_their_shape_of_call(option: Maker) -> None:
    pool = option(Pool.of((nn.MaxPool1d, nn.MaxPool2d), kernel_size=2), kernel_size=3)
    assert pool.build(4, 1)(normal(1, 4, 9)).shape == (1, 4, 3)
    assert pool.build(4, 2)(normal(1, 4, 9, 9)).shape == (1, 4, 3, 3)
    dropout = option(Regularizer.of(nn.AlphaDropout), p=0.25)
    assert dropout.layer(4, 0).p == 0.25


def test_a_schedule_spans_the_run(option: Maker) -> None:
    made = option(Schedule.of(torch.optim.lr_scheduler.PolynomialLR), power=2.0)
    assert fields(type(made)).keys() == {"power"}
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0)
    schedule = made.build(optimizer, 10)
    for step in range(10):
        assert schedule.get_last_lr()[0] == pytest.approx((1 - step / 10) ** 2, abs=1e-12)
        optimizer.step()
        schedule.step()


def test_a_loss_knows_its_tasks(option: Maker) -> None:
    made = option(Loss.of(nn.SmoothL1Loss, tasks=frozenset({Task.regression})), beta=0.5)
    assert made.tasks == {Task.regression}
    p, y = normal(3, 2), normal(3, 2, seed=1)
    assert torch.equal(made.build(Task.regression)(p, y), nn.functional.smooth_l1_loss(p, y, beta=0.5))


def test_an_initialiser_draws_from_the_generator_alone(option: Maker) -> None:
    made = option(Init.of(nn.init.trunc_normal_), std=0.5)
    weight, expected = torch.empty(6, 4), torch.empty(6, 4)
    made.fill(weight, 4, 6, generator())
    nn.init.trunc_normal_(expected, std=0.5, generator=generator())
    assert torch.equal(weight, expected)


def test_an_initialiser_without_a_generator_is_repeatable_too(option: Maker) -> None:
    def global_normal_(tensor: Tensor, std: float = 1.0) -> Tensor:
        """Draws from torch's own source."""
        return tensor.normal_(std=std)

    made = option(Init.of(global_normal_))
    before = torch.get_rng_state()
    weights = [torch.empty(6, 4) for _ in range(3)]
    for weight, seed in zip(weights, (0, 0, 1), strict=True):
        made.fill(weight, 4, 6, generator(seed))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


class Net(nn.Module):
    """A network of somebody's."""

    def __init__(self, in_features: int, num_classes: int = 1000, hidden: int = 8) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(in_features, hidden), nn.Linear(hidden, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out


def test_a_model_is_told_of_its_data(option: Maker) -> None:
    made = option(Model.of(Net, input_ranks=frozenset({3})), hidden=5)
    net = made.build(make_kit(), classes(2, 4, 4, outputs=3))
    assert net(torch.zeros(7, 2, 4, 4)).shape == (7, 3)
    assert net.layers[1].out_features == 5
    with pytest.raises(ValueError, match="cannot take"):
        made.check(classes(4))


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: Data.of(dict), "needs the task of the data"),
        (lambda: Technique.of(nn.Mish), "call it on a kind"),
        (lambda: Activation.of((nn.Mish, nn.ReLU)), "takes one class"),
        (lambda: Activation.of(3), "not 3"),  # type: ignore[arg-type]
    ],
)
def test_what_no_kind_can_call_is_refused(attempt: Callable[[], Any], message: str) -> None:
    with pytest.raises(PluginError, match=message):
        attempt()


def test_it_tells_what_it_is_and_where_it_is_from(option: Maker) -> None:
    mish = Activation.of(nn.Mish)
    assert mish.__doc__ == (
        "Applies the Mish function, element-wise.\n\n"
        f"From torch.nn.modules.activation.Mish (torch {torch.__version__})."
    )
    assert Activation.of(nn.Mish, doc="Smooth.").__doc__ == "Smooth."


def test_instances_can_be_pickled_and_copied(option: Maker) -> None:
    made = option(Optimizer.of(torch.optim.Adamax), betas=[0.5, 0.6])
    for again in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        assert again == made
        assert again is not made


def test_a_cell_that_is_run_again_replaces_its_option(option: Maker) -> None:
    assert option(Norm.of(nn.GroupNorm, num_groups=4)).num_groups == 4
    assert option(Norm.of(nn.GroupNorm, num_groups=2)).num_groups == 2
    with pytest.raises(PluginError, match="already registered"):
        option(Norm.of(nn.LayerNorm))


def test_a_wrapped_option_trains_like_the_built_in_of_its_class(option: Maker) -> None:
    option(Optimizer.of(torch.optim.SGD, lr=0.1))
    ours = ablate.run(ablate.compose(short("opt=mine")))
    theirs = ablate.run(ablate.compose(short("opt=sgd")))
    assert (ours.curves()["val/loss"] == theirs.curves()["val/loss"]).all()
    assert "torch" not in ablate.compose(["opt=mine"]).versions()


def test_a_value_without_end_and_a_rule_without_a_rate_can_be_recorded(option: Maker) -> None:
    class Odd(torch.optim.Optimizer):
        """Keeps odd things in its state."""

        def __init__(self, params: Any, limit: float = float("inf")) -> None:
            super().__init__(params, {})

        def step(self, closure: Any = None) -> Any:
            with torch.enable_grad():
                loss = closure()
            for weight in self.param_groups[0]["params"]:
                self.state[weight]["odd"] = Task.regression
            return loss

    option(Optimizer.of(Odd))
    record = ablate.run(ablate.compose(short("opt=mine")))
    assert record.status is Status.finished, record.facts.error
    assert record.facts.settings["opt.limit"] == "inf"
    assert "lr" not in record.curves()
