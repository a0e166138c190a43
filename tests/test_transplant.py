"""The kit in networks that somebody else wrote: what is replaced, what is carried over, what is said."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablate.kit import Kit
from ablate.techniques import Activation, DataSpec, Init, Norm, Pool, Regularizer
from ablate.transplant import transplant
from ablate.transplant.observed import observe
from ablate.transplant.told import Replaced, Replacements, fold
from tests.foreign import Net
from tests.helpers import classes, make, normal, pixels

SPEC = classes(3, 12, 12, outputs=5)


def kit(**chosen: Any) -> Kit:
    """Return a kit that keeps everything but the options that are chosen; regularizers are given as they are."""
    regs = chosen.pop("reg", {"keep": make(Regularizer, "keep")})
    return Kit(
        act=make(Activation, chosen.get("act", "keep")),
        init=make(Init, chosen.get("init", "keep")),
        norm=make(Norm, chosen.get("norm", "keep")),
        pool=make(Pool, chosen.get("pool", "keep")),
        reg=regs,
    )


def network(seed: int = 0) -> Net:
    """Return a network whose scales, shifts and statistics are those of nothing that has just begun."""
    torch.manual_seed(seed)
    net = Net()
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
                module.weight.uniform_(0.5, 2)
                module.bias.normal_()
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
    return net


def paths(found: Replacements, kind: str) -> list[str]:
    return [row.path for row in found.rows if row.kind == kind]


def test_a_kit_that_keeps_everything_changes_nothing() -> None:
    net, other = network(), network()
    found = transplant(net, kit(), SPEC)
    assert found == Replacements([], [])
    assert str(found) == "nothing replaced"
    assert repr(net) == repr(other)
    assert all(module.training for module in net.modules())
    for name, tensor in other.state_dict().items():
        assert torch.equal(tensor, net.state_dict()[name])


@pytest.mark.parametrize("train", [True, False])
def test_batch_norm_for_batch_norm_and_layer_norm_for_layer_norm_is_the_identity(train: bool) -> None:
    x = normal(4, 3, 12, 12)
    for name, only in (("bn", nn.BatchNorm2d), ("ln", nn.LayerNorm)):
        net, expected = network().double().train(train), network().double().train(train)
        assert any(isinstance(module, only) for module in net.modules())
        if name == "ln":  # the others are batch norms, which ln does not stand for
            for one in (net, expected):
                one.stem[1] = nn.Identity()
                for block in (one.one, one.two):
                    block.bn = nn.Identity()
        else:
            net.norm = expected.norm = nn.Identity()
        transplant(net.float(), kit(norm=name), SPEC)
        net.drop, expected.drop = nn.Identity(), nn.Identity()
        torch.testing.assert_close(net.double()(x), expected.float().double()(x), atol=1e-12, rtol=1e-12)


def test_every_activation_is_replaced_wherever_it_stands_but_for_gates() -> None:
    net = network()
    found = transplant(net, kit(act="mish"), SPEC)
    expected = ["stem.2", "one.act", "one.squeeze.2", "two.act", "two.squeeze.2"]
    assert [(row.kind, row.path) for row in found.rows] == [("act", path) for path in expected]
    assert [(row.was, row.now) for row in found.rows[:3]] == [("LeakyReLU", "Mish"), ("ReLU", "Mish"), ("SiLU", "Mish")]
    assert all(isinstance(net.get_submodule(path), nn.Mish) for path in expected)
    assert not any(isinstance(module, nn.ReLU | nn.SiLU | nn.LeakyReLU) for module in net.modules())
    assert all(isinstance(block.gate, nn.Sigmoid) for block in (net.one, net.two))


def test_an_output_of_numbers_from_0_to_1_is_left_and_a_hidden_sigmoid_is_not() -> None:
    net = nn.Sequential(nn.Linear(4, 6), nn.Sigmoid(), nn.Linear(6, 3), nn.Sigmoid())
    assert paths(transplant(net, kit(act="relu"), classes(4)), "act") == ["1"]


def test_activations_are_told_by_what_they_compute() -> None:
    class Squared(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.relu(x).square()

    class HardSwish(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.ReLU6()

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = x * self.inner(x + 3) / 6
            return out

    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gamma = nn.Parameter(torch.full((6,), 0.1))

        def forward(self, x: Tensor) -> Tensor:
            return self.gamma * x + 1

    class Neighbours(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.relu() + x.roll(1, -1)

    parts = [nn.Linear(4, 6), Squared(), HardSwish(), Scale(), Neighbours(), nn.Softmax(-1), nn.PReLU(6)]
    net = nn.Sequential(*parts, nn.Linear(6, 3))
    found = transplant(net, kit(act="gelu"), classes(4))
    assert paths(found, "act") == ["1", "2", "6"]
    assert found.unreached == ["relu() as a function, in 4 (activation: only a module can be replaced)"]


def test_scale_shift_and_statistics_are_carried_where_they_mean_the_same() -> None:
    for name in ("gn", "bn", "ln", "rms", "instance"):
        net, before = network(), network()
        old = net.one.bn
        if name == "instance":
            net.norm = nn.Identity()  # tokens have no pixels to take statistics over
        transplant(net, kit(norm=name), SPEC)
        new = net.one.bn
        assert type(new) is not type(old) or name == "bn"
        state = new.state_dict()
        assert bool(state) is (name != "instance")  # which has no scale
        for key, value in state.items():
            assert torch.equal(value, before.one.bn.state_dict()[{"scale": "weight"}.get(key, key)])
        assert name == "instance" or any(parameter is old.weight for parameter in new.parameters())


def test_group_norm_in_the_place_of_batch_norm_computes_group_norm() -> None:
    net = network().eval()
    transplant(net, kit(norm="gn"), SPEC)
    stem, x = net.stem, torch.randn(4, 3, 12, 12)
    y = stem[0](x)
    weight, bias = stem[1].parameters()
    expected = F.group_norm(y, 4, weight, bias, 1e-5)
    torch.testing.assert_close(stem[1](y), expected)


def test_a_normalisation_of_tokens_stays_one_of_each_token() -> None:
    net = network().double().eval()
    weight, bias = (parameter.detach().clone() for parameter in net.norm.parameters())
    transplant(net.float(), kit(norm="gn"), SPEC)
    x = normal(2, 7, 8)
    groups = x.view(2, 7, 4, 2)
    scaled = (groups - groups.mean(-1, keepdim=True)) / (groups.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(
        net.norm.double()(x), scaled.view(2, 7, 8) * weight.float().double() + bias.float().double()
    )


def test_a_normalisation_that_goes_on_to_an_activation_keeps_it() -> None:
    class NormAct(nn.BatchNorm2d):
        """As timm has them."""

        def __init__(self, features: int) -> None:
            super().__init__(features)
            self.drop = nn.Identity()
            self.act = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.act(self.drop(super().forward(x)))
            return out

    def made() -> nn.Sequential:
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), NormAct(4), nn.Flatten(), nn.Linear(400, 5)).eval()

    x, expected = torch.randn(2, 3, 12, 12), made()
    for chosen, now in ((kit(norm="bn"), "BatchNorm2d + ReLU"), (kit(norm="bn", act="gelu"), "BatchNorm2d + GELU")):
        net = made()
        found = transplant(net, chosen, SPEC)
        assert found.rows[-1] == Replaced("norm", "1", "NormAct", now)
        y = F.batch_norm(expected[0](x), torch.zeros(4), torch.ones(4))
        torch.testing.assert_close(net(x), expected[3]((F.relu if "ReLU" in now else F.gelu)(y).flatten(1)))


@pytest.mark.parametrize("name", ["avg", "lp", "stride", "blur", "max"])
def test_pooling_over_the_same_windows_keeps_the_shape(name: str) -> None:
    net = network()
    found = transplant(net, kit(pool=name), SPEC)
    assert paths(found, "pool") == ["pool"]
    assert net.pool(torch.randn(2, 8, 12, 12)).shape == (2, 8, 6, 6)
    assert net(torch.randn(2, 3, 12, 12)).shape == (2, 5)


def test_mean_pooling_computes_the_mean_of_the_windows_of_what_it_replaces() -> None:
    net = network()
    transplant(net, kit(pool="avg"), SPEC)
    x = torch.randn(2, 8, 12, 12)
    expected = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
    torch.testing.assert_close(net.pool(x), expected, atol=0, rtol=0)


def test_a_strided_convolution_takes_the_windows_with_zeros_around() -> None:
    net = network()
    transplant(net, kit(pool="stride"), SPEC)
    weight, bias = net.pool.parameters()
    x = torch.randn(2, 8, 12, 12)
    torch.testing.assert_close(net.pool(x), F.conv2d(F.pad(x, (1, 1, 1, 1)), weight, bias, stride=2))


def test_a_scale_of_each_pixel_is_not_taken_for_one_of_each_channel() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LayerNorm([4, 10, 10]), nn.Flatten(), nn.Linear(400, 5))
    transplant(net, kit(norm="gn"), SPEC)
    assert torch.equal(net[1].state_dict()["weight"], torch.ones(4))


def test_a_dropout_of_tokens_is_one_of_each_token() -> None:
    net = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.1), nn.Flatten(), nn.Linear(40, 5))
    found = transplant(net, kit(reg={"dropout": make(Regularizer, "dropout")}), classes(5, 8, outputs=5))
    assert found.rows == [Replaced("reg", "1", "Dropout", "Dropout, at each position")]


def test_a_network_that_draws_leaves_the_random_numbers_as_they_were() -> None:
    class Noisy(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x + torch.rand(x.shape))

    net = Noisy(4, 3)
    state = torch.get_rng_state()
    transplant(net, kit(), classes(4))
    assert torch.equal(state, torch.get_rng_state())


def test_windows_that_reach_over_the_end_go_on_to_do_so() -> None:
    net = nn.Sequential(nn.MaxPool2d(2, stride=2, ceil_mode=True), nn.Flatten(), nn.Linear(9, 3))
    transplant(net, kit(pool="avg"), classes(1, 5, 5))
    x = torch.randn(2, 1, 5, 5)
    torch.testing.assert_close(net[0](x)[..., 2, 2], x[..., 4, 4], atol=0, rtol=0)


def test_pooling_of_whole_maps_takes_the_place_of_pooling_of_whole_maps() -> None:
    net = network()
    assert paths(transplant(net, kit(pool="global_max"), SPEC), "pool") == ["one.squeeze.0", "two.squeeze.0"]
    assert isinstance(net.pool, nn.MaxPool2d)


def test_dropouts_are_replaced_taken_out_or_kept() -> None:
    net = network()
    found = transplant(net, kit(reg={"dropout": make(Regularizer, "dropout", p=0.3)}), SPEC)
    assert paths(found, "reg") == ["drop"]
    assert isinstance(net.drop, nn.Dropout)
    assert net.drop.p == 0.3
    net = network()
    transplant(net, kit(reg={"l2": make(Regularizer, "l2")}), SPEC)
    assert isinstance(net.drop, nn.Identity)
    net = network()
    transplant(net, kit(reg={"keep": make(Regularizer, "keep"), "l2": make(Regularizer, "l2")}), SPEC)
    assert isinstance(net.drop, nn.Dropout)
    assert net.drop.p == 0.1


def test_one_module_in_several_places_stays_one_and_tied_weights_stay_tied() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act = nn.ReLU()
            self.one, self.two = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
            self.two.weight = self.one.weight
            self.norm, self.again = nn.BatchNorm1d(4), nn.BatchNorm1d(4)
            self.again.weight = self.norm.weight
            self.tail = nn.Sequential(self.act, nn.Linear(4, 3))

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.tail(self.again(self.two(self.act(self.norm(self.one(x))))))
            return out

    net = Tied()
    found = transplant(net, kit(act="prelu", norm="gn", init="he"), classes(4))
    assert isinstance(net.act, nn.PReLU)
    assert net.act is net.tail[0]
    assert paths(found, "act") == ["act"]
    assert net.one.weight is net.two.weight
    assert net.norm.weight is net.again.weight


def test_what_is_not_touched_loads_from_the_state_of_the_original() -> None:
    net, original = network(), network(seed=1)
    transplant(net, kit(act="gelu", norm="gn", pool="avg"), SPEC)
    state = original.state_dict()
    missing, unexpected = net.load_state_dict(state, strict=False)
    assert missing == ["norm.layer.weight", "norm.layer.bias"]  # of tokens: within what hands them over one by one
    lost = {name for name in state if name.endswith(("running_mean", "running_var", "num_batches_tracked"))}
    assert set(unexpected) == {*lost, "norm.weight", "norm.bias"}
    for name, tensor in net.state_dict().items():
        assert name in missing or torch.equal(tensor, state[name])


def test_every_parameter_has_a_gradient_and_the_training_goes_on_as_it_was_left() -> None:
    net = network()
    net.one.eval()
    transplant(net, kit(act="mish", norm="gn", pool="lp", reg={"dropout": make(Regularizer, "dropout")}), SPEC)
    assert net.training
    assert not net.one.act.training
    assert net.two.act.training
    net(torch.randn(4, 3, 12, 12)).square().sum().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_random_numbers_and_statistics_are_left_alone() -> None:
    net = network()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    state = torch.get_rng_state()
    observe(net, SPEC.input_shape)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(tensor, net.state_dict()[name]) for name, tensor in before.items())


def test_functions_that_no_module_does_are_told_with_the_module_that_calls_them() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two, self.act = nn.Linear(4, 4), nn.Linear(4, 3), nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return F.dropout(self.two(torch.relu(self.act(self.one(x)))).relu(), 0.1, self.training)

    found = transplant(Functional(), kit(act="gelu"), classes(4))
    assert found.unreached == ["relu() as a function, in (network) (activation: only a module can be replaced)"]
    with pytest.raises(ValueError, match=r"no module of dropout.* What it has is dropout\(\) as a function"):
        transplant(Functional(), kit(reg={"dropout": make(Regularizer, "dropout")}), classes(4))


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        ({"act": "gelu"}, "no module of activation, so that act would change nothing"),
        ({"norm": "gn"}, "no module of normalisation, so that norm would change nothing"),
        ({"pool": "avg"}, "no module of pooling that this one could stand for"),
        ({"reg": {"dropout": make(Regularizer, "dropout")}}, "no module of dropout, so that reg would change nothing"),
        ({"reg": {"keep": make(Regularizer, "keep"), "dropout": make(Regularizer, "dropout")}}, "keep leaves those"),
    ],
    ids=["act", "norm", "pool", "reg", "both"],
)
def test_a_technique_without_a_place_is_refused(chosen: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        transplant(nn.Sequential(nn.Flatten(), nn.Linear(16, 3)), kit(**chosen), classes(1, 4, 4))


class Encoder(nn.Module):
    """Tokens, (B, 1, T, 8), through torch's own encoder, whose layers compute fused where nothing learns."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, activation=nn.ReLU(), batch_first=True)
        self.encoder, self.head = nn.TransformerEncoder(layer, 2), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.encoder(x.squeeze(1)).mean(1))
        return out


