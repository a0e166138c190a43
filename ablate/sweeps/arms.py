"""The arms of a sweep: combinations of levels as configurations, each composed once."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from hydra.core.config_loader import ConfigLoader

from ablate import composition
from ablate.config import Config
from ablate.designs.factor import Arm, Factor
from ablate.engines.planned import PlannedRun
from ablate.override_checks import applies
from ablate.overrides import Setting, written
from ablate.sweeps.parts import Parts
from ablate.techniques import KINDS


@dataclass(frozen=True)
class PlannedArm:
    """An arm, its configuration with the first seed, and the overrides that compose it but for seed and names."""

    levels: Arm
    config: Config
    arguments: tuple[str, ...]
    typed: str | None = None
    """The command of the sweep."""

    def run(self, seed: int) -> PlannedRun:
        """Return the run with ``seed``."""
        config = dataclasses.replace(self.config, seed=seed)
        said = (text for text in self.arguments if text.partition("=")[0] not in ("name", "label"))
        names = (f"name={config.folder_name}", f"label={written(config.label or '')}")
        return PlannedRun(config, (*said, f"seed={seed}", *names), self.typed)


class Composer:
    """Turns levels into configurations.

    ``settings`` are those of the command line, the sweep's own left out; of them ``factors`` are swept and the rest
    is the same in every arm, but for the ``tuned`` keys, which each arm is given by itself.
    """

    def __init__(
        self,
        settings: Sequence[Setting],
        loader: ConfigLoader,
        *,
        tuned: Collection[str] = (),
        presets: Collection[str] = (),
        typed: str | None = None,
    ) -> None:
        own = [s for s in settings if s.key not in (*tuned, "seed")]
        self.factors = tuple(Factor(s.key, s.levels) for s in own if s.swept)
        self.fixed = [s for s in own if not s.swept]
        self.seeds = next((tuple(map(int, s.levels)) for s in settings if s.key == "seed"), ())
        self._named = [s for s in settings if s.key not in tuned]
        self._prefixes = {s.key: s.prefix for s in settings}
        self._parts = Parts(loader)
        self._typed = typed
        self._told_by_kind = not any(s.key in presets for s in settings)  # a preset may choose any option
        self._composed: dict[tuple[tuple[str, str], ...], Config] = {}

    def meaning(self, levels: Arm) -> Arm:
        """Return ``levels`` without the parameters that the options of this arm do not have."""
        return {key: level for key, level in levels.items() if self.applies(key, levels)}

    def plan(self, levels: Arm, *, tuned: Mapping[str, str] | None = None, name: str | None = None) -> PlannedArm:
        """Return the arm of ``levels``, with the values that tuning gave it."""
        config = dataclasses.replace(self.config(levels, tuned=tuned))
        config.name = config.name or name
        if tuned:
            said = [config.label or ""] if config.label != "default" else []
            config.label = ",".join([*said, *(f"{key}={value}" for key, value in tuned.items())])
        texts = tuple(text for _, text in self._said(levels, self.fixed, tuned or {}))
        return PlannedArm(levels, config, texts, self._typed)

    def config(self, levels: Arm, *, tuned: Mapping[str, str] | None = None) -> Config:
        """Return the configuration of ``levels``; the guards look at its first seed."""
        return self._compose(levels, self.fixed, tuned or {})

    def without(self, levels: Arm, setting: Setting) -> Config:
        """Return the configuration of ``levels`` where ``setting``, which is fixed, is left out."""
        # its parameters go with it, swept or not: the option in its place does not have them
        own = (f"{setting.key}.", "init_head") if setting.key == "init_from" else f"{setting.key}."
        rest = {key: level for key, level in levels.items() if not key.startswith(own)}
        return self._compose(rest, [s for s in self.fixed if s is not setting and not s.key.startswith(own)], {})

    def applies(self, key: str, levels: Arm) -> bool:
        """Say whether the options of this arm have the parameter under ``key``."""
        kind = key.partition(".")[0]
        if not self._told_by_kind or kind not in KINDS or key == kind:
            return True
        return applies(key, self._chosen(kind, levels))

    def _chosen(self, kind: str, levels: Arm) -> str:
        """Return the option of a kind in an arm: swept, said, or what its model has where nothing is said."""
        said = levels.get(kind) or next((s.levels[0] for s in self.fixed if s.key == kind), None)
        if said is not None:
            return said
        defaults = composition.defaults()
        return defaults[kind] if kind == "model" else composition.defaults_beside(self._chosen("model", levels))[kind]

    def _said(self, levels: Arm, fixed: Sequence[Setting], tuned: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """Return the key and the override of each setting of an arm."""
        said = ((s.key, s.text) for s in fixed if self.applies(s.key, levels))
        swept = ((key, f"{self._prefixes[key]}{key}={level}") for key, level in levels.items())
        return (*said, *swept, *((key, f"{key}={value}") for key, value in tuned.items()))

    def _compose(self, levels: Arm, fixed: Sequence[Setting], tuned: Mapping[str, str]) -> Config:
        said = self._said(levels, fixed, tuned)
        if said not in self._composed:
            config = self._parts.config(said)
            named = [s for s in self._named if s.key in levels or (not s.swept and self.applies(s.key, levels))]
            config.label = composition.label_of(config, named, levels)
            if self.seeds:
                config.seed = self.seeds[0]
            self._composed[said] = config
        return self._composed[said]
