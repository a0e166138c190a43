"""What files hold, as a digest: a run on data that has changed is another run.

To read a file takes longer than to look at it. So a digest is kept, in the user's cache folder, with size, time of
change and number of the file, and what looks as it did then is not read again. Where a file was changed a moment ago
nothing is kept: file systems count time in steps, and a second change within one would not show.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import platformdirs

from ablate.atomic import write_atomically
from ablate.errors import ConfigError, RecordError

LENGTH = 16
"""Hex digits of a digest."""

_SETTLED = 2.0
"""Seconds after which a file that has changed may be known by its time of change."""

_MANY = 1000
"""Of more files than these, a process looks at the folders only, once it has looked at each file."""

_known: dict[Path, tuple[str, str]] = {}
_folders: dict[Path, tuple[tuple[tuple[str, int], ...], str]] = {}


def cache_folder() -> Path:
    """Return the folder in which what was read is kept for this user."""
    return platformdirs.user_cache_path("ablate") / "data"


def digest(path: Path) -> str:
    """Return hex digits of what the file holds, or all files below the folder but those named with a dot first.

    Raises ``ConfigError`` where something cannot be read.
    """
    path = path.resolve()
    if path.is_file():
        return digest_of([path], path)
    if (folder := _folders.get(path)) is not None and folder[0] == _times(path):
        return folder[1]
    files = list(walk(path))
    found = digest_of(files, path)
    if len(files) > _MANY:
        _folders[path] = _times(path), found
    return found


def digest_of(files: Iterable[Path], root: Path) -> str:
    """Return hex digits of what ``files`` hold, and of their names below ``root``; kept for next time."""
    try:
        files = sorted(files)
        stats = [file.stat() for file in files]
        names = [file.relative_to(root).as_posix() for file in files]
        seen = [f"{name} {s.st_size} {s.st_mtime_ns} {s.st_ino}" for name, s in zip(names, stats, strict=True)]
        look = hashlib.sha256("\n".join(seen).encode()).hexdigest()
        place = cache_folder() / "digests" / f"{hashlib.sha256(str(root).encode()).hexdigest()[:LENGTH]}.json"
        if (kept := _known.get(root) or _kept(place)) is not None and kept[0] == look:
            _known[root] = kept
            return kept[1]
        whole = hashlib.sha256()
        for name, file in zip(names, files, strict=True):
            with file.open("rb") as content:
                whole.update(f"{name}\0{hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    except OSError as error:
        raise ConfigError(f"{error.filename or root} cannot be read ({error.strerror}).") from error
    found = whole.hexdigest()[:LENGTH]
    if not any(0 <= time.time() - s.st_mtime < _SETTLED for s in stats):
        _known[root] = look, found
        with suppress(OSError, RecordError):  # it is only read again next time
            write_atomically(place, json.dumps([look, found]))
    return found


def walk(folder: Path) -> Iterator[Path]:
    """Yield every file below ``folder`` in the order of their names, those that begin with a dot left out."""
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(where, name) for name in sorted(files) if not name.startswith("."))


def _times(folder: Path) -> tuple[tuple[str, int], ...]:
    """Return when each folder below had something added, removed or renamed."""
    with suppress(OSError):
        return tuple((where, Path(where).stat().st_mtime_ns) for where, _, _ in os.walk(folder))
    return ()


def _kept(place: Path) -> tuple[str, str] | None:
    with suppress(OSError, ValueError):
        look, found = json.loads(place.read_text(encoding="utf-8"))
        return str(look), str(found)
    return None
