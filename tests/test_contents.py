from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from ablate import contents
from ablate.contents import digest
from ablate.errors import ConfigError


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count how often a file is read whole."""
    found: list[int] = []
    whole = hashlib.file_digest

    def counted(*arguments: object) -> object:
        found.append(1)
        return whole(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(hashlib, "file_digest", counted)
    return found


def age(path: Path, seconds: float = 60) -> None:
    """Have a file last changed some time ago."""
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_it_is_the_content_that_counts_not_the_time_nor_the_folder(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    for path in (tmp_path / "a.csv", tmp_path / "other" / "a.csv"):
        path.write_text("1", encoding="utf-8")
    one = digest(tmp_path / "a.csv")
    assert digest(tmp_path / "other" / "a.csv") == one
    age(tmp_path / "a.csv")
    assert digest(tmp_path / "a.csv") == one
    (tmp_path / "a.csv").write_text("2", encoding="utf-8")
    assert digest(tmp_path / "a.csv") != one


def test_a_folder_counts_with_its_names(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "a").write_text("1", encoding="utf-8")
    one = digest(tmp_path)
    (tmp_path / ".hidden").write_text("x", encoding="utf-8")
    assert digest(tmp_path) == one
    (tmp_path / "cats").rename(tmp_path / "dogs")
    assert digest(tmp_path) != one


def test_what_looks_as_it_did_is_not_read_again(tmp_path: Path, reads: list[int]) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1", encoding="utf-8")
    age(path)
    first = digest(path)
    assert [digest(path) for _ in range(5)] == [first] * 5
    contents._known.clear()  # as in another process
    assert digest(path) == first
    assert len(reads) == 1


def test_what_changed_a_moment_ago_is_read_each_time(tmp_path: Path, reads: list[int]) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1", encoding="utf-8")
    stat = path.stat()
    first = digest(path)
    path.write_text("2", encoding="utf-8")  # as large, and within one step of a coarse clock
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert digest(path) != first
    assert len(reads) == 2


def test_of_many_files_only_the_folders_are_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "_MANY", 2)
    for name in "abc":
        (tmp_path / name).write_text(name, encoding="utf-8")
        age(tmp_path / name)
    first = digest(tmp_path)
    monkeypatch.setattr(contents, "walk", lambda _: pytest.fail("it looked at every file"))
    assert digest(tmp_path) == first
    monkeypatch.undo()
    (tmp_path / "d").write_text("d", encoding="utf-8")
    assert digest(tmp_path) != first


def test_a_damaged_note_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1", encoding="utf-8")
    age(path)
    first = digest(path)
    contents._known.clear()
    for note in (contents.cache_folder() / "digests").iterdir():
        note.write_text("[", encoding="utf-8")
    assert digest(path) == first


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="gone cannot be read"):
        digest(tmp_path)
