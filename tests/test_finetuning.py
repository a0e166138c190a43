"""Weights from files, parts that do not learn, and learning rates that go down with depth."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ablate
from ablate.composition import config_loader
from ablate.depth import decay_rates, distances
from ablate.errors import ConfigError
from ablate.freezing import freeze, freeze_body
from ablate.source import WeightsFile, locate
from ablate.sweeps.plan import make_plan
from ablate.training.reproduction import reproduce
from ablate.weights import named_alike, read_weights
from tests.foreign import Net
from tests.helpers import short

Runner = Callable[[Sequence[str]], ablate.Sweep]

OWN = ["model=import", "model.target=tests.foreign:Net", "allow_code=true", "data.train_size=32"]


def network(seed: int = 1, **sizes: int) -> Net:
    torch.manual_seed(seed)
    return Net(1, **{"num_classes": 10, **sizes})


def write_safetensors(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write float32 tensors in the format of safetensors: the header's length, the header, the numbers."""
    header: dict[str, Any] = {}
    blob = b""
    for name, tensor in state.items():
        data = tensor.contiguous().numpy().tobytes()
        kind = {torch.float32: "F32", torch.int64: "I64"}[tensor.dtype]
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [len(blob), len(blob) + len(data)]}
        blob += data
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + blob)


@pytest.mark.parametrize("prefix", ["", "model.", "module."])
@pytest.mark.parametrize("within", [None, "state_dict", "model"])
def test_weights_are_found_wherever_a_checkpoint_keeps_them(prefix: str, within: str | None) -> None:
    state = network().state_dict()
    named = {f"{prefix}{name}": tensor for name, tensor in state.items()}
    torch.save({within: named, "epoch": 3} if within else named, "weights.pth")
    module = ablate.build(ablate.compose([*OWN, "init_from=weights.pth"]))
    made = module.model.state_dict()
    assert made.keys() == state.keys()
    assert all(torch.equal(tensor, made[name]) for name, tensor in state.items())
    assert module.transfer is not None
    assert (module.transfer.share, module.transfer.fresh, module.transfer.seeds) == (1.0, {}, [])


def test_safetensors_are_read() -> None:
    pytest.importorskip("safetensors")
    state = network().state_dict()
    write_safetensors(Path("weights.safetensors"), state)
    made = ablate.build(ablate.compose([*OWN, "init_from=weights.safetensors"])).model.state_dict()
    assert all(torch.equal(tensor, made[name]) for name, tensor in state.items())
    Path("weights.safetensors").write_bytes(b"no header")
    with pytest.raises(ConfigError, match="cannot be read as safetensors"):
        read_weights(Path("weights.safetensors"))


def test_safetensors_that_are_missing_are_named_with_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    Path("weights.safetensors").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"pip install 'lightning-ablate\[safetensors\]'"):
        read_weights(Path("weights.safetensors"))


def test_other_classes_leave_the_head_fresh_and_a_new_one_is_the_last_layer() -> None:
    torch.save(network(num_classes=1000).state_dict(), "weights.pth")
    module = ablate.build(ablate.compose([*OWN, "init_from=weights.pth"]))
    assert module.transfer is not None
    assert list(module.transfer.fresh) == ["fc.weight", "fc.bias"]
    torch.save(network().state_dict(), "weights.pth")
    module = ablate.build(ablate.compose([*OWN, "init_from=weights.pth", "init_head=frozen"]))
    assert module.transfer is not None
    assert module.transfer.fresh == {"fc.weight": "(new head)", "fc.bias": "(new head)"}
    assert module.transfer.trained == 8 * 10 + 10
    module.model.train()
    module.model(torch.zeros(2, 1, 8, 8))
    assert [name for name, part in module.model.named_modules() if part.training] == ["", "fc"]


def test_numbers_that_a_weight_cannot_take_over_are_said() -> None:
    state = network().state_dict()
    odd = {"fc.weight": state["fc.weight"].to(torch.complex64), "fc.bias": state["fc.bias"].to_sparse()}
    torch.save({**state, **odd}, "weights.pth")
    transfer = ablate.build(ablate.compose([*OWN, "init_from=weights.pth"])).transfer
    assert transfer is not None
    assert transfer.fresh == dict.fromkeys(odd, "(of other numbers in the source)")


def test_a_file_is_known_by_its_name_and_content_wherever_it_lies() -> None:
    torch.save(network().state_dict(), "weights.pth")
    here = ablate.compose([*OWN, "init_from=weights.pth"])
    Path("there").mkdir()
    Path("weights.pth").rename("there/weights.pth")
    there = ablate.compose([*OWN, "init_from=there/weights.pth"])
    source = there.source
    assert isinstance(source, WeightsFile)
    assert source.reference == f"weights.pth@{source.digest}"
    assert there.label == here.label
    assert str(there.label).endswith(f"init_from={source.reference}")
    assert json.dumps(there.flat()["init_from"]) == f'"{source.reference}"'
    torch.save(network(seed=2).state_dict(), "there/weights.pth")
    other = ablate.compose([*OWN, "init_from=there/weights.pth"]).source
    assert isinstance(other, WeightsFile)
    assert other.digest != source.digest


