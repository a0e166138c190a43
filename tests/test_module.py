"""The module against the same training written by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import LambdaCallback
from torch import Tensor
from torch.nn import functional as F

import ablate
from ablate.config import Config
from ablate.dataset import Batches, prepare
from ablate.metrics import metrics_for
from ablate.techniques import DataSpec, Regularizer, Task

Maker = Callable[..., Config]


def by_hand(config: Config, penalty: float = 0.0) -> tuple[list[float], list[float], float]:
    """Train the config's mlp with plain torch; return training losses, penalties, and the last gradient's norm."""
    torch.manual_seed(config.seed)
    net = ablate.build(config).model
    train = Batches(prepare(config.data, config.seed).splits.train, config.data.batch_size, shuffle_seed=config.seed)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    losses, penalties, norm = [], [], 0.0
    for x, y in train:
        loss = F.cross_entropy(net(x), y)
        weights = [m.weight for m in net.modules() if isinstance(m, torch.nn.Linear)]
        extra = penalty * torch.stack([w.square().sum() for w in weights]).sum()
        optimizer.zero_grad()
        (loss + extra).backward()
        norm = math.sqrt(sum(float(p.grad.square().sum()) for p in net.parameters() if p.grad is not None))
        optimizer.step()
        losses.append(loss.item())
        penalties.append(extra.item())
    return losses, penalties, norm


def test_training_equals_the_same_training_by_hand(short_config: Maker) -> None:
    config = short_config("opt=sgd", "reg=l2", "reg.l2.weight=0.01", "data.batch_size=32", "trainer.validations=1")
    curves = ablate.run(config).curves()
    losses, penalties, norm = by_hand(config, penalty=0.01)
    assert curves["train/loss"][0] == pytest.approx(sum(losses) / 4, rel=1e-6)
    assert curves["train/penalty"][0] == pytest.approx(sum(penalties) / 4, rel=1e-6)
    assert curves["grad_norm"][0] == pytest.approx(norm, rel=1e-5)


def test_schedules_move_with_every_optimizer_step(short_config: Maker) -> None:
    config = short_config("sched=cosine", "opt.lr=1", "data.batch_size=32", "trainer.validations=4")
    expected = [(1 + math.cos(math.pi * t / 4)) / 2 for t in (1, 2, 3, 4)]
    assert ablate.run(config).curves()["lr"].tolist() == pytest.approx(expected, abs=1e-7)


def test_gradient_clipping_reaches_the_trainer(short_config: Maker) -> None:
    # sgd with a clipped gradient moves the weights by lr · clip at most
    config = short_config("opt=sgd", "opt.lr=1", "trainer.gradient_clip_val=0.001", "trainer.max_steps=1")
    record = ablate.run(config)
    before = torch.cat([p.detach().flatten() for p in ablate.build(config).model.parameters()])
    state = torch.load(record.folder / "last.ckpt", weights_only=True)["state_dict"]
    after = torch.cat([v.flatten() for k, v in state.items() if k.startswith("model.")])
    assert float((after - before).norm()) == pytest.approx(0.001, rel=1e-3)


def test_metrics_by_task_agree_with_their_formulas() -> None:
    torch.manual_seed(0)
    logits, classes = torch.randn(50, 4), torch.randint(4, (50,))
    accuracy = metrics_for(DataSpec(Task.classification, (3,), 4), torch.ones(()))["acc"]
    accuracy.update(logits, classes)
    assert float(accuracy.compute()) == pytest.approx(float((logits.argmax(1) == classes).float().mean()))

    prediction, target, scale = torch.randn(50, 2), torch.randn(50, 2), torch.tensor([5.0, 1000.0])
    regression = metrics_for(DataSpec(Task.regression, (3,), 2), target_scale=scale)
    for name in ("r2", "mae"):
        regression[name].update(prediction, target)
    residual, total = (prediction - target).square().sum(0), (target - target.mean(0)).square().sum(0)
    assert float(regression["r2"].compute()) == pytest.approx(float((1 - residual / total).mean()), rel=1e-5)
    error = float((scale * (prediction - target).abs()).mean())
    assert float(regression["mae"].compute()) == pytest.approx(error, rel=1e-5)

    maps, pixels = torch.randn(2, 3, 5, 5), torch.randint(3, (2, 5, 5))
    miou = metrics_for(DataSpec(Task.segmentation, (1, 5, 5), 3), torch.ones(()))["miou"]
    miou.update(maps, pixels)
    guess = maps.argmax(1)
    shares = [((guess == c) & (pixels == c)).sum() / ((guess == c) | (pixels == c)).sum() for c in range(3)]
    assert float(miou.compute()) == pytest.approx(float(sum(shares)) / 3, rel=1e-5)


def test_validation_is_the_mean_over_examples_not_over_batches(
    short_config: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = short_config("trainer.validations=1")
    whole = ablate.run(config).curves()["val/loss"][-1]
    monkeypatch.setattr("ablate.training.run.EVALUATION_BATCH", 100)  # 359 examples: the last batch is smaller
    config.name = "in-parts"
    assert ablate.run(config).curves()["val/loss"][-1] == pytest.approx(whole, rel=1e-6)


def test_a_module_is_built_untrained_and_by_seed() -> None:
    a, b, c = (ablate.build(ablate.compose([f"seed={seed}", "norm=bn"])).model for seed in (0, 0, 1))
    first = [next(m.parameters()) for m in (a, b, c)]
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2])


@dataclass
class Recorder(Regularizer):
    """Negates the inputs, keeps its random numbers, and counts the steps."""

    def __post_init__(self) -> None:
        self.drawn: list[float] = []
        self.steps = 0

    def transform(self, x: Tensor, y: Tensor, spec: DataSpec, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        self.drawn.append(float(torch.rand((), generator=generator)))
        return -x, y

    def callbacks(self, monitor: str, higher_is_better: bool) -> list[Callback]:
        return [LambdaCallback(on_train_batch_end=lambda *_: setattr(self, "steps", self.steps + 1))]


def recorded(config: Config) -> tuple[Recorder, ablate.Record]:
    """Train with a recorder in place of the config's regularizer."""
    recorder = Recorder()
    (own,) = config.reg.values()
    own.transform, own.callbacks = recorder.transform, recorder.callbacks  # type: ignore[method-assign]
    return recorder, ablate.run(config)


