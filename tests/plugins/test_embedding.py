"""The embedding: its network, and what it is trained for and judged by."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

import ablate
from ablate.config import Config
from ablate.errors import ConfigError
from ablate.record import Status
from ablate.techniques import DataSpec, Model, Task
from tests.helpers import classes, make, make_kit, normal, refusal


@pytest.mark.parametrize(("params", "spec"), [({}, classes(5)), ({"encoder": "cnn"}, classes(1, 8, 8))])
def test_an_embedding_has_so_many_dims_and_a_length_of_one(params: dict[str, str], spec: DataSpec) -> None:
    x = normal(4, *spec.input_shape).float()
    model = make(Model, "embedding", dim=7, **params)
    model.check(spec)
    unit = model.build(make_kit(), spec)(x)
    assert unit.shape == (4, 7)
    torch.testing.assert_close(unit.norm(dim=1), torch.ones(4))
    torch.manual_seed(0)
    free = make(Model, "embedding", dim=7, normalize=False, **params).build(make_kit(), spec)
    raw = free(x)
    torch.manual_seed(0)
    unit = make(Model, "embedding", dim=7, **params).build(make_kit(), spec)(x)
    torch.testing.assert_close(unit, raw / raw.norm(dim=1, keepdim=True))


def test_an_embedding_needs_classes_and_its_cnn_images() -> None:
    with pytest.raises(ValueError, match=r"cannot take regression of table rows.*data=digits"):
        make(Model, "embedding").check(DataSpec(Task.regression, (7,), 2))
    with pytest.raises(ValueError, match=r"encoder=cnn cannot take sequences.*encoder=mlp"):
        make(Model, "embedding", encoder="cnn").check(classes(8, 8))
    assert "dim must be at least 1" in refusal(Model, "embedding", dim=0)
    assert "channels must list" in refusal(Model, "embedding", channels=[])


def test_an_embedding_is_judged_by_recall_at_1(short_config: Callable[..., Config]) -> None:
    config = short_config("model=embedding", "model.width=64", "trainer.max_epochs=30")
    record = ablate.run(config)
    assert config.task is Task.embedding
    assert (record.status, record.facts.metric, record.facts.higher_is_better) == (
        Status.finished,
        "val/recall_at_1",
        True,
    )
    assert record.curves()["val/recall_at_1"][-1] > 0.7  # chance is 0.1
    assert set(record.facts.test) == {"test/loss", "test/recall_at_1"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["loss=triplet"], r"loss=triplet is for embedding, but data=digits asks for classification\. loss=auto .*"
         "loss=triplet goes with model=embedding"),
        (["model=embedding", "loss=mse"], r"but model=embedding is trained for embedding\. loss=auto takes"),
        (["model=mlp,embedding"], "model=mlp on data=digits by val/acc and model=embedding on .* by val/recall_at_1"),
        (["model=embedding", "model.channels=[4],[8]"], "model.channels plays no role"),
        (["model=embedding", "reg=mixup"], "loss=triplet needs one class an example"),
    ],
)  # fmt: skip
def test_what_does_not_go_with_an_embedding_is_refused_with_the_way_out(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ablate.sweep(arguments)


def test_the_ways_of_mining_are_told_apart(short_sweep: Callable[[list[str]], ablate.Sweep]) -> None:
    sweep = short_sweep(["model=embedding", "loss=triplet", "loss.mining=random,semi_hard,hard"])
    assert sweep.metric == "val/recall_at_1"
    assert len(set(sweep.frame()["area"])) == 3
