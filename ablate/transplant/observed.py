"""What happens in a network on an example: what each module is called with, and which functions it calls itself.

Shapes: B batch · *any whatever a module takes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

EXAMPLES = 2

_ACTIVATIONS = "relu relu_ relu6 leaky_relu elu elu_ selu celu gelu silu mish hardswish softplus prelu tanh"
_NORMS = "batch_norm layer_norm group_norm instance_norm rms_norm local_response_norm"
_POOLS = "max_pool avg_pool lp_pool adaptive_max_pool adaptive_avg_pool"
_DROPOUTS = "dropout dropout_ dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout"

FUNCTIONS = {
    "act": frozenset(_ACTIVATIONS.split()),
    "norm": frozenset(_NORMS.split()),
    "pool": frozenset(
        f"{name}{dims}d{end}" for name in _POOLS.split() for dims in "123" for end in ("", "_with_indices")
    ),
    "reg": frozenset(_DROPOUTS.split()),
}
"""Functions of torch that do what a module of a kind does: what calls one by itself cannot be given another."""


@dataclass(frozen=True)
class Call:
    """The first call of a module with one tensor that returned one."""

    x: tuple[int, ...]
    y: tuple[int, ...]
    is_output: bool
    """Whether what it returned is what the network returns."""


@dataclass
class Observed:
    """A forward pass in evaluation mode."""

    calls: dict[nn.Module, Call] = field(default_factory=dict)
    functions: dict[tuple[str, str, nn.Module], int] = field(default_factory=dict)
    """How often a module, and no module within it, called a function: by kind, function and module."""
    output: Any = None


class _Functions(TorchFunctionMode):
    """Counts the calls of ``FUNCTIONS`` by the innermost module that is being called."""

    def __init__(self, found: dict[tuple[str, str, nn.Module], int], inside: Sequence[nn.Module]) -> None:
        super().__init__()
        self._found, self._inside = found, inside

    def __torch_function__(
        self, func: Callable[..., Any], types: Collection[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        for kind, names in FUNCTIONS.items():
            if name in names and self._inside:
                key = kind, name, self._inside[-1]
                self._found[key] = self._found.get(key, 0) + 1
        return func(*args, **(kwargs or {}))


def observe(model: nn.Module, input_shape: Sequence[int]) -> Observed:
    """Call ``model`` on random examples (B, *input_shape) in evaluation mode and return what was seen.

    Modes, buffers, weights and the global random numbers stay as they were. Raises whatever the network raises.
    """
    seen = Observed()
    inside: list[nn.Module] = []
    returned: dict[nn.Module, tuple[tuple[int, ...], Tensor]] = {}

    def before(module: nn.Module, _: Any) -> None:
        inside.append(module)

    def after(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        inside.pop()
        tensors = [x for x in inputs if isinstance(x, Tensor)]
        if len(tensors) == 1 and isinstance(output, Tensor):
            returned.setdefault(module, (tuple(tensors[0].shape), output))

    x = torch.randn(EXAMPLES, *input_shape, generator=torch.Generator().manual_seed(0))
    with ExitStack() as stack:
        for module in model.modules():
            stack.callback(module.register_forward_pre_hook(before).remove)
            stack.callback(module.register_forward_hook(after).remove)
        stack.enter_context(in_evaluation(model))
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.enter_context(torch.no_grad())
        stack.enter_context(_Functions(seen.functions, inside))
        seen.output = model(x)
    for module, (shape, y) in returned.items():
        seen.calls[module] = Call(shape, tuple(y.shape), y is seen.output)
    return seen


@contextmanager
def in_evaluation(model: nn.Module) -> Iterator[None]:
    """Put ``model`` into evaluation mode, and each of its modules back into its own afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
