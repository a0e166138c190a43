"""Parameters and multiply-adds of small networks, against counts by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import ablate
from ablate.accounting.layers import Accounting, account
from ablate.dataset import prepare


def costs(*layers: nn.Module, shape: tuple[int, ...]) -> Accounting:
    return account(nn.Sequential(*layers), torch.ones(shape), receptive_fields=False)


def test_a_linear_layer_multiplies_inputs_by_outputs_at_every_position() -> None:
    (row,) = costs(nn.Linear(5, 7), shape=(5,)).layers
    assert (row.name, row.type, row.output, row.calls) == ("0", "Linear", (7,), 1)
    assert (row.macs, row.parameters, row.activations) == (5 * 7, 5 * 7 + 7, 7)
    (row,) = costs(nn.Linear(5, 7), shape=(3, 4, 5)).layers
    assert (row.output, row.macs, row.parameters) == ((3, 4, 7), 3 * 4 * 5 * 7, 5 * 7 + 7)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation", "groups"),
    [((3, 3), 1, 1, 1, 1), ((5, 3), 2, 0, 1, 1), ((3, 3), (2, 1), 2, 2, 2), ((2, 2), 2, 0, 1, 4), ((1, 1), 1, 0, 1, 1)],
)
def test_a_convolution_multiplies_its_kernel_at_every_output(
    kernel: tuple[int, int], stride: int | tuple[int, int], padding: int, dilation: int, groups: int
) -> None:
    conv = nn.Conv2d(4, 8, kernel, stride, padding, dilation, groups)
    height, width = (
        (13 + 2 * padding - dilation * (k - 1) - 1) // s + 1
        for k, s in zip(kernel, stride if isinstance(stride, tuple) else (stride, stride), strict=True)
    )
    weights = kernel[0] * kernel[1] * (4 // groups) * 8
    (row,) = costs(conv, shape=(4, 13, 13)).layers
    assert row.output == (8, height, width)
    assert row.macs == weights * height * width
    assert row.parameters == weights + 8


def test_a_transposed_convolution_multiplies_its_kernel_at_every_input() -> None:
    (row,) = costs(nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2, bias=False), shape=(4, 5, 7)).layers
    assert row.output == (6, 11, 15)
    assert (row.macs, row.parameters) == (4 * 3 * 3 * 3 * 5 * 7, 4 * 3 * 3 * 3)


def test_convolutions_of_sequences_and_volumes_count_too() -> None:
    assert costs(nn.Conv1d(2, 3, 5, padding="same"), shape=(2, 9)).macs == 2 * 3 * 5 * 9
    assert costs(nn.Conv3d(1, 2, 3), shape=(1, 4, 5, 6)).macs == 2 * 27 * 2 * 3 * 4


@pytest.mark.parametrize(("cell", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_torchs_recurrent_layers_multiply_at_every_step(cell: type[nn.LSTM | nn.GRU | nn.RNN], gates: int) -> None:
    layer = cell(input_size=3, hidden_size=5, num_layers=2, batch_first=True)
    (row,) = account(layer, torch.ones(11, 3)).layers
    assert row.macs == 11 * gates * 5 * ((3 + 5) + (5 + 5))
    assert row.output == (11, 5)
    assert row.name == ""


def test_a_recurrent_network_of_ours_calls_its_layer_at_every_step() -> None:
    config = ablate.compose(["model=lstm", "data=digits_rows", "model.hidden=16"])
    dataset = prepare(config.data, 0)
    found = account(ablate.build(config, dataset).model, dataset.splits.train.x[0])
    rows = {row.name: row for row in found.layers}
    assert (rows["cells.0.input"].calls, rows["cells.0.input"].macs) == (1, 8 * 8 * 64)
    assert (rows["cells.0.recurrent"].calls, rows["cells.0.recurrent"].macs) == (8, 8 * 16 * 64)
    assert rows["cells.0.input"].output == (8, 64)
    assert rows["head"].macs == 16 * 10
    assert all(row.field is None for row in found.layers)


class Attention(nn.Module):
    """Self-attention by products outside of any layer: (B, T, F) → (B, T, F)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, 3 * width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.project(x).chunk(3, dim=-1)
        out: Tensor = torch.softmax(q @ k.transpose(1, 2), -1) @ v
        return out


class FusedAttention(Attention):
    """The same by torch's fused function."""

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.project(x).chunk(3, dim=-1)
        return F.scaled_dot_product_attention(q, k, v)


@pytest.mark.parametrize("kind", [Attention, FusedAttention])
def test_products_outside_of_layers_belong_to_the_module_around_them(kind: type[Attention]) -> None:
    rows = {row.name: row for row in costs(kind(6), shape=(10, 6)).layers}
    assert rows["0"].macs == 2 * 10 * 10 * 6
    assert rows["0.project"].macs == 10 * 6 * 18
    assert (rows["0"].parameters, rows["0.project"].parameters) == (0, 6 * 18 + 18)


