"""A page for each kind with its options, from what is registered, and the command line's own help.

All text is that of the docstrings, as ``python -m ablate plugins --json`` and ``--help`` give it.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import re
from collections.abc import Mapping
from typing import Any

from mkdocs.structure.files import File, Files

from ablate.cli import catalogue
from ablate.cli.catalogue_data import document
from ablate.discovery import BUILTIN
from ablate.techniques import KINDS

_CODE = re.compile(r"(``.*?``|`[^`]*`)", re.DOTALL)
_MARKS = re.compile(r"([\\*_<>\[\]|#])")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages."""
    for kind in document([(kind, "") for kind in KINDS])["kinds"]:
        files.append(File.generated(config, f"reference/options/{kind['kind']}.md", content=page(kind)))
    files.append(File.generated(config, "reference/command_line.md", content=command_line()))
    return files


def page(kind: Mapping[str, Any]) -> str:
    """Return the page of a kind, with the options that ship."""
    name, doc = kind["kind"], inspect.getdoc(KINDS[kind["kind"]]) or ""
    head = [f"# {name}", text(doc), f"Where nothing is said, `{name}={kind['default']}`."]
    ours = [{**one, "kind": name} for one in kind["options"] if one["distribution"] == BUILTIN]
    return "\n\n".join([*head, *map(option, ours)]) + "\n"


def option(one: Mapping[str, Any]) -> str:
    """Return the section of an option: its docstring, and a table of its parameters."""
    rows = [
        f"| `{each['key']}` | {default(each)} | {' '.join(f'`{c}`' for c in each['choices'] or [each['type']])} |"
        for each in one["parameters"]
    ]
    table = ["| parameter | default | values |\n|---|---|---|\n" + "\n".join(rows)] if rows else []
    return "\n\n".join([f"## {one['kind']}={one['name']}", text(one["doc"]), *table])


def default(parameter: Mapping[str, Any]) -> str:
    """Return what a parameter is when nothing is said, as it would be typed."""
    value = parameter["default"]
    return "required" if parameter["required"] else f"`{value if isinstance(value, str) else json.dumps(value)}`"


def text(doc: str) -> str:
    """Return a docstring as Markdown that reads as it does in a terminal."""
    parts = _CODE.split(doc)
    return "".join(part if at % 2 else _MARKS.sub(r"\\\1", part) for at, part in enumerate(parts))


def command_line() -> str:
    """Return the page with what ``--help`` prints."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        catalogue.help()
    shown = "".join(f"    {line}".rstrip() + "\n" for line in told.getvalue().splitlines())
    return f"---\nsearch: {{boost: 0.5}}\n---\n\n# Command line\n\n{shown}"
