"""The options: what they refuse, and what every network has in common. The networks are tested in ``networks/``."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ablate.kit import initialize
from ablate.techniques import DataSpec, Init, Model, Regularizer, Task
from tests.helpers import classes, generator, make, make_kit, pixels, refusal

REGRESSION = DataSpec(Task.regression, (7,), 2)
NETWORKS: list[tuple[str, dict[str, Any], DataSpec]] = [
    ("mlp", {}, classes(5)),
    ("mlp", {"residual": "pre", "depth": 3}, classes(1, 8, 8)),
    ("mlp", {"residual": "post", "depth": 3}, classes(4, 5)),
    ("mlp", {"residual": "inside", "depth": 3}, classes(5)),
    ("linear", {}, classes(1, 8, 8)),
    ("linear", {}, REGRESSION),
    ("mlp_output", {}, REGRESSION),
    ("mlp_output", {"output": "sigmoid"}, classes(5)),
    ("wide_deep", {}, classes(5)),
    ("wide_deep", {"crosses": False}, REGRESSION),
    ("mlp", {}, classes(4, 5)),
    ("mlp", {"depth": 1}, REGRESSION),
    ("cnn", {}, classes(1, 8, 8)),
    ("cnn", {"head": "gap", "residual": "pre"}, classes(2, 9, 7)),
    ("cnn", {"head_widths": [8], "residual": "inside"}, classes(2, 9, 7)),
    ("resnet", {}, classes(1, 8, 8)),
    ("resnet", {"residual": "pre", "pooling": True, "stride": 1}, classes(2, 9, 8)),
    ("vgg", {}, classes(1, 8, 8)),
    ("inception", {}, classes(1, 8, 8)),
    ("lstm", {}, classes(6, 5)),
    ("lstm", {"cell": "gru", "layers": 2, "readout": "mean"}, classes(6, 5)),
    ("lstm", {"cell": "rnn"}, DataSpec(Task.regression, (6, 5), 2)),
    ("lstm", {"peepholes": True, "readout": "attention"}, classes(6, 5)),
    ("attention", {}, classes(6, 5)),
    ("attention", {"positions": "learned", "readout": "attention", "layers": 2}, classes(6, 5)),
    ("attention", {"positions": "none", "readout": "last"}, DataSpec(Task.regression, (6, 5), 2)),
    ("pointnet", {}, classes(6, 5)),
    ("pointnet", {"pooling": "mean", "head": []}, DataSpec(Task.regression, (6, 5), 2)),
    ("fcn", {}, pixels(1, 12, 12)),
    ("fcn", {"up": "bilinear", "skips": False}, pixels(2, 13, 11)),
    ("unet", {}, pixels(1, 24, 24)),
]


@pytest.mark.parametrize("norm", ["none", "bn", "ln"])
@pytest.mark.parametrize(("name", "params", "spec"), NETWORKS)
def test_a_network_predicts_for_its_data_and_every_parameter_learns(
    name: str, params: dict[str, Any], spec: DataSpec, norm: str
) -> None:
    torch.manual_seed(0)
    model = make(Model, name, **params)
    model.check(spec)
    # A smooth activation: a unit of relu that is off for the whole batch would have no gradient.
    kit = make_kit(act="tanh", norm=norm, pool="avg", reg={"dropout": make(Regularizer, "dropout", p=0.2)})
    net = model.build(kit, spec)
    initialize(net, make(Init, "he"), seed=0)
    assert net.training
    out = net(torch.randn(4, *spec.input_shape, generator=generator()))
    per_pixel = spec.input_shape[1:] if spec.task is Task.segmentation else ()
    assert out.shape == (4, spec.outputs, *per_pixel)
    out.square().sum().backward()
    for parameter_name, parameter in net.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        # A bias before batch normalisation is taken out again, so that its gradient is zero but for rounding.
        if norm != "bn" or not parameter_name.endswith("bias"):
            assert parameter.grad.abs().max() > 0, parameter_name


@pytest.mark.parametrize(("name", "params", "spec"), NETWORKS)
def test_examples_do_not_mix_in_evaluation(name: str, params: dict[str, Any], spec: DataSpec) -> None:
    kit = make_kit(norm="bn", pool="max", reg={"dropout": make(Regularizer, "dropout")})
    net = make(Model, name, **params).build(kit, spec).eval()
    x = torch.randn(4, *spec.input_shape, generator=generator())
    with torch.no_grad():
        torch.testing.assert_close(net(x)[1:2], net(x[1:2]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "params", "spec"), NETWORKS)
def test_building_leaves_running_statistics_alone(name: str, params: dict[str, Any], spec: DataSpec) -> None:
    # The size of maps is found by a trial image; batch normalisation must not learn from it.
    net = make(Model, name, **params).build(make_kit(norm="bn", pool="max"), spec)
    assert all(m.training for m in net.modules())
    counts = [value for key, value in net.state_dict().items() if key.endswith("num_batches_tracked")]
    assert counts or name in ("linear", "lstm")
    assert not any(counts)


@pytest.mark.parametrize(
    ("name", "spec", "advice"),
    [
        ("mlp", pixels(1, 8, 8), "fcn"),
        ("linear", pixels(1, 8, 8), "fcn"),
        ("wide_deep", classes(1, 8, 8), "breast_cancer"),
        ("wide_deep", classes(6, 5), "mlp"),
        *[(name, classes(5), "digits") for name in ("resnet", "vgg", "inception")],
        ("unet", classes(1, 8, 8), "digits_canvas"),
        ("cnn", classes(5), "digits"),
        ("cnn", classes(8, 8), "digits"),
        ("cnn", pixels(1, 8, 8), "fcn"),
        ("lstm", classes(5), "digits_rows"),
        ("lstm", classes(1, 8, 8), "digits_rows"),
        ("attention", classes(5), "digits_rows"),
        ("attention", pixels(8, 8), "digits_rows"),
        ("pointnet", classes(5), "point_sets"),
        ("pointnet", classes(1, 8, 8), "point_sets"),
        ("fcn", classes(1, 8, 8), "digits_canvas"),
        ("fcn", pixels(5), "digits_canvas"),
    ],
)
def test_data_that_does_not_fit_is_refused_with_the_way_out(name: str, spec: DataSpec, advice: str) -> None:
    with pytest.raises(ValueError, match="cannot take") as caught:
        make(Model, name).check(spec)
    assert spec.layout in str(caught.value)
    assert spec.task.value in str(caught.value)
    assert advice in str(caught.value)


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        *[("mlp", p) for p in ("depth", "width")],
        ("wide_deep", "width"),
        *[("cnn", p) for p in ("convs", "kernel_size", "stride", "dilation", "block")],
        ("inception", "blocks"),
        *[("lstm", p) for p in ("hidden", "layers")],
        *[("attention", p) for p in ("hidden", "heads", "feedforward", "layers")],
        *[("fcn", p) for p in ("kernel_size", "dilation", "decoder_convs")],
    ],
)
@pytest.mark.parametrize("value", [0, -1])
def test_sizes_below_one_are_refused(name: str, parameter: str, value: int) -> None:
    assert f"{parameter} must be at least 1" in refusal(Model, name, **{parameter: value})


@pytest.mark.parametrize("name", ["cnn", "resnet", "inception", "fcn", "pointnet"])
@pytest.mark.parametrize("channels", [[], [0], [8, -1]])
def test_channels_without_a_positive_number_are_refused(name: str, channels: list[int]) -> None:
    assert f"channels must list at least one positive number, not {channels}" in refusal(Model, name, channels=channels)


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"padding": -1}, "padding must be at least 0"),
        ({"kernel_size": 4}, "kernel_size"),
        ({"residual": "post", "padding": 0}, "padding=0"),
        ({"residual": "post", "padding": 1, "dilation": 2}, "padding=1"),
    ],
)
def test_convolutions_that_cannot_keep_the_size_are_refused(params: dict[str, Any], reason: str) -> None:
    assert reason in refusal(Model, "cnn", **params)


@pytest.mark.parametrize(
    ("name", "parameter", "choices"),
    [
        ("mlp", "residual", "none, pre, post, inside"),
        ("cnn", "residual", "none, pre, post, inside"),
        ("cnn", "head", "fc, gap"),
        ("lstm", "cell", "lstm, gru, rnn"),
        ("lstm", "readout", "last, mean, attention"),
        ("attention", "positions", "sinusoidal, learned, none"),
        ("attention", "readout", "last, mean, attention"),
        ("pointnet", "pooling", "max, mean, sum"),
        ("fcn", "up", "transposed, bilinear"),
    ],
)
def test_an_unknown_choice_is_refused_with_the_choices(name: str, parameter: str, choices: str) -> None:
    assert choices in refusal(Model, name, **{parameter: "other"})


def test_an_even_kernel_that_keeps_the_size_needs_an_even_dilation() -> None:
    assert "kernel_size" in refusal(Model, "fcn", kernel_size=4)
    assert "kernel_size" in refusal(Model, "cnn", kernel_size=2)
    make(Model, "cnn", kernel_size=2, dilation=2)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("inf")])
def test_a_branch_has_a_positive_scale(name: str, value: float) -> None:
    assert "residual_scale must be positive" in refusal(Model, name, residual_scale=value)


def test_hidden_layers_of_a_head_have_units() -> None:
    assert "head_widths must be at least 1" in refusal(Model, "cnn", head_widths=[8, 0])


def test_convolutions_that_blocks_cannot_share_are_refused() -> None:
    assert "convs=3 leaves 3 a stage for blocks of block=2: take a multiple" in refusal(Model, "resnet", convs=3)
    wanting = refusal(Model, "cnn", convs=2, block=2, residual="pre")
    assert "convs=2 leaves 1 a stage for blocks of block=2: take a multiple and one more" in wanting
    make(Model, "cnn", convs=3, block=2, residual="pre")
    make(Model, "resnet", convs=3, residual="none")
