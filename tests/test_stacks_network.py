"""Every rule of a layer against the layer itself, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from ablate.dataset import Examples
from ablate.kit import any_leading_dims
from ablate.stacks.member import Member
from ablate.stacks.network import NotStackable
from ablate.stacks.stack import Stack
from ablate.stacks.verification import verify
from ablate.techniques import Optimizer, Regularizer, Schedule
from tests.helpers import make, normal
from tests.members import CROSS_ENTROPY, batches, member, steps

Layer = Callable[[], nn.Module]


def total(prediction: Tensor, target: Tensor) -> Tensor:
    """Weight every output by itself, whatever its shape."""
    weights = torch.linspace(-1, 2, prediction[0].numel(), dtype=prediction.dtype)
    return (prediction.flatten(1) * weights).square().mean()


def runs(networks: Sequence[nn.Module]) -> list[Member]:
    sgd, none = make(Optimizer, "sgd"), make(Schedule, "none")
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)  # nothing here takes a step
    return [
        Member(network, sgd, none, optimizer, None, torch.Generator().manual_seed(k))
        for k, network in enumerate(networks)
    ]


def refusal(build: Layer, *shape: int) -> str:
    with pytest.raises(NotStackable) as caught:
        verify(runs([build() for _ in range(3)]), total, Examples(normal(*shape), torch.zeros(shape[0])))
    return str(caught.value)


LAYERS: dict[str, tuple[Layer, tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(5, 4), (9, 5)),
    "linear_of_steps": (lambda: nn.Linear(5, 4, bias=False), (9, 2, 3, 5)),
    "conv1d": (lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), (9, 4, 7)),
    "conv2d": (lambda: nn.Conv2d(2, 4, 3, dilation=2, bias=False), (9, 2, 7, 6)),
    "conv2d_same": (lambda: nn.Conv2d(2, 4, 3, padding="same"), (9, 2, 7, 6)),
    "conv3d": (lambda: nn.Conv3d(2, 4, 2), (9, 2, 3, 4, 3)),
    "transposed1d": (lambda: nn.ConvTranspose1d(2, 4, 3, stride=2, output_padding=1), (9, 2, 5)),
    "transposed2d": (lambda: nn.ConvTranspose2d(4, 6, 2, stride=2, groups=2), (9, 4, 3, 4)),
    "batch_norm_of_tables": (lambda: nn.BatchNorm1d(5, momentum=0.3), (9, 5)),
    "batch_norm_of_sequences": (lambda: nn.BatchNorm1d(5, affine=False), (9, 5, 4)),
    "batch_norm_of_images": (lambda: nn.BatchNorm2d(3, track_running_stats=False), (9, 3, 4, 5)),
    "batch_norm_of_volumes": (lambda: nn.BatchNorm3d(3), (9, 3, 2, 4, 5)),
    "group_norm": (lambda: nn.GroupNorm(2, 6), (9, 6, 3)),
    "instance_norm": (lambda: nn.InstanceNorm2d(3, affine=True), (9, 3, 4, 5)),
    "layer_norm": (lambda: nn.LayerNorm([3, 4]), (9, 2, 3, 4)),
    "layer_norm_without_bias": (lambda: nn.LayerNorm(4, bias=False), (9, 4)),
    "prelu": (lambda: nn.PReLU(3), (9, 3, 4)),
    "one_prelu": (lambda: nn.PReLU(), (9, 3)),
    "softmax": (lambda: nn.Softmax(dim=1), (9, 3, 4)),
    "log_softmax": (lambda: nn.LogSoftmax(dim=-1), (9, 3, 4)),
    "flatten": (lambda: nn.Flatten(1, 2), (9, 3, 4, 2)),
    "flatten_from_the_end": (lambda: nn.Flatten(-3, -2), (9, 3, 4, 2)),
    "max_pool": (lambda: nn.MaxPool2d(3, 2, padding=1), (9, 3, 7, 6)),
    "average": (lambda: nn.AdaptiveAvgPool1d(2), (9, 3, 7)),
    "upsample": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), (9, 2, 3, 4)),
    "hardswish": (lambda: nn.Hardswish(), (9, 3)),
    "in_place": (lambda: nn.Sequential(nn.Linear(5, 4), nn.ReLU(inplace=True), nn.Linear(4, 3)), (9, 5)),
    "glu": (lambda: nn.GLU(), (9, 6)),  # no rule: torch.vmap
    "somebodys_own": (lambda: Product(), (9, 4)),
    "dropout": (lambda: nn.Sequential(nn.Linear(5, 4), nn.Dropout(0.3), nn.Linear(4, 3), nn.Dropout(0.6)), (9, 5)),
    "channel_dropout": (lambda: nn.Sequential(nn.Conv2d(2, 4, 1), nn.Dropout2d(0.4)), (9, 2, 3, 3)),
    "everything_dropped": (lambda: nn.Sequential(nn.Linear(5, 4), nn.Dropout(1.0), nn.Dropout(0.0)), (9, 5)),
    "tied": (lambda: Tied(), (9, 4)),
}


class Product(nn.Module):
    """A layer of somebody's own, with a weight, that knows nothing of stacks."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        return torch.outer(x @ self.weight, self.weight)


