"""A report as one self-contained page: everything is in the file, and it may ask nobody for more."""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from ablate.report.content import Content
from ablate.report.sections import Section, sections_of

LEVEL = 6
"""Of compression: the most takes three times as long for two hundredths less."""
SEEDS = 12
"""So many are listed."""
FOOTER = "Made by ablate from the records of the runs alone. Charts: plotly.js (MIT licence, in the file)."


def to_html(content: Content) -> str:
    """Return a report as one page."""
    runs = ", ".join(f"{count} {status}" for status, count in content.counts.items())
    seeds = content.seeds
    facts = [
        ("Design", content.facts.design),
        ("Runs", runs),
        ("Seeds", ", ".join(map(str, seeds)) if len(seeds) <= SEEDS else f"{len(seeds)}: {seeds[0]} to {seeds[-1]}"),
        ("Target", content.told_target),
        *([("All arms", ", ".join(content.names.shared))] if content.names.shared else []),
        *((factor, ", ".join(levels)) for factor, levels in content.factors.items()),
    ]
    count = len(content.arms)
    lead = (
        f"{len(content.frame)} runs: {count} {'arm' if count == 1 else 'arms'}, "
        f"{len(seeds)} {'seed' if len(seeds) == 1 else 'seeds'}. Judged by {content.metric}."
    )
    return page(content.name, lead, facts, sections_of(content), f"{FOOTER} Folder: {content.folder}.")


def page(title: str, lead: str, facts: Sequence[tuple[str, str]], sections: Sequence[Section], footer: str) -> str:
    """Return the page as HTML.

    All that users named is escaped, and a policy in the file allows its own three scripts, by their hashes, and no
    request to anywhere: what slipped through could do nothing.
    """
    environment = Environment(loader=PackageLoader("ablate", "templates/report"), autoescape=True, trim_blocks=True)
    packed, digest = plotly()
    early, script = _part("early.js"), _part("page.js")
    return environment.get_template("page.html").render(
        title=title,
        lead=lead,
        facts=facts,
        sections=sections,
        footer=footer,
        css=_part("page.css"),
        early=early,
        js=script,
        plotly=Markup(packed),
        hashes=Markup(" ".join(f"'{one}'" for one in (_digest(early), _digest(script), digest))),
    )


@lru_cache
def plotly() -> tuple[str, str]:
    """Return plotly.js, compressed and in base64, and the hash that allows it to run."""
    script = get_plotlyjs()
    return base64.b64encode(gzip.compress(script.encode(), LEVEL, mtime=0)).decode(), _digest(script)


def _part(name: str) -> Markup:
    return Markup((files("ablate") / "templates" / "report" / name).read_text(encoding="utf-8"))


def _digest(script: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
