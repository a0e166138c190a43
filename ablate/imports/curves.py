"""What curves are called: one name for what trackers call ``val_loss``, ``valid/loss`` and ``Loss/validation``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_SPLITS = {
    name: split
    for split, names in {
        "val": ("val", "valid", "validation", "eval", "dev"),
        "train": ("train", "training"),
        "test": ("test",),
    }.items()
    for name in names
}
_ANY = "|".join(sorted(_SPLITS, key=len, reverse=True))
_BEFORE = re.compile(rf"({_ANY})[/_. -]+(\S.*)", re.IGNORECASE)
_AFTER = re.compile(rf"(\S.*?)/({_ANY})", re.IGNORECASE)
_NOT_CURVES = frozenset({"epoch", "step", "hp_metric"})
_EPOCH = "_epoch"


def renamed(names: Iterable[str], asked: Mapping[str, str]) -> dict[str, str]:
    """Return what each curve is called from now on: as ``asked``, or ``<split>/<name>`` where its own says the split.

    A name that is another curve's already is not given twice. What counts epochs is no curve.
    """
    theirs = {name: new for new, name in asked.items()}
    taken = {*asked}
    found = {}
    for name in sorted(names):
        if name in theirs or (name not in _NOT_CURVES and _plain(name) == name and name not in taken):
            found[name] = theirs.get(name, name)
            taken.add(found[name])
    for name in sorted(names):
        if name not in found and name not in _NOT_CURVES:
            plain = _plain(name)
            found[name] = name if plain in taken else plain
            taken.add(found[name])
    return found


def _plain(name: str) -> str:
    """Return ``val/loss`` for ``val_loss``, ``Loss/validation`` or ``val_loss_epoch``; other names as they are."""
    if match := _BEFORE.fullmatch(name):
        split, rest = match[1], match[2]
    elif match := _AFTER.fullmatch(name):
        split, rest = match[2], match[1].lower()
    else:
        return name
    return f"{_SPLITS[split.lower()]}/{rest.removesuffix(_EPOCH)}"
