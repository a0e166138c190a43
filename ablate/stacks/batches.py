"""The batches of a stack: each member's own, in the order of its own seed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch

from ablate.dataset import Examples


def together(batches: Sequence[Iterable[Examples]]) -> Iterator[Examples]:
    """Yield the members' batches (B, …) side by side, (K, B, …); raises ``ValueError`` if they differ in number."""
    for own in zip(*batches, strict=True):
        yield side_by_side(own)


def side_by_side(own: Sequence[Examples]) -> Examples:
    """Return a batch (B, …) of each member as one, (K, B, …)."""
    return Examples(*(torch.stack(parts) for parts in zip(*own, strict=True)))
