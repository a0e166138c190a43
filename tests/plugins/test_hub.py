"""data=hub through the real library, on data sets written to disk in the hub's own layout; no network is asked."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from ablate_plugins.datasets import hub_access, hub_sets
from PIL import Image

import ablate
from ablate.contents import cache_folder
from ablate.dataset import loaded, prepare
from ablate.errors import ConfigError
from ablate.record import Status
from ablate.stored import in_memory
from ablate.techniques import Data, Task
from tests import own_data
from tests.helpers import make

datasets = pytest.importorskip("datasets")

CARD = """---
configs:
- config_name: {name}
  data_files:
  - split: train
    path: {name}/train-*
  - split: test
    path: {name}/test-*
---
"""


@pytest.fixture(autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep the library's cache in the test's folder, and the library off the network."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    shutil.rmtree(cache_folder() / "hub", ignore_errors=True)
    datasets.disable_progress_bars()
    hub_access._refused.clear()
    yield
    datasets.enable_progress_bars()


def pictures(count: int, names: tuple[str, str] = ("image", "label"), seed: int = 0) -> Any:
    """Return a data set of pictures of three classes."""
    image, label = names
    features = datasets.Features({image: datasets.Image(), label: datasets.ClassLabel(names=["cat", "dog", "eel"])})
    shown = [Image.fromarray(picture) for picture in own_data.pictures(count, seed=seed)]
    return datasets.Dataset.from_dict({image: shown, label: [n % 3 for n in range(count)]}, features=features)


def repository(folder: Path, name: str = "tiny", **splits: Any) -> Path:
    """Write a data set as it lies on the hub: parquet files of each split, and a card that says so."""
    place = folder / "repositories" / name
    splits = splits or {"train": pictures(30), "test": pictures(12, seed=1)}
    for split, content in splits.items():
        (place / name).mkdir(parents=True, exist_ok=True)
        content.to_parquet(place / name / f"{split}-00000-of-00001.parquet")
    (place / "README.md").write_text(CARD.format(name=name), encoding="utf-8")
    return place


def hub(path: Path | str, **params: Any) -> Data:
    return make(Data, "hub", path=str(path), **params)


def refused(data: Data) -> str:
    with pytest.raises(ConfigError) as caught:
        prepare(data, 0)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_local_repository_is_its_pictures_and_its_own_test(tmp_path: Path) -> None:
    data = hub(repository(tmp_path))
    splits = loaded(data, 0)
    assert [len(split.x) for split in splits] == [24, 6, 12]
    expected = {picture.tobytes(): n % 3 for n, picture in enumerate(own_data.pictures(12, seed=1))}
    for x, y in zip(in_memory(splits.test.x), splits.test.y, strict=True):
        assert expected.pop(x.to(torch.uint8).numpy().tobytes()) == int(y)
    origin = data.origin()
    assert origin is not None
    assert origin.classes == ("cat", "dog", "eel")
    assert "42 grey images of 6×8 pixels, classification, 3 classes (cat, dog, eel)" in origin.sentences[0]


def test_it_trains_and_is_known_by_its_content(tmp_path: Path) -> None:
    place = repository(tmp_path)
    settings = ["data=hub", f"data.path={place}", "model=cnn", "trainer.max_epochs=1", "trainer.validations=1"]
    config = ablate.compose(settings)
    assert config.folder_name == "tiny-cnn"
    record = ablate.run(config)
    assert record.status is Status.finished
    repository(tmp_path, train=pictures(30, seed=5), test=pictures(12))
    assert ablate.compose(settings).arm_hash != record.facts.arm_hash


def in_the_cache(tmp_path: Path, name: str) -> None:
    """Put a data set where the library keeps those that it once took from the hub."""
    place = repository(tmp_path, name.rpartition("/")[2])
    datasets.load_dataset(str(place))
    (made,) = (tmp_path / "hf" / place.name).glob("*/*/*/dataset_info.json")
    there = tmp_path / "hf" / name.replace("/", "___") / place.name / "0.0.0" / "0123456789abcdef"
    shutil.copytree(made.parent, there)
    shutil.rmtree(tmp_path / "hf" / place.name)


def test_what_is_cached_of_the_hub_needs_no_network(tmp_path: Path) -> None:
    in_the_cache(tmp_path, "somebody/tiny")
    data = hub("somebody/tiny")
    assert [len(split.x) for split in loaded(data, 0)] == [24, 6, 12]
    assert data.title == "tiny"
    assert data.content() == data.content()


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
def test_a_preset_is_the_name_of_a_set(tmp_path: Path, name: str) -> None:
    path = make(Data, name).title
    full = {"mnist": "ylecun/mnist", "fashion_mnist": "zalando-datasets/fashion_mnist", "cifar10": "uoft-cs/cifar10"}
    assert path == name
    in_the_cache(tmp_path, full[name])
    assert prepare(make(Data, name), 0).spec.outputs == 3


def test_the_hub_is_asked_once_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_the_cache(tmp_path, "somebody/tiny")
    first = hub("somebody/tiny").content()
    shutil.rmtree(tmp_path / "hf")
    assert hub("somebody/tiny").content() == first
    monkeypatch.setattr(hub_sets, "BELIEVED", 0.0)
    with pytest.raises(ConfigError, match="cannot be reached"):
        hub("somebody/tiny").content()


def test_without_network_the_sentence_says_what_is_cached(tmp_path: Path) -> None:
    assert "Nothing is cached in" in refused(hub("nobody/nothing"))
    in_the_cache(tmp_path, "somebody/tiny")
    said = refused(hub("nobody/something"))  # what was refused is remembered for a minute
    assert said.startswith("data.path=nobody/something: the Hugging Face hub cannot be reached")
    assert "Cached in" in said
    assert "somebody/tiny" in said


@pytest.mark.parametrize("reason", ["Dataset 'a/b' doesn't exist on the Hub or cannot be accessed", "'a/b' is gated"])
def test_a_private_or_misspelled_name_is_one_sentence(monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise datasets.exceptions.DatasetNotFoundError(f"{reason}.")

    monkeypatch.setattr(datasets, "load_dataset", fails)
    said = refused(hub("a/b"))
    assert said.startswith(f"data.path=a/b: {reason}. Is the name right? A private or gated one needs a login")


def test_code_of_a_data_set_is_not_run(tmp_path: Path) -> None:
    place = tmp_path / "scripted"
    place.mkdir()
    (place / "scripted.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')", encoding="utf-8")
    assert "brings code of its own, which is not run" in refused(hub(place))
    assert not (tmp_path / "ran").exists()


def test_a_parquet_file_without_images_is_a_table(tmp_path: Path) -> None:
    own_data.frame().to_parquet(tmp_path / "people.parquet")
    one = prepare(hub(tmp_path / "people.parquet", target="buys"), 0)
    two = prepare(make(Data, "table", path=str(own_data.csv(tmp_path)), target="buys"), 0)
    assert one.spec == two.spec
    assert len(one.splits.train.x) == len(two.splits.train.x)
    assert "data.target is not set" in refused(hub(tmp_path / "people.parquet"))


def test_splits_of_a_table_are_kept_and_labels_have_names(tmp_path: Path) -> None:
    features = datasets.Features(
        {"height": datasets.Value("float64"), "label": datasets.ClassLabel(names=["no", "yes"])}
    )
    table = pd.DataFrame({"height": np.arange(40.0), "label": np.arange(40) % 2})
    whole = datasets.Dataset.from_pandas(table, features=features)
    data = hub(repository(tmp_path, train=whole.select(range(30)), test=whole.select(range(30, 40))))
    splits = loaded(data, 0)
    assert sorted(in_memory(splits.test.x)[:, 0].tolist()) == list(np.arange(30.0, 40))
    origin = data.origin()
    assert origin is not None
    assert origin.classes == ("no", "yes")
    assert origin.sentences[-1] == "Split by the data set."


def test_masks_are_labels_of_pixels(tmp_path: Path) -> None:
    features = datasets.Features({"image": datasets.Image(), "mask": datasets.Image()})
    shown = own_data.pictures(20)
    content = {
        "image": [Image.fromarray(picture) for picture in shown],
        "mask": [Image.fromarray((picture > 127).astype(np.uint8)) for picture in shown],
    }
    splits = {"train": datasets.Dataset.from_dict(content, features=features)}
    data = hub(repository(tmp_path, **splits, test=splits["train"]), target="mask")
    assert data.task is Task.segmentation
    train = loaded(data, 0).train
    assert torch.equal(in_memory(train.y), (in_memory(train.x)[:, 0] > 127).long())


def test_several_parts_of_a_set_have_to_be_told_apart(tmp_path: Path) -> None:
    place = repository(tmp_path)
    card = CARD.format(name="tiny").removesuffix("---\n") + "- config_name: other\n  data_files: tiny/test-*\n---\n"
    (place / "README.md").write_text(card, encoding="utf-8")
    said = refused(hub(place))
    assert "tiny" in said
    assert "Write data.config=NAME." in said
    assert sum(len(split.x) for split in loaded(hub(place, config="other"), 0)) == 12


def test_what_was_saved_by_the_library_is_read(tmp_path: Path) -> None:
    datasets.DatasetDict({"train": pictures(30), "test": pictures(12, seed=1)}).save_to_disk(tmp_path / "saved")
    assert [len(split.x) for split in loaded(hub(tmp_path / "saved"), 0)] == [24, 6, 12]


def test_columns_may_be_called_otherwise(tmp_path: Path) -> None:
    place = repository(tmp_path, train=pictures(30, ("img", "kind")), test=pictures(12, ("img", "kind")))
    assert loaded(hub(place), 0).train.x.shape[1:] == (1, 6, 8)
    assert "has no column species" in refused(hub(place, target="species"))
    assert "has no column photo" in refused(hub(place, inputs="photo"))


def test_a_broken_picture_is_one_sentence(tmp_path: Path) -> None:
    table = pd.DataFrame({"image": [{"bytes": b"no picture", "path": None}] * 6, "label": [0, 1] * 3})
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])})
    broken = datasets.Dataset.from_dict(table.to_dict("list"), features=features)
    assert "train[0].image cannot be read as an image" in refused(hub(repository(tmp_path, train=broken, test=broken)))


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ConfigError, match=r"pip install 'lightning-ablate\[hub\]'"):
        hub_access.splits_of("somebody/tiny", None, None)


def test_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(io.BytesIO(b"x").getvalue())
    assert "data=hub reads a folder, or a file" in refused(hub(tmp_path / "a.bin"))


@pytest.mark.parametrize("setting", [{"drop": ["label"]}, {"categorical": ["label"]}, {"max_categories": 5}])
def test_what_means_something_in_tables_is_refused_of_images(tmp_path: Path, setting: dict[str, Any]) -> None:
    said = refused(hub(repository(tmp_path), **setting))
    assert f"data.{next(iter(setting))} would change nothing: tiny is of images" in said


def test_what_means_something_in_images_is_refused_of_tables(tmp_path: Path) -> None:
    own_data.frame().to_parquet(tmp_path / "people.parquet")
    settings: list[dict[str, Any]] = [{"size": 8}, {"colour": "grey"}]
    for setting in settings:
        said = refused(hub(tmp_path / "people.parquet", target="buys", **setting))
        assert f"data.{next(iter(setting))} would change nothing: people.parquet is a table" in said
    said = refused(hub(tmp_path / "people.parquet", target="buys", inputs="height"))
    assert "data.inputs=height: this column" in said
    assert "holds no images" in said
    assert "Those of images: image" in refused(hub(repository(tmp_path), inputs="label"))


def test_a_file_has_neither_parts_nor_revisions(tmp_path: Path) -> None:
    own_data.frame().to_parquet(tmp_path / "people.parquet")
    assert "people.parquet has no parts" in refused(hub(tmp_path / "people.parquet", target="buys", config="x"))
    assert "data.revision=x: a local" in refused(hub(repository(tmp_path), revision="x"))


def test_splits_of_other_names_are_left_out_and_said(tmp_path: Path) -> None:
    datasets.DatasetDict({"train": pictures(30), "extra": pictures(12, seed=1)}).save_to_disk(tmp_path / "saved")
    origin = hub(tmp_path / "saved").origin()
    assert origin is not None
    assert origin.sentences[-1] == "Splits left out: extra."


def test_splits_with_unlike_columns_are_refused(tmp_path: Path) -> None:
    whole = datasets.Dataset.from_pandas(own_data.frame())
    unlike = {"train": whole, "test": whole.remove_columns(["height"])}
    datasets.DatasetDict(unlike).save_to_disk(tmp_path / "saved")
    assert "not all splits have the column height" in refused(hub(tmp_path / "saved", target="buys"))


def test_a_file_that_the_library_cannot_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": 1, "y": "u"}\n{"a": 2\n', encoding="utf-8")
    assert "cannot be loaded: " in refused(hub(tmp_path / "a.jsonl", target="y"))


def test_a_part_is_not_taken_for_a_revision(tmp_path: Path) -> None:
    in_the_cache(tmp_path, "somebody/tiny")
    assert hub_sets.content("somebody/tiny", "tiny", None)
    shutil.rmtree(tmp_path / "hf")
    with pytest.raises(ConfigError, match="cannot be reached"):
        hub_sets.content("somebody/tiny", None, "tiny")


def test_rows_without_a_label_are_left_out_of_a_table_and_refused_of_images(tmp_path: Path) -> None:
    features = datasets.Features({"x": datasets.Value("float64"), "label": datasets.ClassLabel(names=["no", "yes"])})
    rows = {"x": list(np.arange(20.0)), "label": [0, 1] * 8 + [-1] * 4}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "rows")
    assert sum(len(split.x) for split in loaded(hub(tmp_path / "rows"), 0)) == 16
    shown = pictures(12)
    unlabelled = shown.map(lambda _: {"label": -1}, features=shown.features)
    assert "examples without a label (-1)" in refused(hub(repository(tmp_path, train=pictures(30), test=unlabelled)))
