"""The verbs of the command line, and what each says of itself; none of them is imported for that."""

from __future__ import annotations

import ast
import keyword
from importlib.util import find_spec
from pathlib import Path

VERBS = {
    "help": "ablate.cli.catalogue",
    "plugins": "ablate.cli.catalogue",
    "rerun": "ablate.cli.rerun",
    "runs": "ablate.cli.runs",
    "new": "ablate.cli.new",
    "summary": "ablate.cli.summary",
    "report": "ablate.cli.report",
    "compare": "ablate.cli.compare",
    "doctor": "ablate.cli.doctor",
    "import": "ablate.cli.imports",
    "completion": "ablate.cli.completion",
    "studies": "ablate.cli.studies",
    "study": "ablate.cli.study",
}
"""The module that holds each verb, as a function of the same name (``import_``, as Python has the word); imported when
it is called."""


def function_of(verb: str) -> str:
    """Return what a verb's function is called in its module."""
    return f"{verb}_" if keyword.iskeyword(verb) else verb


def words_of(verb: str) -> str:
    """Return what a verb does, out of its function's docstring."""
    found = find_spec(VERBS[verb])
    source = Path((found and found.origin) or "").read_text(encoding="utf-8")
    functions = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    return (ast.get_docstring(functions[function_of(verb)]) or "").replace("``", "")