class Tied(nn.Sequential):
    """Two layers with one weight."""

    def __init__(self) -> None:
        first, second = nn.Linear(4, 4), nn.Linear(4, 4)
        second.weight = first.weight
        super().__init__(first, nn.Tanh(), second)


@pytest.mark.parametrize("count", [1, 3, 8])
@pytest.mark.parametrize("name", LAYERS)
def test_a_stacked_layer_computes_what_the_members_compute(name: str, count: int) -> None:
    build, shape = LAYERS[name]
    networks = [nn.Sequential(nn.Linear(shape[-1], shape[-1]), build()) for _ in range(count)]  # what has a gradient
    verify(runs(networks), total, Examples(normal(*shape), torch.zeros(shape[0])))


@any_leading_dims
def mean_of_examples(self: nn.Module, x: Tensor) -> Tensor:
    return x - x.mean(0)


class Wrong(nn.Module):
    """Says that it takes any dims in front, but counts from there."""

    forward = mean_of_examples


class Noise(nn.Module):
    """Draws from the global random state by itself."""

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.rand_like(x)


class Batchwise(nn.Module):
    """Works on the whole batch in a way that torch.vmap cannot follow."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 2 if x.sum() > 0 else x


def test_a_wrong_layer_is_caught_and_named() -> None:
    said = refusal(lambda: nn.Sequential(nn.Linear(5, 4), nn.ReLU(), Wrong(), nn.Linear(4, 3)), 9, 5)
    assert said == "Layer 2 (Wrong) is something else in a stack than alone."


@pytest.mark.parametrize(
    ("build", "shape", "said"),
    [
        (lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(5, 4)), (9, 5), "The network cannot compute all"),
        (lambda: nn.Sequential(nn.Linear(5, 4), Noise()), (9, 5), "Layer 1 (Noise) cannot compute all members at once"),
        (lambda: nn.Sequential(nn.Linear(5, 4), Batchwise()), (9, 5), "Layer 1 (Batchwise) cannot compute all"),
        (lambda: nn.Sequential(nn.BatchNorm1d(5, momentum=None)), (9, 5), "Layer 0 (BatchNorm1d) cannot compute all"),
        (lambda: nn.Sequential(nn.Conv1d(2, 2, 3, padding=1, padding_mode="circular")), (9, 2, 5), "Layer 0 (Conv1d)"),
    ],
    ids=["spectral_norm", "random", "data_dependent", "cumulative_average", "circular"],
)
def test_what_no_rule_covers_is_refused_by_name(build: Layer, shape: Sequence[int], said: str) -> None:
    assert refusal(build, *shape).startswith(said)


class Recurrence(nn.Module):
    """torch's own recurrent layer, for which torch.vmap has no rule."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(2, 3, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        states: Tensor = self.lstm(x)[0]
        return states


def test_torchs_lstm_is_refused() -> None:
    assert refusal(lambda: nn.Sequential(Recurrence()), 9, 4, 2).startswith("Layer 0 (Recurrence) cannot compute")


def test_a_network_that_something_watches_is_refused() -> None:
    watched = nn.Sequential(nn.Linear(5, 4))
    watched[0].register_forward_hook(lambda *_: None)
    with pytest.raises(NotStackable, match=r"^Layer 0 \(Linear\) has a hook\.$"):
        Stack(runs([watched]), total)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (nn.Sequential(nn.Linear(5, 3), nn.LeakyReLU(0.1)), r"^Layer 0 \(Linear\) differs from member to member\.$"),
        (nn.Sequential(nn.Linear(5, 4), nn.LeakyReLU(0.2)), r"^Layer 1 \(LeakyReLU\) differs"),
        (nn.Sequential(nn.Linear(5, 4)), r"^The members have different layers\.$"),
    ],
    ids=["width", "slope", "depth"],
)
def test_members_of_different_graphs_are_refused(other: nn.Module, said: str) -> None:
    with pytest.raises(NotStackable, match=said):
        Stack(runs([nn.Sequential(nn.Linear(5, 4), nn.LeakyReLU(0.1)), other]), total)


def test_verification_leaves_members_and_random_state_as_they_are() -> None:
    reg = {"dropout": make(Regularizer, "dropout"), "l2": make(Regularizer, "l2")}
    members = [member("cnn", seed, norm="bn", reg=reg) for seed in range(2)]
    (example,) = steps([batches("cnn")], 1)
    before = [{name: t.clone() for name, t in run.network.state_dict().items()} for run in members]
    states = [run.generator.get_state() for run in members]
    torch.manual_seed(5)
    state = torch.get_rng_state()
    verify(members, CROSS_ENTROPY, Examples(example.x[0].float(), example.y[0]))
    for run, tensors, own in zip(members, before, states, strict=True):
        torch.testing.assert_close(dict(run.network.state_dict()), tensors, rtol=0, atol=0)
        assert torch.equal(run.generator.get_state(), own)
        assert all(p.grad is None for p in run.network.parameters())
    assert torch.equal(torch.get_rng_state(), state)