def test_batches_are_transformed_by_the_runs_own_random_numbers_and_callbacks_take_part(short_config: Maker) -> None:
    settings = ("reg=l2", "reg.l2.weight=0", "opt=sgd", "data.batch_size=32", "trainer.validations=1")
    first, record = recorded(short_config(*settings, "name=a"))
    again, _ = recorded(short_config(*settings, "name=b"))
    other, _ = recorded(short_config(*settings, "name=c", "seed=1"))
    assert first.steps == len(first.drawn) == 4
    assert first.drawn == again.drawn != other.drawn
    # negated inputs: the first loss is that of the untrained net on -x
    config = short_config(*settings, "trainer.max_steps=1", "name=d")
    net = ablate.build(config).model
    batch = next(iter(Batches(prepare(config.data, 0).splits.train, 32, shuffle_seed=0)))
    _, one_step = recorded(config)
    assert one_step.curves()["train/loss"][0] == pytest.approx(F.cross_entropy(net(-batch.x), batch.y).item(), rel=1e-6)
    assert record.status.done


def test_every_epoch_has_an_order_of_its_own(short_config: Maker) -> None:
    # without learning the losses of an epoch's batches differ from the next epoch's only by their order
    settings = ("opt=sgd", "opt.lr=1e-30", "data.batch_size=32", "trainer.max_epochs=2", "trainer.validations=8")
    losses = ablate.run(short_config(*settings)).curves()["train/loss"]
    assert losses[:4].mean() == pytest.approx(losses[4:].mean(), rel=1e-6)
    assert losses[:4].tolist() != pytest.approx(losses[4:].tolist(), rel=1e-3)


def test_precision_reaches_the_training(short_config: Maker) -> None:
    settings = ("opt=sgd", "trainer.validations=1")
    exact = ablate.run(short_config(*settings)).curves()["train/loss"][0]
    double = ablate.run(short_config(*settings, "trainer.precision=64-true"))
    assert torch.load(double.checkpoint, weights_only=True)["state_dict"]["model.head.weight"].dtype is torch.float64
    assert double.curves()["train/loss"][0] == pytest.approx(exact, rel=1e-5)
