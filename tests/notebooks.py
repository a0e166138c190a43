"""The notebooks of docs/tutorials: executed in a folder of their own; ``python -m tests.notebooks`` renews outputs."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).parent.parent / "docs" / "tutorials"
PATHS = sorted(FOLDER.glob("*.ipynb"))
SECONDS = 600
"""So long may a cell take before its notebook counts as stuck: how fast the machine is, is no matter of a test."""
_HOMES = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")


def execute(
    path: Path, folder: Path, questions: Mapping[str, str] | None = None
) -> tuple[NotebookNode, dict[str, bool]]:
    """Return the notebook as it comes out when it is executed in ``folder``, and the answers to ``questions``.

    A question is an expression that is true or not in the notebook's own process after its last cell. Raises
    ``CellExecutionError`` where a cell does. History and connections of the kernel are kept in ``folder`` as well.
    """
    notebook = nbformat.read(path, as_version=4)
    asked = ", ".join(f"{name!r}: bool({expression})" for name, expression in (questions or {}).items())
    last = nbformat.v4.new_code_cell(f"import json; print(json.dumps({{{asked}}}))")
    notebook.cells.append(last)
    homes = dict.fromkeys(_HOMES, str(folder / ".jupyter"))
    with mock.patch.dict(os.environ, homes):
        client = NotebookClient(
            notebook,
            timeout=SECONDS,
            kernel_name="python3",
            record_timing=False,
            coalesce_streams=True,  # what is printed in how many pieces is chance
            resources={"metadata": {"path": str(folder)}},
        )
        client.execute()
    notebook.cells.remove(last)
    return notebook, json.loads(last.outputs[0].text)


def plain(notebook: NotebookNode) -> NotebookNode:
    """Return the notebook without what differs from machine to machine, for keeping."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for number, cell in enumerate(cell for cell in notebook.cells if cell.cell_type == "code"):
        cell.metadata = nbformat.from_dict({})
        cell.execution_count = number + 1
        for output in cell.outputs:
            if "metadata" in output:
                output.metadata = nbformat.from_dict({})
    return notebook


def main() -> None:
    """Execute the notebooks whose names are given, or all, and write each with its outputs."""
    for path in (path for path in PATHS if path.stem in sys.argv[1:] or not sys.argv[1:]):
        with tempfile.TemporaryDirectory() as folder:
            notebook, _ = execute(path, Path(folder))
        nbformat.write(plain(notebook), path)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
