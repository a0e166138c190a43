from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Tensor, nn

import ablate
from ablate.kit import weight_layers
from ablate.techniques import Norm
from tests.helpers import generator, make, make_kit, normal, refusal

SHAPES = {0: (6, 5), 1: (6, 5, 4), 2: (6, 5, 3, 4)}  # by the number of spatial dims; 5 features


def built(name: str, spatial: int, **params: float) -> nn.Module:
    return make(Norm, name, **params).build(5, spatial).double()


def per_feature(values: Tensor, spatial: int) -> Tensor:
    return values.view(1, 5, *[1] * spatial)


def standardised(x: Tensor, dims: list[int], eps: float) -> Tensor:
    mean = x.mean(dims, keepdim=True)
    variance = (x - mean).square().mean(dims, keepdim=True)
    return (x - mean) / (variance + eps).sqrt()


def build(*settings: str) -> nn.Module:
    return ablate.build(ablate.compose(settings)).model


def batch_dims(x: Tensor) -> list[int]:
    return [d for d in range(x.ndim) if d != 1]


def randomise(layer: nn.Module, spatial: int) -> tuple[Tensor, Tensor]:
    """Give scale and shift values of their own and return them, ready to broadcast."""
    scale, shift = normal(5, seed=7), normal(5, seed=8)
    values = {"weight": scale, "bias": shift}
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            parameter.copy_(values.pop(name))
    assert not values
    return per_feature(scale, spatial), per_feature(shift, spatial)


@pytest.mark.parametrize("spatial", SHAPES)
def test_none_changes_nothing(spatial: int) -> None:
    x = normal(*SHAPES[spatial])
    layer = built("none", spatial)
    assert torch.equal(layer(x), x)
    assert not list(layer.parameters())


@pytest.mark.parametrize("eps", [1e-5, 0.5])
@pytest.mark.parametrize("spatial", SHAPES)
def test_batch_norm_standardises_each_feature_over_the_batch(spatial: int, eps: float) -> None:
    x = 3 + 2 * normal(*SHAPES[spatial])
    layer = built("bn", spatial, eps=eps)
    expected = standardised(x, batch_dims(x), eps)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    scale, shift = randomise(layer, spatial)
    torch.testing.assert_close(layer(x), scale * expected + shift, rtol=0, atol=1e-12)


@pytest.mark.parametrize("momentum", [0.1, 0.3, 1.0])
@pytest.mark.parametrize("spatial", SHAPES)
def test_batch_norm_evaluates_with_running_statistics(spatial: int, momentum: float) -> None:
    layer = built("bn", spatial, momentum=momentum)
    mean, variance = torch.zeros(5, dtype=torch.float64), torch.ones(5, dtype=torch.float64)
    for seed in range(3):
        x = seed + (1 + seed) * normal(*SHAPES[spatial], seed=seed)
        layer(x)
        dims = batch_dims(x)
        mean = (1 - momentum) * mean + momentum * x.mean(dims)
        # Training divides by n, the running statistic takes the unbiased estimate with n - 1.
        variance = (1 - momentum) * variance + momentum * x.var(dims, correction=1)
    x = normal(*SHAPES[spatial], seed=9)
    scale, shift = randomise(layer, spatial)
    expected = (x - per_feature(mean, spatial)) / (per_feature(variance, spatial) + 1e-5).sqrt() * scale + shift
    layer.eval()
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)  # evaluation moves no statistic


@pytest.mark.parametrize("eps", [1e-5, 0.5])
@pytest.mark.parametrize("spatial", SHAPES)
def test_layer_norm_standardises_each_example(spatial: int, eps: float) -> None:
    x = 3 + 2 * normal(*SHAPES[spatial])
    layer = built("ln", spatial, eps=eps)
    expected = standardised(x, list(range(1, x.ndim)), eps)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    scale, shift = randomise(layer, spatial)
    torch.testing.assert_close(layer(x), scale * expected + shift, rtol=0, atol=1e-12)
    torch.testing.assert_close(layer.eval()(x), scale * expected + shift, rtol=0, atol=1e-12)


