"""What is measured of layers, that measuring changes nothing, and what is said of it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

import ablate
from ablate.analysis.layers import symptoms
from ablate.config import Config
from ablate.diagnostics.layers import has_weights, parameters_of
from ablate.diagnostics.measures import Moments, constant, norm, rows, slope, update_ratio
from ablate.diagnostics.observation import Observation
from ablate.layer_table import MEASURES, read_layers, write_layers
from ablate.record import Record
from ablate.results import layers
from ablate.stop import Stop
from ablate.training import diagnostics
from ablate.training.diagnostics import chosen
from tests.helpers import normal, short

Maker = Callable[[Sequence[str]], Record]


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of few steps are looked at as often as long ones."""
    monkeypatch.setattr(diagnostics, "SPACING", 1)


def run(*settings: str) -> Record:
    return ablate.run(ablate.compose(short(*settings)))


def weights(record: Record) -> dict[str, Tensor]:
    loaded: dict[str, Tensor] = torch.load(record.folder / "last.ckpt", weights_only=True)["state_dict"]
    return loaded


# --- the measures


@pytest.mark.parametrize(
    ("activation", "derivative"),
    [
        (nn.ReLU(), lambda x: (x > 0).double()),
        (nn.ReLU(inplace=True), lambda x: (x > 0).double()),
        (nn.Sigmoid(), lambda x: x.sigmoid() * (1 - x.sigmoid())),
        (nn.Tanh(), lambda x: 1 - x.tanh().square()),
        (nn.Dropout(0.5), torch.ones_like),
    ],
    ids=("relu", "relu in place", "sigmoid", "tanh", "dropout"),
)
def test_the_slope_is_the_derivative(activation: nn.Module, derivative: Callable[[Tensor], Tensor]) -> None:
    x = normal(5, 7)
    before, state = x.clone(), torch.get_rng_state()
    tried = slope(activation, x)
    assert tried is not None
    torch.testing.assert_close(tried[1], derivative(x), rtol=0, atol=1e-12)
    assert torch.equal(x, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert activation.training


@pytest.mark.parametrize(
    "module", [nn.Softmax(1), nn.LayerNorm(7, elementwise_affine=False), nn.MaxPool1d(2), nn.Flatten(0)], ids=str
)
def test_what_is_not_elementwise_has_no_slope(module: nn.Module) -> None:
    assert slope(module, normal(5, 7)) is None


def test_moments_of_parts_are_those_of_the_whole() -> None:
    parts = [1e3 + normal(4, 3, seed=1), normal(1, 3, seed=2), 5 * normal(20, 3, seed=3)]
    moments = Moments()
    for part in parts:
        moments.add(part)
    whole = torch.cat(parts)
    torch.testing.assert_close(moments.mean.double(), whole.mean(), rtol=1e-12, atol=0)
    torch.testing.assert_close(moments.deviation.double(), whole.std(correction=0), rtol=1e-12, atol=0)


def test_norms_ratios_and_rows() -> None:
    a, b = [normal(3, 2), normal(3)], [normal(3, 2, seed=4), normal(3, seed=5)]
    flat_a, flat_b = (torch.cat([t.flatten() for t in ts]) for ts in (a, b))
    torch.testing.assert_close(norm(a).double(), flat_a.norm(), rtol=1e-6, atol=0)
    expected = (flat_b - flat_a).norm() / flat_a.norm()
    torch.testing.assert_close(update_ratio(a, b).double(), expected, rtol=1e-6, atol=0)
    assert math.isnan(update_ratio([torch.zeros(2)], [torch.ones(2)]))
    images = normal(2, 3, 4, 5)
    torch.testing.assert_close(rows(images, 1)[:, 2].double().sum(), images[:, 2].sum(), rtol=1e-5, atol=1e-5)
    assert constant(torch.tensor([0.0, 1.0, 1.0]), torch.tensor([0.0, 1.0 + 1e-7, 1.1])).tolist() == [True, True, False]


def test_layers_are_the_modules_that_hold_parameters() -> None:
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(2, 3)), nn.BatchNorm1d(3), nn.LSTM(3, 4))
    assert {name: len(own) for name, own in parameters_of(model).items()} == {"0": 3, "1": 2, "2": 4}
    assert [has_weights(module) for module in model] == [True, False, True]


# --- the observation of a network


