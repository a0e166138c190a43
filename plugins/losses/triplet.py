"""The triplet loss of embeddings. B batch · D size of the embedding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from ablate.checks import positive
from ablate.errors import ConfigError
from ablate.lazy import torch
from ablate.techniques import Criterion, Loss, Task

if TYPE_CHECKING:
    from torch import Tensor


class Mining(Enum):
    """Which triplets of a batch count: one at random for each anchor, the semi-hard ones, or each anchor's hardest."""

    random = "random"
    semi_hard = "semi_hard"
    hard = "hard"


@dataclass
class Triplet(Loss):
    """max(0, d(a, p) - d(a, n) + margin): an anchor a is to be closer to its class p than to another n by the margin.

    d is the squared Euclidean distance (FaceNet, Schroff et al. 2015, arXiv:1503.03832). mining: ``random``, for each
    anchor one p and one n of the batch · ``semi_hard``, for each a and p the nearest n that is farther than p, and
    nothing where there is none (FaceNet) · ``hard``, for each anchor its farthest p and its nearest n (batch hard,
    Hermans et al. 2017, arXiv:1703.07737, who do not square d). The mean is over the anchors, with semi_hard over
    the pairs of a and p. Random triplets are drawn from the run's seed, in evaluation always the same.
    """

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.embedding})
    margin: float = 0.2
    mining: Mining = Mining.semi_hard

    def __post_init__(self) -> None:
        positive(margin=self.margin)

    def build(self, task: Task) -> Criterion:
        mine = MINERS[self.mining.name]()

        def triplet(embeddings: Tensor, classes: Tensor) -> Tensor:
            if classes.is_floating_point():
                raise ConfigError(
                    "loss=triplet needs one class an example, but a regularizer has mixed or smoothed the labels. "
                    "Drop it."
                )
            distance = squared_distances(embeddings)
            same = classes[:, None] == classes  # (B, B)
            other = ~same
            positives = same & other.any(1, keepdim=True)  # of anchors that have a negative too
            positives.fill_diagonal_(False)
            if not positives.any():
                return 0 * embeddings.sum()
            differences: Tensor = mine(distance, positives, other)
            return (differences + self.margin).clamp(min=0).mean()

        return triplet


def squared_distances(x: Tensor) -> Tensor:
    """Return the squared Euclidean distances (B, B) of (B, D); their gradient is finite where they are 0."""
    # from the differences, not from inner products: of close embeddings those leave only rounding
    distance: Tensor = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    return distance.square()


def semi_hard(distance: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Return d(a, p) - d(a, n) of every pair, n the nearest negative that is farther than p; -inf without one."""
    ascending = distance.masked_fill(~negatives, torch.inf).sort(1).values  # (B, B)
    # an anchor is no negative of its own: the last column is infinite, and every search ends within
    farther = torch.searchsorted(ascending.detach(), distance.detach().contiguous(), right=True)
    nearest = ascending.gather(1, farther.clamp(max=len(distance) - 1))
    return (distance - nearest)[positives]


def hard(distance: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Return d(a, p) - d(a, n) of every anchor, p its farthest positive and n its nearest negative."""
    farthest = distance.masked_fill(~positives, -torch.inf).amax(1)
    nearest = distance.masked_fill(~negatives, torch.inf).amin(1)
    return (farthest - nearest)[positives.any(1)]


class RandomTriplets:
    """Draws for every anchor one of its positives and one of its negatives, each as likely.

    Training, where gradients are recorded, draws from a stream of its own that starts with torch's seed, so that no
    other random number of the run depends on it. Evaluation draws the same numbers every time.
    """

    def __init__(self) -> None:
        self.training = torch.Generator().manual_seed(torch.initial_seed())

    def __call__(self, distance: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        """Return d(a, p) - d(a, n) of every anchor."""
        generator = self.training if torch.is_grad_enabled() else torch.Generator().manual_seed(0)

        def drawn(among: Tensor) -> Tensor:
            lots = torch.rand(among.shape, generator=generator).to(among.device)
            chosen = lots.masked_fill(~among, -1).argmax(1, keepdim=True)
            return distance.gather(1, chosen).squeeze(1)

        return (drawn(positives) - drawn(negatives))[positives.any(1)]


MINERS: dict[str, Callable[[], Callable[[Tensor, Tensor, Tensor], Tensor]]] = {
    "random": RandomTriplets,
    "semi_hard": lambda: semi_hard,
    "hard": lambda: hard,
}
"""What makes the function (distance, positives, negatives), each (B, B), to the differences of the triplets."""
