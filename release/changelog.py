"""What a release does to the changelog: its section gets a date, and an empty one is opened for what comes next."""

from __future__ import annotations

import re
from datetime import date
from typing import NamedTuple

VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
HEADING = re.compile(r"^## \[(?P<name>[^\]]+)\](?: *[-–—] *(?P<when>.*?))? *$", re.MULTILINE)
NEXT = "Unreleased"


class ReleaseError(Exception):
    """A release that is not made, and why: one sentence."""


class Section(NamedTuple):
    """One heading of the second level, and where it and what stands under it are in the text."""

    name: str
    when: str
    start: int
    heading_end: int
    end: int


def released(text: str, version: str, today: date) -> str:
    """Return the changelog ``text`` with ``version`` released; one that has its date already stays as it is.

    The section is ``## [<version>] – unreleased`` or ``## [Unreleased]``, the hyphen of Keep a Changelog or a dash.

    Raises:
        ReleaseError: If ``version`` is none, or not later than those before; if no such section waits, or an empty one.
    """
    if not VERSION.fullmatch(version):
        raise ReleaseError(f"'{version}' is no version of the form 1.2.3 (https://semver.org).")
    found = sections(text)
    for section in found:
        if not waits(section) and section.name != version and not order(section.name) < order(version):
            raise ReleaseError(f"{version} is not later than {section.name}, of {section.when}: give a later one.")
    if any(section.name == version and not waits(section) for section in found):
        return text
    section = waiting(found, version)
    if not re.search(r"^\s*[-*] ", text[section.heading_end : section.end], re.MULTILINE):
        raise ReleaseError(f"CHANGELOG.md says nothing under '{section.name}': write what {version} changes.")
    heading = f"## [{version}] – {today.isoformat()}"
    if section.name == NEXT or not any(other.name == NEXT for other in found):
        heading = f"## [{NEXT}]\n\n{heading}"
    return text[: section.start] + heading + text[section.heading_end :]


def sections(text: str) -> list[Section]:
    """Return the sections in the order of the text, newest first."""
    found = list(HEADING.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    return [
        Section(match["name"], match["when"] or "", match.start(), match.end(), end)
        for match, end in zip(found, ends, strict=True)
    ]


def waits(section: Section) -> bool:
    """Return whether a section is not released yet."""
    return section.name == NEXT or section.when.lower() == NEXT.lower()


def waiting(found: list[Section], version: str) -> Section:
    """Return the section that becomes that of ``version``: the one called so, or else the one called Unreleased."""
    open_ones = {section.name: section for section in found if waits(section)}
    for name in (version, NEXT):
        if name in open_ones:
            return open_ones[name]
    if open_ones:
        raise ReleaseError(
            f"CHANGELOG.md calls what is to come {next(iter(open_ones))}, not {version}: rename that section."
        )
    raise ReleaseError(
        f"CHANGELOG.md has no section of version {version} and none called {NEXT}: "
        f"write under '## [{NEXT}]' what has changed."
    )


def order(version: str) -> tuple[int, ...]:
    """Return what versions are ordered by; what is no version comes before all that are."""
    match = VERSION.match(version)
    return tuple(map(int, match.groups())) if match else ()
