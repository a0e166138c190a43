"""Trust, but verify: a stack has to compute what its members compute alone, on an example, before it trains.

Copies are compared, in float64 and with weights that no initialiser has chosen: a wrong rule is then wrong by far more
than rounding, and no zeros hide it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ablate.accounting.memory import out_of_memory
from ablate.dataset import Examples
from ablate.stacks.losses import Penalised, no_slow_vmap
from ablate.stacks.member import Member
from ablate.stacks.network import NotStackable
from ablate.stacks.program import Program
from ablate.techniques import Criterion

TOLERANCE = 1e-9
"""How far numbers may lie from the member's own: in shares of the largest beside them, if that is more than 1."""

MEMBERS, EXAMPLES = 4, 8  # at most; not the same number, so that no rule can take the one for the other


def verify(members: Sequence[Member], criterion: Criterion, example: Examples) -> None:
    """Raise ``NotStackable``, naming the layer, if a stack of copies of ``members`` differs from them.

    Compared are, for some members and on some of the examples (B, …), the outputs of every layer in training and in
    evaluation, the loss with its penalties, gradients, buffers and random states. The members stay as they are.
    """
    members = members[:: -(-len(members) // MEMBERS)]
    x, y = (t[:EXAMPLES].double() if t.is_floating_point() else t[:EXAMPLES] for t in example)
    xs, ys = (torch.stack([t.roll(k, 0) for k in range(len(members))]) for t in (x, y))
    separate = [_randomised(member.network, seed) for seed, member in enumerate(members)]
    generators = [_copied(member.generator) for member in members]
    program = Program(copy.deepcopy(separate), generators, [member.reg for member in members], criterion)
    for training in (True, False):
        before = [generator.get_state() for generator in generators]
        with torch.random.fork_rng(devices=[]), _watched(program.network.train(training)) as together:
            try:
                with no_slow_vmap():
                    objective = program.backward(xs, ys)
            except Exception as error:  # whatever a layer, or torch.vmap, makes of K members
                if out_of_memory(error):
                    raise  # fewer members may have room
                reason = f"{type(error).__name__}: {error}".partition("\n")[0]
                raise NotStackable(f"{together.place} cannot compute all members at once. {reason}") from error
        totals = objective.losses if objective.penalties is None else objective.losses + objective.penalties
        for k, (member, network) in enumerate(zip(members, separate, strict=True)):
            with torch.random.fork_rng(devices=[]), _watched(network.train(training)) as alone:
                torch.set_rng_state(before[k])
                loss = criterion(network(xs[k]), ys[k]) + Penalised(network, member.reg)(totals[k])
                after = torch.get_rng_state()
            loss.backward()
            for layer, output in alone.outputs.items():
                if layer in together.outputs:
                    _compare(layer, together.outputs[layer][k], output)
            _compare("The loss", totals[k], loss.detach())
            _compare("The gradient", _gradient(program.network, k), _gradient(network))
            for (name, stacked), own in zip(program.network.named_buffers(), network.buffers(), strict=True):
                _compare(f"Buffer {name}", stacked[k], own)
            if not torch.equal(generators[k].get_state(), after):
                raise NotStackable("Other layers than dropout draw random numbers.")


@dataclass
class Watched:
    """The outputs of layers, and the layers that have begun but not ended, by what they are called in messages."""

    outputs: dict[str, Tensor] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)

    @property
    def place(self) -> str:
        """Where the computation is."""
        return self.begun[-1] if self.begun else "The loss"


@contextmanager
def _watched(network: nn.Module) -> Iterator[Watched]:
    """Watch every layer of ``network`` compute."""
    seen = Watched()
    handles = []
    for name, layer in network.named_modules():
        called = f"Layer {name} ({type(layer).__name__})" if name else "The network"

        def begin(layer: nn.Module, args: Any, called: str = called) -> None:
            seen.begun.append(called)

        def end(layer: nn.Module, args: Any, output: Any, called: str = called) -> None:
            seen.begun.pop()
            if isinstance(output, Tensor):
                seen.outputs[called] = output.detach().clone()  # the next layer may work in place

        handles += [layer.register_forward_pre_hook(begin), layer.register_forward_hook(end)]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _compare(what: str, together: Tensor, alone: Tensor) -> None:
    """Raise ``NotStackable`` where a member's part of the stack is not what the member has alone."""
    size = alone.double().abs().nan_to_num(0, 0, 0).amax().clamp(min=1).item() if alone.numel() else 1.0
    same = together.shape == alone.shape and torch.allclose(together, alone, 0, TOLERANCE * size, equal_nan=True)
    if not same:
        raise NotStackable(f"{what} is something else in a stack than alone.")


def _gradient(network: nn.Module, row: int | None = None) -> Tensor:
    """Return the gradient of a network, or of a row of a stacked one, in one piece; NaN where there is none."""
    parts = []
    for p in network.parameters():
        like = p if row is None else p[row]
        given = None if p.grad is None else p.grad if row is None else p.grad[row]
        parts.append((torch.full_like(like, torch.nan) if given is None else given).detach().flatten())
    return torch.cat(parts)


@torch.no_grad()
def _randomised(network: nn.Module, seed: int) -> nn.Module:
    """Return a copy in float64, with parameters drawn from ``seed`` that keep the size of what passes through."""
    drawn = copy.deepcopy(network).double()
    generator = torch.Generator().manual_seed(seed)
    for p in drawn.parameters():
        fan_in = p.numel() // len(p) if p.ndim > 1 else 1
        p.copy_((2 / fan_in) ** 0.5 * torch.randn(p.shape, generator=generator))
        p.grad = None
    return drawn


def _copied(generator: torch.Generator) -> torch.Generator:
    return torch.Generator().set_state(generator.get_state())
