"""Models: networks assembled from the kit.

They stand in ``models/``, by what they take; their networks in ``networks/``, imported when one is built: a listing
needs no torch.
"""

from __future__ import annotations

from ablate.hookspecs import Register, hookimpl

from .models import dense, embedding, generative, images, pixels, sequences


@hookimpl
def register_techniques(register: Register) -> None:
    """Add the models."""
    for name, technique in {
        "mlp": dense.MLP,
        "cnn": images.CNN,
        "lstm": sequences.LSTM,
        "fcn": pixels.FCN,
        "embedding": embedding.Embedding,
        "gan": generative.GAN,
    }.items():
        register(name, technique)
