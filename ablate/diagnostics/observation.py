"""What passes through the layers of a network: hooks that look and change nothing."""

from __future__ import annotations

import math
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.utils._pytree import tree_leaves

from ablate.diagnostics.layers import has_weights, is_simple, unit_dim
from ablate.diagnostics.measures import ENOUGH, Units, rows, slope

NUMBERS = 2**13
"""So many numbers of an output are looked at, of the first examples of the batch: more would cost training time."""


class Observation:
    """Watches ``model`` from its making to :meth:`close`; usable in a ``with`` statement.

    A layer is a module with weights; the elementwise modules called after it and before the next layer are its
    activation, whatever lies between. What is looked at belongs to neither model nor training: outputs are measured at
    once, and activations are tried on a copy in evaluation mode, so that dropout is none and draws nothing.

    With ``first``, the network of one of its members, ``model`` is that of a stack: all it gives out is (K, B, …), and
    each measure (K,).
    """

    def __init__(self, model: nn.Module, first: nn.Module | None = None) -> None:
        self.open = True
        self.members = 0 if first is None else 1
        self._units: dict[str, dict[str, Units]] = {}
        self._layer: tuple[str, int] | None = None
        self._hooks = ExitStack()
        for name, module in model.named_modules():
            if not is_simple(module) or ".parametrizations" in name:
                continue
            if has_weights(module, self.members):
                hook = module.register_forward_hook(partial(self._after_layer, name or "(network)"))
            elif _may_be_activation(module):
                alone = module if first is None else first.get_submodule(name)
                hook = module.register_forward_pre_hook(partial(self._before_activation, name, alone))
            else:
                continue
            self._hooks.callback(hook.remove)

    def __enter__(self) -> Observation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the hooks."""
        self._hooks.close()

    def values(self) -> dict[str, dict[str, Tensor]]:
        """Return the measures of each layer that was called, in the order of first calls.

        Mean and standard deviation are those of the activation, or of the layer where none follows; of shares the
        largest among the layer and what follows it.
        """
        found = {}
        for name, stages in self._units.items():
            last = list(stages.values())[-1].moments
            found[name] = {"activation_mean": last.mean, "activation_std": last.deviation}
            for measure in ("dead", "saturated"):
                shares = [share for units in stages.values() if (share := getattr(units, measure)) is not None]
                if shares:
                    found[name][measure] = torch.stack(shares).amax(0)
        return found

    @torch.no_grad()
    def _after_layer(self, name: str, module: nn.Module, _: Any, output: Any) -> None:
        y = next((leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)), None)
        if not self.open or y is None or y.ndim < 2 + self.members or not y.numel() or not y.is_floating_point():
            return
        dim = unit_dim(module)
        self._layer = name, dim
        self._units.setdefault(name, {}).setdefault("", Units()).add(rows(self._few(y), dim, self.members))

    @torch.no_grad()
    def _before_activation(self, name: str, alone: nn.Module, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        if not self.open or self._layer is None or len(inputs) != 1 or not isinstance(inputs[0], Tensor):
            return
        (x,) = inputs
        if x.ndim < 2 + self.members or not x.numel() or not x.is_floating_point():
            return
        try:
            few = self._few(x)
            tried = slope(alone, few.flatten(0, self.members))
        except Exception:  # somebody's module, which may need more than one call of its own
            return
        if tried is not None:
            layer, dim = self._layer
            # a layer's features that were flattened, or made into a sequence, are last
            dim = dim if x.ndim > 2 + self.members else -1
            parts = (rows(part.reshape(few.shape), dim, self.members) for part in tried)
            self._units[layer].setdefault(name, Units()).add(*parts)

    def _few(self, x: Tensor) -> Tensor:
        """Return the first examples of ``x`` (M, B, …), as many as have ``NUMBERS`` numbers, but enough to tell."""
        examples = x.shape[self.members]
        each = x.numel() // math.prod(x.shape[: self.members + 1])
        return x.narrow(self.members, 0, min(examples, max(ENOUGH, NUMBERS // max(1, each))))


def _may_be_activation(module: nn.Module) -> bool:
    """Say whether a module without parts keeps nothing: no parameters, no statistics, no random numbers of its own."""
    if next(module.parameters(), None) is not None or next(module.buffers(), None) is not None:
        return False
    if isinstance(module, nn.Identity):  # stands for "no technique"
        return False
    return not any(isinstance(leaf, Generator) for leaf in tree_leaves(list(vars(module).values())))
