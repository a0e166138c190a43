"""What a network costs together with its optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ablate.accounting.layers import Accounting, account
from ablate.accounting.memory import state_after_a_step


@dataclass(frozen=True)
class Costs:
    """A network's accounting and the bytes that its optimizer keeps between steps."""

    network: Accounting
    optimizer_bytes: int


def costs(model: nn.Module, example: Tensor, build: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]) -> Costs:
    """Return what ``model`` costs on ``example`` (*input_shape) with the optimizer that ``build`` makes."""
    return Costs(account(model, example), state_after_a_step(model, example, build))