@pytest.mark.parametrize("chosen", [{"act": "mish"}, {"norm": "gn"}], ids=["act", "norm"])
def test_an_encoder_of_torch_evaluates_with_what_took_its_places(chosen: dict[str, Any]) -> None:
    net, x = Encoder(), torch.randn(2, 1, 5, 8)
    transplant(net, kit(**chosen), classes(1, 5, 8))
    with torch.no_grad():
        fused = net.eval()(x)
    torch.testing.assert_close(fused, net(x), atol=1e-6, rtol=1e-6)  # with gradients nothing is fused


def test_a_layer_of_weights_that_is_called_after_a_norm_is_none() -> None:
    class NormedLinear(nn.Module):
        def __init__(self, features: int) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(features, features))

        def forward(self, x: Tensor) -> Tensor:
            return F.normalize(x) @ F.normalize(self.weight)

    class ConditionalNorm(nn.Module):
        def forward(self, x: Tensor, by: Tensor) -> Tensor:
            return x / by

    class VectorNorm(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.square().sum(1, keepdim=True).sqrt()

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.length = VectorNorm()
            self.one, self.scale, self.norm = nn.Linear(4, 4), ConditionalNorm(), nn.BatchNorm1d(4)
            self.two, self.out = NormedLinear(4), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.out(self.two(self.norm(self.scale(self.one(x), self.length(x)))))
            return out

    assert paths(transplant(Net(), kit(norm="ln"), classes(4)), "norm") == ["norm"]


def test_a_parametrization_of_weights_is_no_normalisation_of_the_network() -> None:
    net = nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(4, 4)), nn.BatchNorm1d(4), nn.Linear(4, 3))
    assert paths(transplant(net, kit(norm="ln"), classes(4)), "norm") == ["1"]