def test_dead_and_saturated_units_of_a_plain_network_are_counted() -> None:
    first, second = nn.Linear(2, 4), nn.Linear(4, 5)
    model = nn.Sequential(first, nn.ReLU(), second, nn.Sigmoid(), nn.Dropout(), nn.Linear(5, 1))
    with torch.no_grad():
        first.bias[:3] = -100.0
        second.bias[:2] = 50.0
    with Observation(model) as seen:
        model(normal(64, 2).float())
    values = seen.values()
    assert list(values) == ["0", "2", "5"]
    assert float(values["0"]["dead"]) == pytest.approx(3 / 4)
    assert float(values["2"]["saturated"]) == pytest.approx(2 / 5)
    assert "saturated" not in values["5"]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_mean_and_deviation_are_those_of_the_activation() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Tanh(), nn.Flatten(), nn.Linear(3 * 4 * 4, 2))
    x = normal(9, 2, 6, 6).float()
    state = copy.deepcopy(model.state_dict())
    expected = copy.deepcopy(model)[:3](x).detach()
    with Observation(model) as seen:
        out = model(x).detach()
    values = seen.values()
    assert float(values["0"]["activation_mean"]) == pytest.approx(float(expected.mean()), abs=1e-6)
    assert float(values["0"]["activation_std"]) == pytest.approx(float(expected.std(correction=0)), rel=1e-5)
    assert float(values["4"]["activation_mean"]) == pytest.approx(float(out.mean()), abs=1e-6)
    assert model.state_dict()["1.num_batches_tracked"] == state["1.num_batches_tracked"] + 1


def test_a_network_that_is_called_step_by_step_is_seen_as_a_whole() -> None:
    layer = nn.Linear(3, 4)
    parts = [normal(5, 3, seed=s).float() for s in range(3)]
    with Observation(nn.ModuleList([layer])) as seen:
        outputs = torch.cat([layer(part) for part in parts]).detach()
    assert float(seen.values()["0"]["activation_std"]) == pytest.approx(float(outputs.std(correction=0)), rel=1e-5)
    assert float(seen.values()["0"]["dead"]) == 0


# --- in a run


