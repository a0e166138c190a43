"""The pages at the top of the repository, in the site: they stay where they are, and links go both ways.

A link from ``docs/`` to ``../SECURITY.md``, or from there to ``docs/data.md``, works in the repository as it stands. In
the site all pages are in one folder, so that a link is written anew for the place where its target is there.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

PLACES = {
    "README.md": "tour.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
"""Where each page of the repository's top is in the site."""
OPENING, END = "<!-- the opening of README.md -->", "<!-- The opening ends here"
_LINK = re.compile(r"(\]\()([^)\s#:]+)(#[^)\s]*)?(?=\))")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages of the repository's top."""
    for name, place in PLACES.items():
        files.append(File.generated(config, place, abs_src_path=str(root(config) / name)))
    return files


def on_page_markdown(markdown: str, page: Page, config: Any, files: Files) -> str:
    """Return the page with links as they are in the site, and with the README's opening where it asks for it."""
    source = page.file.src_uri
    at = next((name for name, place in PLACES.items() if place == source), f"docs/{source}")
    if OPENING in markdown:
        opening = (root(config) / "README.md").read_text(encoding="utf-8").partition(END)[0]
        markdown = markdown.replace(OPENING, relinked(opening.partition("\n")[2], "README.md", source))
    return relinked(markdown, at, source)


def relinked(markdown: str, at: str, source: str) -> str:
    """Return Markdown with its links from ``at`` in the repository turned into links from ``source`` in the site."""

    def link(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(at), match[2]))
        target = PLACES.get(target, target.removeprefix("docs/") if target.startswith("docs/") else f"/{target}")
        place = target if target.startswith("/") else posixpath.relpath(target, posixpath.dirname(source) or ".")
        return f"{match[1]}{place}{match[3] or ''}"

    return _LINK.sub(link, markdown)


def root(config: Any) -> Path:
    """Return the folder of the repository."""
    return Path(config.config_file_path).parent
