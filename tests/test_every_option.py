"""Every option that ships is trained for a few steps, with a model and data that use it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import ablate
from ablate.assembly import build
from ablate.dataset import Dataset, prepare
from ablate.discovery import BUILTIN
from ablate.probe import PROBED, fingerprint
from ablate.record import Status
from ablate.registry import Option, registry
from ablate.techniques import KINDS, DataSpec, Loss, Model, Task
from tests import own_data

STEPS = 4
DATA = ["digits", "digits_rows", "digits_canvas", "breast_cancer", "diabetes", "point_sets"]
MODELS = ["mlp", "lstm", "fcn"]
OF_TASK = {
    Task.classification: ["data=digits", "model=mlp"],
    Task.regression: ["data=diabetes", "model=mlp"],
    Task.segmentation: ["data=digits_canvas", "model=fcn"],
    Task.embedding: ["data=digits", "model=embedding"],
}
HUB = ("hub", "mnist", "fashion_mnist", "cifar10")
OWN = {
    "table": ["data.path=people.csv", "data.target=buys"],
    "images": ["data.path=photos"],
    "arrays": ["data.path=arrays.npz"],
} | {name: ["data.path=photos"] for name in HUB}
"""Where data from outside is found."""

FULL_BATCH = {"gd", "lbfgs"}
ALONE = {"kl", "triplet"}
"""Nothing to compare with: for class indices kl is cross_entropy, as it says, and triplet is the loss of embeddings."""

FOREIGN = ["model.target=tests.foreign:Net", "allow_code=true"]
LIBRARIES = {"timm", "torchvision"}

OPTIONS = [o for kind in KINDS for o in registry().options(kind).values() if o.distribution == BUILTIN]
COMPARED = [o for o in OPTIONS if o.kind in PROBED and o.kind != "model" and o.name not in ALONE]


def spec_of(data: str, *settings: str) -> DataSpec:
    return prepare(ablate.compose([f"data={data}", *settings]).data, 0).spec


def takes(model: str, spec: DataSpec) -> bool:
    made = ablate.technique("model", model)
    assert isinstance(made, Model)
    try:
        made.check(spec)
    except ValueError:
        return False
    return True


def settings_of(option: Option) -> list[str]:
    """Return settings in which ``option`` has a part."""
    chosen = f"{option.kind}={option.name}"
    if option.cls.keeps or option.name == "import":
        return list(dict.fromkeys([chosen, "model=import", *FOREIGN]))
    if option.name in LIBRARIES:
        pytest.importorskip(option.name, reason=f"{option.name} is not installed here", exc_type=ImportError)
    if option.kind in ("norm", "reg", "pool"):
        return [chosen, "model=cnn"]
    if option.kind == "loss":
        assert issubclass(option.cls, Loss)
        task = next(task for task in Task if task in option.cls.tasks)
        return [chosen, *OF_TASK[task]]
    if option.kind == "model":
        return [chosen, next(f"data={data}" for data in DATA if takes(option.name, spec_of(data)))]
    if option.kind == "data":
        own = OWN.get(option.name, [])
        spec = spec_of(option.name, *own)
        return [chosen, *own, next(f"model={model}" for model in MODELS if takes(model, spec))]
    return [chosen, "data.batch_size=all"] if option.name in FULL_BATCH else [chosen]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: f"{option.kind}={option.name}")
def test_it_trains(option: Option, tmp_path: Path) -> None:
    if option.name in OWN:
        own_data.csv(tmp_path)
        own_data.npz(tmp_path)
        own_data.image_folder(tmp_path)
    if option.name in HUB:
        pytest.importorskip("datasets")
    config = ablate.compose([*settings_of(option), f"trainer.max_steps={STEPS}", "trainer.validations=2"])
    before = build(config).model.state_dict()
    record = ablate.run(config)
    assert record.status is Status.finished, record.facts.error
    curves = record.curves()
    assert curves["step"][-1] == STEPS
    assert all(math.isfinite(value) for name in ("val/loss", "train/loss") for value in curves[name][-1:])
    after = torch.load(record.folder / "last.ckpt", weights_only=True)["state_dict"]
    assert any(not torch.equal(after[f"model.{name}"], value) for name, value in before.items())


@pytest.mark.parametrize("option", COMPARED, ids=lambda option: f"{option.kind}={option.name}")
def test_it_has_a_part_in_the_network_that_is_trained(option: Option) -> None:
    _, *partners = settings_of(option)
    others = [o.name for o in COMPARED if o.kind == option.kind and o is not option]
    dataset = prepare(ablate.compose(partners).data, 0)
    own = digest_of([f"{option.kind}={option.name}", *partners], dataset)
    assert own is not None
    # One that differs is enough, and usually the first does.
    assert any(digest_of([f"{option.kind}={other}", *partners], dataset) not in (None, own) for other in others)


def digest_of(settings: list[str], dataset: Dataset) -> str | None:
    """Return the network's fingerprint; None where the options do not fit together."""
    try:
        return fingerprint(ablate.compose(settings), dataset)
    except ablate.AblateError:
        return None
