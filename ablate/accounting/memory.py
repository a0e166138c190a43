"""Memory: what an optimizer keeps of every weight between two steps, and when there is none left."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ablate.accounting.passes import run


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that there is no memory left, of the machine or of an accelerator."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "allocate memory" in str(error)  # torch, on a CPU
    )


def state_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Return the bytes of all tensors in the state of ``optimizer``; single numbers, such as counters, left out."""
    tensors = (leaf for leaf in tree_leaves(list(optimizer.state.values())) if isinstance(leaf, Tensor))
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors if tensor.ndim)


def state_after_a_step(
    model: nn.Module, example: Tensor, build: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
) -> int:
    """Return the bytes of state of the optimizer that ``build`` makes, after one step of a copy of ``model``.

    A history that grows with the steps (L-BFGS) is as long as that step makes it.
    """
    model = copy.deepcopy(model).eval()
    optimizer = build(model.parameters())
    batch = example.expand(2, *example.shape)

    def closure() -> float:
        optimizer.zero_grad()
        tensors = [leaf for leaf in tree_leaves(run(model, batch)) if isinstance(leaf, Tensor)]
        loss = torch.stack([tensor.square().mean() for tensor in tensors]).sum()
        loss.backward()
        return float(loss.detach())

    with torch.enable_grad():
        optimizer.step(closure)
    return state_bytes(optimizer)
