"""Configurations put together from parts, so that a sweep looks at each level once and not at each combination."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property

from hydra.core.config_loader import ConfigLoader

from ablate import composition
from ablate.config import Config, to_config
from ablate.errors import ConfigError
from ablate.registry import registry
from ablate.sweeps.shortcut import Shortcut

_TOGETHER = ("init_from", "init_head")
"""Settings of which neither is checked without the other."""


class Parts:
    """Makes configurations of overrides; what is said of one part is made once, by a shortcut or by Hydra.

    A setting decides on its own part, ``opt.lr`` on the optimizer and nothing else, so that a thousand arms take no
    more than their levels. Whether that is so is looked at, not taken for granted: where a setting reaches further, as
    a preset of ``+experiment=…`` may, the whole is composed.
    """

    def __init__(self, loader: ConfigLoader) -> None:
        self._loader = loader
        self._composed: dict[tuple[str, ...], Config] = {}
        self._parts: dict[tuple[str, ...], Config] = {}

    @cached_property
    def _shortcut(self) -> Shortcut:
        return Shortcut(composition.load(self._loader, ()), self._loader.get_sources())

    def config(self, said: Sequence[tuple[str, str]]) -> Config:
        """Return the configuration of ``said``, pairs of a key and the override that sets it; raise ``ConfigError``."""
        texts: dict[tuple[str, ...], list[str]] = {}
        for key, text in said:
            texts.setdefault(_decided_by(key.partition(".")[0]), []).append(text)
        whole = tuple(text for _, text in said)
        model = tuple(text for key, text in said if key == "model" and _has_defaults(text))
        if model:  # beside which other options are those of which nothing is said
            texts = {names: own if names == ("model",) else [*model, *own] for names, own in texts.items()}
        try:
            base, parts = self._compose(model), {names: self._part(names, own) for names, own in texts.items()}
        except ConfigError:  # what is wrong alone may be right beside a preset
            return dataclasses.replace(self._compose(whole))
        if any(_replaced(part, base, names) != base for names, part in parts.items()):
            return dataclasses.replace(self._compose(whole))
        for names, part in parts.items():
            base = _replaced(base, part, names)
        return dataclasses.replace(base)

    def _part(self, names: tuple[str, ...], texts: Sequence[str]) -> Config:
        """Return a configuration of which only what ``names`` say is looked at."""
        said = tuple(texts)
        if said not in self._parts:
            self._parts[said] = self._shortcut.config(names, said) or self._compose(said)
        return self._parts[said]

    def _compose(self, texts: tuple[str, ...]) -> Config:
        if texts not in self._composed:
            self._composed[texts] = (
                to_config(composition.load(self._loader, texts)) if texts else self._shortcut.nothing_said
            )
        return self._composed[texts]


def _has_defaults(choice: str) -> bool:
    """Say whether a model, ``model=timm``, has other options than the usual ones where nothing is said."""
    name = choice.partition("=")[2]
    return name in registry().options("model") and bool(registry().defaults(name))


def _decided_by(root: str) -> tuple[str, ...]:
    """Return what of a configuration the settings under ``root`` decide on; nothing of it is named after a preset."""
    if root in _TOGETHER:
        return _TOGETHER
    return (root,) if root in Config.__dataclass_fields__ else ()


def _replaced(config: Config, by: Config, names: Sequence[str]) -> Config:
    return dataclasses.replace(config, **{name: getattr(by, name) for name in names})
