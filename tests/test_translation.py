"""The two READMEs say the same: the Chinese one has every heading, command, name and link of the English one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ENGLISH, CHINESE = "README.md", "README.zh-CN.md"
_COMMENT = re.compile(r"\s*(?<!\S)#(?!!).*$")
_LINK = re.compile(r"\]\(([^)]+)\)")
_NAME = re.compile(r"`([^`]+)`")


def code(text: str) -> list[str]:
    """Return the lines of the indented blocks of code, without comments; before those of each block its number."""
    found: list[str] = []
    before, inside, number = "", False, 0
    for line in text.splitlines():
        starts = line.startswith("    ") and (inside or not before)
        if starts and not inside:
            number += 1
            found.append(f"block {number}")
        inside = starts or (inside and not line)
        if starts and (left := _COMMENT.sub("", line).strip()):
            found.append(left)
        before = line
    return found


def prose(text: str) -> str:
    """Return the lines that are no code."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("    "))


def levels(text: str) -> list[int]:
    """Return the level of each heading, in order."""
    return [len(marks) for marks in re.findall(r"^(#+) ", prose(text), re.MULTILINE)]


def links(text: str) -> set[str]:
    """Return what is linked and shown, but for the other README."""
    return {target for target in _LINK.findall(prose(text)) if target not in (ENGLISH, CHINESE)}


def names(text: str) -> Iterator[Counter[str]]:
    """Return how often each `name` stands under each heading."""
    for part in re.split(r"^#+ ", prose(text), flags=re.MULTILINE):
        yield Counter(" ".join(name.split()) for name in _NAME.findall(part))


def differences(english: str, chinese: str) -> list[str]:
    """Return a sentence for each thing that one of the two texts has and the other has not."""
    found = []
    ours, theirs = code(english), code(chinese)
    for _, begin, end, start, stop in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if ours[begin:end] != theirs[start:stop]:
            after = f"after {ours[begin - 1]!r}" if begin else "at its beginning"
            found += [f"The code of {CHINESE} lacks {line!r} {after}." for line in ours[begin:end]]
            found += [f"The code of {ENGLISH} lacks {line!r} {after}." for line in theirs[start:stop]]
    if levels(english) != levels(chinese):
        found.append(f"Levels of headings: {levels(english)} in {ENGLISH}, {levels(chinese)} in {CHINESE}.")
    found += [f"{CHINESE} does not link {target}." for target in sorted(links(english) - links(chinese))]
    found += [f"{ENGLISH} does not link {target}." for target in sorted(links(chinese) - links(english))]
    for number, (said, told) in enumerate(zip(names(english), names(chinese), strict=False)):
        found += [f"{CHINESE} lacks `{name}` under heading {number}." for name in sorted(said - told)]
        found += [f"{ENGLISH} lacks `{name}` under heading {number}." for name in sorted(told - said)]
    return found


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_chinese_readme_has_all_that_the_english_one_has() -> None:
    found = differences(read(ENGLISH), read(CHINESE))
    assert not found, "\n".join(found)


def test_each_readme_begins_with_a_link_to_the_other() -> None:
    for name, other in ((ENGLISH, CHINESE), (CHINESE, ENGLISH)):
        assert f"]({other})" in "\n".join(read(name).splitlines()[:4]), f"{name} does not link {other} at its head"


def test_every_file_that_the_chinese_readme_links_is_there() -> None:
    files = {target.partition("#")[0] for target in links(read(CHINESE)) if not target.startswith("http")}
    assert len(files) > 10
    assert not [file for file in files if not (ROOT / file).is_file()]


END = "Apache-2.0\n"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("opt.lr=1,0.1,0.01", "opt.lr=1,0.1", f"{CHINESE} lacks 'python -m ablate -m opt=sgd opt.lr=1,0.1,0.01' after"),
        ("opt.lr=1,0.1,0.01", "opt.lr=1,0.1", f"{ENGLISH} lacks 'python -m ablate -m opt=sgd opt.lr=1,0.1' after"),
        ("bn     adam       1 ", "bn     adam       2 ", f"The code of {CHINESE} lacks 'bn     adam       1  "),
        ("    python -m ablate doctor init=zeros\n", "", f"{CHINESE} lacks 'python -m ablate doctor init=zeros' after"),
        ("    python -m ablate doctor init=zeros\n", "", f"{CHINESE} lacks 'block 11' after"),
        ("    tensorboard --logdir outputs\n", "", f"{CHINESE} lacks 'tensorboard --logdir outputs' after 'python -m"),
        (END, END + "\n    ablate x\n", f"The code of {ENGLISH} lacks 'ablate x' after 'python -m ablate doctor"),
        ("\n## ", "\n### ", "Levels of headings: [1, 2, 2, 2"),
        (END, END + "\n## 又一节\n", "Levels of headings: [1, 2, 2, 2"),
        ("(docs/doctor.md)", "(docs/report.md)", "README.zh-CN.md does not link docs/doctor.md."),
        ("(SECURITY.md)", "(docs/safety.md)", "README.md does not link docs/safety.md."),
        ("`lion` ", "", "README.zh-CN.md lacks `lion` under heading 6."),
        ("`quiet=true`", "`silent=true`", "README.md lacks `silent=true` under heading 6."),
    ],
)
def test_what_has_been_left_behind_is_named(before: str, after: str, said: str) -> None:
    english, chinese = read(ENGLISH), read(CHINESE)
    assert before in chinese
    assert said in "\n".join(differences(english, chinese.replace(before, after)))


def test_comments_may_be_translated_and_nothing_else_of_a_command() -> None:
    english, chinese = "Text\n\n    ablate a=1  # one\n", "字\n\n    ablate a=1    # 一\n"
    assert not differences(english, chinese)
    assert differences(english, chinese.replace("a=1", "a=#1"))
