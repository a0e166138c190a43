"""The name by which Hydra finds sweeper and launchers; installed as ``hydra_plugins.ablate``.

Hydra imports every module of ``hydra_plugins`` whenever any Hydra application starts. All bring torch
along, so they are imported when their names are looked up, not before.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "AblateSweeper":
        from ablate.sweeps.sweeper import AblateSweeper

        return AblateSweeper
    if name == "OptunaSweeper":
        from ablate.sweeps.search import OptunaSweeper

        return OptunaSweeper
    if name == "LocalLauncher":
        from ablate.sweeps.launchers import LocalLauncher

        return LocalLauncher
    if name == "RayLauncher":
        from ablate.sweeps.ray_launcher import RayLauncher

        return RayLauncher
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
