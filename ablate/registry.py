"""Every option there is: plugins register here, and from here options enter Hydra's ConfigStore."""

from __future__ import annotations

import dataclasses
import functools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from ablate import admission, discovery, files, wrapping
from ablate.discovery import SESSION, Broken, Plugin, Source
from ablate.errors import ConfigError, PluginError, did_you_mean
from ablate.hookspecs import HOOKS, Check
from ablate.techniques import KINDS, Model, Technique


@dataclass(frozen=True)
class Option:
    """One value of a kind, and who brought it."""

    kind: str
    name: str
    cls: type[Technique]
    distribution: str
    version: str

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return admission.summary(self.cls)

    @property
    def source(self) -> str:
        """Module and distribution, for error messages."""
        return f"{self.cls.__module__} ({self.distribution})"

    @property
    def fields(self) -> tuple[dataclasses.Field[Any], ...]:
        """The parameters."""
        return dataclasses.fields(self.cls)

    @property
    def versions(self) -> dict[str, str]:
        """The versions that its runs depend on: of the distribution that brought it, and of the one it wraps."""
        # What a session registers has versions of its own, each class one.
        own = f"{SESSION}: {self.kind}={self.name}" if self.distribution == SESSION else self.distribution
        return {**wrapping.versions(self.cls), own: self.version}


@dataclass(frozen=True)
class StudyFile:
    """Where a study is written down, and whose it is."""

    path: Path
    distribution: str


