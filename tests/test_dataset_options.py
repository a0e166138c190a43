"""What every data set can be asked for: label noise, order and batch size; see also ``test_dataset_images.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import ablate
from ablate.config import Config
from ablate.dataset import Dataset, prepare, random_split, training_batches
from ablate.techniques import Data, Order, Scale
from ablate.variations import stream
from tests.given import images, prepared, same, table
from tests.helpers import Given, GivenRegression, generator, refusal

OPTIONS: list[dict[str, Any]] = [
    {"label_noise": 0.3},
    {"shift": 2},
    {"permute_pixels": True},
    {"order": Order.sorted},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_the_seed_alone_decides(options: dict[str, Any]) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = prepared(images(), seed=3, **options)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert all(same(a, b) for a, b in zip(prepared(images(), seed=3, **options), first, strict=True))
    if "order" not in options:  # sorting is not random
        assert not all(same(a, b) for a, b in zip(prepared(images(), seed=4, **options), first, strict=True))


def test_one_variation_does_not_change_another() -> None:
    noisy = prepared(images(), label_noise=0.3).train.y
    everything = prepared(images(), label_noise=0.3, shift=2, permute_pixels=True)
    assert torch.equal(everything.train.y, noisy)
    moved = prepared(images(), shift=2).test.x
    order = stream(0, "permute_pixels")
    expected = moved.flatten(2)[:, :, torch.randperm(30, generator=order)].view_as(moved)
    assert torch.equal(everything.test.x, expected)


def test_streams_are_apart_from_each_other_and_from_the_order_of_batches() -> None:
    loader = training_batches(table().train, Given(), seed=0)
    draws = [loader.order().tolist()]
    loader.set_epoch(1)
    draws.append(loader.order().tolist())
    streams = [stream(0, "a"), stream(0, "b"), stream(0, "a", "b"), stream(0, "a", 1), stream(1, "a")]
    draws += [torch.randperm(120, generator=each).tolist() for each in streams]
    assert len({tuple(draw) for draw in draws}) == len(draws)


@pytest.mark.parametrize("share", [0.1, 0.35, 0.9])
def test_label_noise_changes_so_many_training_labels(share: float) -> None:
    raw, noisy = table(), prepared(table(), label_noise=share)
    changed = noisy.train.y != raw.train.y
    assert int(changed.sum()) == round(share * 120)
    assert noisy.train.y.min() >= 0
    assert noisy.train.y.max() <= 4
    assert torch.equal(noisy.train.x, raw.train.x)
    assert same(noisy.val, raw.val)
    assert same(noisy.test, raw.test)


def test_wrong_labels_are_any_other_class_alike() -> None:
    raw = table(count=20_000)
    wrong = prepared(raw, label_noise=0.5).train.y - raw.train.y
    counts = torch.bincount(wrong % 5, minlength=5)
    assert counts[0] == 6000
    assert counts[1:].tolist() == pytest.approx([1500] * 4, rel=0.1)


def test_more_noise_keeps_the_noise_of_less() -> None:
    raw = table().train.y
    some, more = (prepared(table(), label_noise=share).train.y for share in (0.2, 0.4))
    changed = some != raw
    assert torch.equal(more[changed], some[changed])


def test_noise_counts_the_examples_that_are_kept() -> None:
    noisy = prepared(table(), label_noise=0.5, train_size=20).train
    assert int((noisy.y != table().train.y[:20]).sum()) == 10


def test_labels_of_pixels_get_noise_too() -> None:
    raw, noisy = images(labels=4), prepared(images(labels=4), label_noise=0.25)
    assert int((raw.train.y != noisy.train.y).sum()) == round(0.25 * 36 * 30)
    assert same(raw.test, noisy.test)


def regression(label_noise: float) -> Dataset:
    x = torch.randn(5000, 2, generator=generator())
    y = torch.tensor([10.0, 0.1]) * torch.randn(5000, 2, generator=generator(1)) + 3
    return prepare(GivenRegression(splits=random_split(x, y, 0), label_noise=label_noise), seed=0)


def test_noise_of_a_regression_is_normal_in_standard_deviations() -> None:
    clean, noisy = regression(0.0), regression(2.0)
    train, val = (
        (after.y * torch.tensor(scale), before.y)
        for after, before, scale in zip(noisy.splits, clean.splits, [5**0.5] * 3, strict=True)
        if after is not noisy.splits.test
    )
    # Standardised by noisy statistics: √(1 + 2²) wider.
    noise = train[0] - train[1]
    assert noise.std(0).tolist() == pytest.approx([2, 2], rel=0.05)
    torch.testing.assert_close(val[0] - val[0].mean(0), val[1] - val[1].mean(0), rtol=0.05, atol=0.05)
    assert noisy.target_scale == pytest.approx(clean.target_scale * 5**0.5, rel=0.05)


def test_sorted_training_goes_class_by_class_the_same_in_each_epoch() -> None:
    data = Given(splits=table(), scale=Scale.none, order=Order.sorted, batch_size=32, train_size=100)
    splits = prepare(data, 0).splits
    loader = training_batches(splits.train, data, seed=0)
    epochs = []
    for epoch in range(2):
        loader.set_epoch(epoch)
        epochs.append([torch.cat(parts) for parts in zip(*loader, strict=True)])
    raw = table().train
    order = raw.y[:100].argsort(stable=True)
    for x, y in epochs:
        assert torch.equal(y, raw.y[:100][order])
        assert torch.equal(x, raw.x[:100][order])
    assert same(splits.val, table().val)


def test_sorted_regression_goes_by_its_target() -> None:
    x = torch.arange(50.0)[:, None]
    splits = prepare(GivenRegression(splits=random_split(x, -x, 0), order=Order.sorted, scale=Scale.none), 0).splits
    assert splits.train.x[:, 0].tolist() == sorted(splits.train.x[:, 0].tolist(), reverse=True)
    assert splits.val.x[:, 0].tolist() != sorted(splits.val.x[:, 0].tolist(), reverse=True)


@pytest.mark.parametrize(("batch_size", "sizes"), [("all", [120]), (50, [50, 50, 20]), (500, [120])])
def test_batches_are_of_the_size_asked_for(batch_size: int | str, sizes: list[int]) -> None:
    data = Given(splits=table(), batch_size=batch_size)
    loader = training_batches(prepare(data, 0).splits.train, data, seed=0)
    assert [len(batch.x) for batch in loader] == sizes
    assert data.batch(120) == (120 if batch_size == "all" else batch_size)


def test_all_is_said_on_the_command_line(short_config: Callable[..., Config]) -> None:
    config = short_config("data.batch_size=all", "trainer.max_epochs=3", "data.train_size=null")
    assert config.data.batch_size == "all"
    assert config.flat()["data.batch_size"] == "all"
    record = ablate.run(config)
    assert record.curves()["step"].max() == 3  # one an epoch


def test_what_varies_the_data_is_an_arm_of_its_own(short_config: Callable[..., Config]) -> None:
    plain = short_config().arm_hash
    settings = ["label_noise=0.1", "shift=1", "permute_pixels=true", "order=sorted", "batch_size=all"]
    assert len({plain, *(short_config(f"data.{setting}").arm_hash for setting in settings)}) == 6


@pytest.mark.parametrize("batch_size", ["half", "64", 0.5, True, None])
def test_batch_sizes_that_mean_nothing_are_refused(batch_size: Any) -> None:
    assert "batch_size must be a whole number or all, not" in refusal(Data, "digits", batch_size=batch_size)


@pytest.mark.parametrize(
    ("name", "params", "reason"),
    [
        ("digits", {"label_noise": 1.0}, "label_noise must be in [0, 1)"),
        ("digits", {"label_noise": -0.1}, "label_noise must be in [0, 1)"),
        ("diabetes", {"label_noise": -0.1}, "label_noise must not be negative"),
        ("digits", {"shift": -1}, "shift must be at least 0"),
        ("digits_canvas", {"order": "sorted"}, "order=sorted needs one target an example"),
        ("digits", {"order": "random"}, "shuffled, sorted"),
    ],
)
def test_bad_options_are_refused(name: str, params: dict[str, Any], reason: str) -> None:
    assert reason in refusal(Data, name, **params)