def test_an_activation_of_one_pixel_that_is_not_within_0_and_1_is_no_gate() -> None:
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(4, 5))
    assert paths(transplant(net, kit(act="mish"), SPEC), "act") == ["2"]


def test_a_normalisation_that_only_training_calls_is_told_by_its_class() -> None:
    class Auxiliary(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out, self.maps, self.tokens = nn.Linear(4, 3), nn.BatchNorm2d(4), nn.LayerNorm(4)

        def forward(self, x: Tensor) -> Tensor:
            if self.training:
                self.maps(x.view(-1, 4, 1, 1))
                self.tokens(x.view(-1, 2, 4))
            out: Tensor = self.out(x)
            return out

    net = Auxiliary()
    transplant(net, kit(norm="bn"), classes(4))
    assert isinstance(net.maps, nn.BatchNorm2d)
    assert net(torch.randn(4, 4)).shape == (4, 3)
    assert net.tokens(torch.randn(2, 3, 4)).shape == (2, 3, 4)


def test_a_dropout_within_an_activation_stays_where_dropouts_are_kept() -> None:
    class Dropping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act: nn.Module = nn.ReLU()
            self.drop = nn.Dropout(0.5)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.drop(self.act(x))
            return out

    net = nn.Sequential(nn.Linear(4, 6), Dropping(), nn.Linear(6, 3))
    assert paths(transplant(net, kit(act="mish"), classes(4)), "act") == ["1.act"]
    assert isinstance(net[1].drop, nn.Dropout)


def test_lazy_layers_are_made_before_anything_takes_a_place() -> None:
    net = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(5))
    found = transplant(net, kit(norm="gn", init="he"), SPEC)
    assert [(row.kind, row.path) for row in found.rows] == [("norm", "1"), ("init", "0"), ("init", "4")]
    assert net[1].weight.shape == (4,)
    assert net[4].weight.shape == (5, 400)