@pytest.mark.parametrize(
    "settings",
    [
        ("norm=bn", "reg=[dropout,ema,input_noise]"),
        ("norm=spectral", "opt=muon"),
        ("opt=lbfgs", "data.batch_size=all"),
        ("trainer.accumulate_grad_batches=2", "data.batch_size=16", "act=prelu"),
        ("model=gan", "data=gaussians", "model.latent=2"),
        ("model=lstm", "data=digits_rows", "model.hidden=4"),
        ("model=cnn", "act=mish", "norm=bn", "model.channels=[4]"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("every_step")
def test_a_run_is_the_same_to_the_bit_with_and_without(settings: tuple[str, ...]) -> None:
    given = [*settings, "trainer.max_epochs=2", "data.train_size=64"]
    if not any(s.startswith("model=") for s in settings):
        given.append("model.width=8")
    looked, left = (
        ablate.run(ablate.compose([*given, f"trainer.diagnostics={on}", f"output_dir=outputs/{on}"]))
        for on in ("true", "false")
    )
    assert looked.facts.arm_hash == left.facts.arm_hash
    a, b = weights(looked), weights(left)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert looked.facts.test == left.facts.test
    assert len(layers(looked))
    assert layers(left).empty
    assert not (left.folder / "layers.csv").exists()


@pytest.mark.usefixtures("every_step")
def test_the_table_has_the_layers_at_five_points_of_the_curves() -> None:
    record = run("trainer.max_epochs=10", "trainer.validations=10", "norm=bn")
    frame = layers(record)
    assert list(frame.columns) == ["step", "layer", *MEASURES]
    assert sorted(frame["step"].unique()) == [2, 6, 10, 16, 20]
    assert set(frame["step"]) <= set(record.curves()["step"])
    at_last = frame[frame["step"] == 20].set_index("layer")
    assert list(at_last.index)[:3] == ["body.1", "body.3.0", "head"]
    assert at_last.loc[["body.1", "head"], "dead"].notna().all()
    last = at_last["gradient_norm"].to_numpy()
    assert np.sqrt((last**2).sum()) == pytest.approx(record.curves()["grad_norm"][-1], rel=1e-4)


@pytest.mark.usefixtures("every_step")
def test_tensorboard_has_every_measure() -> None:
    record = run()
    events = EventAccumulator(str(record.folder))
    events.Reload()
    tags = [tag for tag in events.Tags()["scalars"] if tag.startswith("layers/")]
    assert "layers/body.1/update_ratio" in tags
    frame = layers(record)
    assert len(tags) == int(frame[frame["step"] == frame["step"].max()][list(MEASURES)].notna().to_numpy().sum())
    (value, *_) = events.Scalars("layers/head/weight_norm")
    assert value.value == pytest.approx(frame[frame["layer"] == "head"]["weight_norm"].iloc[0], rel=1e-6)
    assert not any(name.startswith("layers/") for name in record.curves())


@pytest.mark.usefixtures("every_step")
def test_a_resumed_run_has_the_table_of_an_undisturbed_one() -> None:
    class After(Stop):
        looks = 7

        @property
        def requested(self) -> bool:
            self.looks -= 1
            return self.looks < 0

    settings = short("norm=bn", "reg=dropout", "data.batch_size=16", "trainer.max_epochs=2", "trainer.validations=8")

    def config(name: str) -> Config:
        return ablate.compose([*settings, f"name={name}"])

    whole = ablate.run(config("whole"))
    with pytest.raises(KeyboardInterrupt):
        ablate.run(config("halted"), stop=After())
    resumed = ablate.run(config("halted"))
    assert len(resumed.facts.attempts) == 2
    pd.testing.assert_frame_equal(layers(whole), layers(resumed))
    a, b = weights(whole), weights(resumed)
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_new_attempt_clears_the_table_of_the_old() -> None:
    config = ablate.compose(short())
    record = ablate.run(config)
    (record.folder / "layers.csv").write_text("step,layer\n1,old\n")
    assert layers(record)["weight_norm"].isna().all()
    again = ablate.run(config, again=True)
    assert "old" not in set(layers(again)["layer"])


@pytest.mark.parametrize(
    ("total", "interval", "steps"),
    [(340, 17, {17, 102, 187, 255, 340}), (12, 3, {12}), (100, 30, {30, 100}), (200, 200, {200}), (7, 100, {7})],
)
def test_points_are_spread_evenly_first_and_last_included(total: int, interval: int, steps: set[int]) -> None:
    assert chosen(total, interval) == steps


def test_a_table_is_read_as_it_was_written(tmp_path: Any) -> None:
    path = tmp_path / "layers.csv"
    written: list[dict[str, str | float]] = [
        {"step": 1.0, "layer": "a,b", "weight_norm": 0.5},
        {"step": 2.0, "layer": "a", "dead": math.inf},
    ]
    write_layers(path, written)
    assert read_layers(path) == written
    path.write_bytes(b"step,layer\xff\n")
    assert read_layers(path) == []
    assert read_layers(tmp_path / "none.csv") == []


# --- what is said of it


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("init=zeros",), "layer body.1: 100% dead units from step"),
        (("init=zeros",), "no gradient reaches the first layer, body.1"),
        (("opt.lr=1e-6",), "of the weights: learning rate too small"),
        (("opt=sgd", "opt.lr=1000"), "dead units"),
        (("act=sigmoid", "model.depth=12"), "-fold from the last layer to the first"),
        (("data.scale=none", "data=wine", "act=tanh", "data.train_size=100"), "dead units from step"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("every_step")
def test_what_is_wrong_is_said(settings: tuple[str, ...], said: str) -> None:
    found = symptoms(layers(run(*settings, "trainer.max_epochs=4")))
    assert any(said in sentence for sentence in found), found


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("model=cnn", "norm=bn"),
        ("data=diabetes",),
        ("model=lstm", "data=digits_rows"),
        ("act=sigmoid",),
        ("model=attention", "data=digits_rows"),
    ],
    ids=" ".join,
)
def test_nothing_is_said_of_a_healthy_run(settings: tuple[str, ...]) -> None:
    record = ablate.run(ablate.compose([*settings, "trainer.max_epochs=5"]))
    assert symptoms(layers(record)) == []


def table(*values: tuple[int, str, float, float, float]) -> pd.DataFrame:
    """Return measures of two or more layers: step, layer, gradient, update ratio, deviation."""
    columns = ["step", "layer", "gradient_norm", "update_ratio", "activation_std"]
    frame = pd.DataFrame(values, columns=columns)
    return frame.assign(weight_norm=1.0, dead=0.0, saturated=0.0, activation_mean=0.0)


def test_figures_in_sentences_are_those_of_the_table() -> None:
    def layered(**last: float) -> list[str]:
        row = {"gradient": 1.0, "ratio": 1e-3, "std": 1.0} | last
        frame = table(
            (1, "a", row["gradient"], 1e-3, 1.0), (1, "b", 1.0, row["ratio"], row["std"]), (1, "c", 1.0, 1e-3, 99.0)
        )
        return symptoms(frame)

    assert layered() == []
    assert layered(gradient=1e-5) == ["gradients shrink 1e5-fold from the last layer to the first"]
    assert layered(gradient=1e4) == ["gradients grow 1e4-fold from the last layer to the first"]
    assert layered(ratio=2.0) == ["updates exceed the weights (layer b): learning rate too large"]
    assert layered(ratio=0.3) == ["updates are 30% of the weights (layer b): learning rate too large"]
    assert layered(std=40.0) == ["activations grow 40-fold from layer to layer"]
    slow = table((1, "a", 1.0, 1e-7, 1.0), (1, "b", 1.0, 1e-7, 1.0))
    assert symptoms(slow) == ["updates are at most 1e-07 of the weights: learning rate too small"]
    frozen = table((1, "a", 1.0, 0.0, 1.0), (1, "b", 1.0, 1e-3, 1.0), (2, "a", 1.0, 0.0, 1.0), (2, "b", 1.0, 1e-3, 1.0))
    assert symptoms(frozen) == ["layer a never changed"]
    assert symptoms(frozen.iloc[:0]) == []


def test_dead_units_are_dated() -> None:
    frame = table(*[(step, layer, 1.0, 1e-3, 1.0) for step in (20, 40, 60) for layer in ("a", "b")])
    frame.loc[frame["layer"] == "b", "dead"] = [0.1, 0.6, 0.71]
    assert symptoms(frame) == ["layer b: 71% dead units from step 40"]
    frame.loc[frame["layer"] == "b", "dead"] = [0.7, 0.6, 0.2]
    assert symptoms(frame) == []
