"""Where a technique's modules stand in a network: what is built there, and for which input.

Shapes: B examples · C channels or features · T time · H, W height and width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from ablate.errors import AblateError
from ablate.kit import initialize
from ablate.techniques import Activation, DataSpec, Model, Norm, Pool, Regularizer, Task, Technique
from ablate.testing.contract import RefusedError, demand, seed_torch
from ablate.testing.stand_ins import Scaled, kit

T = TypeVar("T")

EXAMPLES = 6
FEATURES = 8
INPUTS = {1: (6,), 2: (7, 5), 3: (3, 16, 16)}
"""One example of each rank that a model may take: table, sequence, image."""
OUTPUTS = 3
MAPS: tuple[tuple[int, ...], ...] = ((), (5,), (3, 3))
"""The size of a layer's maps, by their number of spatial dims."""


@dataclass(frozen=True)
class Place:
    """One module, the shape of its input, and that of its output where it is known."""

    where: str
    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    output: tuple[int | None, ...] | None
    """None stands for any size; no shape at all for a generation, whose module decides."""
    spec: DataSpec | None = None
    """The data, where a model stands."""

    def input(self, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
        """Return normal numbers of the input's shape."""
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(self.shape, generator=generator, dtype=torch.float64).to(dtype)

    def made(self, dtype: torch.dtype = torch.float64) -> nn.Module:
        """Return the module, always the same, with parameters that no initialiser chose: zeros would hide faults."""
        seed_torch(0)
        module = self.build().to(dtype)
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for p in module.parameters():
                spread = (p.numel() / len(p)) ** -0.5 if p.ndim > 1 else 0.5
                p.add_(spread * torch.randn(p.shape, generator=generator, dtype=torch.float64).to(dtype))
        return module


def places(technique: Technique) -> list[Place]:
    """Return the places that ``technique`` builds for: it may refuse some with a ``ValueError``.

    Raises ``RefusedError`` if it refuses all.
    """
    return not_refused(_candidates(technique), lambda place: place.build())


def not_refused(candidates: Iterable[T], attempt: Callable[[T], object]) -> list[T]:
    """Return those that ``attempt`` does not refuse with a ``ValueError``; raise ``RefusedError`` if it refuses all."""
    found, refusal = [], None
    for candidate in candidates:
        try:
            attempt(candidate)
        except (ValueError, AblateError) as error:
            refusal = error
        else:
            found.append(candidate)
    if not found and refusal is not None:
        raise RefusedError(str(refusal)) from refusal
    return found


def specs(model: Model) -> list[DataSpec]:
    """Return a spec of each task and rank that ``model`` says it takes, as far as its ``check`` accepts it."""
    wanted = [DataSpec(task, INPUTS[r], OUTPUTS) for task in Task for r in INPUTS]
    return [
        s for s in wanted if s.task in model.tasks and len(s.input_shape) in model.input_ranks and accepts(model, s)
    ]


def accepts(model: Model, spec: DataSpec) -> bool:
    """Say whether the model's ``check`` lets ``spec`` pass."""
    try:
        model.check(spec)
    except ValueError:
        return False
    return True


def _candidates(technique: Technique) -> Iterator[Place]:
    if isinstance(technique, Activation):
        for size in MAPS:
            shape = (EXAMPLES, FEATURES, *size)
            yield Place(f"on {shape}", technique.build, shape, shape)
    elif isinstance(technique, Norm | Regularizer):
        for spatial, size in enumerate(MAPS):
            shape = (EXAMPLES, FEATURES, *size)
            yield Place(f"on {shape}", _layer(technique, spatial), shape, shape)
        if isinstance(technique, Norm) and type(technique).reparametrize is not Norm.reparametrize:
            yield Place("in a linear layer", _reparametrized(technique), (EXAMPLES, 5), (EXAMPLES, 4))
    elif isinstance(technique, Pool):
        for spatial in (1, 2):
            shape = (EXAMPLES, 3, *[12] * spatial)
            yield Place(f"on {shape}", _pool(technique, spatial), shape, (EXAMPLES, 3, *[None] * spatial))
    elif isinstance(technique, Model):
        for spec in specs(technique):
            where = f"for {spec.task.value} of {spec.layout}"
            yield Place(
                where, _network(technique, spec), (EXAMPLES, *spec.input_shape), _prediction(technique, spec), spec
            )


def _layer(technique: Norm | Regularizer, spatial: int) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        if isinstance(technique, Norm):
            return technique.build(FEATURES, spatial)
        layer = technique.layer(FEATURES, spatial)
        return nn.Identity() if layer is None else layer

    return build


def _reparametrized(technique: Norm) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        layer = nn.Linear(5, 4)
        technique.reparametrize(layer)
        return layer

    return build


def _pool(technique: Pool, spatial: int) -> Callable[[], nn.Module]:
    return lambda: technique.build(3, spatial)


def _network(technique: Model, spec: DataSpec) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        model = technique.build(kit(), spec)
        if all(p.device.type == "cpu" for p in model.parameters()):
            initialize(model, Scaled(), seed=0)
        return model

    return build


def _prediction(model: Model, spec: DataSpec) -> tuple[int | None, ...] | None:
    size = spec.input_shape[1:]
    shapes: dict[Task, tuple[int | None, ...]] = {
        Task.classification: (EXAMPLES, spec.outputs),
        Task.regression: (EXAMPLES, spec.outputs),
        Task.segmentation: (EXAMPLES, spec.outputs, *size),
        Task.embedding: (EXAMPLES, None),
    }
    return shapes.get(model.goal or spec.task)


def demand_shape(place: Place, y: Tensor) -> None:
    """Report an output that is not of the shape that the place asks for."""
    if place.output is not None:
        fits = y.ndim == len(place.output) and all(
            want in (None, got) for want, got in zip(place.output, y.shape, strict=True)
        )
        wanted = tuple("any" if want is None else want for want in place.output)
        demand(fits, f"{place.where} it returns the shape {tuple(y.shape)}. Return {wanted}.")
