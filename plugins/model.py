"""Models: networks assembled from the kit, and those that somebody else wrote.

They stand in ``models/``, by what they take; their networks in ``networks/``, imported when one is built: a listing
needs no torch.
"""

from __future__ import annotations

from ablate.hookspecs import Register, hookimpl

from .models import dense, embedding, foreign, generative, images, pixels, sequences, sets


@hookimpl
def register_techniques(register: Register) -> None:
    """Add the models."""
    for name, technique in {
        "linear": dense.Linear,
        "mlp": dense.MLP,
        "mlp_output": dense.OutputMLP,
        "wide_deep": dense.WideDeep,
        "cnn": images.CNN,
        "resnet": images.ResNet,
        "vgg": images.VGG,
        "inception": images.Inception,
        "lstm": sequences.LSTM,
        "attention": sequences.Attention,
        "pointnet": sets.PointNet,
        "fcn": pixels.FCN,
        "unet": pixels.UNet,
        "embedding": embedding.Embedding,
        "gan": generative.GAN,
        "timm": foreign.Timm,
        "torchvision": foreign.TorchVision,
        "import": foreign.Import,
    }.items():
        register(name, technique)
