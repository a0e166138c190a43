"""What a worker process needs, imported once for all of them: by the server that they are forked from."""

from __future__ import annotations

import importlib
from importlib import metadata

from ablate.garbage import uncollected

MODULES = ("ablate.engines.worker", "torch.utils.tensorboard")


def built_in_plugins() -> list[str]:
    """Return the modules that every worker is going to load as plugins; those of others may not bear a fork."""
    try:
        points = metadata.distribution("lightning-ablate").entry_points
    except metadata.PackageNotFoundError:
        return []
    return [point.value for point in points if point.group == "ablate"]


with uncollected():
    for _name in (*MODULES, *built_in_plugins()):
        importlib.import_module(_name)