def test_layer_norm_of_a_table_is_torchs() -> None:
    x, reference = normal(6, 5), nn.LayerNorm(5).double()
    torch.testing.assert_close(built("ln", 0)(x), reference(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("eps", [1e-6, 0.5])
@pytest.mark.parametrize("spatial", SHAPES)
def test_rms_norm_divides_by_the_root_mean_square_of_each_example(spatial: int, eps: float) -> None:
    x = 3 + 2 * normal(*SHAPES[spatial])
    layer = built("rms", spatial, eps=eps)
    expected = x / (x.square().mean(list(range(1, x.ndim)), keepdim=True) + eps).sqrt()
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    (scale,) = layer.parameters()
    with torch.no_grad():
        scale.copy_(normal(5, seed=7))
    for mode in (True, False):
        out = layer.train(mode)(x)
        torch.testing.assert_close(out, per_feature(scale, spatial) * expected, rtol=0, atol=1e-12)


def test_rms_norm_of_a_table_is_torchs() -> None:
    x, reference = normal(6, 5), nn.RMSNorm(5, eps=1e-6).double()
    torch.testing.assert_close(built("rms", 0)(x), reference(x), rtol=0, atol=1e-12)


def test_rms_norm_of_what_is_centred_is_layer_norm() -> None:
    x = standardised(normal(6, 5, 3, 4), [1, 2, 3], 0.0)
    torch.testing.assert_close(built("rms", 2, eps=1e-5)(x), built("ln", 2, eps=1e-5)(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "same"), [("bn", False), ("ln", True), ("rms", True)])
def test_only_batch_norm_mixes_examples(name: str, same: bool) -> None:
    x, layer = normal(6, 5), built(name, 0)
    alone = layer(x[:3])
    assert torch.allclose(layer(x)[:3], alone, rtol=0, atol=1e-12) is same


@pytest.mark.parametrize("name", ["bn", "ln"])
def test_constant_input_gives_zeros(name: str) -> None:
    x = torch.full((6, 5), 4.0, dtype=torch.float64)
    assert torch.equal(built(name, 0)(x), torch.zeros_like(x))


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        *[(name, "eps", value) for name in ("bn", "ln", "rms") for value in (0.0, -1e-5, math.nan)],
        *[("bn", "momentum", value) for value in (0.0, -0.1, 1.1, math.nan)],
    ],
)
def test_values_out_of_range_are_refused(name: str, parameter: str, value: float) -> None:
    assert f"{parameter} must be" in refusal(Norm, name, **{parameter: value})


@pytest.mark.parametrize("spatial", [0, 1, 2])
def test_group_norm_is_over_each_group_of_features(spatial: int) -> None:
    shape = (3, 6, *SHAPES[spatial][2:])
    x = normal(*shape)
    layer = make(Norm, "group", groups=2).build(6, spatial).double()
    groups = x.view(3, 2, -1)
    expected = standardised(groups, [2], 1e-5).view(shape)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)


def test_group_norm_needs_a_multiple_of_its_groups() -> None:
    with pytest.raises(ValueError, match=r"5 features cannot be divided into norm.groups=4"):
        make(Norm, "group").build(5, 0)


@pytest.mark.parametrize("spatial", [1, 2])
def test_instance_norm_is_over_the_pixels_of_each_channel(spatial: int) -> None:
    x = normal(*SHAPES[spatial])
    dims = list(range(2, x.ndim))
    torch.testing.assert_close(built("instance", spatial)(x), standardised(x, dims, 1e-5), rtol=0, atol=1e-12)
    assert not list(built("instance", spatial).parameters())
    assert len(list(built("instance", spatial, affine=True).parameters())) == 2


def test_instance_norm_needs_pixels() -> None:
    with pytest.raises(ValueError, match="over pixels"):
        make(Norm, "instance").build(5, 0)


def test_batch_norm_without_running_statistics_uses_the_batch_in_evaluation() -> None:
    x = normal(*SHAPES[0])
    layer = built("bn", 0, track_running_stats=False).eval()
    torch.testing.assert_close(layer(x), standardised(x, [0], 1e-5), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "learned"), [("bn", 2), ("ln", 2), ("group", 2), ("rms", 1)])
def test_without_affine_nothing_is_learned(name: str, learned: int) -> None:
    params = {"groups": 5} if name == "group" else {}
    assert len(list(built(name, 2, **params).parameters())) == learned
    assert not list(built(name, 2, affine=False, **params).parameters())


def test_position_puts_the_normalisation_after_the_activation() -> None:
    x = normal(4, 5)
    kit = make_kit(norm="ln")
    plain = kit.hidden(5).double()
    moved = dataclasses.replace(kit, norm=make(Norm, "ln", position="post")).hidden(5).double()
    torch.testing.assert_close(plain(x), standardised(x, [1], 1e-5).relu(), rtol=0, atol=1e-12)
    torch.testing.assert_close(moved(x), standardised(x.relu(), [1], 1e-5), rtol=0, atol=1e-12)


def test_weight_norm_starts_at_the_initialisers_weights_and_learns_length_and_direction() -> None:
    plain, normed = (build("model.width=4", f"norm={name}") for name in ("none", "weight"))
    x = torch.randn(3, 1, 8, 8, generator=generator())
    torch.testing.assert_close(normed(x), plain(x))
    for layer in weight_layers(normed):
        length, direction = (p.detach() for p in layer.get_submodule("parametrizations.weight").parameters())
        torch.testing.assert_close(layer.weight.detach(), length * direction / direction.norm(dim=1, keepdim=True))


def test_spectral_norm_has_a_largest_singular_value_of_one() -> None:
    model = build("norm=spectral", "norm.iterations=200", "model.width=4").train()
    for layer in weight_layers(model):
        assert torch.linalg.svdvals(layer.weight.detach())[0].item() == pytest.approx(1, rel=1e-3)
