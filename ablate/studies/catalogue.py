"""Every study there is: those that ship, and those of plugins."""

from __future__ import annotations

import functools
import re
from importlib.resources import as_file, files
from pathlib import Path

from ablate.discovery import BUILTIN
from ablate.errors import ConfigError, did_you_mean
from ablate.registry import StudyFile, registry
from ablate.studies.definition import Study, read

_CHINESE = "一二三四五六七八九十"


def found() -> dict[str, StudyFile]:
    """Return the files of all studies by name, ours first; a plugin's cannot take the place of one of ours."""
    ours = {path.stem: StudyFile(path, BUILTIN) for path in sorted(_folder().glob("*.yaml"))}
    theirs = registry().studies()
    if twice := sorted(ours.keys() & theirs.keys()):
        raise ConfigError(
            f"{theirs[twice[0]].distribution} brings the study {twice[0]}, and there is one of ours of that name. "
            "Uninstall it, or have its file renamed."
        )
    return ours | theirs


def studies() -> list[Study]:
    """Return all studies, sorted by the place of what they test in its source."""
    return sorted((read(one.path) for one in found().values()), key=place)


def place(one: Study) -> tuple[str, list[int], str, str]:
    """Return what studies are sorted by: file, topic with the number that it begins with counted, name."""
    topic = one.source.topic
    begins = re.match(r"\d+(\.\d+)?", topic)
    numbers = [int(digits) for digits in begins[0].split(".")] if begins else [1 + _CHINESE.find(topic[:1])]
    return one.source.file, numbers, topic, one.name


def study(name: str) -> Study:
    """Return one study, or raise ``ConfigError`` naming the closest."""
    known = found()
    if name not in known:
        alike = [other for other in known if name and name in other]
        meant = f" Of that name are {', '.join(alike)}." if alike else did_you_mean(name, known)
        raise ConfigError(f"There is no study '{name}'.{meant} `python -m ablate studies` lists all {len(known)}.")
    return read(known[name].path)


@functools.cache
def _folder() -> Path:
    with as_file(files("ablate_conf") / "study") as folder:
        return folder
