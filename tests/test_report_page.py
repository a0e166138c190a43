"""The page of a report: everything in one file, for every reader, whatever users named their levels."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import plotly.graph_objects as go
import pytest
from plotly.offline import get_plotlyjs

from ablate.designs.step import Step
from ablate.report.content import content_of
from ablate.report.page import to_html
from ablate.sweep_facts import SweepFacts, Tuned
from tests.recorded import recorded

TWO = {"norm": ["bn", "none"], "act": ["relu", "sigmoid"]}
HOSTILE = "</script><script>alert(1)</script>"
CSS = (files("ablate") / "templates" / "report" / "page.css").read_text(encoding="utf-8")


@dataclass
class Element:
    """A start tag, and the text until the next tag."""

    tag: str
    attributes: dict[str, str | None]
    text: str = ""


@dataclass
class Page(HTMLParser):
    """The elements of a page in their order."""

    elements: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, dict(attrs)))
        self.inside = True

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.elements[-1].text += data

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def all(self, tag: str, **attributes: str) -> list[Element]:
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [one for one in self.elements if one.tag == tag and wanted.items() <= one.attributes.items()]


def parsed(text: str) -> Page:
    page = Page()
    page.feed(text)
    return page


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    facts = SweepFacts(
        design="fractional",
        notes=["norm×act is aliased with opt"],
        inestimable=[["norm", "act"]],
        tuned=[Tuned({"norm": "bn"}, {"lr": "0.1"}, {"lr": ["0.1", "1"]}, ["lr"], {"0.1": 0.9}, {"0.1": 1}, [100])],
        path=[Step("norm", "bn", "none", 0.8, -0.1, 0, 2)],
        start=0.9,
    )
    folder = tmp_path_factory.mktemp("page")
    return to_html(content_of(recorded(folder, TWO | {"opt": ["sgd", "adam"]}, failed=[(0, 1)], facts=facts)))


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return parsed(text)


def test_headings_are_in_order_and_every_section_has_one(page: Page) -> None:
    levels = [int(one.tag[1]) for one in page.elements if re.fullmatch("h[1-6]", one.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    named = [one.attributes["id"] for one in page.all("section")]
    assert named == [
        "findings",
        "effects",
        "convergence",
        "interactions",
        "shares",
        "arms",
        "failures",
        "decisions",
        "methods",
        "reproduce",
    ]
    assert [one.attributes["href"] for one in page.all("a")[1:]] == [f"#{one}" for one in named]


def test_it_asks_nobody_for_anything(page: Page) -> None:
    assert page.all("html", lang="en")
    for one in page.elements:
        for name in ("src", "href", "action", "data", "srcset"):
            target = one.attributes.get(name) or "#"
            assert target.startswith(("#", "data:")), one
    assert "@import" not in CSS
    assert "url(" not in CSS


def test_the_policy_allows_its_own_scripts_and_nothing_else(page: Page) -> None:
    (policy,) = [one.attributes["content"] for one in page.all("meta") if "http-equiv" in one.attributes]
    assert policy
    assert policy.startswith("default-src 'none'; img-src data:; ")
    allowed = set(re.findall(r"'(sha256-[^']+)'", policy))
    scripts = [one.text for one in page.all("script") if "type" not in one.attributes]
    (packed,) = page.all("script", type="application/gzip")
    scripts.append(gzip.decompress(base64.b64decode(packed.text)).decode())
    assert scripts[-1] == get_plotlyjs()
    assert {f"sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}" for one in scripts} == allowed
    assert "unsafe-inline" not in policy.partition("script-src")[2]


def charts(page: Page) -> Iterator[dict[str, object]]:
    for one in page.all("script", type="application/json"):
        yield json.loads(one.text)


def test_every_chart_is_one_that_plotly_takes(page: Page) -> None:
    found = list(charts(page))
    assert len(found) == 4 + 2 * 3 + 2 * 3  # metrics with effects, curves × factors, metrics × pairs
    for one in found:
        go.Figure(one)  # raises where a name or a value is none of plotly's


def test_every_chart_has_words_a_picture_for_print_and_its_numbers(page: Page) -> None:
    canvases = page.all("div", class_="canvas", role="img")
    assert len(canvases) == 16
    assert all(len(one.attributes["aria-label"] or "") > 40 for one in canvases)
    pictures = page.all("img", class_="static")
    assert len(pictures) == len(page.all("figure")) == 5
    for one in pictures:
        assert len(one.attributes["alt"] or "") > 40
        kind, _, content = (one.attributes["src"] or "").partition(",")
        assert kind == "data:image/svg+xml;base64"
        assert base64.b64decode(content).startswith(b"<svg")
    assert sum(one.text.startswith("The numbers:") for one in page.all("summary")) == 5


def test_every_table_has_heads_with_a_scope_and_a_caption(page: Page) -> None:
    tables = page.all("table")
    assert len(tables) == len(page.all("caption")) == len(page.all("thead"))
    assert all(one.attributes.get("scope") == "col" for one in page.all("th"))


def test_what_failed_was_tuned_decided_and_typed_is_there(text: str) -> None:
    for words in (
        "RuntimeError: &lt;b&gt;no&lt;/b&gt;",
        "0.1 (edge)",
        "norm×act is aliased with opt",
        "It begins at 0.9000.",
        "python -m ablate -m norm=bn,none",
        "torch==2.13.0",
        "val/acc ≥ 0.85 (as given)",
        "47 finished",
        "Holm",
    ):
        assert words in text


def test_the_command_that_gives_the_page_comes_before_those_that_its_runs_were_trained_by(tmp_path: Path) -> None:
    last = "python -m ablate -m norm=bn,none calibration=0"
    text = to_html(content_of(recorded(tmp_path, TWO, facts=SweepFacts(command=last))))
    told = text.partition(">Reproduce<")[2]
    earlier = "python -m ablate -m norm=bn,none<"
    assert "Earlier commands, whose runs it reuses" in told
    assert 0 < told.index(f">{last}<") < told.index("Earlier commands") < told.index(earlier)


def test_no_name_of_a_user_becomes_markup(tmp_path: Path) -> None:
    levels = {"norm": [HOSTILE, "%{x}"], "<img src=x>": ["'\"&", "{{7*7}}"]}
    text = to_html(content_of(recorded(tmp_path, levels, name=HOSTILE)))
    page = parsed(text)
    clean = parsed(to_html(content_of(recorded(tmp_path / "clean", TWO))))
    assert [one.tag for one in page.elements] == [one.tag for one in clean.elements]
    assert HOSTILE not in text
    assert "49" not in {cell.text for cell in page.all("td")}
    assert HOSTILE in {cell.text for cell in page.all("td")}
    for one in charts(page):
        shown = json.dumps(one)
        assert "<script>" not in shown
        assert "<img" not in shown


@pytest.mark.parametrize("seeds", [1, 2])
def test_one_arm_alone_is_a_page_without_effects(tmp_path: Path, seeds: int) -> None:
    page = parsed(to_html(content_of(recorded(tmp_path, {}, seeds=seeds))))
    assert [one.attributes["id"] for one in page.all("section")] == ["arms", "methods", "reproduce"]


def test_a_sweep_of_which_every_run_failed_is_a_page_that_says_why(tmp_path: Path) -> None:
    sweep = recorded(tmp_path, {"norm": ["bn", "none"]}, seeds=2, failed=[(0, 0), (0, 1), (1, 0), (1, 1)])
    page = parsed(to_html(content_of(sweep)))
    assert [one.attributes["id"] for one in page.all("section")] == ["arms", "failures", "methods", "reproduce"]


def luminance(color: str) -> float:
    """Relative luminance, as WCAG 2 defines it."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_words_stand_out_from_their_ground_in_the_light_the_dark_and_on_paper() -> None:
    themes = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    assert len(themes) == 3
    for theme in themes:
        colors = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", theme))
        for ground in ("page", "card"):
            for words in ("ink", "quiet", "link", "good", "bad", "open"):
                assert contrast(colors[words], colors[ground]) >= 4.5, (words, ground)


def test_lines_stand_out_from_the_page_in_the_light_and_the_dark() -> None:
    from ablate.figures.palette import COLORS

    assert contrast("#000000", "#ffffff") == 21.0
    for color in COLORS[:4]:
        assert contrast(color, "#1d2125") >= 3.0
    for color in COLORS[:3]:
        assert contrast(color, "#ffffff") >= 3.0
