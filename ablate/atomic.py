"""Writing to disk: a file is there whole, as it was or as it is to be, or one sentence says why it cannot be."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ablate.errors import RecordError


def check_writable(folder: Path) -> None:
    """Make ``folder``; raise ``RecordError`` where that, or writing into it, is impossible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise unwritable(folder, error) from error


def write_atomically(path: Path, text: str) -> None:
    """Write ``text`` to ``path``: readers see the old content or the new, never half."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


@contextlib.contextmanager
def atomic(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that replaces it on success and is removed on failure.

    What is ``durable`` is on the disk itself before it replaces anything, and outlives a power cut. Raises
    ``RecordError`` where the file cannot be written, a full disk included.
    """
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise unwritable(path.parent, error) from error
    temporary = Path(name)
    try:
        yield temporary
        if durable:
            sync(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise unwritable(path.parent, error) from error
        raise


def sync(path: Path) -> None:
    """Wait until the disk itself has the file, so that it outlives a power cut."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def unwritable(folder: Path, error: OSError) -> RecordError:
    """Return the error to raise for a folder that cannot be written."""
    return RecordError(
        f"{folder} cannot be written ({error.strerror}). Mend that and call again, or choose another output_dir."
    )
