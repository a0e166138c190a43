"""What a network costs: parameters, multiply-adds and activations, layer by layer, of any ``nn.Module``.

Multiply-adds (MACs) are those of matrix products and convolutions, for one example in evaluation mode; additions
of biases, activations, pooling and normalisation count as none, as the custom is. They are counted while the
network runs, so that loops, branches and products outside of layers (attention) are in:

    linear                 in · out, times the positions it is applied to
    convolution            (in / groups) · out · kernel · output positions, border included
    transposed convolution in · (out / groups) · kernel · input positions
    recurrent cell         its linear layers, times the steps in time
    attention              2 · T · T · width for scores and weighted sum, beside its linear layers
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils import parametrize
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from ablate.accounting.field import Field, fields
from ablate.accounting.passes import run

_BATCHES = 2, 3
"""Two sizes of a batch: the difference is what one example more costs, whatever is computed once for all."""


@dataclass(frozen=True)
class Layer:
    """One row: a module without called children, or one that multiplies or holds parameters beside them."""

    name: str
    """Dotted path in the network; empty for the network itself."""
    type: str
    output: tuple[int, ...]
    """Shape for one example, of the last call."""
    calls: int
    """How often one forward pass uses it."""
    parameters: int
    trainable: int
    macs: int
    activations: int
    """Numbers that it gives out for one example, all calls together; what is its input seen anew is not new."""
    field: Field | None = None
    """What one of its outputs sees of an image; None where examples are no images or the layer's map is unknown."""


@dataclass(frozen=True)
class Accounting:
    """A network's rows in the order of their first call, and their sums."""

    layers: tuple[Layer, ...]
    weight_bytes: int
    output_bytes: int
    """What the layers give out for one example."""

    @property
    def parameters(self) -> int:
        """All parameters; one that several layers share counts once."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def trainable(self) -> int:
        """Parameters that receive gradients."""
        return sum(layer.trainable for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-adds of one example."""
        return sum(layer.macs for layer in self.layers)

    @property
    def field(self) -> Field | None:
        """The largest receptive field among the layers that do not see the whole of any image."""
        local = [layer.field for layer in self.layers if layer.field is not None and not layer.field.whole]
        return max(local, key=lambda seen: math.prod(seen.size), default=None)


def account(model: nn.Module, example: Tensor, *, receptive_fields: bool = True) -> Accounting:
    """Return the costs of ``model`` on ``example`` (*input_shape); images (C, H, W) have receptive fields too.

    A copy of the model runs; neither the model nor torch's random numbers change.
    """
    weight_bytes = sum(p.numel() * p.element_size() for p in model.parameters())
    model = copy.deepcopy(model).eval().double()  # in float64 recurrent layers have no kernel that hides their products
    example = example.double() if example.is_floating_point() else example
    small, large = (_count(model, example.expand(size, *example.shape)) for size in _BATCHES)
    modules, owned = _visible(model), _owned(model, large)
    layers = []
    for name, after in large.items():
        before, own = small[name], owned.get(name, [])
        macs = after.macs - before.macs
        if after.parent and not (macs or own):
            continue
        row = Layer(
            name=name,
            type=parametrize.type_before_parametrizations(modules[name]).__name__,
            output=_one_example(before.output, after.output),
            calls=after.calls,
            parameters=sum(p.numel() for p in own),
            trainable=sum(p.numel() for p in own if p.requires_grad),
            macs=macs,
            activations=after.activations - before.activations,
        )
        layers.append(row)
    if receptive_fields and example.ndim == 3:
        with _one_thread():
            seen = fields(model, example)
        layers = [replace(layer, field=seen.get(layer.name)) for layer in layers]
    return Accounting(tuple(layers), weight_bytes, 4 * sum(layer.activations for layer in layers))


@dataclass
class _Use:
    """What was seen of a module in one forward pass."""

    parent: bool = False
    calls: int = 0
    macs: int = 0
    activations: int = 0
    output: tuple[int, ...] = ()


@dataclass
class _Frame:
    """A call that is going on: the multiply-adds before it, and those of calls within it."""

    name: str
    start: int
    inner: int = 0


def _count(model: nn.Module, x: Tensor) -> dict[str, _Use]:
    """Run ``model`` on a batch and return what each called module did by itself, without its children."""
    uses: dict[str, _Use] = {}
    stack: list[_Frame] = []
    counter = FlopCounterMode(display=False, custom_mapping=_PRODUCTS)

    def total() -> int:
        return counter.get_total_flops() // 2

    def enter(name: str) -> None:
        uses.setdefault(name, _Use()).calls += 1
        if stack:
            uses[stack[-1].name].parent = True
        stack.append(_Frame(name, total()))

    def leave(inputs: Any, output: Any) -> None:
        frame = stack.pop()
        use = uses[frame.name]
        spent = total() - frame.start
        use.macs += spent - frame.inner
        if stack:
            stack[-1].inner += spent
        given = {leaf.data_ptr() for leaf in tree_leaves(inputs) if isinstance(leaf, Tensor)}
        tensors = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
        if tensors:
            use.output = tuple(tensors[0].shape)
        use.activations += sum(tensor.numel() for tensor in tensors if tensor.data_ptr() not in given)

    with ExitStack() as hooks, torch.no_grad(), _counted_kernels(), counter:
        for name, module in _visible(model).items():
            before = module.register_forward_pre_hook(lambda *_, name=name: enter(name))
            after = module.register_forward_hook(lambda _, inputs, output: leave(inputs, output))
            hooks.callback(before.remove)
            hooks.callback(after.remove)
        run(model, x)
    return uses


def _product_flops(a: tuple[int, ...], *_: Any, **__: Any) -> int:
    """Return the operations of a matrix (or vector) ``a`` with a vector: torch counts those of matrices only."""
    return 2 * math.prod(a)


_PRODUCTS = {torch.ops.aten.mv: _product_flops, torch.ops.aten.dot: _product_flops}


@contextmanager
def _counted_kernels() -> Iterator[None]:
    """Have layers compute by products that the counter knows, not by fused kernels of their own."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one thread: many small convolutions are fastest so, and do not slow what runs beside them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _visible(model: nn.Module) -> dict[str, nn.Module]:
    """Return the modules by their path; what computes a layer's weight belongs to the layer."""
    return {name: m for name, m in model.named_modules() if "parametrizations" not in name.split(".")}


def _owned(model: nn.Module, called: dict[str, _Use]) -> dict[str, list[nn.Parameter]]:
    """Return the parameters by the path of the nearest called module that holds them."""
    owned: dict[str, list[nn.Parameter]] = {}
    for path, parameter in model.named_parameters():
        owner = path.rpartition(".")[0]
        while owner not in called:
            owner = owner.rpartition(".")[0]
        owned.setdefault(owner, []).append(parameter)
    return owned


def _one_example(small: tuple[int, ...], large: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape for one example: what grows with the batch is left out, or its part in the rest kept."""
    if len(small) != len(large):
        return large[1:]
    sizes = (b if a == b else b - a for a, b in zip(small, large, strict=True))
    return tuple(size for size, a, b in zip(sizes, small, large, strict=True) if a == b or size > 1)
