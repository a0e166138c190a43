"""Plugins that are single files, named by ``--plugin FILE`` or in the environment variable ``ABLATE_PLUGINS``.

A file becomes a module under this one, ``ablate.files.my_norm_0a1b2c3d``, with a digest of its content in the name. The
environment variable is the only memory of which files there are: processes that are started from this one inherit
it, and with it find the classes that are handed to them by the module's name.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType

from ablate.errors import PluginError

VARIABLE = "ABLATE_PLUGINS"
__path__: list[str] = []  # Python looks for sub-modules only where there is one


def named() -> list[Path]:
    """Return the files in the environment variable."""
    return [Path(part) for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part]


def remember(path: Path) -> None:
    """Add the file to the environment variable, for the processes that this one starts."""
    if path not in named():
        os.environ[VARIABLE] = os.pathsep.join(map(str, [*named(), path]))


def resolve(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path; raise ``PluginError`` where no file can be read there."""
    file = Path(path).expanduser().resolve()
    if file.is_dir():
        raise PluginError(
            f"The plugin file {path} is a folder. Name a Python file that defines register_techniques(register)."
        )
    if not file.is_file():
        raise PluginError(f"There is no plugin file {path}{'' if file == Path(path) else f' ({file})'}.")
    if os.pathsep in str(file):
        raise PluginError(f"The plugin file {file} has a '{os.pathsep}' in its path, which parts files in {VARIABLE}.")
    return file


def digest(file: Path) -> str:
    """Return eight hex digits of the content: the version of what the file brings."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    except OSError as error:
        raise PluginError(f"The plugin file {file} cannot be read ({error.strerror}).") from error


def load(file: Path) -> ModuleType:
    """Import the file; whatever it raises is passed on."""
    name = _module_name(file)
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_loader(name, _Loader(name, str(file)))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _module_name(file: Path) -> str:
    return f"{__name__}.{re.sub(r'[^A-Za-z0-9_]', '_', file.stem)}_{digest(file)}"


class _Loader(SourceFileLoader):
    def path_stats(self, path: str) -> Mapping[str, object]:
        """Keep bytecode out of it: its cache takes two contents of the same second and length for one."""
        raise OSError


class _Finder(MetaPathFinder):
    """Finds a file's module by its name, as the receiver of a pickled class has to."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.startswith(f"{__name__}."):
            for file in named():
                if file.is_file() and _module_name(file) == fullname:
                    return importlib.util.spec_from_loader(fullname, _Loader(fullname, str(file)))
        return None


sys.meta_path.append(_Finder())
