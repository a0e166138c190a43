"""What an optimizer promises."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from ablate.techniques import Optimizer
from ablate.testing.contract import Scope, contract, demand

STEPS = 300


class Bowl:
    """½ Σ a (w - target)² in a matrix and a bias: something that every optimizer can solve."""

    def __init__(self, technique: Optimizer, dtype: torch.dtype = torch.float64) -> None:
        generator = torch.Generator().manual_seed(0)
        self.targets = [torch.randn(4, 3, generator=generator, dtype=dtype), torch.full((4,), 0.05, dtype=dtype)]
        self.curvature = 1 + torch.rand(4, 3, generator=generator, dtype=dtype)
        self.params = [nn.Parameter(torch.zeros_like(target)) for target in self.targets]
        self.optimizer = technique.build(self.params)
        self.calls = 0

    def loss(self) -> Tensor:
        """Return the loss with its gradient in the parameters."""
        self.calls += 1
        self.optimizer.zero_grad()
        w, b = (p - target for p, target in zip(self.params, self.targets, strict=True))
        loss: Tensor = (self.curvature * w.square()).sum() / 2 + b.square().sum() / 2
        loss.backward()
        return loss

    def run(self, steps: int) -> list[Tensor]:
        """Take ``steps`` steps; return a copy of the parameters."""
        for _ in range(steps):
            self.optimizer.step(self.loss)  # type: ignore[arg-type]  # torch says float, and means a tensor
        return [p.detach().clone() for p in self.params]


def _rates(technique: Optimizer) -> Iterator[Optimizer]:
    """Yield the technique with its rate, and with tenfold and hundredfold rates, where it has one."""
    yield technique
    lr = getattr(technique, "lr", None)
    if isinstance(lr, float):
        yield from (dataclasses.replace(technique, lr=factor * lr) for factor in (10, 100))  # type: ignore[call-arg]


@contract("opt", scope=Scope.defaults)
def solves_a_quadratic(technique: Optimizer) -> None:
    """In 300 steps it brings ½ Σ a (w - target)² below a tenth, with its default rate or one tenfold or hundredfold."""
    reached = []
    for each in _rates(technique):
        bowl = Bowl(each)
        start = float(bowl.loss().detach())
        bowl.run(STEPS)
        reached.append(float(bowl.loss().detach()) / start)
    best = min((r for r in reached if r == r), default=float("nan"))
    demand(best < 0.1, f"{best:.3g} of the loss is left at best. Does it step along -gradient?")


@contract("opt")
def resumes_from_its_state_dict(technique: Optimizer) -> None:
    """Saved by torch.save after five steps and loaded into a new optimizer, it goes on exactly as if never stopped."""
    through = Bowl(technique, torch.float32)
    through.run(5)
    weights = [p.detach().clone() for p in through.params]
    file = io.BytesIO()
    torch.save(through.optimizer.state_dict(), file)
    expected = through.run(5)

    resumed = Bowl(technique, torch.float32)
    with torch.no_grad():
        for parameter, value in zip(resumed.params, weights, strict=True):
            parameter.copy_(value)
    file.seek(0)
    resumed.optimizer.load_state_dict(torch.load(file))
    demand(
        all(map(torch.equal, resumed.run(5), expected)),
        "the resumed run differs. Keep all that changes, counters too, in self.state[parameter] or in a param_group.",
    )


@contract("opt")
def leaves_what_has_no_gradient_alone(technique: Optimizer) -> None:
    """A parameter whose ``grad`` is None stays as it is, weight decay included."""
    used, unused = (nn.Parameter(torch.ones(3, 2, dtype=torch.float64)) for _ in range(2))
    optimizer = technique.build([used, unused])

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss: Tensor = used.square().sum()
        loss.backward()
        return loss

    for _ in range(2):
        optimizer.step(closure)  # type: ignore[arg-type]
    demand(bool((unused == 1).all()), "a parameter without gradient has moved. Skip it: `if p.grad is None: continue`.")


@contract("opt")
def calls_its_closure(technique: Optimizer) -> None:
    """``step(closure)`` calls the closure, with gradients enabled, and returns its loss: so Lightning trains."""
    bowl = Bowl(technique)
    bowl.calls = 0
    first = bowl.optimizer.step(_enabled(bowl.loss))  # type: ignore[arg-type]
    demand(bowl.calls > 0, "the closure is not called. Begin step() with `loss = closure()` under torch.enable_grad().")
    demand(first is not None, "step(closure) returns None. Return the loss that the closure returned.")


def _enabled(closure: Callable[[], Tensor]) -> Callable[[], Tensor]:
    def checked() -> Tensor:
        demand(torch.is_grad_enabled(), "the closure runs without gradients. Call it under torch.enable_grad().")
        return closure()

    return checked


@contract("opt")
def obeys_the_learning_rate(technique: Optimizer) -> None:
    """The rate is read from param_groups at every step, where schedules change it: with 0, nothing moves."""
    bowl = Bowl(technique)
    bowl.run(2)
    for group in bowl.optimizer.param_groups:
        demand("lr" in group, "its param_groups have no lr. Pass {'lr': lr} to the constructor of the base class.")
        group["lr"] = 0.0
    before = [p.detach().clone() for p in bowl.params]
    demand(
        all(map(torch.equal, bowl.run(1), before)),
        "weights move at a rate of 0. Read group['lr'] in step(), and multiply weight decay by it.",
    )


@contract("opt")
def repeats_itself(technique: Optimizer) -> None:
    """Two optimizers of one technique make the same steps: what is kept is kept by each for itself."""
    first = Bowl(technique).run(5)
    demand(all(map(torch.equal, first, Bowl(technique).run(5))), "they share state. Keep it in self.state.")


@contract("opt")
def keeps_the_precision(technique: Optimizer) -> None:
    """Weights in float64 stay so, and what is kept of each element has the precision of the weights."""
    bowl = Bowl(technique)
    bowl.run(3)
    kept = [t for state in bowl.optimizer.state.values() for t in state.values() if isinstance(t, Tensor) and t.ndim]
    coarse = [t.dtype for t in (*kept, *bowl.params) if t.is_floating_point() and t.dtype != torch.float64]
    demand(not coarse, f"it keeps {coarse[0] if coarse else ''}. Make state with torch.zeros_like(parameter).")
