"""What is planted is found, and nothing is said of a run that is well."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

import ablate
from ablate.cli.main import main
from ablate.config import Config
from ablate.dataset import Examples, Splits, random_split
from ablate.doctor import data, gradients, learning, output, units
from ablate.doctor.case import Case
from ablate.doctor.examine import CHECKS, examine
from ablate.doctor.finding import Check, Verdict
from ablate.doctor.trial import train
from ablate.kit import Kit
from ablate.registry import registry
from ablate.techniques import Criterion, Data, DataSpec, Loss, Model, Task
from tests.helpers import generator


@dataclass
class Behind(Model):
    """A network with something behind its last layer."""

    behind: ClassVar[nn.Module] = nn.Sigmoid()

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        """Return two layers and what stands behind."""
        layers = nn.Linear(math.prod(spec.input_shape), 32), kit.hidden(32), nn.Linear(32, spec.outputs)
        return nn.Sequential(nn.Flatten(), *layers, self.behind)


@dataclass
class Squashed(Behind):
    """Sigmoid behind."""


@dataclass
class Positive(Behind):
    """Relu behind."""

    behind: ClassVar[nn.Module] = nn.ReLU()


@dataclass
class Probabilities(Behind):
    """Softmax behind."""

    behind: ClassVar[nn.Module] = nn.Softmax(dim=1)


@dataclass
class Frozen(Model):
    """A network whose first layer nobody trains."""

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        """Return two layers."""
        first = nn.Linear(math.prod(spec.input_shape), 32).requires_grad_(False)
        return nn.Sequential(nn.Flatten(), first, kit.hidden(32), nn.Linear(32, spec.outputs))


class Unused(nn.Module):
    """Has a layer that it does not call."""

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.used = nn.Linear(features, outputs)
        self.spare = nn.Linear(features, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, …) to (B, outputs)."""
        out: Tensor = self.used(x.flatten(1))
        return out


@dataclass
class Spare(Model):
    """A network with a layer that it does not use."""

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        """Return it."""
        return Unused(math.prod(spec.input_shape), spec.outputs)


class WrongSquare(torch.autograd.Function):
    """x², whose backward forgets the factor 2."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
        """Return x²."""
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grads: Tensor) -> Tensor:
        """Return x times the gradient."""
        (x,) = ctx.saved_tensors  # type: ignore[attr-defined]
        out: Tensor = grads[0] * x
        return out


@dataclass
class WrongGradient(Loss):
    """The mean of squares with the wrong gradient."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.regression})

    def build(self, task: Task) -> Criterion:
        """Return it."""
        return lambda prediction, target: WrongSquare.apply(prediction - target).mean()  # type: ignore[no-untyped-call]


