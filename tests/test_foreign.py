"""``model=import``: a network of one's own from the command line, the kit in its places, and what is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import nn

import ablate
from ablate.cli.main import main
from ablate.composition import config_loader
from ablate.errors import ConfigError
from ablate.record import Status
from ablate.sweeps.plan import Plan, make_plan
from ablate.transplant.told import Replaced
from tests.foreign import Net

Runner = Callable[[Sequence[str]], ablate.Sweep]

OWN = ["model=import", "model.target=tests.foreign:Net", "allow_code=true"]
SHORT = ["trainer.max_steps=2", "trainer.validations=1", "data.train_size=32"]
KEPT = ("act", "init", "norm", "pool", "reg")


def plan(*arguments: str) -> Plan:
    with config_loader() as loader:
        return make_plan([*arguments, *SHORT], loader, sweep=True)


def network(*settings: str) -> nn.Module:
    torch.manual_seed(0)
    return ablate.build(ablate.compose([*OWN, *settings])).model


def refused(*settings: str) -> str:
    with pytest.raises(ConfigError) as caught:
        ablate.build(ablate.compose(["model=import", "allow_code=true", *settings]))
    return str(caught.value)


def test_where_nothing_is_said_everything_is_kept_and_the_weights_are_the_authors() -> None:
    config = ablate.compose(OWN)
    assert {kind: config.choices()[kind] for kind in KEPT} == dict.fromkeys(KEPT, "keep")
    made = network()
    torch.manual_seed(0)
    expected = Net(1, 10)
    assert repr(made) == repr(expected)
    assert all(torch.equal(tensor, made.state_dict()[name]) for name, tensor in expected.state_dict().items())


def test_elsewhere_the_defaults_are_what_they_were() -> None:
    assert ablate.compose().choices()["act"] == "relu"
    assert ablate.compose(["model=mlp"]).choices() == ablate.compose().choices()


def test_the_usual_default_means_replacement_where_it_is_said() -> None:
    module = ablate.build(ablate.compose([*OWN, "act=relu"]))
    assert module.replaced is not None
    assert module.replaced.rows[0] == Replaced("act", "stem.2", "LeakyReLU", "ReLU")
    assert ablate.compose([*OWN, "act=relu"]).label.endswith("act=relu")  # type: ignore[union-attr]
    assert "act=" not in str(ablate.compose([*OWN, "act=keep"]).label)


def test_a_parameter_of_what_is_kept_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"norm.eps=1: norm=keep has no parameter 'eps'"):
        ablate.compose([*OWN, "norm.eps=1"])


def test_an_initialiser_fills_the_weights_of_layers_and_no_others() -> None:
    made, kept = network("init=constant", "init.value=0.5").state_dict(), network().state_dict()
    for name, tensor in made.items():
        layer = any(part in name for part in ("conv", "squeeze", "excite", "fc", "stem.0"))
        if layer:
            assert torch.all(tensor == (0.5 if tensor.ndim > 1 else 0.0)), name
        else:
            assert torch.equal(tensor, kept[name]), name


def test_arms_that_differ_in_an_activation_begin_with_the_same_weights() -> None:
    one, two = network().state_dict(), network("act=mish", "pool=avg").state_dict()
    assert one.keys() == two.keys()
    assert all(torch.equal(tensor, two[name]) for name, tensor in one.items())


def test_a_sweep_trains_its_arms_and_says_once_what_was_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    said = ["act=keep,gelu", "norm=keep,gn", *SHORT, "workers=0"]
    assert main(["-m", *OWN, *said]) == 0
    out = capsys.readouterr().out
    assert out.count("act=gelu,norm=keep: 5 replaced") == 1
    assert out.count("act=keep,norm=gn: 4 replaced") == 1
    assert out.count("act=gelu,norm=gn: 9 replaced") == 1
    assert "  norm  stem.1  BatchNorm2d  GroupNorm" in out
    records = [json.loads(path.read_text()) for path in Path("outputs").rglob("record.json")]
    rows = {len((record["replaced"] or {"rows": []})["rows"]) for record in records}
    assert [record["status"] for record in records] == ["finished"] * 4
    assert rows == {0, 4, 5, 9}
    gelu = next(record["replaced"]["rows"] for record in records if len(record["replaced"]["rows"]) == 5)
    assert gelu[1] == {"kind": "act", "path": "one.act", "was": "ReLU", "now": "GELU"}


def test_what_the_network_is_made_with_can_be_swept() -> None:
    own = ["model=import", "model.target=tests.foreign:Functional", "allow_code=true"]
    sweep = ablate.sweep([*own, "model.kwargs.width=4,8", *SHORT, "workers=0"])
    assert sweep.frame()["model.kwargs.width"].tolist() == [4, 8]
    assert sweep.frame()["status"].tolist() == [Status.finished] * 2
    assert len({record.facts.parameters for record in sweep.records}) == 2


def test_a_level_that_computes_what_the_network_has_is_refused() -> None:
    own = ["model=import", "model.target=tests.foreign:Functional", "allow_code=true", "model.kwargs.width=4"]
    with pytest.raises(ConfigError, match="act=keep and act=relu make the same runs"):
        plan(*own, "act=keep,relu")
    with pytest.raises(ConfigError, match=r"no module of normalisation, so that norm would change nothing"):
        plan(*own, "norm=keep,bn")
    with pytest.raises(ConfigError, match=r"takes no part in pool.size"):
        plan(*OWN, "pool=avg", "pool.size=2,3")


def test_code_runs_only_where_that_is_said_and_a_record_does_not_say_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match=r"model=import runs code: .* add allow_code=true"):
        ablate.build(ablate.compose(["model=import", "model.target=tests.foreign:Net"]))
    record = ablate.run(ablate.compose([*OWN, *SHORT]))
    assert "allow_code" not in json.dumps(record.facts.settings)
    assert "allow_code" not in (record.folder / "config.yaml").read_text()
    assert main(["rerun", str(record.folder)]) == 2
    assert "add allow_code=true" in capsys.readouterr().err
    assert main(["rerun", str(record.folder), "allow_code=true"]) == 0


def test_a_run_is_known_by_the_text_of_the_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hashes = []
    for text in ("one = 1", "one = 1", "one = 2"):
        Path("mine.py").write_text(text)
        hashes.append(ablate.compose(["model=import", "model.target=mine:one"]).arm_hash)
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ([], "target is empty: write model.target=my_pkg:make_net"),
        (["model.target=tests.foreign:Nett"], "tests.foreign has no Nett, but Net."),
        (["model.target=no_such_module:Net"], "there is no module no_such_module; install it, or call from the folder"),
        (["model.target=tests.foreign:made"], "is a Linear, and has to be a class or function that makes one"),
        (["model.target=tests.foreign:number"], "makes a int, and has to make a torch.nn.Module"),
        (["model.target=tests.foreign:failing"], "cannot be made: KeyError: 'weights'"),
        (["model.target=tests.foreign:fixed"], "makes (2, 7) of 2 examples of (1, 8, 8), and classification asks for"),
        (
            ["model.target=tests.foreign:Functional"],
            "needs width, which the data does not say: add model.kwargs",
        ),
        (["model.target=tests.foreign:Net", "model.kwargs.wdth=4"], "takes no kwargs.wdth; it takes in_channels,"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_what_is_no_network_for_the_data_is_refused(settings: list[str], reason: str) -> None:
    told = refused(*settings)
    assert reason in told
    assert told.count("\n") == 0
    assert told.endswith(".")
    assert not told.endswith("..")


def test_a_target_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"target is a module and what makes the network in it, my_pkg:make_net"):
        ablate.compose(["model=import", "model.target=os.system"])


@pytest.mark.parametrize("setting", ["act=keep", "norm=keep", "reg=keep", "pool=keep", "init=keep"])
def test_a_network_that_is_made_of_the_options_has_nothing_to_keep(setting: str) -> None:
    with pytest.raises(ConfigError, match=rf"{setting} leaves what a network came with, and model=cnn is made of the"):
        ablate.build(ablate.compose(["model=cnn", setting]))


@pytest.mark.parametrize("model", ["timm", "torchvision"])
def test_a_library_that_is_missing_is_named_with_its_extra(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, model, None)
    with pytest.raises(ConfigError, match=rf"{model} is not installed: pip install 'lightning-ablate\[{model}\]'"):
        ablate.build(ablate.compose([f"model={model}"]))


def test_a_network_of_images_is_refused_for_a_table() -> None:
    with pytest.raises(ConfigError, match="the model cannot take classification of table rows"):
        ablate.build(ablate.compose(["model=timm", "data=iris"]))
