"""A plugin to begin with: writes a complete distribution with one working option and its contract tests."""

from __future__ import annotations

import re
import shutil
import tempfile
from importlib.resources import as_file, files
from pathlib import Path
from string import Template

from ablate.composition import defaults
from ablate.errors import ConfigError
from ablate.registry import registry
from ablate.techniques import KINDS

_NAME = re.compile(r"[a-z][a-z0-9_]*[a-z0-9]|[a-z]")
_PARTNERS = {"pool": " model=cnn", "loss": " data=diabetes"}
"""What a first sweep needs beside the option."""


def write_plugin(name: str, kind: str, into: Path) -> Path:
    """Write the distribution ``ablate-<name>``, which adds the option ``kind=name``, into the folder ``into``.

    Returns its folder. Raises ``ConfigError`` for a kind that does not exist, a name that cannot be one or is taken,
    and a folder that exists already.
    """
    if kind not in KINDS:
        raise ConfigError(f"--kind {kind}: there is no such kind. Kinds: {', '.join(KINDS)}.")
    if not _NAME.fullmatch(name):
        raise ConfigError(f"'{name}' cannot be an option's name: take small letters, digits and _, a letter first.")
    if (taken := registry().options(kind).get(name)) is not None:
        raise ConfigError(f"{kind}={name} exists already, from {taken.distribution}. Choose another name.")
    distribution = f"ablate-{name.replace('_', '-')}"
    target = into / distribution
    if target.exists():
        raise ConfigError(f"{target} exists already. Choose another name, or move it away.")
    words = {
        "name": name,
        "kind": kind,
        "class": "".join(part.capitalize() for part in name.split("_")),
        "package": f"ablate_{name}",
        "distribution": distribution,
        "comparison": f"{kind}={name},{defaults()[kind]}{_PARTNERS.get(kind, '')}",
    }
    into.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{distribution}-", dir=into))  # beside the target: a rename is atomic
    try:
        scratch.chmod(0o755)
        with as_file(files("ablate") / "templates") as templates:
            _render(templates / "common", scratch, words)
            _render(templates / kind, scratch / words["package"], words)
        scratch.rename(target)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return target


def _render(templates: Path, target: Path, words: dict[str, str]) -> None:
    """Write every template below ``templates`` to ``target``, the ``.txt`` of its name left out."""
    for template in sorted(templates.rglob("*.txt")):
        path = target / template.relative_to(templates).with_suffix("")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template(template.read_text(encoding="utf-8")).substitute(words), encoding="utf-8")
