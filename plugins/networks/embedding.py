"""Embedding network."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from ablate.kit import any_leading_dims


class Embedding(nn.Module):
    """An encoder, and where asked each of its outputs divided by its length: (B, *input_shape) → (B, D)."""

    def __init__(self, encoder: nn.Module, normalize: bool) -> None:
        super().__init__()
        self.encoder = encoder
        self.normalize = normalize

    @any_leading_dims
    def forward(self, x: Tensor) -> Tensor:
        """Map (B, *input_shape) to (B, D)."""
        embedding: Tensor = self.encoder(x)
        return F.normalize(embedding, dim=-1) if self.normalize else embedding