def test_a_run_from_a_file_is_done_again_from_its_record() -> None:
    torch.save(ablate.build(ablate.compose(short())).model.state_dict(), "weights=1,2.pth")
    record = ablate.run(ablate.compose(short("init_from=weights=1,2.pth", "freeze=[body.1]", "layer_decay=0.5")))
    assert record.facts.transfer is not None
    assert record.facts.settings["freeze"] == ["body.1"]
    assert record.facts.settings["layer_decay"] == 0.5
    assert reproduce(record, Path("again")).same


class Boom:
    """What unpickling would run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path("ran").touch, ()


def test_what_else_is_in_a_file_is_not_run() -> None:
    torch.save({"state_dict": Boom()}, "weights.pth")
    with pytest.raises(ConfigError, match=r"cannot be read as weights alone \(UnpicklingError\)"):
        read_weights(Path("weights.pth"))
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [({"epoch": 3}, "it holds no tensors by name"), ([1, 2], "it holds a list, and has to hold a state_dict")],
    ids=["numbers", "list"],
)
def test_a_file_without_weights_is_refused(content: Any, reason: str) -> None:
    torch.save(content, "weights.pth")
    with pytest.raises(ConfigError, match=reason):
        read_weights(Path("weights.pth"))


def test_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"init_from=no.pth: there is no such file of weights"):
        locate("no.pth", "outputs")


def test_the_prefix_that_fits_most_names_is_dropped() -> None:
    zero = torch.zeros(1)
    assert named_alike({"model.a": zero, "model.b": zero}, ["a", "b"]).keys() == {"a", "b"}
    assert named_alike({"model._orig_mod.a": zero, "epoch": zero}, ["a", "b"]).keys() == {"a", "epoch"}
    assert named_alike({"model.a": zero, "b": zero}, ["model.a", "b"]).keys() == {"model.a", "b"}


def test_frozen_parts_have_no_gradients_and_stay_in_evaluation_mode() -> None:
    net = network()
    statistics = net.one.bn.state_dict()["running_mean"].clone()
    count = freeze(net, ["stem", "one", "*.bias"])
    frozen = {name for name, p in net.named_parameters() if not p.requires_grad}
    assert frozen == {n for n, _ in net.named_parameters() if n.startswith(("stem.", "one.")) or n.endswith(".bias")}
    assert count == sum(p.numel() for p in net.parameters() if not p.requires_grad)
    net.train()
    net(torch.randn(4, 1, 8, 8)).sum().backward()
    assert torch.equal(net.one.bn.state_dict()["running_mean"], statistics)
    assert not net.stem[1].training
    assert net.two.bn.training
    assert net.drop.training  # which has no weights that could be frozen
    assert net.two.bn.state_dict()["running_mean"].abs().sum() > 0
    assert all((p.grad is None) is (name in frozen) for name, p in net.named_parameters())


def test_training_leaves_what_is_frozen_as_it_was() -> None:
    config = ablate.compose(short("freeze=[body.1]", "norm=bn"))
    before = ablate.build(config).model.state_dict()
    record = ablate.run(config)
    after = torch.load(record.folder / "last.ckpt", weights_only=True)["state_dict"]
    for name in ("body.1.weight", "body.1.bias", "head.weight"):
        assert torch.equal(after[f"model.{name}"], before[name]) is name.startswith("body.1.")


def test_frozen_parts_are_a_factor(short_sweep: Runner) -> None:
    sweep = short_sweep(["freeze=[],[body.1]"])
    assert len({record.facts.arm_hash for record in sweep.records}) == 2
    assert [record.facts.settings.get("freeze") for record in sweep.records] == [None, ["body.1"]]
    assert [str(level) for level in sweep.frame()["freeze"]] == ["[]", "['body.1']"]


@pytest.mark.parametrize(
    ("patterns", "reason"),
    [
        (
            ["stm"],
            r"freeze=stm: nothing in the network is called so. Did you mean 'stem'\? Its parts: stem, pool, one,",
        ),
        (["drop"], "freeze=drop would change nothing: there are no weights in it"),
    ],
    ids=["unknown", "weightless"],
)
def test_what_cannot_be_frozen_is_refused(patterns: list[str], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        freeze(network(), patterns)


@pytest.mark.parametrize("settings", [["freeze=[*]"], ["freeze=[fc]", "init_from=weights.pth", "init_head=frozen"]])
def test_a_network_of_which_nothing_learns_is_refused(settings: list[str]) -> None:
    torch.save(network().state_dict(), "weights.pth")
    with pytest.raises(ConfigError, match="model=import: nothing in the network is left to train"):
        ablate.build(ablate.compose([*OWN, *settings]))


def test_a_head_within_what_is_frozen_goes_on_to_train() -> None:
    net = nn.Sequential()
    net.add_module("net", nn.ModuleDict({"body": nn.Linear(4, 4), "fc": nn.Linear(4, 2)}))
    freeze_body(net, "net.fc")
    for hook in net._forward_pre_hooks.values():
        hook(net, ())
    assert [name for name, part in net.named_modules() if part.training] == ["", "net", "net.fc"]


def test_tied_weights_are_frozen_by_any_of_their_names() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 2))
    net[1].weight = net[0].weight
    assert freeze(net, ["1"]) == 9 + 3
    assert [name for name, p in net.named_parameters() if p.requires_grad] == ["0.bias", "2.weight", "2.bias"]


def test_distances_are_those_within_what_holds_all_weights() -> None:
    inner = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    wrapped = nn.ModuleDict({"net": nn.ModuleDict({"body": inner, "head": nn.Linear(2, 2)})})
    assert list(distances(wrapped).values()) == [2, 2, 1, 1, 0, 0]


def test_distances_count_levels_from_the_output() -> None:
    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token = nn.Parameter(torch.zeros(1, 4))
            self.embed, self.norm = nn.Linear(4, 4), nn.LayerNorm(4)
            self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)) for _ in range(2)])
            self.last = nn.LayerNorm(4)
            self.head = nn.Linear(4, 2)

    found = distances(Deep())
    assert {name: distance for name, distance in found.items() if name.endswith("weight") or name == "token"} == {
        "token": 3,
        "embed.weight": 3,
        "norm.weight": 3,
        "blocks.0.0.weight": 2,
        "blocks.0.1.weight": 2,
        "blocks.1.0.weight": 1,
        "blocks.1.1.weight": 1,
        "last.weight": 1,
        "head.weight": 0,
    }


def test_each_level_has_its_own_rate_and_a_step_goes_by_it() -> None:
    module = ablate.build(ablate.compose(short("opt=sgd", "opt.lr=0.1", "layer_decay=0.5", "model.depth=2")))
    away = distances(module.model)
    assert list(away.values()) == [2, 2, 1, 1, 0, 0]
    optimizer = module.optimizer_for(module.model.parameters())
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.05, 0.025]
    before = {name: p.detach().clone() for name, p in module.model.named_parameters()}
    module.model(torch.randn(4, 1, 8, 8)).square().sum().backward()
    optimizer.step()
    for name, p in module.model.named_parameters():
        assert p.grad is not None
        torch.testing.assert_close(p.detach(), before[name] - 0.1 * 0.5 ** away[name] * p.grad, atol=1e-7, rtol=1e-6)


def test_schedules_go_on_from_each_rate(short_config: Callable[..., Any]) -> None:
    record = ablate.run(short_config("layer_decay=0.5", "sched=cosine", "opt=adamw"))
    rates = torch.load(record.folder / "last.ckpt", weights_only=True)["optimizer_states"][0]["param_groups"]
    assert [group["lr"] / rates[0]["initial_lr"] for group in rates] == pytest.approx([0.0] * len(rates), abs=1e-6)
    assert [group["initial_lr"] / rates[0]["initial_lr"] for group in rates] == pytest.approx([1.0, 0.5, 0.25])
    assert record.facts.settings["layer_decay"] == 0.5
    assert record.curves()["lr"][0] > 0


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (["layer_decay=0.5", "model=linear"], "would change nothing: all that is trained is in the last level"),
        (["layer_decay=0.5", "freeze=[body]"], "would change nothing: all that is trained is in the last level"),
        (["layer_decay=0.5", "opt=lbfgs", "data.batch_size=all"], "LBFGS has one rate for all weights"),
        (["layer_decay=0.5", "model=gan", "data=gaussians"], "is not possible with model=gan, which steps"),
    ],
    ids=["linear", "frozen", "lbfgs", "gan"],
)
def test_rates_by_depth_are_refused_where_there_are_none(settings: list[str], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        ablate.build(ablate.compose(settings))


@pytest.mark.parametrize("decay", ["0", "1.5", "-1"])
def test_a_decay_is_above_0_and_at_most_1(decay: str) -> None:
    with pytest.raises(ConfigError, match="layer_decay must be above 0 and at most 1"):
        ablate.compose([f"layer_decay={decay}"])


def test_one_rate_for_all_is_the_same_arm_as_none_said() -> None:
    assert ablate.compose(["layer_decay=1"]).arm_hash == ablate.compose().arm_hash
    assert ablate.compose(["freeze=[]"]).arm_hash == ablate.compose().arm_hash


def test_a_group_of_parameters_keeps_its_other_settings() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    optimizer = torch.optim.SGD(
        [{"params": [net[0].weight, net[1].weight], "weight_decay": 0.1}, {"params": [net[1].bias], "lr": 1.0}], lr=0.5
    )
    decay_rates(optimizer, net, 0.1)
    found = [(len(g["params"]), g["lr"], g["weight_decay"]) for g in optimizer.param_groups]
    assert found == [(1, 0.5, 0.1), (1, 0.05, 0.1), (1, 1.0, 0)]


def test_what_is_frozen_is_said_before_training() -> None:
    with config_loader() as loader:
        plan = make_plan(short("freeze=[],[body.1]"), loader, sweep=True)
    assert plan.changes == ("freeze=[body.1]: 520 of 682 weights are frozen",)
