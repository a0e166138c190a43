"""What arms are called where they stand side by side: by what differs between them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

NOTHING_SAID = "default"
_SETTING = re.compile(r"[+~]{0,2}[A-Za-z_][\w./@-]*=")
_PAIRS = {"[": "]", "{": "}", "(": ")"}


@dataclass(frozen=True)
class Names:
    """The names of arms, no two the same, and the settings that they share."""

    own: Mapping[str, str]
    """Of each arm, by its hash."""
    shared: tuple[str, ...] = ()
    """The settings that every label has and no name repeats."""

    def of(self, arm: str, label: str) -> str:
        """Return the name of the arm with a hash; the whole ``label`` where it is none of these arms."""
        return self.own.get(arm, label)

    def sentence(self) -> str:
        """Return the shared settings as a line: ``All arms: model.depth=6``; empty without any."""
        return f"All arms: {', '.join(self.shared)}" if self.shared else ""


def names(labels: Mapping[str, str]) -> Names:
    """Return what to call arms, from their whole labels by hash: ``model.depth=6,norm=bn`` becomes ``norm=bn``.

    A setting is left out if all labels have it. One arm alone keeps its label. A label that is no list of settings,
    because a person gave it, stays whole. Where two arms would have the same name, the hash is added to it.
    """
    parts = {arm: settings(label) for arm, label in labels.items()}
    shared: list[str] = []
    if len(parts) > 1:
        first, *rest = parts.values()
        shared = [part for part in first if _SETTING.match(part) and all(part in other for other in rest)]
    found = {arm: ",".join(p for p in own if p not in shared) or NOTHING_SAID for arm, own in parts.items()}
    count = Counter(found.values())
    return Names({arm: name if count[name] == 1 else f"{name}-{arm}" for arm, name in found.items()}, tuple(shared))


def settings(label: str) -> list[str]:
    """Return the settings that a label lists, split at commas outside brackets and quotes; else the label alone."""
    if label == NOTHING_SAID:
        return []
    parts, closing, quote = [""], "", ""
    for sign in label:
        if sign == "," and not closing and not quote:
            parts.append("")
            continue
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in _PAIRS:
            closing += _PAIRS[sign]
        elif closing.endswith(sign):
            closing = closing[:-1]
        parts[-1] += sign
    return parts if all(map(_SETTING.match, parts)) else [label]
