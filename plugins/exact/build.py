"""Networks as a run would build them, for checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ablate.techniques import Activation, DataSpec, Init, Norm, Pool, Task

from ..activation import ReLU
from ..init import He
from ..normalization import NoNorm
from ..pooling import MaxPool

if TYPE_CHECKING:
    from ablate.kit import Kit


def kit_of(
    act: Activation | None = None, init: Init | None = None, norm: Norm | None = None, pool: Pool | None = None
) -> Kit:
    """Return the kit of these techniques, the defaults of a run in the place of what is not given."""
    from ablate.kit import Kit

    return Kit(act=act or ReLU(), init=init or He(), norm=norm or NoNorm(), pool=pool or MaxPool(), reg={})


def regression(*input_shape: int) -> DataSpec:
    """Return the spec of a regression of one target."""
    return DataSpec(Task.regression, input_shape, 1)


def classes(*input_shape: int, outputs: int = 10) -> DataSpec:
    """Return the spec of a classification."""
    return DataSpec(Task.classification, input_shape, outputs)
