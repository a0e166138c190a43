from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ablate.dataset import Batches, Examples, Splits, prepare, random_split
from ablate.errors import ConfigError
from ablate.techniques import Scale
from tests.helpers import Given, GivenRegression, generator

SHAPES = [(50, 4), (50, 6, 4), (50, 4, 5, 3)]  # table, sequences, images: 4 features or channels each


def feature(x: Tensor) -> int:
    return 1 if x.ndim == 4 else x.ndim - 1


def others(x: Tensor) -> list[int]:
    return [d for d in range(x.ndim) if d != feature(x)]


def examples(*shape: int) -> Splits:
    """Return splits whose features differ in place and spread, and whose validation data differ from training."""
    x = torch.randn(*shape, generator=generator())
    sizes = [1] * x.ndim
    sizes[feature(x)] = -1
    x = x * torch.tensor([1.0, 10, 0.1, 3]).view(sizes) + torch.tensor([0.0, 100, -5, 7]).view(sizes)
    train, val, test = random_split(x, torch.arange(len(x)) % 3, seed=1)
    return Splits(train, Examples(2 * val.x + 1, val.y), test)


def test_splits_are_disjoint_and_whole() -> None:
    x = torch.arange(52)
    splits = random_split(x, x * 10, seed=0)
    assert [len(s.x) for s in splits] == [32, 10, 10]
    assert sorted(torch.cat([s.x for s in splits]).tolist()) == x.tolist()
    assert all(torch.equal(s.y, s.x * 10) for s in splits)


def test_splits_depend_on_the_seed_only() -> None:
    x = torch.arange(50)
    torch.manual_seed(1)
    first = random_split(x, x, seed=0)
    torch.manual_seed(2)
    assert torch.equal(random_split(x, x, seed=0).train.x, first.train.x)
    assert not torch.equal(random_split(x, x, seed=1).train.x, first.train.x)


@pytest.mark.parametrize("shape", SHAPES)
def test_standard_scale_is_mean_zero_and_deviation_one(shape: tuple[int, ...]) -> None:
    splits = examples(*shape)
    scaled = prepare(Given(splits=splits), seed=0).splits
    train = scaled.train.x
    torch.testing.assert_close(train.mean(others(train)), torch.zeros(4), rtol=0, atol=1e-5)
    torch.testing.assert_close(train.std(others(train), correction=0), torch.ones(4), rtol=1e-5, atol=0)
    raw = splits.train.x
    mean, std = raw.mean(others(raw), keepdim=True), raw.std(others(raw), correction=0, keepdim=True)
    for after, before in zip(scaled, splits, strict=True):
        # Validation and test go by the statistics of training, whatever their own are.
        torch.testing.assert_close(after.x, (before.x - mean) / std, rtol=1e-4, atol=1e-4)
        assert torch.equal(after.y, before.y)


@pytest.mark.parametrize("shape", SHAPES)
def test_unit_scale_is_the_training_range(shape: tuple[int, ...]) -> None:
    splits = examples(*shape)
    scaled = prepare(Given(splits=splits, scale=Scale.unit), seed=0).splits
    train = scaled.train.x
    assert torch.equal(train.amin(others(train)), torch.zeros(4))
    torch.testing.assert_close(train.amax(others(train)), torch.ones(4))
    raw = splits.train.x
    low, high = raw.amin(others(raw), keepdim=True), raw.amax(others(raw), keepdim=True)
    torch.testing.assert_close(scaled.val.x, (splits.val.x - low) / (high - low), rtol=1e-4, atol=1e-4)
    assert scaled.val.x.max() > 1


@pytest.mark.parametrize("shape", SHAPES)
def test_no_scale_changes_nothing(shape: tuple[int, ...]) -> None:
    splits = examples(*shape)
    for after, before in zip(prepare(Given(splits=splits, scale=Scale.none), seed=0).splits, splits, strict=True):
        assert torch.equal(after.x, before.x)


@pytest.mark.parametrize("scale", [Scale.unit, Scale.standard])
@pytest.mark.parametrize("constant", [0.0, 0.1, -1234.567])
@pytest.mark.parametrize("shape", SHAPES)
def test_constant_features_are_only_shifted(shape: tuple[int, ...], constant: float, scale: Scale) -> None:
    train, val, test = examples(*shape)
    flat = train.x.clone()
    flat.select(feature(flat), 2).fill_(constant)
    column = flat.select(feature(flat), 2)[0]
    column.copy_(column.nextafter(column + 1))  # constant but for rounding
    splits = Splits(Examples(flat, train.y), val, test)
    scaled = prepare(Given(splits=splits, scale=scale), seed=0).splits
    assert scaled.train.x.select(feature(flat), 2).abs().max() < 1e-3  # rounding of the mean
    shifted = val.x.select(feature(flat), 2) - constant
    torch.testing.assert_close(scaled.val.x.select(feature(flat), 2), shifted, rtol=1e-4, atol=1e-3)


def test_a_small_spread_is_no_constant() -> None:
    x = 5 + 1e-3 * torch.randn(50, 1, generator=generator())
    train = prepare(Given(splits=random_split(x, torch.zeros(50).long(), 0)), seed=0).splits.train.x
    assert train.std(correction=0).item() == pytest.approx(1, rel=1e-3)


