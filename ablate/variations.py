"""Changes to a data set on purpose: label noise, moved test images, permuted pixels.

Pure functions of tensors; what is random draws from the generator that is given.

Shapes: N examples · T time · F features · C channels · H, W height and width.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def stream(seed: int, *purpose: str | int) -> torch.Generator:
    """Return a generator that belongs to ``seed`` and ``purpose``: what one purpose draws, no other one sees."""
    # numpy pads a short entropy with zeros: the 0 after the seed keeps clear of (seed, epoch) in Batches.
    words = [part if isinstance(part, int) else int.from_bytes(part.encode(), "big") for part in purpose]
    state = np.random.SeedSequence((seed, 0, *words)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state))


def noisy_targets(y: Tensor, level: float, classes: int | None, generator: torch.Generator) -> Tensor:
    """Return targets with noise.

    Of ``classes`` (int64, any shape), the fraction ``level`` of the labels, rounded to whole labels, becomes one
    of the other classes, each as likely. A regression (``classes=None``), (N, targets), gets normal noise of
    ``level`` standard deviations of each target. A higher level keeps the noise of a lower one and adds to it.
    """
    if classes is None:
        noise = torch.randn(y.shape, generator=generator, dtype=y.dtype)
        return y + level * y.std(0, correction=0) * noise
    labels = y.flatten()
    order = torch.randperm(len(labels), generator=generator)
    step = torch.randint(1, max(2, classes), labels.shape, generator=generator)  # never 0: another class
    chosen = order[: round(level * len(labels))]
    noisy = labels.clone()
    noisy[chosen] = (labels + step)[chosen] % classes
    return noisy.view_as(y)


def shifted(x: Tensor, y: Tensor, most: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Move each image (N, C, H, W) by -most … most pixels down and right; pixel labels (N, H, W) go along.

    What moves in is zero, in labels too; labels of whole images (N,) stay.
    """
    moves = torch.randint(-most, most + 1, (len(x), 2), generator=generator).tolist()
    moved_x = torch.stack([_moved(image, *move) for image, move in zip(x, moves, strict=True)])
    if y.ndim == 1:
        return moved_x, y
    return moved_x, torch.stack([_moved(labels, *move) for labels, move in zip(y, moves, strict=True)])


def _moved(image: Tensor, down: int, right: int) -> Tensor:
    """Return (…, H, W) moved; padding by a negative amount crops."""
    return torch.nn.functional.pad(image, (right, -right, down, -down))


def permuted(x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Put the pixels of images (N, C, H, W), or the steps of sequences (N, T, F), into one random order.

    Channels and features stay together; pixel labels (N, H, W) go along.
    """
    if x.ndim == 3:
        return x[:, torch.randperm(x.shape[1], generator=generator)], y
    order = torch.randperm(x.shape[2] * x.shape[3], generator=generator)
    moved = x.flatten(2)[:, :, order].view_as(x)
    return moved, y.flatten(1)[:, order].view_as(y) if y.ndim == 3 else y
