"""The page on one's own data: its commands and snippets work as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.helpers import python
from tests.pages import DOCS, commands, snippets

PAGE = (DOCS / "data.md").read_text(encoding="utf-8")
FILES, MODULE = snippets(PAGE)
COMMANDS = commands(PAGE)
READ = ("flowers.csv", "photos", "digits.npz", "ours.py")


def test_every_command_trains_on_the_files_of_the_page(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    (tmp_path / "files.py").write_text(FILES, encoding="utf-8")
    (tmp_path / "ours.py").write_text(MODULE, encoding="utf-8")
    done = python("files.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    chosen = [c for c in COMMANDS if any(f"={name}" in word or word == name for word in c for name in READ)]
    plain = ("-m", "--plugin", "ours.py")
    runs = [[word for word in command if word not in plain] for command in chosen]
    assert len({next(word for word in run if word.startswith("data=")) for run in runs}) == 5
    short = ["trainer.max_steps=2", "trainer.validations=1", "workers=0", "quiet=true"]
    calls = [f"print([str(r.status) for r in ablate.sweep({[*run, *short]!r}).records])" for run in runs]
    code = "\n".join(["import ablate", "ablate.load_plugin('ours.py')", *calls])
    done = python("-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    statuses = re.findall(r"^\[('.*')\]$", done.stdout, re.MULTILINE)
    assert len(statuses) == len(runs)
    assert all(set(line.split(", ")) == {"'finished'"} for line in statuses)
