"""Libraries of networks and techniques, in a folder of their own that ``make test`` fills, as they import slowly."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers import python

FOLDER = Path(os.environ.get("ABLATE_WRAPPERS", Path(sys.prefix) / "wrappers"))

# torchvision, which timm imports, wants the C++ operators that only the build for this very torch brings.
OPERATORS = """
import torch
library = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""
Run = Callable[..., subprocess.CompletedProcess[str]]


def needs(*names: str) -> pytest.MarkDecorator:
    """Return what skips tests where a library is not in the folder."""
    return pytest.mark.skipif(
        not all((FOLDER / name).is_dir() for name in names),
        reason=f"{' and '.join(names)} are not in {FOLDER}: make test installs them",
    )


def caller(folder: Path, *arguments: str) -> Run:
    """Return a caller of Python with ``arguments``, where the libraries are installed; it writes to ``folder``."""
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(OPERATORS)
    path = os.pathsep.join([str(folder / "site"), os.environ.get("PYTHONPATH", ""), str(FOLDER)])
    return functools.partial(python, *arguments, PYTHONPATH=path)
