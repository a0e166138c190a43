"""data=table: columns told apart, encoded by the training split, and split as asked."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from ablate_plugins.sources.table import Table
from torch import Tensor

from ablate.dataset import Examples, loaded, prepare, training_batches
from ablate.errors import ConfigError
from ablate.scaling import scaling
from ablate.stored import in_memory
from ablate.techniques import Data, Scale, Task
from ablate.testing.contract import CONTRACTS
from tests import own_data
from tests.helpers import make


def table(path: Path, **params: Any) -> Table:
    return make(Table, "table", path=str(path), **{"target": "buys", **params})


def refused(data: Data) -> str:
    with pytest.raises(ConfigError) as caught:
        prepare(data, 0)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def raw_rows(examples: Examples, of: pd.DataFrame) -> list[int]:
    """Return which rows of a table are the examples, by the weight that no two share."""
    by_weight = {weight: number for number, weight in enumerate(of["weight"])}
    return [by_weight[weight] for weight in in_memory(examples.x)[:, 1].tolist()]


def test_columns_become_numbers_gaps_and_one_hot_words(tmp_path: Path) -> None:
    given = own_data.frame()
    train = loaded(table(own_data.csv(tmp_path)), 0).train
    rows = given.iloc[raw_rows(train, given)]
    heights = rows["height"].to_numpy()
    expected = np.stack(
        [
            np.where(np.isnan(heights), np.nanmean(heights), heights),
            rows["weight"].to_numpy(),
            np.isnan(heights),
            *(rows["colour"].to_numpy() == word for word in sorted(own_data.WORDS)),
        ],
        1,
    ).astype(float)
    torch.testing.assert_close(in_memory(train.x), torch.from_numpy(expected), rtol=1e-14, atol=0)
    assert train.y.tolist() == (rows["buys"] == "yes").astype(int).tolist()


def test_standardised_columns_are_those_of_numpy(tmp_path: Path) -> None:
    train = loaded(table(own_data.csv(tmp_path)), 0).train
    shift, factor = scaling(train.x, Scale.standard)
    x = in_memory(train.x).numpy()
    expected = (x - x.mean(0)) / x.std(0)
    torch.testing.assert_close(((in_memory(train.x) - shift) * factor), torch.from_numpy(expected), rtol=0, atol=1e-9)
    # a mean of a million costs six of sixteen digits; without it, all but four are left
    small = [0, 2, 3, 4, 5]
    got = ((in_memory(train.x) - shift) * factor)[:, small]
    torch.testing.assert_close(got, torch.from_numpy(expected[:, small]), rtol=0, atol=1e-12)


def test_a_large_offset_is_taken_off_before_numbers_become_float32(tmp_path: Path) -> None:
    x = prepare(table(own_data.csv(tmp_path)), 0).splits.train.x
    assert x.dtype == torch.float32
    raw = in_memory(loaded(table(own_data.csv(tmp_path)), 0).train.x)[:, 1].numpy()
    expected = (raw - raw.mean()) / raw.std()
    torch.testing.assert_close(x[:, 1].double(), torch.from_numpy(expected), rtol=1e-6, atol=1e-6)


def test_statistics_are_those_of_training_alone(tmp_path: Path) -> None:
    given = own_data.frame().assign(when=["train"] * 60 + ["val"] * 20 + ["test"] * 20)
    other = given.copy()
    other.loc[60:, "height"] *= 3
    one, two = (
        prepare(table(own_data.csv(tmp_path, frame, name), split="when"), 0).splits.train.x
        for frame, name in ((given, "a.csv"), (other, "b.csv"))
    )
    assert torch.equal(one, two)


def test_a_number_that_training_never_has_is_zero(tmp_path: Path) -> None:
    given = own_data.frame().assign(when=["train"] * 60 + ["val"] * 20 + ["test"] * 20)
    given.loc[:59, "height"] = np.nan
    splits = loaded(table(own_data.csv(tmp_path, given), split="when"), 0)
    assert in_memory(splits.train.x)[:, [0, 2]].unique(dim=0).tolist() == [[0, 1]]


def test_a_category_that_training_has_not_seen_is_all_zeros(tmp_path: Path) -> None:
    given = own_data.frame().assign(when=["train"] * 60 + ["val"] * 20 + ["test"] * 20)
    given.loc[:59, "colour"] = "red"
    given.loc[60:, "colour"] = "blue"
    splits = loaded(table(own_data.csv(tmp_path, given), split="when"), 0)
    assert in_memory(splits.train.x)[:, 3:].unique(dim=0).tolist() == [[0, 1]]
    assert in_memory(splits.val.x)[:, 3:].unique(dim=0).tolist() == [[0, 0]]


def test_parquet_is_the_same_table(tmp_path: Path) -> None:
    own_data.frame().to_parquet(tmp_path / "people.parquet")
    a = prepare(table(tmp_path / "people.parquet"), 3).splits
    b = prepare(table(own_data.csv(tmp_path)), 3).splits
    for one, two in zip(a, b, strict=True):
        assert torch.equal(one.x, two.x)
        assert torch.equal(one.y, two.y)


@pytest.mark.parametrize(("separator", "name"), [(";", "a.csv"), ("\t", "a.tsv"), ("|", "a.csv.gz")])
def test_other_separators_are_seen(tmp_path: Path, separator: str, name: str) -> None:
    own_data.frame().to_csv(tmp_path / name, index=False, sep=separator)
    assert torch.equal(
        prepare(table(tmp_path / name), 0).splits.test.x, prepare(table(own_data.csv(tmp_path)), 0).splits.test.x
    )


def test_a_mark_of_the_byte_order_is_no_part_of_a_name(tmp_path: Path) -> None:
    own_data.frame().to_csv(tmp_path / "a.csv", index=False, encoding="utf-8-sig")
    origin = table(tmp_path / "a.csv").origin()
    assert origin is not None
    assert origin.features[0] == "height"


def test_the_seed_draws_whole_disjoint_splits_with_every_class_in_its_share(tmp_path: Path) -> None:
    given = own_data.frame()
    data = table(own_data.csv(tmp_path))
    parts = [raw_rows(split, given) for split in loaded(data, 0)]
    assert sorted(row for part in parts for row in part) == list(range(100))
    assert [len(part) for part in parts] == [60, 20, 20]
    share = (given["buys"] == "yes").mean()
    for part in parts[1:]:
        assert abs(sum(given["buys"].iloc[part] == "yes") - 20 * share) <= 1
    for seed in range(10):
        for split in loaded(data, seed)[1:]:
            assert abs(int(split.y.sum()) - 20 * share) <= 1
    again = table(own_data.csv(tmp_path, name="again.csv"))
    assert [raw_rows(split, given) for split in loaded(again, 0)] == parts
    assert [raw_rows(split, given) for split in loaded(data, 1)] != parts


def test_a_column_may_say_the_split_and_the_seed_what_it_leaves_open(tmp_path: Path) -> None:
    given = own_data.frame().assign(when=["Train"] * 80 + ["test"] * 20)
    splits = loaded(table(own_data.csv(tmp_path, given), split="when"), 0)
    assert sorted(raw_rows(splits.test, given)) == list(range(80, 100))
    assert [len(split.x) for split in splits] == [64, 16, 20]
    assert splits.train.x.shape[1] == 6  # the column itself is no input
    for seed in range(5):  # what is drawn has its share of each class
        drawn = loaded(table(tmp_path / "people.csv", split="when"), seed).val.y
        assert abs(int(drawn.sum()) - 16 * (given["buys"][:80] == "yes").mean()) <= 1


@pytest.mark.parametrize(
    ("column", "asked", "task"),
    [
        (["a", "b"] * 50, "auto", Task.classification),
        ([0, 1, 2, 3] * 25, "auto", Task.classification),
        ([True, False] * 50, "auto", Task.classification),
        (np.arange(100), "auto", Task.regression),
        (np.linspace(0, 1, 100), "auto", Task.regression),
        ([*range(20)] * 5, "auto", Task.classification),
        ([*range(20), *range(5)], "auto", Task.regression),  # fewer than five rows for each
        ([0, 1, 2, 3] * 25, "numbers", Task.regression),
        ([0.5, 1.5] * 50, "classes", Task.classification),
    ],
)
def test_the_task_is_inferred_unless_said(tmp_path: Path, column: Any, asked: str, task: Task) -> None:
    data = table(own_data.csv(tmp_path, own_data.frame(len(column)).assign(y=column)), target="y", target_type=asked)
    assert data.task is task
    assert prepare(data, 0).spec.task is task
    origin = data.origin()
    assert origin is not None
    assert task.value in origin.sentences[0]


def test_several_numbers_are_one_regression(tmp_path: Path) -> None:
    dataset = prepare(table(own_data.csv(tmp_path), target=["height", "weight"]), 0)
    assert dataset.spec.outputs == 2
    assert len(dataset.splits.train.x) == 54  # a row without a height has no target
    torch.testing.assert_close(dataset.splits.train.y.std(0, correction=0), torch.ones(2))


def test_numbers_may_be_names_of_categories(tmp_path: Path) -> None:
    given = own_data.frame().assign(zip=[10, 20] * 50)
    x = loaded(table(own_data.csv(tmp_path, given), categorical=["zip"]), 0).train.x
    assert x.shape[1] == 8
    assert in_memory(x)[:, -2:].sum(1).eq(1).all()


def test_rows_without_a_target_are_left_out_and_said(tmp_path: Path) -> None:
    given = own_data.frame()
    given.loc[:9, "buys"] = None
    data = table(own_data.csv(tmp_path, given))
    assert sum(len(split.x) for split in loaded(data, 0)) == 90
    origin = data.origin()
    assert origin is not None
    assert "10 rows without a target are left out." in origin.sentences


def streamed(path: Path, **params: Any) -> tuple[list[Tensor], list[Tensor]]:
    both = []
    for hold in ("stream", "memory"):
        data = table(path, hold=hold, batch_size=7, **params)
        train = prepare(data, 0).splits.train
        batches = training_batches(train, data, 5)
        batches.set_epoch(2)
        both.append([torch.cat((x, y[:, None].float()), 1) for x, y in batches])
    return both[0], both[1]


def test_a_stream_has_the_same_batches_as_memory_to_the_bit(tmp_path: Path) -> None:
    stream, memory = streamed(own_data.csv(tmp_path))
    assert len(stream) == len(memory) == 9
    assert all(map(torch.equal, stream, memory))


@pytest.mark.parametrize(
    ("change", "params", "said"),
    [
        ({}, {"target": None}, "one of height, weight, colour, buys"),
        ({}, {"target": "buy"}, "has no such column. Did you mean 'buys'? It has height"),
        ({}, {"drop": ["x"]}, "data.drop=x"),
        ({"one": 1}, {"target": "one"}, "one value only, 1"),
        ({"gone": np.nan}, {}, "data.drop=[gone]"),
        ({"far": np.inf}, {}, "data.drop=[far]"),
        ({"name": [f"n{i}" for i in range(100)]}, {}, "data.drop=[name], or raise data.max_categories"),
        ({"when": "later"}, {"split": "when"}, "says 'later' in a row"),
        ({}, {"target": "colour", "target_type": "numbers"}, "holds words, '" + own_data.frame()["colour"][0]),
        ({"id": [f"n{i}" for i in range(100)]}, {"target": "id"}, "too many for classes"),
        ({}, {"label_noise": 1.5}, "label_noise must be in [0, 1)"),
        ({}, {"drop": ["buys"]}, "data.drop=buys: data.target names this column of people.csv already"),
        ({}, {"target": ["height", "height"]}, "data.target names this column"),
        ({}, {"drop": ["colour"], "categorical": ["colour"]}, "data.drop names this column"),
        ({"age": ["?", *map(str, range(99))]}, {}, "among the numbers of age ('?'): leave such a cell empty"),
        ({"y": ["?", *map(str, range(99))]}, {"target": "y"}, "among the numbers of y ('?'): leave such a cell empty"),
        ({"y": ["?", *map(str, range(99))]}, {"target": "y", "target_type": "numbers"}, "holds words, '?'"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    tmp_path: Path, change: dict[str, Any], params: dict[str, Any], said: str
) -> None:
    assert said in refused(table(own_data.csv(tmp_path, own_data.frame().assign(**change)), **params))


def test_a_file_that_is_no_table_is_one_sentence(tmp_path: Path) -> None:
    assert "is not set" in refused(make(Table, "table"))
    own_data.csv(tmp_path)
    assert "Did you mean 'people.csv'?" in refused(table(tmp_path / "peple.csv"))
    assert "data=images" in refused(table(tmp_path))
    (tmp_path / "a.parquet").write_bytes(b"no parquet")
    assert "cannot be read as a table" in refused(table(tmp_path / "a.parquet"))
    (tmp_path / "a.csv").write_text("a,b\n1,2\n1,2,3\n", encoding="utf-8")
    assert "cannot be read as a table" in refused(table(tmp_path / "a.csv"))
    (tmp_path / "b.csv").write_bytes(b"a,buys\n\xff\xfe,1\n")
    assert "cannot be read as a table" in refused(table(tmp_path / "b.csv"))
    (tmp_path / "c.csv").write_text("a,buys\n", encoding="utf-8")
    assert "has no rows" in refused(table(tmp_path / "c.csv"))
    (tmp_path / "e.csv").write_text("a,buys\n1,x,3\n2,y,4\n", encoding="utf-8")
    assert "its rows have more values than its first line has names" in refused(table(tmp_path / "e.csv"))
    (tmp_path / "f.csv").write_text("a,buys,buys\n1,x,x\n2,y,y\n", encoding="utf-8")
    assert "several columns called 'buys'. Rename them." in refused(table(tmp_path / "f.csv"))
    own_data.frame().to_csv(tmp_path / "g.csv", encoding="utf-16")
    assert "Save it as UTF-8." in refused(table(tmp_path / "g.csv"))
    (tmp_path / "h.csv.gz").write_bytes(gzip.compress(b"a,buys\n" + b"1,x\n2,y\n" * 99)[:-12])
    assert "cannot be read as a table: Compressed file ended" in refused(table(tmp_path / "h.csv.gz"))
    (tmp_path / "d.csv").write_text("a,buys\n1,x\n2,y\n", encoding="utf-8")
    assert "2 examples are too few" in refused(table(tmp_path / "d.csv"))


def test_what_a_parquet_file_alone_can_hold_is_told_apart(tmp_path: Path) -> None:
    rows = own_data.frame()
    path = tmp_path / "people.parquet"
    rows.set_index("weight").to_parquet(path)
    assert sorted(loaded(table(path), 0).train.x.shape) == [6, 60]  # an index is a column
    rows.sample(frac=1, random_state=0).to_parquet(path)
    assert loaded(table(path), 0).train.x.shape == (60, 6)  # where a row once stood is none
    rows[["height", "weight"]].set_axis([0, 1], axis=1).to_parquet(path)
    origin = table(path, target="1").origin()
    assert origin is not None
    assert origin.features[0] == "0"
    twins = pa.table([pa.array(["x", "y"] * 5), pa.array(range(10)), pa.array(range(10))], names=["buys", "a", "a"])
    pq.write_table(twins, path)
    assert "several columns called 'a'" in refused(table(path))
    for nested in ([[1, 2]] * 100, [{"a": 1}] * 100, [b"x"] * 100):
        rows.assign(odd=pd.Series(nested)).to_parquet(path)
        assert "neither numbers nor words in odd. Leave out: data.drop=[odd]" in refused(table(path))
        assert "this column of people.parquet holds neither" in refused(table(path, target="odd"))
        assert loaded(table(path, drop=["odd"]), 0).train.x.shape == (60, 6)


@pytest.mark.parametrize("values", [[10**16, 10**16 + 1], [2**63, 2**63 + 1], [0.5, 0.5000000000000002]])
def test_classes_that_differ_in_the_last_digit_are_two(tmp_path: Path, values: list[float]) -> None:
    given = own_data.frame().assign(y=values * 50)
    data = table(own_data.csv(tmp_path, given), target="y", target_type="classes")
    origin = data.origin()
    assert origin is not None
    assert origin.classes == tuple(map(str, values))
    assert torch.cat([split.y for split in loaded(data, 0)]).bincount().tolist() == [50, 50]


def test_words_among_numbers_and_a_count_of_the_rows_are_said(tmp_path: Path) -> None:
    given = own_data.frame().assign(age=["?", *[str(n % 30) for n in range(99)]])
    origin = table(own_data.csv(tmp_path, given.reset_index())).origin()
    assert origin is not None
    told = " ".join(origin.sentences)
    assert "Words stand among the numbers of age ('?'): leave such a cell empty if its value is missing." in told
    assert "Only the row's number, it seems: index; leave out by data.drop=[…]." in told


def test_gaps_are_filled_by_the_training_examples_that_are_kept(tmp_path: Path) -> None:
    data = table(own_data.csv(tmp_path), train_size=20)
    splits = loaded(data, 0)
    kept, gap = in_memory(splits.train.x)[:20], in_memory(splits.test.x)[:, 2] == 1
    mean = float(kept[kept[:, 2] == 0, 0].mean())
    assert in_memory(splits.test.x)[gap, 0].tolist() == pytest.approx([mean] * int(gap.sum()), rel=1e-12)


def test_it_keeps_the_contracts_of_data(tmp_path: Path) -> None:
    path = str(own_data.csv(tmp_path))

    @dataclass
    class People(Table):  # type: ignore[misc]
        """People; target, target_type, drop, categorical, split and max_categories as of its base."""

        target: Any = "buys"

        def __post_init__(self) -> None:
            self.path = path
            super().__post_init__()

    for name in ("gives_three_splits", "gives_finite_float32_inputs", "has_targets_of_its_task", "repeats_its_split"):
        CONTRACTS[name].hold("data=people", People())
