"""Networks as people write them, who know nothing of ablate, and other things that a setting may name."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Block(nn.Module):
    """A residual block with a gate, as they are written."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(channels)
        self.act: nn.Module = nn.ReLU(inplace=True)
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, 4, 1), nn.SiLU())
        self.excite = nn.Conv2d(4, channels, 1)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.bn(self.conv(x)))
        out: Tensor = x + y * self.gate(self.excite(self.squeeze(y)))
        return out


class Net(nn.Module):
    """Convolutions, two blocks, tokens with a layer norm, a head."""

    def __init__(self, in_channels: int = 3, num_classes: int = 5) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(in_channels, 8, 3, padding=1), nn.BatchNorm2d(8), nn.LeakyReLU(0.2))
        self.pool: nn.Module = nn.MaxPool2d(3, stride=2, padding=1)
        self.one, self.two = Block(8), Block(8)
        self.norm: nn.Module = nn.LayerNorm(8)
        self.drop: nn.Module = nn.Dropout(0.1)
        self.fc = nn.Linear(8, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.stem(x))
        x = self.two(self.one(x))
        tokens = self.norm(x.flatten(2).transpose(1, 2))
        out: Tensor = self.fc(self.drop(tokens.mean(1)))
        return out


class Functional(nn.Module):
    """Two layers whose second activation is a function; the width is for whoever makes it to say."""

    def __init__(self, in_features: int, num_classes: int, *, width: int) -> None:
        super().__init__()
        self.flat, self.act = nn.Flatten(), nn.ReLU()
        self.one, self.two, self.out = (
            nn.Linear(in_features, width),
            nn.Linear(width, width),
            nn.Linear(width, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.out(F.relu(self.two(self.act(self.one(self.flat(x))))))
        return out


def fixed() -> nn.Module:
    """Return a network of seven outputs, whatever the data."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 7))


def number(num_classes: int) -> int:
    """Return no network."""
    return num_classes


def failing() -> nn.Module:
    """Return nothing."""
    raise KeyError("weights")


made = nn.Linear(1, 1)
torch.rand(3)  # some draw while they are imported
