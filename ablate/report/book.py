"""The book of studies as one self-contained page of HTML: a section a claim, found again by file and topic."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from ablate.report.gallery import CHANCE, Entry, by_source, by_verdict, summary
from ablate.report.study import tested
from ablate.verdicts.figure import alt


def to_book(entries: Sequence[Entry]) -> str:
    """Return the page. It has no script and asks nobody for anything; all text is escaped, and figures are ours."""
    environment = Environment(loader=PackageLoader("ablate", "templates/report"), autoescape=True, trim_blocks=True)
    environment.filters.update(figure=_figure, tested=tested, tone=_tone)
    return environment.get_template("book.html").render(
        sources=by_source(entries), verdicts=by_verdict(entries), summary=summary(entries), chance=CHANCE
    )


def _figure(entry: Entry) -> Markup:
    """Return the figure, named for those who do not see it; its identifiers, which a page has once, made its own."""
    if not entry.figure or entry.current is None or entry.study.compare is None:
        return Markup("")
    own = hashlib.sha256(entry.study.name.encode()).hexdigest()[:8]
    svg = entry.figure.replace('id="', f'id="{own}-').replace('"#', f'"#{own}-').replace("url(#", f"url(#{own}-")
    return Markup('<figure role="img" aria-label="{}">{}</figure>').format(alt(entry.study), Markup(svg))


def _tone(entry: Entry) -> str:
    return "open" if entry.current is None else entry.current.verdict.name
