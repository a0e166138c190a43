"""The name by which Hydra finds sweeper and launchers; installed as ``hydra_plugins.ablate``.

Hydra imports every module of ``hydra_plugins`` whenever any Hydra application starts. The sweeper brings torch
along, so it is imported when its name is looked up, not before.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "AblateSweeper":
        from ablate.sweeps.sweeper import AblateSweeper

        return AblateSweeper
    if name == "RayLauncher":
        from ablate.sweeps.ray_launcher import RayLauncher

        return RayLauncher
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
