"""The pages at the top of the repository, in the site: they stay where they are, and links go both ways.

A link from ``docs/`` to ``../SECURITY.md``, or from there to ``docs/data.md``, works in the repository as it stands. In
the site all pages are in one folder, so that a link is written anew for the place where its target is there.
"""

from __future__ import annotations

import logging
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

PLACES = {
    "README.md": "tour.md",
    "README.zh-CN.md": "zh.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
"""Where each page of the repository's top is in the site."""
OPENING, END = "<!-- the opening of README.md -->", "<!-- The opening ends here"
_LINK = re.compile(r"(\]\()([^)\s#:]+)(?=(?:#[^)\s]*)?\))")
_NOTEBOOK_LINK = re.compile(r'(<a href=")([^"#:]+\.(?:md|ipynb))(?=[#"])')
_LOG = logging.getLogger("mkdocs.hooks.top_pages")  # what is said below this name fails a strict build


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


def on_page_content(html: str, page: Page, config: Any, files: Files) -> str:
    """Return a notebook with links as they are in the site: MkDocs sees to those of Markdown only."""
    source = page.file.src_uri

    def link(match: re.Match[str]) -> str:
        target = files.get_file_from_path(placed(match[2], f"docs/{source}"))
        if target is None:
            _LOG.warning("Notebook '%s' has a link to '%s', which is not in the site.", source, match[2])
            return match[0]
        return f"{match[1]}{target.url_relative_to(page.file)}"

    return _NOTEBOOK_LINK.sub(link, html) if source.endswith(".ipynb") else html


def relinked(markdown: str, at: str, source: str) -> str:
    """Return Markdown with its links from ``at`` in the repository turned into links from ``source`` in the site."""

    def link(match: re.Match[str]) -> str:
        target = placed(match[2], at)
        place = target if target.startswith("/") else posixpath.relpath(target, posixpath.dirname(source) or ".")
        return f"{match[1]}{place}"

    return _LINK.sub(link, markdown)


def placed(target: str, at: str) -> str:
    """Return where the target of a link from ``at`` is in the site; of what is not in it, a path from the root."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(at), target))
    return PLACES.get(path, path.removeprefix("docs/") if path.startswith("docs/") else f"/{path}")


def root(config: Any) -> Path:
    """Return the folder of the repository."""
    return Path(config.config_file_path).parent
