"""What networks cost and see, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ablate.analysis.table import is_absent, label

if TYPE_CHECKING:
    from ablate.accounting.costs import Costs
    from ablate.accounting.field import Field
    from ablate.accounting.layers import Layer

SCHEMA = 1


def document(arms: Sequence[tuple[Mapping[str, object], Sequence[int], Costs]]) -> dict[str, Any]:
    """Return the costs of each arm, known by its levels, on an example of a shape."""
    return {"schema": SCHEMA, "arms": [_arm(levels, shape, costs) for levels, shape, costs in arms]}


def _arm(levels: Mapping[str, object], shape: Sequence[int], costs: Costs) -> dict[str, Any]:
    network = costs.network
    return {
        "levels": {key: None if is_absent(level) else label(level) for key, level in levels.items()},
        "input_shape": list(shape),
        "parameters": network.parameters,
        "trainable": network.trainable,
        "macs": network.macs,
        "weight_bytes": network.weight_bytes,
        "output_bytes": network.output_bytes,
        "optimizer_state_bytes": costs.optimizer_bytes,
        "layers": [_layer(layer) for layer in network.layers],
    }


def _layer(layer: Layer) -> dict[str, Any]:
    return {
        "name": layer.name,
        "type": layer.type,
        "output": list(layer.output),
        "calls": layer.calls,
        "parameters": layer.parameters,
        "trainable": layer.trainable,
        "macs": layer.macs,
        "field": None if layer.field is None else _field(layer.field),
    }


def _field(field: Field) -> dict[str, Any]:
    stride = None if field.stride is None else [float(step) for step in field.stride]
    return {"size": list(field.size), "stride": stride, "whole": field.whole}
