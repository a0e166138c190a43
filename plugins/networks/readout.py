"""From the states of a sequence to one vector: (B, T, H) → (B, H). B batch · T time · H hidden units."""

from __future__ import annotations

from torch import Tensor, nn

from ablate.kit import any_leading_dims


class Last(nn.Module):
    """The last state."""

    @any_leading_dims
    def forward(self, states: Tensor) -> Tensor:
        """Map (B, T, H) to (B, H)."""
        return states[..., -1, :]


class Mean(nn.Module):
    """The mean over time."""

    @any_leading_dims
    def forward(self, states: Tensor) -> Tensor:
        """Map (B, T, H) to (B, H)."""
        return states.mean(-2)


class AttentionPooling(nn.Module):
    """Σ αₜ hₜ with α = softmax over time of v·tanh(W hₜ + b).

    The scores are those of Bahdanau et al. 2014 (arXiv:1409.0473) with one learned query in the place of a decoder's
    state, as in Yang et al. 2016 (NAACL, "Hierarchical attention networks").
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.project = nn.Linear(hidden, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)  # a bias would be the same at every step: softmax drops it

    def weights(self, states: Tensor) -> Tensor:
        """Return α (B, T, 1): not negative, with a sum of 1 over time."""
        scores: Tensor = self.score(self.project(states).tanh())
        return scores.softmax(-2)

    @any_leading_dims
    def forward(self, states: Tensor) -> Tensor:
        """Map (B, T, H) to (B, H)."""
        return (self.weights(states) * states).sum(-2)


def readout(name: str, hidden: int) -> nn.Module:
    """Return the readout ``name`` of states with ``hidden`` units: last, mean or attention."""
    return AttentionPooling(hidden) if name == "attention" else {"last": Last, "mean": Mean}[name]()