class Registry:
    """Options by kind and name, and what was set aside."""

    def __init__(self) -> None:
        self._options: dict[str, dict[str, Option]] = {kind: {} for kind in KINDS}
        self._by_class: dict[type[Technique], Option] = {}
        self._files: dict[str, tuple[Path, Source]] = {}
        self._studies: dict[str, StudyFile] = {}
        self._checks: dict[str, tuple[Check, str]] = {}
        self.broken: list[Broken] = []

    def add(self, name: str, technique: type[Technique], distribution: str = SESSION, version: str = "") -> None:
        """Add an option, or raise ``PluginError`` saying what its author has to change."""
        kind = admission.kind_of(name, technique)
        option = Option(kind, name, technique, distribution, version or admission.source_version(technique))
        admission.check_dataclass(technique, option.source)
        if (before := self._earlier_edition(option)) is not None:
            self._remove(before)
        if (other := self._options[kind].get(name)) is not None:
            raise PluginError(
                f"{option.source} registers {kind}={name}, which {other.source} has already registered. "
                "Give it another name, or uninstall one of the two."
            )
        if (other := self._by_class.get(technique)) is not None:
            raise PluginError(
                f"{option.source} registers {technique.__name__} as {kind}={name}, but that class is "
                f"{other.kind}={other.name} already. Register a subclass with its own defaults."
            )
        self._options[kind][name] = option
        self._by_class[technique] = option
        wrapping.settle(technique, __name__, kind, name)

    def _earlier_edition(self, option: Option) -> Option | None:
        """Return what a cell of a notebook, run again, made before: its class takes the place of that one."""
        before = self._options[option.kind].get(option.name)
        if before is None or not before.distribution == option.distribution == SESSION:
            return None
        return before if admission.origin(before.cls) == admission.origin(option.cls) else None

    def _remove(self, option: Option) -> None:
        del self._options[option.kind][option.name], self._by_class[option.cls]

    def load(self, plugin: Plugin) -> None:
        """Add the options of a plugin; a bad one is set aside, and all of them where the hook fails."""

        def register(name: str, technique: type[Technique]) -> None:
            try:
                self.add(name, technique, plugin.source.distribution, plugin.source.version)
            except PluginError as error:
                label = f"{getattr(technique, 'kind', '')}={name}".removeprefix("=")
                self.broken.append(Broken(plugin.source, str(error), (label,)))

        def register_studies(path: str | os.PathLike[str]) -> None:
            self._add_studies(Path(path), plugin.source)

        def register_checks(name: str, check: Check) -> None:
            self._add_check(name, check, plugin.source)

        before = self._state()
        try:
            for name, call in zip(HOOKS, (register, register_studies, register_checks), strict=True):
                if name in plugin.hooks:
                    plugin.hooks[name](call)
        except (Exception, SystemExit) as error:
            self._restore(before)
            reason = str(error)
            if not isinstance(error, PluginError):
                reason = (
                    f"The hook of {plugin.module} ({plugin.source}) fails with {type(error).__name__}: "
                    f"{admission.first_line(error).rstrip('.')}. {plugin.source.way_out}"
                )
            self.broken.append(Broken(plugin.source, reason))

    def _add_studies(self, path: Path, source: Source) -> None:
        files = sorted(path.glob("*.yaml")) if path.is_dir() else [path] if path.is_file() else []
        if not files:
            raise PluginError(f"{source} registers studies in {path}, where there is no YAML file. {source.way_out}")
        for file in files:
            if (other := self._studies.get(file.stem)) is not None:
                raise PluginError(
                    f"{source} brings the study {file.stem}, which {other.distribution} has brought already. "
                    "Give it another name, or uninstall one of the two."
                )
            self._studies[file.stem] = StudyFile(file, source.distribution)

    def _add_check(self, name: str, check: Check, source: Source) -> None:
        if name in self._checks:
            raise PluginError(
                f"{source} registers the check {name}, which {self._checks[name][1]} has registered already. "
                "Give it another name, or uninstall one of the two."
            )
        self._checks[name] = (check, source.distribution)

    def studies(self) -> dict[str, StudyFile]:
        """Return the files of the studies that plugins brought, by name."""
        return dict(self._studies)

    def check(self, name: str) -> Check:
        """Return the check of an exact property, or raise ``ConfigError`` naming the valid ones."""
        if name not in self._checks:
            raise ConfigError(
                f"There is no check '{name}'.{did_you_mean(name, self._checks)} "
                f"Checks: {', '.join(sorted(self._checks)) or 'none'}."
            )
        return self._checks[name][0]

    def load_file(self, path: str | os.PathLike[str], *, strict: bool) -> None:
        """Add the options of a plugin file, in place of those that an earlier edition of it brought.

        What is wrong with it is set aside; if ``strict``, it raises ``PluginError`` and leaves everything as it was.
        """
        before = self._state()
        name = f"file:{Path(path).expanduser().resolve().name}"
        try:
            plugin = discovery.from_file(path)
            edition = files.resolve(path), plugin.source
            if self._files.get(name) == edition and not any(each.source == plugin.source for each in self.broken):
                return  # its classes stay those that configurations already hold
            self._make_room(name, edition[0])
            self._files[name] = edition
            self.load(plugin)
        except PluginError as error:
            self.broken.append(Broken(Source(name, ""), str(error)))
        if strict and (wrong := [each.reason for each in self.broken if each.source.distribution == name]):
            self._restore(before)
            raise PluginError(wrong[-1])

    def _make_room(self, name: str, file: Path) -> None:
        """Forget what an earlier edition of a file brought; refuse another file of the same name."""
        if name in self._files and (other := self._files[name][0]) != file:
            raise PluginError(
                f"There are two plugin files called {file.name}, {other} and {file}, which the records of runs could "
                "not tell apart. Rename one."
            )
        for option in [o for o in self._by_class.values() if o.distribution == name]:
            self._remove(option)
        self._studies = {key: one for key, one in self._studies.items() if one.distribution != name}
        self._checks = {key: one for key, one in self._checks.items() if one[1] != name}
        self.broken = [each for each in self.broken if each.source.distribution != name]

    def _state(self) -> tuple[Any, ...]:
        options = {kind: dict(named) for kind, named in self._options.items()}
        brought = dict(self._files), dict(self._studies), dict(self._checks)
        return options, dict(self._by_class), *brought, list(self.broken)

    def _restore(self, state: tuple[Any, ...]) -> None:
        self._options, self._by_class, self._files, self._studies, self._checks, self.broken = state

    def warning(self) -> str:
        """Return one line that names what was set aside, or nothing."""
        if not self.broken:
            return ""
        names = "; ".join(dict.fromkeys(map(str, self.broken)))
        return f"broken plugins were set aside: {names}. `python -m ablate plugins` says why."

    def knows(self, technique: Technique) -> bool:
        """Say whether ``technique`` is an instance of a registered option."""
        return type(technique) in self._by_class

    def options(self, kind: str) -> dict[str, Option]:
        """Return the options of ``kind`` by name, sorted."""
        return dict(sorted(self._options[kind].items()))

    def get(self, kind: str, name: str) -> Option:
        """Return one option, or raise ``ConfigError`` naming the valid ones."""
        if kind not in self._options:
            raise ConfigError(f"There is no kind '{kind}'. Kinds: {', '.join(KINDS)}.")
        if name not in self._options[kind]:
            choices = self.options(kind)
            raise ConfigError(
                f"{kind}={name}: there is no such option.{_meant(name, choices)}{self._why_not(kind, name)} "
                f"Options of {kind}: {', '.join(choices)}. "
                f"`python -m ablate plugins {kind}` describes them; installing a plugin adds more."
            )
        return self._options[kind][name]

    def _why_not(self, kind: str, name: str) -> str:
        """Return what was set aside that would have brought the option, or may have."""
        certain = [each.reason for each in self.broken if each.options and each.concerns(kind, name)]
        if certain:
            return f" It was set aside: {' '.join(certain)}"
        possible = [each.reason for each in self.broken if each.concerns(kind, name)]
        return f" It may belong to a broken plugin: {' '.join(possible)}" if possible else ""

    def option_of(self, technique: Technique) -> Option:
        """Return the option that ``technique`` is an instance of."""
        return self._by_class[type(technique)]

    def defaults(self, model: str) -> dict[str, str]:
        """Return the options of other kinds that ``model`` states for where nothing is said."""
        cls = self.get("model", model).cls
        return dict(cls.defaults) if issubclass(cls, Model) else {}

    def install(self) -> None:
        """Put every option that is not there yet into Hydra's ConfigStore, each kind as a config group."""
        store = ConfigStore.instance()
        for kind, options in self._options.items():
            there = store.repo.get(kind, {})
            for name, option in options.items():
                if (held := there.get(f"{name}.yaml")) and _class_of(held.node, name) is option.cls:
                    continue
                # Several regularizers can be chosen at once: each keeps its parameters under its own name.
                node: Any = _node(option.cls)
                if kind == "reg":
                    node = {} if name == "none" else {name: option.cls}
                store.store(name=name, group=kind, node=node, package=kind, provider=option.distribution)


