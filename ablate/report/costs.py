"""What networks cost and see, as tables: one network layer by layer, or arm by arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich import box
from rich.markup import escape
from rich.table import Table

from ablate.report.style import bytes_text, console, count_text, level_text

if TYPE_CHECKING:
    from ablate.accounting.costs import Costs
    from ablate.accounting.field import Field
    from ablate.accounting.layers import Layer


@dataclass(frozen=True)
class ArmCost:
    """One row of the table of arms."""

    columns: ClassVar[tuple[str, ...]] = ("parameters", "macs", "optimizer_state_bytes")
    """Where a sweep's frame has the numbers."""

    levels: Sequence[object]
    parameters: float
    macs: float
    optimizer_bytes: float
    field: str | None = None


def cost_table(factors: Sequence[str], arms: Sequence[ArmCost]) -> Table:
    """Return one row per arm; the receptive field where any arm has one."""
    table = _table()
    for factor in factors:
        table.add_column(factor, overflow="fold")
    for head in ("parameters", "MACs", "optimizer state"):
        table.add_column(head, justify="right")
    fields = any(arm.field for arm in arms)
    if fields:
        table.add_column("sees", justify="right")
    for arm in arms:
        numbers = count_text(arm.parameters), count_text(arm.macs), bytes_text(arm.optimizer_bytes)
        levels = (escape(level_text(level)) for level in arm.levels)
        table.add_row(*levels, *numbers, *([arm.field or "–"] if fields else []))
    return table


def arm_cost(levels: Sequence[object], costs: Costs) -> ArmCost:
    """Return the row of an arm that was built."""
    network = costs.network
    field = None if network.field is None else _size(network.field)
    return ArmCost(levels, network.parameters, network.macs, costs.optimizer_bytes, field)


def print_network(costs: Costs, input_shape: tuple[int, ...], optimizer: str) -> None:
    """Print one network: a row for each layer, sums, memory, and what is meant by the columns."""
    out, network = console(), costs.network
    sees = network.field is not None
    out.print(_layers(network.layers, sees))
    trained = "all" if network.trainable == network.parameters else count_text(network.trainable)
    ratio = costs.optimizer_bytes / max(1, network.weight_bytes)
    out.print(f"Parameters: {count_text(network.parameters)}, {trained} trainable")
    out.print(f"MACs:       {count_text(network.macs)} for one example of shape {_shape(input_shape)}")
    out.print(
        f"Memory:     weights {bytes_text(network.weight_bytes)}, "
        f"state of opt={optimizer} {bytes_text(costs.optimizer_bytes)} ({ratio:.3g} × weights), "
        f"outputs {bytes_text(network.output_bytes)} an example"
    )
    out.print("MACs: multiply-adds of matrix products and convolutions; the rest counts as none.")
    if sees:
        out.print(
            f"Sees: the receptive field of one output in pixels; the border of the image ({_shape(input_shape[1:])}) "
            'cuts it; "image": the whole of any. Stride: from one output to the next. '
            "Statistics of normalisations are left out."
        )


def _layers(layers: Sequence[Layer], sees: bool) -> Table:
    table = _table()
    table.add_column("layer", overflow="fold")
    table.add_column("type", overflow="fold")
    for head in ("output", "parameters", "MACs", *(["sees", "stride"] if sees else [])):
        table.add_column(head, justify="right")
    for layer in layers:
        if layer.type == "Identity":  # stands for "no technique"
            continue
        kind = layer.type if layer.calls == 1 else f"{layer.type} × {layer.calls}"
        cells = [_shape(layer.output), count_text(layer.parameters), count_text(layer.macs)]
        if sees:
            cells += ["–", "–"] if layer.field is None else [_size(layer.field), _stride(layer.field)]
        table.add_row(escape(layer.name or "(network)"), escape(kind), *cells)
    return table


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)


def _shape(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape)) or "1"


def _size(field: Field) -> str:
    return "image" if field.whole else _pair(*map(str, field.size))


def _stride(field: Field) -> str:
    return "–" if field.stride is None else _pair(*map(str, field.stride))


def _pair(height: str, width: str) -> str:
    return f"{height} × {width}"