@dataclass
class SquaredLogits(Loss):
    """Squared distance of the logits to the one-hot class."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.classification})

    def build(self, task: Task) -> Criterion:
        """Return it."""
        return lambda z, y: (z - nn.functional.one_hot(y, z.shape[1])).square().mean()


def blobs(count: int = 600) -> Splits:
    """Return three clouds of points in four dims."""
    y = torch.arange(count) % 3
    x = torch.randn(count, 4, generator=generator()) + 3 * nn.functional.one_hot(y, 4)
    return random_split(x, y, seed=1)


def shuffled() -> Splits:
    """Return the clouds with labels that belong to no input."""
    train, val, test = blobs()
    return Splits(Examples(train.x, train.y[torch.randperm(len(train.y), generator=generator())]), val, test)


def leaked() -> Splits:
    """Return the clouds, with the test examples in the training split."""
    train, val, test = blobs()
    return Splits(Examples(torch.cat((train.x, test.x)), torch.cat((train.y, test.y))), val, test)


def without_a_class() -> Splits:
    """Return the clouds, one of which is not trained on."""
    train, val, test = blobs()
    known = train.y != 2
    return Splits(Examples(train.x[known], train.y[known]), val, test)


MADE: dict[str, Callable[[], Splits]] = {
    "clouds": blobs,
    "shuffled": shuffled,
    "leaked": leaked,
    "without_a_class": without_a_class,
}


@dataclass
class Clouds(Data):
    """One of the data sets above."""

    task: ClassVar[Task] = Task.classification
    made: str = "clouds"

    def load(self, seed: int) -> Splits:
        """Return it."""
        return MADE[self.made]()


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    """The options above, for the tests of this file."""
    for kind in (Squashed, Positive, Probabilities, Frozen, Spare, WrongGradient, SquaredLogits, Clouds):
        ablate.register(f"planted_{kind.__name__.lower()}", kind)
    yield
    registry.cache_clear()


def finding(check: Check, *settings: str) -> tuple[Verdict, str, str]:
    found = check(Case(ablate.compose(list(settings))))
    assert found is not None
    return found.verdict, found.figure, found.way_out


FAIL, WARN, PASS = Verdict.failed, Verdict.warning, Verdict.passed
CLOUDS = "data=planted_clouds"

PLANTED: list[tuple[tuple[str, ...], Check, Verdict, str, str]] = [
    (("init=zeros",), gradients.arrives, FAIL, "none at body.1", "init=he"),
    (("init=zeros",), units.at_start, FAIL, "100% dead", "init=he"),
    (("init=zeros",), gradients.all_move, FAIL, "5 of 6 tensors stay", "init=he"),
    (("init=zeros",), learning.ten_examples, FAIL, "in 500 steps", ""),
    (("init=zeros",), learning.learning_rate, WARN, "no rate learns: loss 2.3 at best", "what fails beside this"),
    (("init=zeros",), learning.labels, WARN, "accuracy 0.", "says the same of every input"),
    (("init=zeros",), units.after_steps, FAIL, "100% dead", "init=he: they were so before any step"),
    (("opt.lr=100",), learning.learning_rate, FAIL, "with 0.0", "opt.lr=0.0"),
    (("opt.lr=0.1",), learning.learning_rate, WARN, "with 0.0", "opt.lr=0.0"),
    (("opt.lr=0.1",), units.after_steps, FAIL, "saturated", "a smaller opt.lr"),
    (("opt=sgd", "opt.lr=10"), learning.learning_rate, FAIL, "10 diverges", "opt.lr=0."),
    (("opt.lr=1e-5",), learning.learning_rate, FAIL, "loss 2.", "opt.lr=0.00"),
    (("opt=sgd", "opt.lr=0.001"), learning.learning_rate, FAIL, "loss 1.", "opt.lr=0.0"),
    (("data=wine", "data.scale=none"), data.inputs, FAIL, "spread 0.", "data.scale=standard"),
    (("data=wine", "data.scale=none"), output.first_loss, FAIL, "for 1.1 (ln C)", "data.scale=standard"),
    (("act=sigmoid", "model.depth=20"), gradients.arrives, FAIL, "of the last layer's", "act=relu"),
    (("act=sigmoid", "model.depth=20"), units.at_start, FAIL, "100% dead", ""),
    (("model=planted_frozen",), gradients.all_move, WARN, "2 of 4 tensors are frozen: 1.weight, 1.bias", ""),
    (("model=planted_spare",), gradients.all_move, FAIL, "2 of 4 tensors stay: spare.weight, spare.bias", ""),
    ((CLOUDS, "data.made=shuffled"), learning.labels, WARN, "accuracy 0.", "labels that belong"),
    (("data.label_noise=0.99",), learning.labels, FAIL, "accuracy 0.0", "data.label_noise=0"),
    (("model=planted_squashed", "data=diabetes"), output.reach, FAIL, "0 to 1 for targets of -1.", "behind its last"),
    (("model=planted_positive", "data=diabetes"), output.reach, FAIL, "0 to ∞ for targets of -1.", "behind its last"),
    (("model=planted_probabilities",), output.reach, FAIL, "probabilities", "without softmax"),
    (("model=planted_squashed",), output.reach, FAIL, "0 to 1", "without activation"),
    (("loss=mse",), output.loss_fits, WARN, "confidently wrong", "loss=cross_entropy"),
    (("loss=planted_squaredlogits",), output.loss_fits, WARN, "confidently right", "loss=cross_entropy"),
    (("loss=planted_wronggradient", "data=diabetes"), gradients.is_right, FAIL, "off by 5e-01", "right backward"),
    ((CLOUDS, "data.made=leaked"), data.duplicates, FAIL, "100.0% are", "remove duplicates"),
    ((CLOUDS, "data.made=without_a_class"), data.split, FAIL, "missing: 2", "data.train_size"),
    (("model=cnn", "norm=bn", "data.batch_size=2"), data.batch_size, FAIL, "normalises over the batch", "norm=ln"),
]


@pytest.mark.parametrize(
    ("settings", "check", "verdict", "figure", "way_out"),
    PLANTED,
    ids=[f"{' '.join(row[0])}: {row[1].__name__}" for row in PLANTED],
)
def test_what_is_planted_is_found(
    settings: tuple[str, ...], check: Check, verdict: Verdict, figure: str, way_out: str
) -> None:
    found = finding(check, *settings)
    assert found[0] is verdict, found
    assert figure in found[1]
    assert way_out in found[2]


@pytest.mark.parametrize(
    "settings",
    [(), ("model=cnn", "norm=bn"), ("data=diabetes",), ("model=lstm", "data=digits_rows"), (CLOUDS,)],
    ids=" ".join,
)
def test_nothing_is_said_of_a_run_that_is_well(settings: tuple[str, ...]) -> None:
    findings = list(examine(ablate.compose(list(settings))))
    assert [f for f in findings if f.verdict is not PASS] == []
    assert len(findings) >= len(CHECKS) - 2  # a regression has neither classes nor a loss of classes
    assert all(f.figure and not f.way_out for f in findings)


@pytest.mark.parametrize(
    ("settings", "check"),
    [
        (("norm=bn", "data.batch_size=4"), data.batch_size),
        (("norm=ln", "data.batch_size=2"), data.batch_size),
        (("opt=gd", "data.batch_size=all"), data.batch_size),
        (("loss=hinge",), output.loss_fits),
        (("loss=focal",), output.loss_fits),
        (("act=step", "act.surrogate=straight_through"), gradients.is_right),
        (("model=embedding",), gradients.is_right),
        (("data.scale=unit",), data.inputs),
        (("data=boolean",), data.duplicates),
        (("reg=dropout", "reg.dropout.p=0.9"), units.at_start),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else part.__name__,
)
def test_what_is_meant_is_no_illness(settings: tuple[str, ...], check: Check) -> None:
    assert finding(check, *settings)[0] is PASS


def test_what_does_not_apply_is_left_out() -> None:
    items = {f.item for f in examine(ablate.compose(["model=gan", "data=gaussians"]))}
    assert {"inputs", "duplicates", "units"} <= items
    assert not {"overfit", "learning_rate", "labels", "first_loss", "output"} & items


def test_nobody_is_sent_to_the_optimizer_that_is_there() -> None:
    assert "opt=adam" not in finding(learning.ten_examples, "init=zeros")[2]
    assert "opt=adam" in finding(learning.ten_examples, "init=zeros", "opt=sgd")[2]


def test_a_short_training_is_that_of_the_run() -> None:
    config = ablate.compose(["trainer.max_steps=6", "trainer.validations=6", "model.width=8", "norm=bn"])
    dataset = Case(config).dataset
    losses = train(config, dataset, 6).losses
    # a run has one thread, and sums of others are rounded otherwise
    assert losses == pytest.approx(list(ablate.run(config).curves()["train/loss"]), rel=1e-4)


def test_an_examination_changes_no_random_state_and_writes_nothing(tmp_path: object) -> None:
    config: Config = ablate.compose([CLOUDS])
    before = torch.get_rng_state()
    first = list(examine(config))
    assert torch.equal(torch.get_rng_state(), before)
    assert list(examine(config)) == first


def test_the_command_prints_a_line_an_item_and_its_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", CLOUDS, "data.made=leaked"]) == 1
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 100
    (line,) = (line for line in out.splitlines() if "100.0% are" in line)
    assert line.startswith("✗")
    assert out.count("✓") >= 10
    assert "1 failed." in out
    assert main(["doctor", CLOUDS, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found[0]) == {"item", "looked_at", "verdict", "figure", "way_out"}
    assert {f["verdict"] for f in found} == {"pass"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["doctor", "-m", "norm=bn,none"], "doctor examines one run"),
        (["doctor", "--cfg", "job"], "doctor takes settings such as opt.lr=0.1"),
        (["doctor", "nrom=bn"], "Did you mean 'norm'?"),
        (["doctor", "model=lstm"], "It needs sequences"),
    ],
)
def test_bad_input_is_one_sentence(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
