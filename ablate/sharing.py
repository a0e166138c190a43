"""Several processes that train one network, each on its share of every batch (torch.distributed)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.distributed as dist
from torch import Tensor


def shared() -> bool:
    """Whether this process is one of several."""
    return dist.is_available() and dist.is_initialized()


def weight(count: int, device: torch.device) -> float:
    """Return what the mean loss of ``count`` examples is multiplied by, so that the mean over processes is the batch's.

    Gradients are averaged over W processes. With n_r of the n examples here, the mean over the batch is
    Σ_r (n_r / n) L_r = (1/W) Σ_r (W n_r / n) L_r.
    """
    total = torch.tensor(count, device=device)
    dist.all_reduce(total)
    return dist.get_world_size() * count / int(total)


def means(values: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """Return the mean of each value over the processes, which all have the same names."""
    stacked = torch.stack([value.detach().to(device, torch.float64) for value in values.values()])
    dist.all_reduce(stacked)
    return dict(zip(values, stacked / dist.get_world_size(), strict=True)) if values else {}
