"""The pages of the documentation as tests read them: commands to be typed, and Python."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def commands(page: str) -> list[list[str]]:
    """Return the arguments of each ``python -m ablate`` that stands on a line of its own, as a shell parts them."""
    lines = re.findall(r"^    (python -m ablate\b(?:.*\\\n)*.*)", page, re.MULTILINE)
    return [shlex.split(line.replace("\\\n", " "), comments=True)[3:] for line in lines]


def snippets(page: str) -> list[str]:
    """Return the blocks of Python."""
    return re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
