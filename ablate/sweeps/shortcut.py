"""What Hydra would make of the settings of one part, without composing all the others again."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.plugins.config_source import ConfigSource
from omegaconf import DictConfig, OmegaConf

from ablate.config import Config, refuse_unknown, to_config
from ablate.registry import registry
from ablate.techniques import KINDS

_ONE_NODE = {*KINDS, "trainer"} - {"reg"}
"""The parts that are a typed node of the tree by themselves."""


class Shortcut:
    """Applies settings to ``tree``, which Hydra has composed out of ``sources`` where nothing is said.

    That is what Hydra does too, after it has read and copied all there is to choose from, which takes it a hundred
    times as long.
    """

    def __init__(self, tree: DictConfig, sources: Sequence[ConfigSource]) -> None:
        self.nothing_said = to_config(tree)
        self._tree = tree
        self._parser = OverridesParser.create()
        files = [source for source in sources if source.scheme() != "structured"]
        self._with_files = frozenset(kind for kind in KINDS if any(source.is_group(kind) for source in files))

    def config(self, names: Sequence[str], texts: Sequence[str]) -> Config | None:
        """Return the configuration of ``texts``, which decide on the one part that ``names`` say and on nothing else.

        None where it takes Hydra: for what only it can read, several parts, a preset, regularizers, which are a group
        of their own, settings of the run itself, whose types only the whole knows, options out of somebody's YAML
        files, and whatever is wrong, which it says better.
        """
        if len(names) != 1 or names[0] not in _ONE_NODE or names[0] in self._with_files:
            return None
        (root,) = names
        try:
            said = self._parser.parse_overrides(list(texts))
            if not all(_is_plain(one) and one.key_or_group.partition(".")[0] == root for one in said):
                return None
            tree = OmegaConf.masked_copy(self._tree, [root])
            for one in sorted(said, key=lambda one: one.key_or_group not in KINDS):  # the option, then its parameters
                value = one.value()
                if one.key_or_group in KINDS:
                    tree[root] = (
                        ConfigStore.instance().load(f"{root}/{registry().get(root, str(value)).name}.yaml").node
                    )
                else:
                    OmegaConf.update(tree, one.key_or_group, value, merge=True)
            refuse_unknown(tree)
            part: Any = OmegaConf.to_object(tree)
            return dataclasses.replace(self.nothing_said, **part)
        except Exception:  # whatever is wrong with it
            return None


def _is_plain(one: Override) -> bool:
    """Return whether an override sets a value, and neither adds, deletes, sweeps nor refers to another."""
    plain = not (one.is_add() or one.is_delete() or one.is_force_add() or one.is_sweep_override())
    return plain and one.package is None and "${" not in (one.input_line or "")
