"""What one run costs through the Trainer, against the same training written by hand in plain torch.

    python benchmarks/solo.py [--rounds 5] [--where]

A multilayer perceptron 64-128-128-10 on scikit-learn's digits: batches of 64, 20 epochs, 20 points of the curves, for
norm=bn,none and opt=sgd,adam. Both take the same splits, and write TensorBoard events and a CSV table; the run through
the Trainer also keeps its record, the best and the last weights, measures its layers, and tests. Both run in this
process, warm and on one thread, and take turns; each is compared with the other of its round. ``--where`` prints where
the time of a run goes.
"""

from __future__ import annotations

import argparse
import cProfile
import csv
import itertools
import pstats
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.tensorboard import SummaryWriter

import ablate
from ablate.config import Config
from ablate.dataset import Examples, Splits, prepare
from ablate.techniques import Data

AIM = 1.1  # a run may take so many times the loop by hand
BATCH, EPOCHS, WIDTH = 64, 20, 128
ARMS = tuple(itertools.product(("bn", "none"), ("sgd", "adam")))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--where", action="store_true", help="print where the time of a run goes")
    asked = parser.parse_args()
    rounds: int = asked.rounds
    if rounds < 1:
        parser.error(f"--rounds must be at least 1, not {rounds}")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        ratios = [report(Path(folder), norm, opt, rounds) for norm, opt in ARMS]
        middle = statistics.median(itertools.chain.from_iterable(ratios))
        print(f"\nAim: at most {AIM:g} times the loop by hand. {'Met' if middle <= AIM else 'Missed'}: {middle:.2f}.")
        if asked.where:
            where(Path(folder))


def report(folder: Path, norm: str, opt: str, rounds: int) -> list[float]:
    """Print the times of one arm and return the ratio of each round, after one round that warms up."""
    times: list[tuple[float, float]] = []
    for number in range(rounds + 1):
        config = configured(folder, norm, opt, number)
        hand = seconds(partial(by_hand, folder / "hand" / f"{norm}-{opt}-{number}", config.data, norm, opt, number))
        times.append((seconds(partial(ablate.run, config)), hand))
    ratios = [ours / hand for ours, hand in times[1:]]
    ours, hand = (1000 * statistics.median(column) for column in zip(*times[1:], strict=True))
    times_each = f"run {ours:6.0f} ms   by hand {hand:6.0f} ms   ratio {statistics.median(ratios):.2f}"
    print(f"norm={norm:<5} opt={opt:<5} {times_each}")
    return ratios


def configured(folder: Path, norm: str, opt: str, seed: int) -> Config:
    return ablate.compose(
        [
            *("model=mlp", "model.depth=2", f"model.width={WIDTH}", "data=digits", f"data.batch_size={BATCH}"),
            *(f"trainer.max_epochs={EPOCHS}", f"norm={norm}", f"opt={opt}", f"seed={seed}"),
            *("trainer.accelerator=cpu", f"output_dir={folder / 'runs'}"),
        ]
    )


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def by_hand(folder: Path, digits: Data, norm: str, opt: str, seed: int) -> float:
    """Train as a careful person would without a framework; return the last validation accuracy."""
    data = prepare(digits, seed).splits
    torch.manual_seed(seed)
    net = network(norm)
    optimizer = torch.optim.SGD(net.parameters(), 0.1) if opt == "sgd" else torch.optim.Adam(net.parameters(), 1e-3)
    shuffle = torch.Generator().manual_seed(seed)
    folder.mkdir(parents=True)
    step, accuracy = 0, 0.0
    with SummaryWriter(str(folder)) as events, (folder / "metrics.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("step", "train/loss", "val/loss", "val/acc"))
        for _ in range(EPOCHS):
            loss = epoch(net, optimizer, data.train, torch.randperm(len(data.train.x), generator=shuffle))
            step += -(-len(data.train.x) // BATCH)
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


def epoch(net: nn.Module, optimizer: torch.optim.Optimizer, train: Examples, order: torch.Tensor) -> float:
    """Train for one epoch and return the mean loss."""
    net.train()
    total = torch.zeros(())
    for x, y in zip(train.x[order].split(BATCH), train.y[order].split(BATCH), strict=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(x)
    return float(total) / len(train.x)


def validation(net: nn.Module, data: Splits) -> tuple[float, float]:
    """Return loss and accuracy."""
    net.eval()
    with torch.inference_mode():
        scores = net(data.val.x)
        right = (scores.argmax(1) == data.val.y).float().mean()
        return float(F.cross_entropy(scores, data.val.y)), float(right)


def where(folder: Path) -> None:
    """Print the functions in which a run spends its time, by themselves and with what they call."""
    config = configured(folder, *ARMS[0], seed=1000)
    profile = cProfile.Profile()
    profile.runcall(ablate.run, config)
    pstats.Stats(profile).strip_dirs().sort_stats("tottime").print_stats(30)
    pstats.Stats(profile).strip_dirs().sort_stats("cumulative").print_stats(60)


if __name__ == "__main__":
    main()
