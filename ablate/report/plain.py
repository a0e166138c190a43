"""Tables as text for elsewhere: Markdown, LaTeX for a paper, comma-separated values."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

from ablate.report.sheets import Sheet

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#~])")
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "×": r"$\times$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "²": r"$^2$",
    "→": r"$\to$",
    "←": r"$\leftarrow$",
    "–": "--",
    "…": r"\dots{}",
} | {sign: f"\\{sign}" for sign in "&%$#_{}"}
_NEGATIVE = re.compile(r"(?<![\w.)])-(?=\d)")


def markdown_table(sheet: Sheet) -> str:
    """Return a table with its notes below; what users named is shown as it is."""
    lines = [
        _row(map(escape_markdown, sheet.heads)),
        _row(":--" if head in sheet.words else "--:" for head in sheet.heads),
        *(_row(escape_markdown(cell.text) for cell in row) for row in sheet.rows),
    ]
    return "\n".join([*lines, "", *(escape_markdown(note) + "  " for note in sheet.notes)]).rstrip() + "\n"


def latex_table(sheet: Sheet) -> str:
    """Return a floating table for ``\\usepackage{booktabs}``, with its notes as the caption."""
    columns = "".join("l" if head in sheet.words else "r" for head in sheet.heads)
    caption = escape_latex(" ".join([f"{sheet.title}.", *sheet.notes]))
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{caption}}}",
        rf"  \label{{tab:{re.sub(r'[^a-z0-9]+', '-', sheet.name.lower())}}}",
        rf"  \begin{{tabular}}{{{columns}}}",
        r"    \toprule",
        f"    {_cells(map(escape_latex, sheet.heads))}",
        r"    \midrule",
        *(f"    {_cells(escape_latex(cell.text) for cell in row)}" for row in sheet.rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def csv_table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return comma-separated values, quoted where they have to be."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows(rows)
    return file.getvalue()


def escape_markdown(words: str) -> str:
    """Return words without a meaning in Markdown, on one line."""
    return _MARKDOWN.sub(r"\\\1", " ".join(words.split())).replace("<", "&lt;").replace("\\&lt;", "&lt;")


def escape_latex(words: str) -> str:
    """Return words without a meaning in LaTeX; a minus before a number is one."""
    escaped = "".join(_LATEX.get(sign, sign) for sign in _NEGATIVE.sub("\0", " ".join(words.split())))
    return escaped.replace("\0", "$-$")


def _row(cells: object) -> str:
    return f"| {' | '.join(cells)} |"  # type: ignore[arg-type]


def _cells(cells: object) -> str:
    # a bracket at the beginning of a row would be an option of the line break before it
    return " & ".join(f"{{}}{cell}" if cell.startswith("[") else cell for cell in cells) + r" \\"  # type: ignore[attr-defined]
