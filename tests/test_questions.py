"""The pages of questions: each command on them is one that works, short of training what it asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablate.cli import settings
from ablate.cli.main import _with_plugins, main
from ablate.composition import config_loader
from ablate.studies.catalogue import study
from ablate.sweeps.plan import Plan, make_plan
from tests.pages import DOCS, ROOT, commands, snippets

PAGES = sorted((DOCS / "questions").glob("*.md"))
READ = ("plugins", "runs", "studies", "summary")
"""Verbs that only read, and can be called as they are."""


def planned(command: list[str], *, sweep: bool | None = None) -> Plan:
    """Return what a command would train; it raises for settings that are wrong, or would change nothing."""
    read = settings.read(_with_plugins(command))
    with config_loader() as loader:
        return make_plan(read.settings, loader, sweep=read.sweep if sweep is None else sweep)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_a_question_can_be_answered(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for snippet in snippets(text):
        (tmp_path / "snake.py").write_text(snippet, encoding="utf-8")
    typed = commands(text)
    assert typed
    names = {planned(one).name for one in typed if "-m" in one}
    for command in typed:
        verb, *rest = command
        if verb == "report":
            assert set(rest) <= names, f"{page.name} reports {rest}, which it does not train"
        elif verb == "doctor":
            assert len(planned(rest, sweep=False).arms) == 1
        elif verb in READ or (verb.startswith("study=") and study(verb.partition("=")[2]).exact):
            assert main(command) == 0
        else:
            assert planned(command).arms


def test_the_start_page_leads_to_every_question() -> None:
    start, site = ((ROOT / name).read_text(encoding="utf-8") for name in ("docs/index.md", "mkdocs.yml"))
    assert len(PAGES) >= 6
    for page in PAGES:
        assert f"(questions/{page.name})" in start
        assert f": questions/{page.name}\n" in site
        title = page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        assert f"[{title}](questions/{page.name})" in start


def test_a_page_says_how_to_read_it_and_what_it_does_not_say() -> None:
    for page in PAGES:
        heads = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("## ")]
        assert heads == ["## How to read it", "## What it does not say", "## Read on"]