def _meant(name: str, options: Mapping[str, Option]) -> str:
    """Return a question for the option that is called so in other letters, or whose class is, or the closest name."""

    def letters(text: str) -> str:
        return re.sub(r"[\W_]", "", text).lower()

    same = (n for n, option in options.items() if letters(name) in (letters(n), letters(option.cls.__name__)))
    return did_you_mean(next(same, name), options)


def _node(cls: type[Technique]) -> DictConfig:
    """Return the structured config of an option; one that states the defaults of other kinds has them chosen so."""
    node = admission.structured(cls).copy()
    for name in [name for name in node if isinstance(node._get_node(name), DictConfig)]:
        OmegaConf.set_struct(node[name], False)  # its keys are those that people give
    if issubclass(cls, Model) and cls.defaults:
        with open_dict(node):
            node.defaults = [{f"override /{kind}@_global_.{kind}": name} for kind, name in cls.defaults.items()]
    return node


def _class_of(node: DictConfig, name: str) -> type | None:
    """Return the class that a node of the ConfigStore was made from; a regularizer's stands under its name."""
    return OmegaConf.get_type(node, name if name in node else None)


@functools.cache
def registry() -> Registry:
    """Load every plugin, once: the installed ones, and the files that ``ABLATE_PLUGINS`` names. Never raises."""
    found = Registry()
    plugins, broken = discovery.installed()
    found.broken += broken
    for plugin in plugins:
        found.load(plugin)
    for path in files.named():
        found.load_file(path, strict=False)
    return found


def register(name: str, technique: type[Technique]) -> None:
    """Add an option for this session: ``register("mish", Mish)``; a plugin does the same for every session."""
    registry().add(name, technique)


def load_plugin(path: str | os.PathLike[str]) -> None:
    """Add the options of a plugin that is a single file, here and in the processes that are started from here.

    A file that has changed since takes the place of its earlier edition. Raises ``PluginError`` if anything is
    wrong with it.
    """
    registry().load_file(path, strict=True)
    files.remember(files.resolve(path))


def technique(kind: str, name: str, **params: Any) -> Technique:
    """Return a technique by name: ``technique("norm", "bn", eps=1e-3)``.

    Raises ``ConfigError`` for an unknown option or parameter, or a value of the wrong type or range.
    """
    option = registry().get(kind, name)
    try:
        made = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(option.cls), params))
    except (OmegaConfBaseException, ValueError) as error:
        fields = ", ".join(f.name for f in option.fields) or "none"
        where = f"{key}: " if (key := getattr(error, "full_key", None)) else ""
        reason = str(error).splitlines()[0].rstrip(".")
        raise ConfigError(f"{kind}={name}: {where}{reason}. Parameters: {fields}.") from error
    assert isinstance(made, Technique)
    return made


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Find a class that ``Technique.of`` made by its kind and option, ``act_mish``: the name it is pickled by."""
        kind, _, option = name.partition("_")
        if option in (options := registry().options(kind) if kind in KINDS else {}):
            return options[option].cls
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
