"""The sweep as a user writes it with Hydra and Lightning, each with its defaults: a multirun of the basic launcher.

    python benchmarks/baselines/hydra_lightning.py -m norm=bn,none opt=sgd,adam "seed=range(0,4)" [epochs=20]

The same network, data, batches, epochs and scalars as in ``by_hand.py``. It needs hydra-core, lightning, torch,
scikit-learn and tensorboard only.
"""

from __future__ import annotations

from dataclasses import dataclass

import hydra
import lightning.pytorch as pl
import torch
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

Batch = list[Tensor]
"""Images (B, 64) and labels (B,)."""


@dataclass
class Settings:
    norm: str = "none"
    opt: str = "sgd"
    seed: int = 0
    epochs: int = 20


class Classifier(pl.LightningModule):
    def __init__(self, norm: str, opt: str) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.opt = opt
        layers: list[nn.Module] = []
        for inputs in (64, 128):
            layers.append(nn.Linear(inputs, 128))
            if norm == "bn":
                layers.append(nn.BatchNorm1d(128))
            layers.append(nn.ReLU())
        self.net = nn.Sequential(*layers, nn.Linear(128, 10))

    def training_step(self, batch: Batch) -> Tensor:
        x, y = batch
        loss = F.cross_entropy(self.net(x), y)
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Batch) -> None:
        x, y = batch
        scores = self.net(x)
        self.log("val/loss", F.cross_entropy(scores, y))
        self.log("val/acc", (scores.argmax(1) == y).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        if self.opt == "sgd":
            return torch.optim.SGD(self.parameters(), 0.1)
        return torch.optim.Adam(self.parameters(), 1e-3)


def loaders(seed: int) -> tuple[DataLoader[tuple[Tensor, ...]], DataLoader[tuple[Tensor, ...]]]:
    """Return batches of 60 % of the digits to train on and of 20 % to validate on."""
    raw = load_digits()
    x, y = torch.tensor(raw.data / 16, dtype=torch.float32), torch.tensor(raw.target)
    held = len(x) // 5
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    train, val, _ = order.split([len(x) - 2 * held, held, held])
    return (
        DataLoader(TensorDataset(x[train], y[train]), batch_size=64, shuffle=True),
        DataLoader(TensorDataset(x[val], y[val]), batch_size=64),
    )


ConfigStore.instance().store(name="config", node=Settings)


@hydra.main(version_base="1.3", config_path=None, config_name="config")
def main(settings: Settings) -> None:
    pl.seed_everything(settings.seed)
    folder = HydraConfig.get().runtime.output_dir
    trainer = pl.Trainer(
        max_epochs=settings.epochs,
        accelerator="cpu",
        devices=1,
        default_root_dir=folder,
        logger=[TensorBoardLogger(folder, "tensorboard"), CSVLogger(folder, "csv")],
    )
    trainer.fit(Classifier(settings.norm, settings.opt), *loaders(settings.seed))


if __name__ == "__main__":
    main()
