"""Examples that are read when they are needed: the same numbers, in the same order, as those in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ablate import dataset, stored
from ablate.dataset import Batches, Examples, Splits, prepare
from ablate.errors import ConfigError
from ablate.reading import read_ahead
from ablate.scaling import moments, scaling
from ablate.stored import Stored, chunks, in_memory, taken
from ablate.techniques import Hold, Scale
from tests.helpers import Given, GivenRegression, normal


def unread(x: Tensor, parallel: bool = True) -> Stored:
    return stored.stored(lambda index: x[index], torch.arange(len(x)), tuple(x.shape[1:]), x.dtype, parallel)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "_CHUNK", 200)


def test_it_has_the_shape_of_a_tensor_and_gives_its_rows() -> None:
    x = normal(10, 3, 4)
    s = unread(x)
    assert (s.shape, len(s), s.ndim, s.dtype, s.nbytes) == (x.shape, 10, 3, x.dtype, x.nbytes)
    index = torch.tensor([7, 2, 2])
    assert torch.equal(s[index], x[index])
    assert torch.equal(s[3], x[3])
    assert torch.equal(s[2:5], x[2:5])
    part = taken(s, slice(4, 9))
    assert isinstance(part, Stored)
    assert torch.equal(part[:2], x[4:6])
    assert torch.equal(in_memory(part.then(lambda t: 2 * t, x.dtype)), 2 * x[4:9])


def test_what_needs_everything_at_once_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match=r"needs all examples in memory, .* data.hold=memory"):
        unread(normal(10, 3)).mean()


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("shape", [(50, 4), (50, 6, 4), (50, 4, 5, 3)])
def test_moments_of_parts_are_those_of_the_whole(shape: tuple[int, ...]) -> None:
    x = normal(*shape) * 3 + 1000
    feature = 1 if x.ndim == 4 else x.ndim - 1
    others = [d for d in range(x.ndim) if d != feature]
    assert len(list(chunks(unread(x)))) > 5
    mean, variance = moments(unread(x), others)
    torch.testing.assert_close(mean, x.mean(others, keepdim=True), rtol=1e-13, atol=0)
    torch.testing.assert_close(variance, x.var(others, correction=0, keepdim=True), rtol=1e-11, atol=0)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("scale", list(Scale))
@pytest.mark.parametrize("shape", [(50, 4), (50, 6, 4), (50, 4, 5, 3)])
def test_scaling_is_that_of_examples_in_memory(shape: tuple[int, ...], scale: Scale) -> None:
    x = normal(*shape)
    x[..., 0] = 5.0  # of rows and sequences a feature that never changes
    for own, expected in zip(scaling(unread(x), scale), scaling(x, scale), strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-12, atol=1e-14)


@dataclass
class Held(Given):
    """A classification that is held as a test says."""

    hold: Hold = Hold.stream

    @property
    def holding(self) -> Hold:
        return self.hold


def splits(count: int = 53, parallel: bool = True) -> Splits:
    def part(seed: int) -> Examples:
        return Examples(unread(normal(count, 4, seed=seed).float(), parallel), torch.arange(count) % 3)

    return Splits(part(0), part(1), part(2))


@pytest.mark.parametrize("parallel", [True, False])
@pytest.mark.parametrize("shuffle_seed", [None, 3])
def test_an_epoch_of_a_stream_is_that_of_memory_to_the_bit(shuffle_seed: int | None, parallel: bool) -> None:
    stream = prepare(Held(splits=splits(parallel=parallel)), 0).splits.train
    memory = prepare(Held(splits=splits(), hold=Hold.memory), 0).splits.train
    assert isinstance(stream.x, Stored)
    assert not isinstance(memory.x, Stored)
    for epoch in (0, 1):
        both = [Batches(examples, 8, shuffle_seed) for examples in (stream, memory)]
        for batches in both:
            batches.set_epoch(epoch)
        one, two = (list(batches) for batches in both)
        assert [len(batch.x) for batch in one] == [8, 8, 8, 8, 8, 8, 5]
        assert all(torch.equal(a.x, b.x) and torch.equal(a.y, b.y) for a, b in zip(one, two, strict=True))


def test_a_stream_goes_on_where_it_was_left() -> None:
    train = prepare(Held(splits=splits()), 0).splits.train
    whole = [batch.x for batch in Batches(train, 8, 3)]
    begun = Batches(train, 8, 3)
    running = iter(begun)
    for _ in range(3):
        next(running)
    state = begun.state_dict()
    running.close()  # type: ignore[attr-defined]
    rest = Batches(train, 8, 3)
    rest.load_state_dict(state)
    assert all(torch.equal(batch.x, x) for batch, x in zip(rest, whole[3:], strict=True))


def test_processes_share_each_batch_of_a_stream() -> None:
    train = prepare(Held(splits=splits()), 0).splits.train
    shares = []
    for rank in range(2):
        batches = Batches(train, 8, 3)
        batches.share(rank, 2)
        shares.append([batch.x for batch in batches])
    whole = [batch.x for batch in Batches(train, 8, 3)]
    for one, two, x in zip(*shares, whole, strict=True):
        assert torch.equal(x[0::2], one)
        assert torch.equal(x[1::2], two)


def test_data_comes_into_memory_where_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    given = Held(splits=splits(), hold=Hold.auto)
    assert not prepare(given, 0).splits.is_stored
    monkeypatch.setattr(dataset, "room", lambda: 100)
    assert prepare(given, 0).splits.is_stored
    with pytest.raises(ConfigError, match=r"data.hold=memory asks for all examples in memory: 0\.0 GB, but a run has"):
        prepare(Held(splits=splits(), hold=Hold.memory), 0)


def test_training_on_a_part_reads_that_part() -> None:
    whole, part = (prepare(Held(splits=splits(), train_size=size), 0) for size in (None, 20))
    assert len(part.splits.train.x) == 20
    assert len(part.splits.val.x) == len(whole.splits.val.x)


@pytest.mark.parametrize("variation", [{"order": "sorted"}, {"label_noise": 0.2}])
def test_variations_of_a_stream_are_those_of_memory(variation: dict[str, Any]) -> None:
    from ablate.techniques import Order

    params = {"order": Order.sorted} if "order" in variation else variation
    one, two = (prepare(Held(splits=splits(), hold=hold, **params), 0) for hold in (Hold.stream, Hold.memory))
    assert torch.equal(in_memory(one.splits.train.x), two.splits.train.x)
    assert torch.equal(one.splits.train.y, two.splits.train.y)


def test_targets_of_a_regression_are_standardised_in_their_own_precision() -> None:
    y = normal(53, 2) + 1e6
    given = Splits(*(Examples(split.x, y) for split in splits()))
    made = prepare(GivenRegression(splits=given), 0).splits.train.y
    assert made.dtype == torch.float32
    expected = (y - y.mean(0)) / y.std(0, correction=0)
    torch.testing.assert_close(made, expected.float(), rtol=1e-5, atol=1e-6)


def test_batches_come_in_order_whichever_is_read_first() -> None:
    second_is_read = threading.Event()

    def read(number: int) -> int:
        if number == 0:
            assert second_is_read.wait(10)
        if number == 1:
            second_is_read.set()
        return number

    assert list(read_ahead(read, range(20), parallel=True)) == list(range(20))


def test_only_a_few_batches_are_read_ahead() -> None:
    read: list[int] = []
    given = read_ahead(lambda number: read.append(number), range(1000), parallel=True)
    next(given)
    given.close()  # type: ignore[attr-defined]
    assert len(read) < 10


@pytest.mark.parametrize("parallel", [True, False])
def test_what_fails_in_a_reader_fails_where_it_is_read(parallel: bool) -> None:
    def fail(number: int) -> None:
        raise OSError(f"{number} cannot be read")

    with pytest.raises(OSError, match="0 cannot be read"):
        list(read_ahead(fail, range(3), parallel))


def test_free_memory_is_that_of_the_container(tmp_path: Path) -> None:
    info, groups = tmp_path / "meminfo", tmp_path / "groups"
    info.write_text("MemTotal: 100 kB\nMemAvailable: 50 kB\n", encoding="utf-8")
    free: Callable[..., int] = stored._free
    assert free(info, groups) == 50 * 1024
    groups.mkdir()
    (groups / "memory.max").write_text("30000\n", encoding="utf-8")
    (groups / "memory.current").write_text("10000\n", encoding="utf-8")
    assert free(info, groups) == 20000
    (groups / "memory.max").write_text("max\n", encoding="utf-8")
    assert free(info, groups) == 50 * 1024


def test_a_run_may_keep_its_share_of_half_of_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "_free", lambda: 8000)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    assert stored.room() == 1000
