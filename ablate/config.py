"""The configuration of one run: typed, validated, and the identity that decides whether a run is done already."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from omegaconf import MISSING, DictConfig, OmegaConf, open_dict

from ablate.checks import at_least, not_negative, positive
from ablate.errors import ConfigError, did_you_mean
from ablate.registry import Option, registry
from ablate.source import Source, WeightsFile, locate
from ablate.techniques import (
    KINDS,
    Activation,
    Data,
    Init,
    Loss,
    Model,
    Norm,
    Optimizer,
    Pool,
    Regularizer,
    Schedule,
    Task,
    Technique,
)

_FOLDER = re.compile(r"(?!\.)[A-Za-z0-9.,+=_-]{1,200}")

STRATEGIES = ("auto", "ddp", "ddp_find_unused_parameters_true")
"""How several devices share a run; ``auto`` is ``ddp``, and the last is for networks that do not use all weights."""


TRACKERS = ("mlflow", "wandb", "aim")
LOGGERS = ("tensorboard", "csv", *TRACKERS)
"""What ``logger`` may list; the curves of the record, ``csv``, are kept in any case."""


@dataclass
class TrainerConfig:
    """How long and on what to train; handed to Lightning's Trainer.

    ``max_steps``, in optimizer steps, takes the place of ``max_epochs``. ``validations`` is the number of points at
    which the curves are measured, spread evenly over the run. ``threads`` limits torch's CPU threads: small models
    are fastest, and repeatable, on one. ``checkpoint_seconds`` is the time between two checkpoints of a run that
    trains, 0 for one after every step: what an interruption costs at most. ``devices`` share each batch
    and the ``strategy`` says how; statistics of a batch, as of ``norm=bn``, are those of each device's share.
    ``diagnostics`` measures gradients, updates and activations of each layer at five steps of the run.
    """

    max_epochs: int = 20
    max_steps: int | None = None
    validations: int = 20
    accelerator: str = "auto"
    devices: int = 1
    strategy: str = "auto"
    precision: str = "32-true"
    accumulate_grad_batches: int = 1
    gradient_clip_val: float | None = None
    deterministic: bool = True
    threads: int = 1
    checkpoint_seconds: float = 30.0
    diagnostics: bool = True
    progress: bool = False

    def __post_init__(self) -> None:
        at_least(1, max_epochs=self.max_epochs, max_steps=self.max_steps, validations=self.validations)
        at_least(1, threads=self.threads, accumulate_grad_batches=self.accumulate_grad_batches)
        not_negative(checkpoint_seconds=self.checkpoint_seconds)
        at_least(1, devices=self.devices)
        if self.strategy not in STRATEGIES:
            raise ValueError(f"strategy must be one of {', '.join(STRATEGIES)}, not {self.strategy}")
        if self.devices == 1 and self.strategy != "auto":
            raise ValueError(f"strategy={self.strategy} needs several devices: add trainer.devices=2, or drop it")
        if self.gradient_clip_val is not None:
            positive(gradient_clip_val=self.gradient_clip_val)

    def steps(self, batches: int) -> int:
        """Return how many optimizer steps a run has, of so many ``batches`` an epoch."""
        return self.max_steps or self.max_epochs * -(-batches // self.accumulate_grad_batches)


class InitHead(Enum):
    """What happens to the head of a network that starts from an earlier run's weights, and to the rest, its body.

    ``keep`` loads all that matches · ``new`` leaves the head at its own first weights · ``frozen`` trains a new head
    on a body that does not change · ``scratch`` loads nothing: the arm that the others are compared with.
    """

    scratch = "scratch"
    keep = "keep"
    new = "new"
    frozen = "frozen"


@dataclass
class Config:
    """One run: the technique of each kind, the trainer, and the settings that are no part of its identity but the seed.

    ``name`` is the sweep's folder, ``label`` the arm's. ``logger`` lists who is told of the curves. ``allow_code`` is
    the word of whoever calls that code which a setting names may run (model=import). ``init_from`` names the run whose
    weights this one starts from: its folder, an arm's folder or hash (each run then takes the run of its own seed),
    ``<hash>/seed=<n>``, or a file of weights. ``freeze`` names parts that do not learn. ``layer_decay`` makes the
    learning rate of each level of weights so many times that of the next: lr · layer_decay^distance from the output.
    """

    act: Activation = MISSING
    init: Init = MISSING
    norm: Norm = MISSING
    reg: dict[str, Regularizer] = field(default_factory=dict)
    pool: Pool = MISSING
    opt: Optimizer = MISSING
    loss: Loss = MISSING
    sched: Schedule = MISSING
    model: Model = MISSING
    data: Data = MISSING
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    init_from: str | None = None
    init_head: InitHead = InitHead.keep
    freeze: list[str] = field(default_factory=list)
    layer_decay: float = 1.0
    seed: int = 0
    name: str | None = None
    label: str | None = None
    output_dir: str = "outputs"
    logger: list[str] = field(default_factory=lambda: list(LOGGERS[:2]))
    allow_code: bool = False

    def __post_init__(self) -> None:
        _check_loggers(self.logger)
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must be a whole number from 0 to 4294967295, not {self.seed}")
        if self.name is not None and not _FOLDER.fullmatch(self.name):
            raise ValueError(f"name must be a plain folder name of letters, digits and . , + = _ -, not '{self.name}'")
        if not 0 < self.layer_decay <= 1:
            raise ValueError(f"layer_decay must be above 0 and at most 1, not {self.layer_decay}")
        if self.init_from is None and self.init_head is not InitHead.keep:
            raise ValueError(
                f"init_head={self.init_head.name} changes nothing without init_from. To compare with a start from "
                "scratch, write init_from=<run> init_head=scratch,keep,new,frozen"
            )

    @property
    def source(self) -> Source | WeightsFile | None:
        """The arm, run or file whose weights this run starts from; raises ``ConfigError`` where there is none such."""
        if self.init_from is None or self.init_head is InitHead.scratch:
            return None
        return locate(self.init_from, self.output_dir)

    def elsewhere(self, output_dir: str | None = None) -> Config:
        """Return the same run for another working directory, or with another ``output_dir``: paths are absolute."""
        source = self.source
        start = self.init_from if source is None else str(source.place.absolute())
        where = output_dir or str(Path(self.output_dir).resolve())
        return dataclasses.replace(self, output_dir=where, init_from=start, data=self.data.absolute())

    def techniques(self) -> dict[str, Technique]:
        """Return the chosen techniques by their dotted key: ``norm``, ``opt``, …, ``reg.l2``."""
        found: dict[str, Technique] = {}
        for kind in KINDS:
            if kind == "reg":
                found |= {f"reg.{name}": self.reg[name] for name in sorted(self.reg)}
            else:
                found[kind] = getattr(self, kind)
        return found

    def options(self) -> dict[str, Option]:
        """Return the registered option behind each technique, by the same keys as :meth:`techniques`."""
        return {key: registry().option_of(technique) for key, technique in self.techniques().items()}

    def choices(self) -> dict[str, str]:
        """Return the option chosen for each kind, as on the command line: ``{"norm": "bn", "reg": "[dropout,l2]"}``."""
        chosen = {kind: option.name for kind, option in self.options().items() if "." not in kind}
        regs = sorted(self.reg)
        chosen["reg"] = "none" if not regs else regs[0] if len(regs) == 1 else f"[{','.join(regs)}]"
        return {kind: chosen[kind] for kind in KINDS}

    def flat(self) -> dict[str, Any]:
        """Return every scientific setting by its key on the command line, the seed left out."""
        settings: dict[str, Any] = {**self.choices()}
        for key, technique in self.techniques().items():
            settings |= _by_key(key, _plain(technique))
        if (source := self.source) is not None:  # by content, so that moved folders change nothing
            settings |= {"init_from": source.reference, "init_head": self.init_head.name}
        settings |= self._of_parts()
        trainer = _plain(self.trainer)
        return settings | {f"trainer.{k}": v for k, v in trainer.items() if k not in UNSCIENTIFIC_TRAINER}

    def _of_parts(self) -> dict[str, Any]:
        """Return what is said of parts of the network; nothing where nothing is, so that hashes stay what they were."""
        said: dict[str, Any] = {"freeze": list(self.freeze)} if self.freeze else {}
        return said | ({"layer_decay": self.layer_decay} if self.layer_decay < 1 else {})

    def versions(self) -> dict[str, str]:
        """Return the version of every distribution whose options are used."""
        found = {name: version for o in self.options().values() for name, version in o.versions.items()}
        return found | {name: v for t in self.techniques().values() for name, v in t.versions().items()}

    @property
    def task(self) -> Task:
        """What the run's network is trained for, and so which loss, which metrics and which judge it has."""
        return self.model.goal or self.data.task

    @property
    def arm_hash(self) -> str:
        """Eight hex digits of everything but the seed that can change a result, plugin versions included.

        Data that is read from outside counts by its content: it may be moved, but not changed.
        """
        settings = self.flat()
        identity: dict[str, Any] = {"settings": settings, "versions": self.versions()}
        if (content := self.data.content()) is not None:
            elsewhere = {f"data.{name}" for name in self.data.elsewhere}
            identity["settings"] = {key: value for key, value in settings.items() if key not in elsewhere}
            identity["content"] = content
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]

    @property
    def folder_name(self) -> str:
        """``name``, or ``<data>-<model>``."""
        return self.name or f"{self.data_name}-{self.choices()['model']}"

    @property
    def data_name(self) -> str:
        """What the data is called: the option, or the file that it reads."""
        title = self.data.title or self.choices()["data"]
        return re.sub(r"[^A-Za-z0-9.,+=_-]+", "_", title).lstrip(".")[:80] or self.choices()["data"]

    def to_dict(self) -> dict[str, Any]:
        """Return the whole configuration as plain data, each technique with its option's name."""
        options = self.options()

        def described(key: str, technique: Technique) -> dict[str, Any]:
            return {"option": options[key].name, **_plain(technique)}

        techniques = self.techniques()
        tree: dict[str, Any] = {k: described(k, t) for k, t in techniques.items() if "." not in k}
        tree["reg"] = {name: _plain(self.reg[name]) for name in sorted(self.reg)}
        tree = {k: tree[k] for k in KINDS} | {"trainer": _plain(self.trainer)}
        if (source := self.source) is not None:
            tree |= {"init_from": source.reference, "init_head": self.init_head.name}
        tree |= self._of_parts()
        own = ("seed", "name", "label", "output_dir", "logger")  # what may run code is said by who calls, not by a file
        return tree | {k: getattr(self, k) for k in own}


