"""The sweep as a careful person writes it by hand in plain PyTorch: one run after the other, or some in each process.

    python benchmarks/baselines/by_hand.py FOLDER [--seeds 4] [--epochs 20] [--processes 1]

norm=bn,none and opt=sgd,adam with each seed: a multilayer perceptron 64-128-128-10 on scikit-learn's digits, batches of
64, validation after each epoch, three scalars to TensorBoard and to a CSV table. All data is in memory; nothing else is
kept of a run. It needs torch, scikit-learn and tensorboard only.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import multiprocessing
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.tensorboard import SummaryWriter

BATCH, EPOCHS, WIDTH = 64, 20, 128
ARMS = tuple(itertools.product(("bn", "none"), ("sgd", "adam")))


class Digits(NamedTuple):
    """Images (N, 64) or (N, 1, 8, 8) and labels (N,), for training and for validation."""

    x: Tensor
    y: Tensor
    val_x: Tensor
    val_y: Tensor


class Job(NamedTuple):
    """A run of the sweep."""

    folder: Path
    norm: str
    opt: str
    seed: int
    epochs: int


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--processes", type=int, default=1)
    asked = parser.parse_args()
    jobs = [
        Job(asked.folder / f"norm={norm},opt={opt}" / f"seed={seed}", norm, opt, seed, asked.epochs)
        for (norm, opt), seed in itertools.product(ARMS, range(asked.seeds))
    ]
    if asked.processes == 1:
        accuracies = list(map(run, jobs))
    else:
        with multiprocessing.get_context("fork").Pool(asked.processes) as pool:
            accuracies = pool.map(run, jobs, chunksize=1)
    print(f"{len(jobs)} runs, mean val/acc {sum(accuracies) / len(accuracies):.4f}")


def run(job: Job) -> float:
    """Do one run; return the last validation accuracy."""
    torch.set_num_threads(1)
    return train(job.folder, digits(job.seed), job.norm, job.opt, job.seed, job.epochs)


def digits(seed: int) -> Digits:
    """Return 60 % of the digits to train on and 20 % to validate on, in an order of the seed's own."""
    from sklearn.datasets import load_digits

    raw = load_digits()
    x, y = torch.tensor(raw.data / 16, dtype=torch.float32), torch.tensor(raw.target)
    held = len(x) // 5
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    train, val, _ = order.split([len(x) - 2 * held, held, held])
    return Digits(x[train], y[train], x[val], y[val])


def train(folder: Path, data: Digits, norm: str, opt: str, seed: int, epochs: int = EPOCHS) -> float:
    """Train one network and write its curves into ``folder``; return the last validation accuracy."""
    torch.manual_seed(seed)
    net = network(norm)
    optimizer = torch.optim.SGD(net.parameters(), 0.1) if opt == "sgd" else torch.optim.Adam(net.parameters(), 1e-3)
    shuffle = torch.Generator().manual_seed(seed)
    folder.mkdir(parents=True)
    step, accuracy = 0, 0.0
    with SummaryWriter(str(folder)) as events, (folder / "metrics.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("step", "train/loss", "val/loss", "val/acc"))
        for _ in range(epochs):
            loss = epoch(net, optimizer, data, torch.randperm(len(data.x), generator=shuffle))
            step += -(-len(data.x) // BATCH)
            val_loss, accuracy = validation(net, data)
            table.writerow((step, loss, val_loss, accuracy))
            events.add_scalar("train/loss", loss, step)
            events.add_scalar("val/loss", val_loss, step)
            events.add_scalar("val/acc", accuracy, step)
    return accuracy


def network(norm: str) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs in (64, WIDTH):
        layers.append(nn.Linear(inputs, WIDTH))
        if norm == "bn":
            layers.append(nn.BatchNorm1d(WIDTH))
        layers.append(nn.ReLU())
    return nn.Sequential(*layers, nn.Linear(WIDTH, 10))


def epoch(net: nn.Module, optimizer: torch.optim.Optimizer, data: Digits, order: Tensor) -> float:
    """Train for one epoch and return the mean loss."""
    net.train()
    total = torch.zeros(())
    for x, y in zip(data.x[order].split(BATCH), data.y[order].split(BATCH), strict=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(x)
    return float(total) / len(data.x)


def validation(net: nn.Module, data: Digits) -> tuple[float, float]:
    """Return loss and accuracy."""
    net.eval()
    with torch.inference_mode():
        scores = net(data.val_x)
        right = (scores.argmax(1) == data.val_y).float().mean()
        return float(F.cross_entropy(scores, data.val_y)), float(right)


if __name__ == "__main__":
    main()
