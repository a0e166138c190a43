from __future__ import annotations

import io
import random
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ablate.random_state import generators, random_state, set_random_state
from tests.helpers import generator


def drawn() -> list[float]:
    return [float(torch.rand(())), float(np.random.normal()), random.gauss(0, 1), random.random()]


def test_the_next_numbers_are_those_that_would_have_come() -> None:
    own = generator(3)
    np.random.normal()  # one of a pair is left over
    random.gauss(0, 1)
    file = io.BytesIO()
    torch.save(random_state([[own]]), file)
    expected = [*drawn(), float(torch.rand((), generator=own))]
    torch.manual_seed(9)
    np.random.seed(9)
    random.seed(9)
    own.manual_seed(9)
    file.seek(0)
    set_random_state(torch.load(file, weights_only=True), [[own]])
    assert [*drawn(), float(torch.rand((), generator=own))] == expected


class Keeper:
    def __init__(self, kept: object) -> None:
        self.kept = kept

    def draw(self) -> object:
        return self.kept


def closing_over(kept: object) -> Any:
    def draw() -> object:
        return kept

    return draw


@pytest.mark.parametrize(
    "keep",
    [
        Keeper,
        closing_over,
        lambda kept: Keeper(kept).draw,
        lambda kept: partial(max, kept),
        lambda kept: {"a": [(1, kept)]},
        lambda kept: nn.Sequential(Holder(Keeper(kept))),
    ],
)
def test_generators_are_found_wherever_they_are_kept(keep: Any) -> None:
    own = generator()
    root = Keeper(keep(own))
    root.__dict__["root"] = [root]  # a way back does no harm
    assert generators([root, root]) == [own]


class Holder(nn.Module):
    def __init__(self, kept: object) -> None:
        super().__init__()
        self.kept = kept


def test_generators_that_are_not_the_same_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        set_random_state(random_state([generator()]), [])
