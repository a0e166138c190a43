"""Receptive fields against the textbook's arithmetic and against the support of the gradient."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch import Tensor, nn

import ablate
from ablate.accounting.field import Field
from ablate.accounting.layers import account
from ablate.dataset import prepare

Step = tuple[int, int, int]
"""Kernel, stride and dilation of a convolution or pooling."""


def arithmetic(*steps: Step) -> tuple[int, int]:
    """Return size and stride: r ← r + (kernel - 1) · dilation · stride so far; stride so far ← · stride."""
    size, jump = 1, 1
    for kernel, stride, dilation in steps:
        size += (kernel - 1) * dilation * jump
        jump *= stride
    return size, jump


def square(size: int, jump: int | Fraction = 1) -> Field:
    return Field((size, size), (Fraction(jump), Fraction(jump)))


def seen(*layers: nn.Module, shape: tuple[int, ...] = (1, 16, 16)) -> list[Field | None]:
    return [layer.field for layer in account(nn.Sequential(*layers), torch.ones(shape)).layers]


def conv(kernel: int = 3, stride: int = 1, padding: int = 0, dilation: int = 1, before: int = 1) -> nn.Conv2d:
    return nn.Conv2d(before, 1, kernel, stride, padding, dilation)


def test_three_convolutions_of_3_see_7() -> None:
    assert seen(conv(padding=1), conv(padding=1), conv(padding=1)) == [square(3), square(5), square(7)]


def test_dilations_1_2_4_1_see_17() -> None:
    layers = [conv(padding=d, dilation=d) for d in (1, 2, 4, 1)]
    assert seen(*layers) == [square(3), square(7), square(15), square(17)]


def test_pooling_doubles_the_stride() -> None:
    assert seen(conv(), nn.MaxPool2d(2), conv(), nn.AvgPool2d(2)) == [
        square(3),
        square(4, 2),
        square(8, 2),
        square(10, 4),
    ]


def test_two_strided_convolutions_see_7_of_an_image_of_5() -> None:
    assert seen(conv(stride=2, padding=1), conv(stride=2, padding=1), shape=(1, 5, 5)) == [square(3, 2), square(7, 4)]


@pytest.mark.parametrize(
    "steps",
    [
        [(3, 1, 1), (2, 2, 1), (5, 1, 1)],
        [(7, 2, 1), (3, 2, 1), (3, 1, 2)],
        [(3, 3, 1), (2, 1, 1), (3, 2, 2)],
        [(1, 1, 1), (4, 2, 1)],
        [(3, 1, 3), (3, 1, 3), (3, 1, 3)],
        [(3, 1, 30)],
    ],
)
@pytest.mark.parametrize("padded", [True, False])
def test_chains_see_what_the_arithmetic_says(steps: list[Step], padded: bool) -> None:
    layers = [conv(k, s, k // 2 * d if padded else 0, d) for k, s, d in steps]
    expected = [square(*arithmetic(*steps[: n + 1])) for n in range(len(steps))]
    size = 16 if padded else 64
    assert seen(*layers, shape=(1, size, size)) == expected


def test_height_and_width_differ_where_the_kernel_does() -> None:
    assert seen(nn.Conv2d(1, 1, (3, 5), (1, 2))) == [Field((3, 5), (Fraction(1), Fraction(2)))]


def test_a_way_back_up_divides_the_stride() -> None:
    down_up = [conv(), nn.MaxPool2d(2), nn.ConvTranspose2d(1, 1, 2, stride=2), conv()]
    assert seen(*down_up) == [square(3), square(4, 2), square(4), square(6)]
    assert seen(nn.Upsample(scale_factor=2, mode="nearest"))[0] == square(1, Fraction(1, 2))
    # between two pixels a quarter and three quarters: both count
    assert seen(nn.Upsample(scale_factor=2, mode="bilinear"))[0] == square(2, Fraction(1, 2))


class Branches(nn.Module):
    """Convolutions of 1, 3 and 7 side by side, and the input itself: (B, 1, H, W) → (B, 4, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.paths = nn.ModuleList(conv(k, padding=k // 2) for k in (1, 3, 7))
        self.mix = conv(1, before=4)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.mix(torch.cat((x, *(path(x) for path in self.paths)), 1))
        return out


def test_branches_see_what_the_widest_sees() -> None:
    rows = {layer.name: layer.field for layer in account(Branches(), torch.ones(1, 8, 8)).layers}
    assert [rows[f"paths.{n}"] for n in range(3)] == [square(1), square(3), square(7)]
    assert rows["mix"] == square(7)


@pytest.mark.parametrize(
    "norm",
    [
        nn.BatchNorm2d(1),
        nn.BatchNorm2d(1, track_running_stats=False),
        nn.GroupNorm(1, 1),
        nn.InstanceNorm2d(1, affine=True),
        nn.InstanceNorm2d(1),
    ],
)
def test_statistics_of_normalisations_are_left_out(norm: nn.Module) -> None:
    assert seen(conv(), norm, nn.ReLU(), conv()) == [square(3), square(3), square(3), square(5)]


def test_pooling_that_keeps_the_size_is_no_normalisation() -> None:
    assert seen(conv(), nn.MaxPool2d(3, 1, 1), conv()) == [square(3), square(5), square(7)]


def test_what_sees_every_image_whole_says_so() -> None:
    fields = seen(conv(padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
    assert fields[0] == square(3)
    assert [field is not None and field.whole for field in fields] == [False, True, True, True]


def test_layers_before_a_head_for_one_size_are_measured_on_larger_images() -> None:
    fields = seen(conv(), conv(), conv(), nn.Flatten(), nn.Linear(4, 2), shape=(1, 8, 8))
    assert fields[2] == square(7)
    assert [field is not None and field.whole for field in fields] == [False, False, False, True, True]


@pytest.mark.parametrize(
    ("act", "init"),
    [("relu", "zeros"), ("step", "he"), ("sigmoid", "he"), ("hardswish", "he"), ("prelu", "he"), ("softplus", "he")],
)
def test_neither_activations_nor_initial_weights_hide_a_pixel(act: str, init: str) -> None:
    found = account(
        ablate.build(ablate.compose(["model=cnn", f"act={act}", f"init={init}"])).model, torch.ones(1, 8, 8)
    )
    assert found.field == square(16, 4)


def network(*settings: str) -> tuple[nn.Module, Tensor]:
    config = ablate.compose(settings)
    dataset = prepare(config.data, 0)
    return ablate.build(config, dataset).model, dataset.splits.train.x[0]


@pytest.mark.parametrize(
    ("pool", "norm", "residual"),
    [
        ("max", "none", "none"),
        ("max", "ln", "pre"),
        ("avg", "weight", "inside"),
        ("lp", "bn", "none"),
        ("stride", "spectral", "pre"),
    ],
)
def test_the_cnn_sees_what_the_arithmetic_says(pool: str, norm: str, residual: str) -> None:
    model, x = network(
        "model=cnn",
        f"pool={pool}",
        f"norm={norm}",
        f"model.residual={residual}",
        "model.dilation=2",
        "model.channels=[2,3]",
    )
    block = [(3, 1, 2), (3, 1, 2), (2, 2, 1)]
    assert account(model, x).field == square(*arithmetic(*block, *block))


@pytest.mark.parametrize(
    ("settings", "size", "stride"),
    [
        (["pool=none"], 9, 1),
        (["pool=none", "model.stride=2"], 3 + 2 * 2 + 2 * 2 + 2 * 4, 4),
        (["pool.size=3", "pool.stride=2"], 5 + 2 + 2 * 2 * 2 + 2 * 2, 4),
        (["model.kernel_size=5", "model.convs=1"], 5 + 1 + 4 * 2 + 2, 4),
        # the maximum of 2 at every place, then a blur of 3, two apart
        (["pool=blur", "model.channels=[4]"], 5 + 1 + 2, 2),
    ],
)
def test_variants_of_the_cnn(settings: list[str], size: int, stride: int) -> None:
    assert account(*network("model=cnn", *settings)).field == square(size, stride)


def gradients_support(model: nn.Module, x: Tensor, name: str, units: int) -> int:
    """Return the width of what moves the middle units of a layer's map: positive weights cancel nothing."""
    model = model.eval().double()
    maps: list[Tensor] = []
    model.get_submodule(name).register_forward_hook(lambda *seen: maps.append(seen[-1]))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(0.5, 1)
    image = torch.rand(1, x.shape[0], 4 * x.shape[1], 4 * x.shape[2], dtype=torch.float64, requires_grad=True)
    model(image)
    middle = maps[0].shape[3] // 2
    widths = []
    for column in range(middle - units // 2, middle + units // 2):
        (gradient,) = torch.autograd.grad(maps[0][0, :, maps[0].shape[2] // 2, column].sum(), image, retain_graph=True)
        columns = gradient.abs().sum((0, 1, 2)).nonzero()
        widths.append(int(columns[-1] - columns[0]) + 1)
    return max(widths)


@pytest.mark.parametrize(
    ("skips", "up", "dilation"),
    [("true", "transposed", "1"), ("false", "transposed", "2"), ("true", "bilinear", "2"), ("false", "bilinear", "1")],
)
def test_the_fcn_sees_what_its_gradient_reaches(skips: str, up: str, dilation: str) -> None:
    model, x = network(
        *("model=fcn", "data=digits_canvas", "act=identity", "pool=avg", "model.channels=[2,3]"),
        *(f"model.skips={skips}", f"model.up={up}", f"model.dilation={dilation}"),
    )
    rows = {layer.name: layer.field for layer in account(model, x).layers}
    for name in ("down.1.0.0", "pools.1", "bottom.0.0", "decode.0.0.0", "head"):
        field = rows[name]
        assert field is not None
        assert field.size == (gradients_support(model, x, name, units=8),) * 2
    assert rows["head"] is not None
    assert rows["head"].stride == (Fraction(1), Fraction(1))


def test_the_fcn_by_hand() -> None:
    found = account(*network("model=fcn", "data=digits_canvas"))
    sizes = {layer.name: layer.field for layer in found.layers}
    # 3 → 5 → pool 6 → 10 → 14 → pool 16 → 24 at stride 4; up, + 2·2; up, + 2·1
    assert sizes["bottom.0.0"] == square(24, 4)
    assert sizes["decode.0.0.0"] == square(28, 2)
    assert found.field == square(30 + 2, 1)


def test_models_without_convolutions_have_no_field() -> None:
    for settings in (["model=mlp"], ["model=lstm", "data=digits_rows"], ["model=mlp", "data=iris"]):
        assert account(*network(*settings)).field is None
