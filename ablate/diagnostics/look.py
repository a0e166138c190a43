"""A look at the layers of a network in one step of its training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ablate.diagnostics.layers import parameters_of
from ablate.diagnostics.measures import norm, update_ratio
from ablate.diagnostics.observation import Observation
from ablate.layer_table import Row


class Look:
    """Begins before the forward pass of the step; of a stack of K, with ``first`` of its members, it is one for all."""

    def __init__(self, model: nn.Module, first: nn.Module | None = None) -> None:
        self.observation = Observation(model, first)
        self.layers = parameters_of(model)
        self.gradients: dict[str, Tensor] = {}
        self.before: dict[str, list[Tensor]] = {}

    def take_gradients(self) -> None:
        """Measure those gradients that there are, and at the first time what the step is about to change."""
        self.observation.open = False  # an optimizer that looks at a batch more than once begins elsewhere each time
        for name, parameters in self.layers.items():
            self.before.setdefault(name, [p.detach().clone() for p in parameters])
            gradients = [p.grad for p in parameters if p.grad is not None]
            if gradients and not any(g.is_sparse for g in gradients):
                self.gradients.setdefault(name, norm(gradients, self.observation.members))

    def tables(self, step: int) -> list[list[Row]]:
        """Return a table of each member: a row for each layer, in the order in which the network called them."""
        members = self.observation.members
        measured = self.observation.values()
        for name, parameters in self.layers.items():
            before = self.before[name]
            found = {"weight_norm": norm(before, members), "update_ratio": update_ratio(before, parameters, members)}
            if name in self.gradients:
                found["gradient_norm"] = self.gradients[name]
            measured[name] = measured.get(name, {}) | found
        numbers = torch.stack([v.float().reshape(-1) for row in measured.values() for v in row.values()], dim=1)
        tables: list[list[Row]] = []
        for own in numbers.tolist():  # one wait for the device
            values = iter(own)
            tables.append([{"step": step, "layer": n, **{k: next(values) for k in row}} for n, row in measured.items()])
        return tables

    def close(self) -> None:
        """Leave no hooks behind."""
        self.observation.close()
