"""Training as it is set up: what an epoch is, and the network that has to fit ten examples."""

from __future__ import annotations

from ablate.exact import Checked
from ablate.lazy import torch

from ..data import Digits
from ..models.dense import MLP
from ..optimizers.adaptive import Adam
from .build import classes, kit_of


def epoch_partition(batch_size: int = 64, epochs: int = 3) -> Checked:
    """Count the examples that an epoch's batches leave out or repeat, and epochs in the order of the one before."""
    from ablate.dataset import prepare, training_batches

    data = Digits(batch_size=batch_size)
    train = prepare(data, 0).splits.train
    numbered = train._replace(y=torch.arange(len(train.x)))
    batches = training_batches(numbered, data, 0)
    orders = []
    for epoch in range(epochs):
        batches.set_epoch(epoch)
        orders.append(torch.cat([batch.y for batch in batches]))
    wrong = sum(int((order.sort().values != numbered.y).sum()) for order in orders)
    wrong += sum(bool((a == b).all()) for a, b in zip(orders, orders[1:], strict=False))  # noqa: RUF007
    return Checked(
        wrong,
        0,
        f"In each of {epochs} epochs the {len(batches)} batches hold every one of {len(train.x)} examples once, in an "
        "order of its own",
    )


def overfits_few(examples: int = 10, steps: int = 200) -> Checked:
    """Train an mlp on so many digits, with labels drawn at random: the share that it still gets wrong."""
    from ablate.dataset import prepare
    from ablate.kit import initialize

    train = prepare(Digits(train_size=examples), 0).splits.train
    y = torch.randint(10, (examples,), generator=torch.Generator().manual_seed(0))
    wrong = {}
    for name, scale in {"he": 1.0, "zeros": 0.0}.items():
        kit = kit_of()
        net = MLP().build(kit, classes(*train.x.shape[1:]))
        initialize(net, kit.init, 0)
        with torch.no_grad():
            for p in net.parameters():
                p.mul_(scale)
        optimizer = Adam().build(net.parameters())
        for _ in range(steps):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(train.x), y).backward()
            optimizer.step()
        wrong[name] = float((net(train.x).argmax(1) != y).double().mean())
    return Checked(
        wrong["he"],
        0,
        f"After {steps} steps an mlp has {100 * wrong['he']:.0f} % of {examples} digits with random labels wrong; one "
        f"with a mistake in it, all weights zero at the start, {100 * wrong['zeros']:.0f} %",
    )