class Beside(nn.Module):
    """Keeps its layers in a list beside the names that they are registered under."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.ReLU()
        self.parts = [nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3)]
        for number, part in enumerate(self.parts):
            self.add_module(f"part{number}", part)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for part in self.parts:
            x = part(x)
        return x


class Reaching(nn.Module):
    """Reaches into its normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.out = nn.BatchNorm1d(4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.out(self.norm(x) * self.norm.running_var)
        return out


class Volumes(nn.Module):
    """Makes volumes, (B, 1, D, H, W), of images."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.out = nn.BatchNorm3d(1), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.out(self.norm(x[:, None]).flatten(1))
        return out


@pytest.mark.parametrize(
    ("net", "chosen", "spec", "reason"),
    [
        (Beside(), {"act": "mish"}, classes(4), r"calls its ReLU part1 even where that was replaced.* act=keep"),
        (
            Reaching(),
            {"norm": "ln"},
            classes(4),
            r"does not fit into the network \(AttributeError: .*: norm=keep",
        ),
        (Volumes(), {"norm": "bn"}, classes(1, 4, 4), "no option stands for a BatchNorm3d over 3 dims: norm=keep"),
    ],
    ids=["beside", "reaching", "volumes"],
)
def test_what_a_network_does_not_let_be_replaced_is_refused(
    net: nn.Module, chosen: dict[str, Any], spec: DataSpec, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        transplant(net, kit(**chosen), spec)


def test_a_normalisation_of_weights_needs_no_place() -> None:
    assert transplant(nn.Linear(4, 3), kit(norm="weight"), classes(4)).rows == []


@pytest.mark.parametrize("name", ["none", "global_avg"])
def test_pooling_that_would_change_the_size_is_refused(name: str) -> None:
    net = nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4, 3))
    with pytest.raises(ValueError, match="of pooling that this one could stand for"):
        transplant(net, kit(pool=name), classes(1, 4, 4))


def test_windows_that_no_option_can_have_are_refused() -> None:
    net = nn.Sequential(nn.MaxPool2d(2, stride=2, ceil_mode=True), nn.Flatten(), nn.Linear(9, 3))
    with pytest.raises(ValueError, match=r"a MaxPool2d makes \(1, 3, 3\) of \(1, 5, 5\), and this pooling does not"):
        transplant(net, kit(pool="stride"), classes(1, 5, 5))


@pytest.mark.parametrize(
    ("spec", "shape"),
    [(classes(4, outputs=2), (2, 3)), (pixels(1, 4, 4, outputs=3), (2, 1, 4, 3))],
    ids=["classes", "pixels"],
)
def test_a_network_that_predicts_something_else_is_refused(spec: DataSpec, shape: tuple[int, ...]) -> None:
    with pytest.raises(
        ValueError, match=rf"the network makes {shape} of 2 examples of".replace("(", r"\(").replace(")", r"\)")
    ):
        transplant(nn.Linear(4, 3), kit(), spec)


def test_a_network_that_returns_no_tensor_is_refused() -> None:
    class Named(nn.Module):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"out": x}

    with pytest.raises(ValueError, match="the network returns a dict, and has to return one tensor"):
        transplant(Named(), kit(), classes(3))


def test_an_initialiser_is_told_with_the_layers_that_it_fills() -> None:
    net = nn.Sequential(OrderedDict([("conv", nn.Conv2d(1, 2, 3)), ("flat", nn.Flatten()), ("fc", nn.Linear(8, 3))]))
    found = transplant(net, kit(init="he"), classes(1, 4, 4))
    assert found.rows == [Replaced("init", "conv", "Conv2d", "he"), Replaced("init", "fc", "Linear", "he")]


def test_names_that_differ_in_numbers_are_folded_to_exactly_those() -> None:
    grid = [f"layer{i}.{j}.act{k}" for i in (1, 2, 3) for j in (0, 1) for k in (1, 2)]
    assert fold(grid) == [("layer[1-3].[0-1].act[1-2]", 12)]
    assert fold(["layer2.0.bn", "layer4.0.bn", "layer5.0.bn"]) == [("layer[2,4,5].0.bn", 3)]
    assert fold([*(f"b.0.{j}" for j in (0, 1)), *(f"b.{i}.{j}" for i in (1, 2) for j in (0, 1, 2))]) == [
        ("b.0.[0-1]", 2),
        ("b.[1-2].[0-2]", 6),
    ]
    assert fold(["head"]) == [("head", 1)]
    assert fold(["7", "9"]) == [("[7,9]", 2)]


def test_the_table_says_kind_module_from_to_and_count() -> None:
    rows = [Replaced("norm", "bn1", "BatchNorm2d", "GroupNorm"), Replaced("act", "a.1", "ReLU", "GELU")]
    table = Replacements([*rows, Replaced("act", "a.2", "ReLU", "GELU")], ["relu() somewhere"])
    assert str(table).splitlines() == [
        "3 replaced",
        "  kind  module   from         to         count",
        "  act   a.[1-2]  ReLU         GELU       2",
        "  norm  bn1      BatchNorm2d  GroupNorm  1",
        "  not reached: relu() somewhere",
    ]
