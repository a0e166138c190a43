"""What the site is made from has all that it should; that its links are alive, ``make docs`` checks."""

from __future__ import annotations

import ablate
from ablate.techniques import KINDS
from tests.pages import DOCS, ROOT


def test_the_reference_has_every_public_name() -> None:
    page = (DOCS / "reference" / "python.md").read_text(encoding="utf-8")
    assert {line.removeprefix("::: ablate.") for line in page.splitlines() if line.startswith(":::")} == {
        *ablate.__all__
    }


def test_every_kind_has_a_page_of_its_options() -> None:
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert all(f": reference/options/{kind}.md\n" in site for kind in KINDS)


def test_the_start_page_has_the_opening_of_the_readme_and_no_more() -> None:
    hook = (DOCS / "hooks" / "top_pages.py").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for mark, page in (("<!-- the opening of README.md -->", DOCS / "index.md"), ("<!-- The opening ends here", None)):
        assert mark in hook
        assert mark in (page.read_text(encoding="utf-8") if page else readme)
    opening = readme.partition("<!-- The opening ends here")[0]
    assert "python -m ablate -m norm=bn,none opt=sgd,adam" in opening
    assert "\n## " not in opening