def test_torchs_attention_is_counted_with_the_weights_it_reads_from_its_children() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True)
    rows = {row.name: row for row in account(layer, torch.ones(5, 8)).layers}
    assert rows["self_attn"].macs == 5 * 8 * 24 + 2 * 5 * 5 * 8 + 5 * 8 * 8
    assert rows["self_attn"].parameters == 8 * 24 + 24 + 8 * 8 + 8
    assert (rows["linear1"].macs, rows["linear2"].macs) == (5 * 8 * 16, 5 * 16 * 8)
    assert torch.backends.mha.get_fastpath_enabled()


class Pooled(nn.Module):
    """A weighted sum over time by a vector: (B, T, F) → (B, F)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        weights = torch.softmax(x @ self.query, 1)  # (B, T)
        pooled: Tensor = torch.einsum("bt,btf->bf", weights, x)
        return pooled


def test_products_with_vectors_count_too() -> None:
    (row,) = account(Pooled(3), torch.ones(7, 3)).layers
    assert (row.name, row.parameters, row.macs) == ("", 3, 2 * 7 * 3)


@pytest.mark.parametrize("norm", ["weight", "spectral"])
def test_computed_weights_cost_their_parameters_but_nothing_an_example(norm: str) -> None:
    plain, computed = (
        account(ablate.build(ablate.compose(["model=mlp", f"norm={name}"])).model, torch.ones(1, 8, 8))
        for name in ("none", norm)
    )
    assert computed.macs == plain.macs == 64 * 128 + 128 * 128 + 128 * 10
    lengths = 128 + 128 + 10 if norm == "weight" else 0
    assert computed.parameters == plain.parameters + lengths
    assert [row.type for row in computed.layers] == [row.type for row in plain.layers]


def test_weights_made_by_products_are_made_once_for_all_examples() -> None:
    layer = nn.utils.parametrizations.orthogonal(nn.Linear(4, 4), orthogonal_map="cayley")
    assert costs(layer, shape=(4,)).macs == 16


class Twice(nn.Module):
    """One layer, reached by two names and called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = self.second = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.second(self.first(x).relu())
        return out


def test_a_shared_layer_has_its_parameters_once_and_its_products_at_every_call() -> None:
    (row,) = account(Twice(), torch.ones(6)).layers
    assert (row.name, row.calls, row.parameters, row.macs, row.activations) == ("first", 2, 42, 72, 12)


def test_tied_weights_count_once() -> None:
    tied = nn.Sequential(nn.Linear(5, 5, bias=False), nn.Linear(5, 5, bias=False))
    tied[1].weight = tied[0].weight
    found = account(tied, torch.ones(5))
    assert (found.parameters, found.macs) == (25, 50)


def test_normalisation_activation_and_pooling_multiply_nothing() -> None:
    found = costs(nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), shape=(3, 4, 4))
    assert found.macs == 0
    assert found.parameters == 6
    # two maps of 48, one of 12; flattening looks at it anew
    assert [row.activations for row in found.layers] == [48, 48, 12, 0]
    assert found.output_bytes == 4 * 108


def test_frozen_parameters_are_not_trainable() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    net[0].requires_grad_(False)
    found = account(net, torch.ones(4))
    assert (found.parameters, found.trainable, found.weight_bytes) == (15 + 8, 8, 4 * 23)


@pytest.mark.parametrize(
    "settings",
    [["model=mlp", "norm=bn"], ["model=cnn", "model.residual=pre"], ["model=fcn", "data=digits_canvas"]],
)
def test_rows_sum_to_the_network(settings: list[str]) -> None:
    config = ablate.compose(settings)
    dataset = prepare(config.data, 0)
    model = ablate.build(config, dataset).model
    found = account(model, dataset.splits.train.x[0], receptive_fields=False)
    assert found.parameters == sum(p.numel() for p in model.parameters())
    layers = {name: m for name, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)}
    rows = {row.name: row for row in found.layers}
    for name, layer in layers.items():
        positions = rows[name].output[1:]
        assert rows[name].macs == layer.weight.numel() * int(torch.tensor(positions).prod())


def test_a_fully_convolutional_network_by_hand() -> None:
    config = ablate.compose(["model=fcn", "data=digits_canvas", "model.channels=[4]", "model.skips=false"])
    dataset = prepare(config.data, 0)
    found = account(ablate.build(config, dataset).model, dataset.splits.train.x[0], receptive_fields=False)
    size = 24 * 24
    down = 9 * 1 * 4 * size + 9 * 4 * 4 * size
    bottom = 9 * 4 * 4 * size // 4
    up = 2 * 2 * 4 * 4 * size // 4 + 9 * 4 * 4 * size
    assert found.macs == down + bottom + up + 4 * 11 * size


def test_counting_changes_neither_the_model_nor_the_random_numbers() -> None:
    config = ablate.compose(["model=cnn", "norm=bn", "reg=dropout"])
    model = ablate.build(config).model.train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    account(model, torch.ones(1, 8, 8))
    assert torch.equal(state, torch.get_rng_state())
    assert model.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
        assert tensor.dtype == before[name].dtype


def test_examples_of_whole_numbers_stay_whole() -> None:
    tokens = nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(12, 2))
    found = account(tokens, torch.tensor([1, 5, 9]))
    assert [row.output for row in found.layers] == [(3, 4), (12,), (2,)]
    assert (found.parameters, found.macs) == (40 + 26, 24)
