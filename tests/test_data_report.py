"""What is seen of data before anything trains on it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from ablate import data_report
from ablate.data_report import constant, missing_classes, refuse_unusable, repeated
from ablate.dataset import Dataset, Examples, Splits
from ablate.errors import ConfigError
from ablate.techniques import DataSpec, Task
from tests.helpers import normal


def dataset(task: Task = Task.classification, outputs: int = 3, **changed: Examples) -> Dataset:
    splits = Splits(*(Examples(normal(30, 4, seed=seed).float(), torch.arange(30) % 3) for seed in range(3)))
    splits = splits._replace(**changed)
    return Dataset(splits, DataSpec(task, tuple(splits.train.x.shape[1:]), outputs), torch.ones(()))


def test_data_without_faults_is_passed_in_silence() -> None:
    good = dataset()
    refuse_unusable(good, "data")
    assert constant(good.splits.train.x) == []
    assert missing_classes(good) == []
    assert repeated(good.splits) == []


def test_features_that_never_change_are_named() -> None:
    x = normal(30, 4)
    x[:, 1] = 7
    assert constant(x) == ["the same in every training example, and so of no use: feature 1."]
    assert constant(x, "abcd") == ["the same in every training example, and so of no use: 'b'."]
    assert constant(x[:, None].expand(-1, 5, -1), "abcd") == constant(x, "abcd")
    images = normal(30, 3, 4, 4)
    images[:, 2] = 0
    assert "channel 2." in constant(images)[0]
    assert constant(torch.zeros(30, 9))[0].endswith("feature 3, feature 4 and 4 more.")


def test_classes_that_a_split_lacks_are_named() -> None:
    lacking = dataset(val=Examples(normal(30, 4), torch.zeros(30, dtype=torch.int64)))
    assert missing_classes(lacking, "abc") == ["the validation split has no example of 2 of the classes: 'b', 'c'."]
    assert missing_classes(dataset(Task.regression)) == []


def test_examples_of_one_split_in_another_are_counted() -> None:
    good = dataset().splits
    x = good.val.x.clone()
    x[:6] = good.train.x[10:16]
    (said,) = repeated(good._replace(val=good.val._replace(x=x)))
    assert said.startswith("6 examples of val (20.0%) are in train too")


def test_a_small_world_repeats_and_nothing_is_said() -> None:
    bits = Examples(torch.tensor([[0.0, 1], [1, 0]]).repeat(15, 1), torch.arange(30) % 2)
    assert repeated(Splits(bits, bits, bits)) == []


@pytest.mark.parametrize(("different", "is_said"), [(14, False), (15, True)])
def test_a_world_is_small_with_less_than_half_as_many_inputs_as_examples(different: int, is_said: bool) -> None:
    train = Examples(torch.arange(30.0)[:, None] % different, torch.arange(30) % 3)
    assert bool(repeated(Splits(train, train, train))) is is_said


def test_of_many_examples_some_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.arange(30.0)[:, None]
    train, val, test = (Examples(part, torch.arange(30) % 3) for part in (x, x.flip(0), x + 30))
    assert len(repeated(Splits(train, val, test))) == 1
    monkeypatch.setattr(data_report, "_COMPARED", 10)  # the first ten of training, the last ten of validation
    assert repeated(Splits(train, val, test)) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"val": Examples(normal(30, 5), torch.arange(30) % 3)}, "different shapes"),
        ({"val": Examples(normal(30, 4), torch.arange(29) % 3)}, "the val split has 30 inputs and 29 targets"),
        ({"val": Examples(normal(30, 4), torch.arange(30) % 3 - 1)}, "the val split has targets below 0"),
        ({"val": Examples(normal(30, 4), torch.zeros(30, 2, dtype=torch.int64))}, "needs one class"),
        (
            {"test": Examples(torch.full((30, 4), torch.inf), torch.arange(30) % 3)},
            "the inputs of the test split have NaN",
        ),
    ],
)
def test_what_nothing_can_be_trained_on_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        refuse_unusable(dataset(**changed), "data")


def test_a_feature_that_is_not_finite_is_named() -> None:
    x = normal(30, 4)
    x[17, 2] = torch.nan
    broken = dataset(train=Examples(x, torch.arange(30) % 3))
    with pytest.raises(ConfigError, match=r"feature 'c' of the train split .* in its example 17"):
        refuse_unusable(broken, "data", "abcd")


def test_an_example_of_four_dims_is_refused() -> None:
    x = normal(30, 2, 3, 4, 5)
    made = replace(dataset(), splits=Splits(*[Examples(x, torch.arange(30) % 3)] * 3))
    with pytest.raises(ConfigError, match=r"an example has the shape \(2, 3, 4, 5\)"):
        refuse_unusable(made, "data")
