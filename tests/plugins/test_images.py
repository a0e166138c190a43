"""data=images: folders of classes, masks, one size and form for all."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ablate_plugins.sources.images import Images
from PIL import Image

from ablate.dataset import loaded, prepare
from ablate.errors import ConfigError
from ablate.stored import in_memory
from ablate.techniques import Data, Task
from tests import own_data
from tests.helpers import make


def images(path: Path, **params: Any) -> Images:
    return make(Images, "images", path=str(path), **params)


def refused(data: Data) -> str:
    with pytest.raises(ConfigError) as caught:
        prepare(data, 0)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_a_class_is_a_classification_of_its_pixels(tmp_path: Path) -> None:
    data = images(own_data.image_folder(tmp_path))
    splits = loaded(data, 0)
    assert data.task is Task.classification
    assert [len(split.x) for split in splits] == [18, 6, 6]
    expected = {
        (picture // 2 + 127 * (number % 2)).astype(np.uint8).tobytes(): number % 2
        for number, picture in enumerate(own_data.pictures(30))
    }
    seen = [
        (x.to(torch.uint8).numpy().tobytes(), int(y))
        for split in splits
        for x, y in zip(in_memory(split.x), split.y, strict=True)
    ]
    # the folders dark and light are the classes 0 and 1, and no picture is lost or there twice
    assert sorted(seen) == sorted(expected.items())
    assert splits.train.x.shape[1:] == (1, 6, 8)


def test_masks_are_labels_of_pixels_counted_from_zero(tmp_path: Path) -> None:
    data = images(own_data.mask_folder(tmp_path))
    dataset = prepare(data, 0)
    assert dataset.spec.task is Task.segmentation
    assert dataset.spec.outputs == 2
    for split in loaded(data, 0):
        assert torch.equal(in_memory(split.y), (in_memory(split.x)[:, 0] > 127).long())
    origin = data.origin()
    assert origin is not None
    assert origin.classes == ("7", "255")


def test_a_stream_of_masks_is_what_is_in_memory(tmp_path: Path) -> None:
    path = own_data.mask_folder(tmp_path)
    stream, memory = (prepare(images(path, hold=hold), 0) for hold in ("stream", "memory"))
    assert stream.splits.is_stored
    assert not memory.splits.is_stored
    for one, two in zip(stream.splits, memory.splits, strict=True):
        assert torch.equal(in_memory(one.x), two.x)
        assert torch.equal(in_memory(one.y), two.y)


def test_resizing_is_that_of_pillow_and_masks_keep_their_values(tmp_path: Path) -> None:
    path = own_data.mask_folder(tmp_path)
    x, y = (in_memory(part) for part in loaded(images(path, size=[3, 5]), 0).train)
    files = sorted((path / "images").glob("*.png"))
    small = {
        np.asarray(Image.open(file).resize((5, 3), Image.Resampling.BILINEAR)).tobytes(): np.asarray(
            Image.open(path / "masks" / file.name).resize((5, 3), Image.Resampling.NEAREST)
        )
        for file in files
    }
    for picture, labels in zip(x.to(torch.uint8).numpy()[:, 0], y.numpy(), strict=True):
        assert np.array_equal(labels, small[picture.tobytes()] == 255)


def test_folders_may_name_the_splits(tmp_path: Path) -> None:
    path = own_data.image_folder(tmp_path, count=40)
    for split, numbers in (("train", range(30)), ("test", range(30, 40))):
        for number in numbers:
            kind = ("dark", "light")[number % 2]
            (path / split / kind).mkdir(parents=True, exist_ok=True)
            (path / kind / f"{number:03}.png").rename(path / split / kind / f"{number:03}.png")
    for kind in ("dark", "light"):
        (path / kind).rmdir()
    assert [len(split.x) for split in loaded(images(path), 0)] == [24, 6, 10]


def test_colour_is_as_the_files_have_it_or_as_is_said(tmp_path: Path) -> None:
    path = own_data.image_folder(tmp_path)
    assert loaded(images(path, colour="rgb"), 0).train.x.shape[1] == 3
    red = np.zeros((6, 8, 3), np.uint8)
    red[..., 0] = 255
    Image.fromarray(red).save(path / "dark" / "red.png")
    x = torch.cat([in_memory(split.x) for split in loaded(images(path), 0)])
    assert x.shape[1] == 3
    assert (x == torch.tensor([255.0, 0, 0])[:, None, None]).flatten(1).all(1).sum() == 1
    assert loaded(images(path, colour="grey"), 0).train.x.shape[1] == 1


def test_what_lies_on_its_side_is_turned_upright(tmp_path: Path) -> None:
    path = own_data.image_folder(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    picture = Image.fromarray(own_data.pictures(1, (8, 6), seed=9)[0])
    picture.save(path / "dark" / "turned.png", exif=exif)
    x = torch.cat([in_memory(split.x) for split in loaded(images(path), 0)]).to(torch.uint8).numpy()
    upright = np.rot90(np.asarray(picture), -1)
    assert any(np.array_equal(one[0], upright) for one in x)


def test_what_is_no_image_is_left_out_and_said(tmp_path: Path) -> None:
    path = own_data.image_folder(tmp_path)
    (path / "notes.txt").write_text("who was there", encoding="utf-8")
    origin = images(path).origin()
    assert origin is not None
    assert origin.sentences[-1] == "1 other files are left out: notes.txt."


def test_what_cannot_be_meant_is_one_sentence(tmp_path: Path) -> None:
    path = own_data.image_folder(tmp_path)
    assert "reads a folder" in refused(images(own_data.csv(tmp_path)))
    (tmp_path / "empty").mkdir()
    assert "has no images" in refused(images(tmp_path / "empty"))
    assert "one class only, 'dark'" in refused(images(own_data.image_folder(tmp_path / "one", count=1)))
    Image.fromarray(own_data.pictures(1, (9, 9))[0]).save(path / "dark" / "large.png")
    assert "9×9" in refused(images(path))
    assert "data.size=32" in refused(images(path))
    (path / "dark" / "broken.png").write_bytes(b"\x89PNG no more")
    assert "broken.png cannot be read as an image" in refused(images(path, size=4))
    scenes = own_data.mask_folder(tmp_path)
    (scenes / "masks" / "003.png").unlink()
    assert "images/003.png has no mask" in refused(images(scenes))
    Image.new("RGB", (8, 6)).save(scenes / "masks" / "003.png")
    assert "one number a pixel" in refused(images(scenes))


@pytest.mark.parametrize("size", [None, 4])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_file_that_breaks_off_is_one_sentence(tmp_path: Path, suffix: str, size: int | None) -> None:
    path = own_data.image_folder(tmp_path, size=(40, 40))
    place = path / "dark" / f"broken.{suffix}"
    Image.fromarray(own_data.pictures(1, (40, 40))[0]).save(place)
    place.write_bytes(place.read_bytes()[: place.stat().st_size // 2])
    assert f"dark/broken.{suffix} cannot be read as an image" in refused(images(path, size=size))


def test_a_mask_has_the_size_of_its_image(tmp_path: Path) -> None:
    scenes = own_data.mask_folder(tmp_path)
    Image.new("L", (4, 6)).save(scenes / "masks" / "003.png")
    said = "masks/003.png has 6×4 pixels, but images/003.png, which it labels, has 6×8."
    assert said in refused(images(scenes))
    assert said in refused(images(scenes, size=4))


@pytest.mark.parametrize("mode", ["L", "P", "I;16"])
def test_a_mask_has_one_number_a_class_in_any_mode(tmp_path: Path, mode: str) -> None:
    scenes = own_data.mask_folder(tmp_path)
    values = np.array([3, 100, 200])[np.arange(48).reshape(6, 8) % 3]
    for place in (scenes / "masks").iterdir():
        mask = Image.fromarray(values.astype(np.uint16 if mode == "I;16" else np.uint8))
        if mode == "P":
            mask.putpalette([255 - n // 3 for n in range(768)])
        mask.save(place)
    data = images(scenes)
    assert loaded(data, 0).train.y[0].tolist() == (np.arange(48).reshape(6, 8) % 3).tolist()
    origin = data.origin()
    assert origin is not None
    assert origin.classes == ("3", "100", "200")


def test_masks_of_one_value_or_of_many_are_no_labels(tmp_path: Path) -> None:
    scenes = own_data.mask_folder(tmp_path)
    for number, place in enumerate(sorted((scenes / "masks").iterdir())):
        Image.fromarray((np.arange(48) + 48 * number).reshape(6, 8).astype(np.uint16)).save(place)
    assert "more than 256 grey values" in refused(images(scenes))
    for place in (scenes / "masks").iterdir():
        Image.new("L", (8, 6), 9).save(place)
    assert "one grey value only, 9" in refused(images(scenes))


def test_what_is_neither_image_nor_mask_is_left_out_and_said(tmp_path: Path) -> None:
    scenes = own_data.mask_folder(tmp_path)
    shutil.copy(scenes / "masks" / "003.png", scenes / "masks" / "more.png")
    origin = images(scenes).origin()
    assert origin is not None
    assert origin.sentences[-1] == "1 other files are left out: masks/more.png."


def test_a_folder_beside_those_of_splits_is_refused(tmp_path: Path) -> None:
    path = own_data.image_folder(tmp_path)
    (path / "light").rename(path / "test")
    shutil.copytree(path / "dark", path / "train")
    assert "has folders of splits, test, train, and beside them dark" in refused(images(path))
    (path / "test").rename(path / "plane")  # a train is a vehicle, too
    assert images(path).task is Task.classification


def test_sixteen_bits_become_eight_with_white_as_white(tmp_path: Path) -> None:
    path = own_data.image_folder(tmp_path, size=(1, 3))
    Image.fromarray(np.array([[256, 7 * 257, 65535]], np.uint16)).save(path / "dark" / "deep.png")
    rows = torch.cat([in_memory(split.x) for split in loaded(images(path), 0)]).flatten(1).tolist()
    assert [0, 7, 255] in rows


def test_an_image_of_floats_is_refused(tmp_path: Path) -> None:
    path = own_data.image_folder(tmp_path)
    Image.fromarray(own_data.pictures(1)[0] / np.float32(255)).save(path / "dark" / "floats.tiff")
    assert "floats.tiff holds floats" in refused(images(path))


@pytest.mark.parametrize("size", [0, [3, 4, 5], "large", [True]])
def test_a_size_that_is_none_is_refused(size: Any) -> None:
    with pytest.raises(ConfigError, match="size must be pixels"):
        images(Path("x"), size=size)
