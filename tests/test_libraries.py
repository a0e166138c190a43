"""Networks of timm and torchvision, as their libraries make them: ``model=timm``, ``model=torchvision``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ablate.record import Status, find
from tests.helpers import python
from tests.libraries import FOLDER, caller, needs

pytestmark = needs("timm", "torchvision")

NETWORKS = {
    "resnet18": ["model=timm", "act=mish", "norm=gn", "pool=avg"],
    "attention": ["model=timm", "model.name=vit_tiny_patch16_224", "model.kwargs.patch_size=4", "act=relu", "norm=gn"],
    "gated": ["model=timm", "model.name=mobilenetv3_small_050", "act=relu", "norm=bn"],
    "theirs": ["model=torchvision", "act=gelu", "norm=gn", "init=he"],
    "kept": ["model=torchvision", "model.name=mobilenet_v2"],
    "unknown": ["model=timm", "model.name=resnet19"],
    "unknown of theirs": ["model=torchvision", "model.name=resnt18"],
    "kwargs": ["model=timm", "model.kwargs.foo=1"],
    "said twice": ["model=timm", "model.kwargs.num_classes=3"],
    "idle": ["model=timm", "reg=dropout"],
}
SWEEP = ["model=timm", "model.name=test_resnet", "act=keep,gelu", "norm=keep,gn", "data.train_size=32"]
SCRIPT = """
import json, sys
import ablate, torch
from ablate.errors import ConfigError
networks, sweep = json.loads(sys.argv[1])
found = {}
for name, settings in networks.items():
    try:
        module = ablate.build(ablate.compose([*settings, "data.train_size=16"]))
        told = {"told": str(module.replaced).splitlines(), "versions": ablate.compose(settings).versions()}
        found[name] = {"shape": list(module.model(torch.randn(2, 1, 8, 8)).shape), **told}
    except ConfigError as error:
        found[name] = str(error)
ablate.sweep([*sweep, "trainer.max_steps=2", "trainer.validations=1", "workers=0"])
print()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the sweep's records are."""
    return tmp_path_factory.mktemp("libraries")


@pytest.fixture(scope="module")
def printed(folder: Path) -> str:
    """What one process prints that makes all the networks and trains a sweep: to import the libraries takes seconds."""
    done = caller(folder, "-c", SCRIPT)(json.dumps([NETWORKS, SWEEP]), cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def found(printed: str) -> dict[str, Any]:
    """The networks, or why they were refused."""
    networks: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return networks


def told(found: dict[str, Any], name: str) -> str:
    """Return the table of what was replaced, without its alignment."""
    return "\n".join(" ".join(line.split()) for line in found[name]["told"])


def test_four_arms_of_a_network_of_timm_train_and_say_what_was_replaced(printed: str, folder: Path) -> None:
    _, both = printed.split("act=gelu,norm=gn: 27 replaced\n")
    assert [" ".join(line.split()) for line in both.splitlines()[:10]] == [
        "kind module from to count",
        "act conv1.[2,5] ReLU GELU 2",
        "act act1 ReLU GELU 1",
        "act layer[1,2,4].0.act[1-2] ReLU GELU 6",
        "act layer3.0.act[1-3] ReLU GELU 3",
        "norm conv1.[1,4] BatchNorm2d GroupNorm 2",
        "norm bn1 BatchNorm2d GroupNorm 1",
        "norm layer[1,2,4].0.bn[1-2] BatchNorm2d GroupNorm 6",
        "norm layer3.0.bn[1-3] BatchNorm2d GroupNorm 3",
        "norm layer[2-4].0.downsample.2 BatchNorm2d GroupNorm 3",
    ]
    records, problems = find(folder / "outputs")
    assert not problems
    assert [record.status for record in records] == [Status.finished] * 4
    assert sorted(len((record.facts.replaced or {})["rows"]) for record in records) == [0, 12, 15, 27]


def test_their_networks_predict_what_the_data_asks_for(found: dict[str, Any]) -> None:
    shapes = {name: result["shape"] for name, result in found.items() if isinstance(result, dict)}
    assert shapes == {name: [2, 10] for name in ("resnet18", "attention", "gated", "theirs", "kept")}


def test_the_kit_takes_its_places_in_them(found: dict[str, Any]) -> None:
    assert "pool maxpool MaxPool2d AvgPool2d 1" in told(found, "resnet18")
    assert "act layer[1-4].[0-1].act[1-2] ReLU Mish 16" in told(found, "resnet18")
    assert "act blocks.[0-11].mlp.act GELU ReLU 12" in told(found, "attention")
    assert "norm blocks.[0-11].norm[1-2] LayerNorm GroupNorm, at each position 24" in told(found, "attention")
    assert "BatchNormAct2d BatchNorm2d + ReLU" in told(found, "gated")
    assert "gate" not in told(found, "gated")  # a hard sigmoid that scales channels is no activation to replace
    assert "act layer[1-4].[0-1].relu ReLU GELU 8" in told(found, "theirs")  # one for both of a block's places
    assert "init conv1 Conv2d he 1" in told(found, "theirs")
    assert told(found, "kept") == "nothing replaced"


def test_the_library_is_part_of_what_a_run_is_known_by(found: dict[str, Any]) -> None:
    assert "timm" in found["resnet18"]["versions"]
    assert "torchvision" in found["theirs"]["versions"]


def test_what_they_have_not_is_refused_in_a_sentence(found: dict[str, Any]) -> None:
    assert "timm has no network name=resnet19; close to it are resnet18" in found["unknown"]
    assert "torchvision has no network name=resnt18; close to it are resnet18" in found["unknown of theirs"]
    assert "timm's resnet18 cannot be made: TypeError: ResNet.__init__() got an unexpected" in found["kwargs"]
    assert "kwargs.num_classes is said by the data: leave it out" in found["said twice"]
    assert "no module of dropout, so that reg would change nothing" in found["idle"]


def test_torchvision_of_another_build_than_torch_is_one_sentence() -> None:
    tried = python("-c", "import torchvision", PYTHONPATH=str(FOLDER))
    if tried.returncode == 0:
        pytest.skip("this torchvision goes with this torch")
    path = os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(FOLDER)])
    done = python("-m", "ablate", "trainer.max_steps=1", PYTHONPATH=path)
    assert done.returncode == 2
    assert "\nablate: torchvision is of another build than torch" in f"\n{done.stderr}"
    assert "Traceback" not in done.stderr
