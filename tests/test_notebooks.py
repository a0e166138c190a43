"""The tutorials run as they stand, in a folder of their own, and still show what they say."""

from __future__ import annotations

import re
import socket
import tempfile
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from tests.notebooks import PATHS, execute, plain

LARGEST = 60_000
"""Bytes of a stored figure."""
TRUE = {
    "batch_normalisation": {
        "a deep network of sigmoids learns nothing by itself": "record.curves()['val/acc'].max() < 0.5",
        "the other three arms reach the target in every seed": (
            "(runs.groupby('arm').reached.sum() == 8).sum() == 3"
        ),
        "the interval by hand is that of the table": (
            "np.allclose([mean, mean - t * error, mean + t * error], [[one.test.estimate, one.test.low, one.test.high]"
            " for one in effects.contrasts if (one.factor, one.metric.column) == ('norm', 'area')][0])"
        ),
        "pairs make the interval narrower": "width['paired'] < width['unpaired']",
        "what it does depends on the activation": (
            "all(one.test.verdict.effect for one in sweep.interactions(['best', 'area']))"
        ),
        "the gradient vanishes without it": (
            "gradients['norm=none,act=sigmoid'][0] < gradients['norm=none,act=sigmoid'][4] / 20"
        ),
        "at the largest rate it alone learns": (
            "by_rate.reached.sum()[1.0, 'bn'] == 5 and by_rate.reached.sum()[1.0, 'none'] == 0"
        ),
        "at the smallest rate it is slower": (
            "[one.test.low > 0 for one in rates.effects('area', by='opt.lr').contrasts][0]"
        ),
        "five seeds cannot call an effect among three": (
            "all(not one.test.verdict.effect for one in rates.effects('area', by='opt.lr').contrasts)"
        ),
    },
    "your_own_technique": {
        "each arm has a rate from the grid": (
            "[choice.chosen['opt.lr'] in ('0.1', '0.3', '1') for choice in sweep.facts.tuned] == [True, True]"
        ),
        "the ingredient is what matters": (
            "all(one.test.verdict.effect for one in ablation.effects(['area', 'steps_to_target']).contrasts)"
        ),
        "p by hand is that of the table": (
            "np.isclose(p, ablation.effects('area').contrasts[0].test.p_flip)"
        ),
        "the arm with the ingredient is trained once": (
            "{str(one.folder) for one in sweep.records if 'squareplus' in sweep.label(one)}"
            " < {str(one.folder) for one in ablation.records}"
        ),
    },
}  # fmt: skip
"""By notebook: what its text says of its results, as an expression of its variables."""


def code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(notebook: NotebookNode) -> dict[str, list[list[str]]]:
    """Return what each cell shows: the kinds of its outputs, streams by their names."""
    return {
        cell.id: [sorted(one.get("data", {one.get("name"): ""})) for one in cell.outputs] for cell in code(notebook)
    }


def stored(path: Path) -> NotebookNode:
    notebook: NotebookNode = nbformat.read(path, as_version=4)
    return notebook


def test_every_tutorial_is_known_here() -> None:
    assert [path.stem for path in PATHS] == sorted(TRUE)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_tutorial_runs_and_shows_what_it_says(path: Path, tmp_path: Path) -> None:
    done, answers = execute(path, tmp_path, TRUE[path.stem])
    assert not [statement for statement, holds in answers.items() if not holds]
    assert shown(done) == shown(stored(path)), f"make notebooks renews the outputs of {path.name}"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_stored_tutorial_is_executed_and_names_no_machine(path: Path) -> None:
    notebook = stored(path)
    nbformat.validate(notebook)
    assert [cell.execution_count for cell in code(notebook)] == list(range(1, len(code(notebook)) + 1))
    assert all(re.fullmatch(r"[a-z][a-z-]+", cell.id) for cell in notebook.cells)
    for cell in code(notebook):
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr", f"{cell.id} warns: {output.text}"
            assert len(output.get("data", {}).get("image/png", "")) * 3 / 4 < LARGEST, (
                f"the figure of {cell.id} is large"
            )
    outputs = [str(one.get("text", "")) + str(one.get("data", "")) for cell in code(notebook) for one in cell.outputs]
    text = re.sub(r"'image/png': '[^']+'", "", " ".join([*outputs, *(cell.source for cell in notebook.cells)]))
    for private in (str(Path.home()), str(path.parent.parent.parent), tempfile.gettempdir(), socket.gethostname()):
        assert not re.search(rf"(?<!\w){re.escape(private)}(?!\w)", text), f"{path.name} names {private}"
    assert notebook == plain(stored(path)), "its metadata are not those that make notebooks leaves"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_file_that_a_tutorial_links_is_there(path: Path) -> None:
    words = "\n".join(cell.source for cell in stored(path).cells if cell.cell_type == "markdown")
    links = {target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", words) if "://" not in target}
    assert links
    assert not [link for link in links if not (path.parent / link).is_file()]


def test_a_tutorial_that_fails_or_says_what_is_not_so_is_caught(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("answer = 41")])
    nbformat.write(notebook, tmp_path / "wrong.ipynb")
    _, answers = execute(tmp_path / "wrong.ipynb", tmp_path, {"it is 42": "answer == 42", "it is 41": "answer == 41"})
    assert answers == {"it is 42": False, "it is 41": True}