def test_train_size_keeps_the_first_and_leaves_the_other_splits_alone() -> None:
    splits = examples(50, 4)
    cut = prepare(Given(splits=splits, train_size=7, scale=Scale.none), seed=0).splits
    assert torch.equal(cut.train.x, splits.train.x[:7])
    assert torch.equal(cut.train.y, splits.train.y[:7])
    assert torch.equal(cut.val.x, splits.val.x)
    assert torch.equal(cut.test.y, splits.test.y)


def test_scaling_knows_only_the_examples_that_are_kept() -> None:
    train = prepare(Given(splits=examples(50, 4), train_size=7), seed=0).splits.train.x
    torch.testing.assert_close(train.mean(0), torch.zeros(4), rtol=0, atol=1e-5)


def test_classes_are_counted_however_few_examples_are_kept() -> None:
    assert prepare(Given(splits=examples(50, 4), train_size=2), seed=0).spec.outputs == 3


def test_more_training_examples_than_there_are_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"train_size=31.*30 examples"):
        prepare(Given(splits=examples(50, 4), train_size=31), seed=0)


def test_targets_of_a_regression_are_standardised_by_training() -> None:
    x = torch.randn(50, 4, generator=generator())
    splits = random_split(x, 100 + 20 * torch.randn(50, 1, generator=generator(1)), seed=0)
    dataset = prepare(GivenRegression(splits=splits), seed=0)
    mean, std = splits.train.y.mean(), splits.train.y.std(correction=0)
    for after, before in zip(dataset.splits, splits, strict=True):
        torch.testing.assert_close(after.y, (before.y - mean) / std, rtol=1e-4, atol=1e-4)
    assert dataset.target_scale == pytest.approx(std.item(), rel=1e-5)
    assert dataset.spec.outputs == 1


def batches(count: int, size: int, seed: int | None) -> Batches:
    return Batches(Examples(torch.arange(count), torch.arange(count) * 10), size, seed)


def order(loader: Batches) -> list[int]:
    return [n for batch in loader for n in batch.x.tolist()]


@pytest.mark.parametrize("seed", [None, 0])
@pytest.mark.parametrize(("count", "size", "lengths"), [(10, 4, [4, 4, 2]), (8, 4, [4, 4]), (3, 5, [3])])
def test_each_example_is_met_once_an_epoch(count: int, size: int, lengths: list[int], seed: int | None) -> None:
    loader = batches(count, size, seed)
    for epoch in range(3):
        loader.sampler.set_epoch(epoch)
        seen = list(loader)
        assert [len(batch.x) for batch in seen] == lengths
        assert len(loader) == len(lengths)
        assert sorted(order(loader)) == list(range(count))
        assert all(torch.equal(batch.y, batch.x * 10) for batch in seen)


def test_order_depends_on_seed_and_epoch_only() -> None:
    loader = batches(30, 4, seed=5)
    epochs = []
    for epoch in range(3):
        loader.set_epoch(epoch)
        epochs.append(order(loader))
    assert len({tuple(o) for o in epochs}) == 3
    torch.manual_seed(99)
    resumed = batches(30, 7, seed=5)  # begins in the middle, with another size of batches
    resumed.set_epoch(2)
    assert order(resumed) == epochs[2]
    assert order(resumed) == epochs[2]  # what was read before does not matter
    other = batches(30, 4, seed=6)
    assert order(other) != epochs[0]


def test_without_shuffling_the_order_is_that_of_the_data() -> None:
    loader = batches(10, 4, seed=None)
    loader.set_epoch(3)
    assert order(loader) == loader.order().tolist() == list(range(10))


def test_shuffling_leaves_the_global_random_numbers_alone() -> None:
    state = torch.get_rng_state()
    list(batches(10, 4, seed=0))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("count", "size", "sizes"), [(9, 4, [4, 5]), (10, 4, [4, 4, 2]), (1, 4, [1]), (3, 1, [1, 1, 1])]
)
def test_a_last_batch_of_one_joins_the_one_before(count: int, size: int, sizes: list[int]) -> None:
    for seed in (None, 0):
        loader = batches(count, size, seed=seed)
        assert [len(batch.x) for batch in loader] == sizes
        assert len(loader) == len(sizes)


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("given", [0, 1, 3])
def test_batches_go_on_where_they_were(seed: int | None, given: int) -> None:
    first, second = batches(10, 3, seed), batches(10, 3, seed)
    first.set_epoch(2)
    iterator = iter(first)
    for _ in range(given):
        next(iterator)
    second.load_state_dict(first.state_dict())
    rest = [x.tolist() for x, _ in iterator]
    assert len(rest) == 3 - given  # the last of four examples
    assert [x.tolist() for x, _ in second] == rest
    assert len(list(second)) == 3


@pytest.mark.parametrize(("count", "sizes"), [(10, [4, 6]), (11, [4, 4, 3]), (9, [4, 5])])
def test_a_last_batch_with_less_than_one_for_each_process_joins_the_one_before(count: int, sizes: list[int]) -> None:
    shares = []
    for rank in range(3):
        loader = batches(count, 4, seed=None)
        loader.share(rank, 3)
        shares.append([len(batch.x) for batch in loader])
    assert [sum(parts) for parts in zip(*shares, strict=True)] == sizes
    assert all(min(parts) > 0 for parts in shares)


def test_more_processes_than_examples_are_refused() -> None:
    batches(3, 4, seed=None).share(0, 3)
    with pytest.raises(ConfigError, match=r"trainer.devices=4: a split has 3 examples only"):
        batches(3, 4, seed=None).share(0, 4)
