"""Every face of a report beside the terminal, written into the sweep's folder.

outputs/<name>/report.html       one page, for reading and for print
outputs/<name>/report.json       the same as data; runs.csv and curves.parquet beside it
outputs/<name>/effects/          for TensorBoard
"""

from __future__ import annotations

from pathlib import Path

from ablate.atomic import write_atomically
from ablate.report.board import write_board
from ablate.report.content import Content
from ablate.report.data import write_data
from ablate.report.page import to_html
from ablate.report.plain import escape_latex, escape_markdown, latex_table, markdown_table
from ablate.report.run_sheets import arms_sheet, failures_sheet, path_sheet, tuned_sheet
from ablate.report.sheets import Sheet, divergences_sheet, effects_sheet, interactions_sheet, shares_sheet

TOLD = {
    "effects": "Estimates with intervals; the grey stripe is the margin within which a difference counts as none.",
    "curves": "Mean of each level over optimizer steps, with its band.",
    "interactions": "Lines that are not parallel are an interaction.",
}


def write_report(content: Content) -> list[Path]:
    """Write all of them, each whole and in place of an older one; return where they are."""
    path = content.folder / "report.html"
    write_atomically(path, to_html(content))
    return [path, *write_data(content, content.folder), write_tensorboard(content)]


def write_tensorboard(content: Content) -> Path:
    """Write what TensorBoard shows of the sweep; return its folder."""
    images = {name: (drawing.png(), TOLD[name.partition("/")[0]]) for name, drawing in content.drawings.items()}
    said = _findings(content)
    texts = {"findings": said} if said else {}
    folder = content.folder / "effects"
    write_board(folder, content.bands, images, texts | {one.name: markdown_table(one) for one in tables(content)})
    return folder


def to_markdown(content: Content) -> str:
    """Return the findings and tables as Markdown."""
    shown = (f"## {one.title}\n\n{markdown_table(one)}" for one in tables(content))
    parts = [f"# {content.name}", _findings(content), *shown]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _findings(content: Content) -> str:
    said = "\n".join(f"- {sentence}" for sentence in content.effects.sentences())
    return "\n\n".join(filter(None, (escape_markdown(content.names.sentence()), said)))


def to_latex(content: Content) -> str:
    """Return the tables for a paper, to be set with ``\\usepackage{booktabs}``."""
    shared = escape_latex(content.names.sentence())
    heads = ["% \\usepackage{booktabs}", *([f"% {shared}"] if shared else [])]
    return "\n".join([*heads, *map(latex_table, tables(content))])


def tables(content: Content) -> list[Sheet]:
    """Return the tables that have rows, in the order of reading."""
    found, facts = content.effects, content.facts
    all_of_them = (
        effects_sheet(found.contrasts),
        interactions_sheet(found.interactions),
        shares_sheet(found.shares),
        arms_sheet(content),
        divergences_sheet(found.divergences),
        failures_sheet(content),
        tuned_sheet(facts, content.metric),
        path_sheet(facts, content.metric),
    )
    return [one for one in all_of_them if one]
