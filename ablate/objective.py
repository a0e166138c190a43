"""What a run minimises: its network on a batch, transformed, with loss and penalties. Lightning has no part in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ablate.dataset import Examples
from ablate.depth import decay_rates
from ablate.techniques import Criterion, DataSpec, Optimizer, Regularizer, Schedule

if TYPE_CHECKING:
    from ablate.transfer import Transfer
    from ablate.transplant import Replacements


class Objective(nn.Module):
    """The network ``model`` of a run, and the techniques that it is trained with."""

    procedure: str = ""
    """Settings that change the training, but no :meth:`outcome`; for the guard against false ablations."""
    transfer: Transfer | None = None
    """What the network took over from an earlier run."""
    replaced: Replacements | None = None
    """What of a network that somebody else wrote was replaced by the options."""
    layer_decay: float = 1.0
    """How many times the learning rate of a level of weights is that of the next."""

    def __init__(
        self,
        model: nn.Module,
        *,
        spec: DataSpec,
        loss: Criterion,
        opt: Optimizer,
        sched: Schedule,
        reg: Mapping[str, Regularizer],
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.model = model
        self.spec = spec
        self.criterion = loss
        self.opt = opt
        self.sched = sched
        self.reg = [reg[name] for name in sorted(reg)]
        self.seed = seed
        self._generator = torch.Generator().manual_seed(seed)

    def forward(self, x: Tensor) -> Tensor:
        """Return the model's prediction for (B, *input_shape)."""
        prediction: Tensor = self.model(x)
        return prediction

    def outcome(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return prediction and loss of a batch: what the guard against false ablations compares."""
        prediction = self(x)
        return prediction, self.criterion(prediction, y)

    def transformed(self, batch: Examples) -> Examples:
        """Return a training batch as the regularizers change it."""
        x, y = batch
        for reg in self.reg:
            x, y = reg.transform(x, y, self.spec, self._generator)
        return Examples(x, y)

    def penalty(self) -> Tensor | None:
        """Return the sum of the regularizers' penalties, or None where there is none."""
        penalties = [p for reg in self.reg if (p := reg.penalty(self.model)) is not None]
        return torch.stack(penalties).sum() if penalties else None

    def optimizer_for(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Return the optimizer of ``parameters``, with a rate for each level of weights where that is asked for."""
        optimizer = self.opt.build(parameters)
        if self.layer_decay < 1:
            decay_rates(optimizer, self.model, self.layer_decay)
        return optimizer