UNSCIENTIFIC_TRAINER = frozenset(
    {"accelerator", "checkpoint_seconds", "diagnostics", "progress", "strategy", "threads"}
)
"""Trainer settings that say where and how loudly to train, or what to look at, not what to train."""

UNSCIENTIFIC = frozenset({"seed", "name", "label", "output_dir", "logger", "allow_code"})
"""Root settings that are not part of an arm."""


def _check_loggers(names: list[str]) -> None:
    for name in names:
        if name not in LOGGERS:
            raise ValueError(f"logger={name}: there is no such logger.{did_you_mean(name, LOGGERS)} {_LISTED}")
        if name in TRACKERS and find_spec(name) is None:
            raise ValueError(
                f'logger={name}: its package is not installed, pip install "lightning-ablate[{name}]"; or leave it out'
            )


_LISTED = f"Loggers: {', '.join(LOGGERS)}; several as in logger=tensorboard,csv,mlflow"


def is_scientific(key: str) -> bool:
    """Say whether the setting under dotted ``key`` is part of an arm's identity."""
    root, _, rest = key.partition(".")
    return root not in UNSCIENTIFIC and not (root == "trainer" and rest in UNSCIENTIFIC_TRAINER)


def _by_key(key: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by their dotted keys; what a mapping holds has keys of its own."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= _by_key(f"{key}.{name}", value) if isinstance(value, Mapping) else {f"{key}.{name}": value}
    return found


def _plain(instance: Any) -> dict[str, Any]:
    """Return the fields of a dataclass as JSON types; an Enum or infinity becomes its name, as on the command line."""

    def value(v: Any) -> Any:
        if isinstance(v, Enum):
            return v.name
        if isinstance(v, float) and not math.isfinite(v):  # which JSON does not know
            return str(v)
        if isinstance(v, Mapping):
            return {str(k): value(x) for k, x in v.items()}
        return [value(x) for x in v] if isinstance(v, list | tuple) else v

    return {f.name: value(getattr(instance, f.name)) for f in dataclasses.fields(instance)}


def to_config(tree: DictConfig) -> Config:
    """Turn a composed Hydra config into a :class:`Config`.

    Raises ``ConfigError`` for an unknown key (structured configs would carry it along unused), a kind without
    an option, and a value that a technique refuses.
    """
    tree = copy.copy(tree)
    with open_dict(tree):
        tree.pop("hydra", None)
    refuse_unknown(tree)
    for kind in KINDS:
        if OmegaConf.is_missing(tree, kind):
            none = " `none` is an option of its own." if "none" in registry().options(kind) else ""
            raise ConfigError(
                f"{kind} has no option: every kind needs one.{none} "
                f"Options of {kind}: {', '.join(registry().options(kind))}."
            )
    try:
        config = OmegaConf.to_object(tree)
    except ValueError as error:
        raise ConfigError(_locate(tree, error)) from error
    assert isinstance(config, Config)
    for key, technique in config.techniques().items():
        if not registry().knows(technique):
            raise ConfigError(f"{key} has parameters, but was not chosen: write {key.replace('.', '=')}.")
    return config


def refuse_unknown(node: Any, path: str = "") -> None:
    """Raise ``ConfigError`` for a key that its dataclass does not have."""
    if not isinstance(node, DictConfig) or node._is_none():
        return
    schema = OmegaConf.get_type(node)
    if dataclasses.is_dataclass(schema):
        known = [f.name for f in dataclasses.fields(schema)]
        for key in map(str, node.keys()):
            if key not in known:
                where = path.rstrip(".") or "the configuration"
                raise ConfigError(f"{path}{key}: {where} has no such setting. Valid: {', '.join(known) or '(none)'}.")
    for name in node:
        if not OmegaConf.is_missing(node, name):
            refuse_unknown(node._get_node(name), f"{path}{name!s}.")


def _locate(tree: DictConfig, error: ValueError) -> str:
    """Say in which part of the configuration a technique's own check failed."""
    parts = {key: tree[key] for key in (*KINDS, "trainer") if key != "reg"}
    parts |= {f"reg.{name}": node for name, node in tree.reg.items()}
    for key, node in parts.items():
        try:
            OmegaConf.to_object(node)
        except ValueError as own:
            return f"{key}: {own}."
    return str(error)
