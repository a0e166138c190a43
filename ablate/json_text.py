"""JSON as every verb prints it: no number in it is infinite or NaN, and no sign in it steers a terminal."""

from __future__ import annotations

import json
from typing import Any

from ablate.shapes import clean


def json_text(document: Any) -> str:
    """Return a document of plain data as text."""
    return clean(json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False)) + "\n"
