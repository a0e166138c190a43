"""Every option there is: plugins register here, and from here options enter Hydra's ConfigStore."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import json
import re
from dataclasses import dataclass
from importlib import metadata
from types import ModuleType
from typing import Any

import pluggy
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ablate import hookspecs
from ablate.errors import ConfigError, PluginError, did_you_mean
from ablate.techniques import KINDS, Technique

BUILTIN = "lightning-ablate"
SESSION = "this session"
"""The distribution of what a script or notebook registers."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


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
        return (inspect.getdoc(self.cls) or "").split("\n", 1)[0]

    @property
    def source(self) -> str:
        """Module and distribution, for error messages."""
        return f"{self.cls.__module__} ({self.distribution})"

    @property
    def fields(self) -> tuple[dataclasses.Field[Any], ...]:
        """The parameters."""
        return dataclasses.fields(self.cls)


class Registry:
    """Options by kind and name."""

    def __init__(self) -> None:
        self._options: dict[str, dict[str, Option]] = {kind: {} for kind in KINDS}
        self._by_class: dict[type[Technique], Option] = {}

    def add(self, name: str, technique: type[Technique], distribution: str = SESSION, version: str = "") -> None:
        """Add an option, or raise ``PluginError`` saying what its author has to change."""
        option = Option(_kind_of(name, technique), name, technique, distribution, version or _source_version(technique))
        _check_dataclass(option)
        self._forget_earlier_edition(option)
        if (other := self._options[option.kind].get(name)) is not None:
            raise PluginError(
                f"{option.source} registers {option.kind}={name}, which {other.source} has already registered. "
                "Give it another name, or uninstall one of the two."
            )
        if (other := self._by_class.get(technique)) is not None:
            raise PluginError(
                f"{option.source} registers {technique.__name__} as {option.kind}={name}, but that class is "
                f"{other.kind}={other.name} already. Register a subclass with its own defaults."
            )
        self._options[option.kind][name] = option
        self._by_class[technique] = option

    def _forget_earlier_edition(self, option: Option) -> None:
        """Let a cell of a notebook be run again: its class takes the place of the one it made before."""
        before = self._options[option.kind].get(option.name)
        if before is not None and before.distribution == option.distribution == SESSION:
            same = (before.cls.__module__, before.cls.__qualname__) == (option.cls.__module__, option.cls.__qualname__)
            if same:
                del self._options[option.kind][option.name], self._by_class[before.cls]

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
                f"{kind}={name}: there is no such option.{did_you_mean(name, choices)} "
                f"Options of {kind}: {', '.join(choices)}. "
                f"`python -m ablate plugins {kind}` describes them; installing a plugin adds more."
            )
        return self._options[kind][name]

    def option_of(self, technique: Technique) -> Option:
        """Return the option that ``technique`` is an instance of."""
        return self._by_class[type(technique)]

    def install(self) -> None:
        """Put every option into Hydra's ConfigStore, each kind as a config group."""
        store = ConfigStore.instance()
        for kind, options in self._options.items():
            for name, option in options.items():
                # Several regularizers can be chosen at once: each keeps its parameters under its own name.
                node: Any = option.cls
                if kind == "reg":
                    node = {} if name == "none" else {name: option.cls}
                store.store(name=name, group=kind, node=node, package=kind, provider=option.distribution)


def _source_version(technique: Any) -> str:
    """Return a digest of the class's source: what a session registers has no version, but its runs depend on it."""
    try:
        source = inspect.getsource(technique)
    except (OSError, TypeError):  # typed into a console that keeps no source
        return "0"
    return hashlib.sha256(source.encode()).hexdigest()[:8]


def _kind_of(name: str, technique: type[Technique]) -> str:
    if not (inspect.isclass(technique) and issubclass(technique, Technique) and technique.kind in KINDS):
        bases = ", ".join(base.__name__ for base in KINDS.values())
        raise PluginError(
            f"{getattr(technique, '__module__', '?')} registers {technique!r} as '{name}', which is no technique. "
            f"Derive a dataclass from one of ablate.techniques: {bases}."
        )
    if not _NAME.fullmatch(name):
        raise PluginError(
            f"{technique.__module__} registers {technique.kind}='{name}': a name is made of letters, digits and _."
        )
    return technique.kind


def _check_dataclass(option: Option) -> None:
    """Refuse what structured configs would drop or mangle without a word."""
    cls = option.cls
    fields = {f.name for f in dataclasses.fields(cls)}
    own = [n for n in inspect.get_annotations(cls) if "ClassVar" not in str(inspect.get_annotations(cls)[n])]
    if missing := [n for n in own if n not in fields]:
        raise PluginError(
            f"{option.source}: {cls.__name__} declares {', '.join(missing)}, but is no dataclass itself, "
            "so these parameters would be lost. Write @dataclass above the class."
        )
    if not option.summary or option.summary.startswith(f"{cls.__name__}("):
        raise PluginError(f"{option.source}: {cls.__name__} needs a docstring; its first line is shown in --help.")
    try:
        json.dumps(OmegaConf.to_container(OmegaConf.structured(cls), enum_to_str=True))
    except (OmegaConfBaseException, ValueError, TypeError) as error:
        raise PluginError(
            f"{option.source}: {cls.__name__} has a parameter that cannot be given on the command line "
            f"({str(error).splitlines()[0]}). Use bool, int, float, str, Enum, or lists, dicts and optionals of them."
        ) from error


def _entry_points() -> list[metadata.EntryPoint]:
    """Ours last: pluggy calls the last registered first, so that a duplicate name blames the newcomer."""
    points = metadata.entry_points(group=hookspecs.PROJECT)
    return sorted(points, key=lambda p: (_distribution(p)[0] == BUILTIN, p.name))


def _distribution(point: metadata.EntryPoint) -> tuple[str, str]:
    return (point.dist.name, point.dist.version) if point.dist is not None else ("unknown", "0")


@functools.cache
def registry() -> Registry:
    """Load every installed plugin, once.

    Raises ``PluginError`` naming the distribution whose plugin cannot be imported or breaks the contract.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    sources: dict[ModuleType, tuple[str, str]] = {}
    for point in _entry_points():
        source = _distribution(point)
        try:
            plugin = point.load()
        except Exception as error:
            raise PluginError(
                f"The plugin '{point.name}' of {source[0]} {source[1]} cannot be loaded from {point.value} "
                f"({type(error).__name__}: {error}). Mend or uninstall it: pip uninstall {source[0]}."
            ) from error
        try:
            manager.register(plugin, name=f"{source[0]}:{point.name}")
        except pluggy.PluginValidationError as error:
            raise PluginError(f"{str(error).splitlines()[-1]} The hook is register_techniques(register).") from error
        if not manager.get_hookcallers(plugin):
            raise PluginError(
                f"The plugin '{point.name}' of {source[0]} {source[1]} ({point.value}) has no hook. "
                "Define register_techniques(register) in it, marked with @ablate.hookimpl."
            )
        sources[plugin] = source
    return collect(manager, sources)


def collect(manager: pluggy.PluginManager, sources: dict[ModuleType, tuple[str, str]]) -> Registry:
    """Call the hook of every plugin in ``manager``; ``sources`` maps a plugin to its distribution and version."""
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(
            f"{str(error).rstrip('.')}. The one hook is register_techniques(register); check its spelling."
        ) from error
    found = Registry()
    for impl in reversed(manager.hook.register_techniques.get_hookimpls()):
        plugin = impl.plugin
        assert isinstance(plugin, ModuleType)
        distribution, version = sources.get(plugin, (SESSION, ""))
        try:
            impl.function(register=functools.partial(found.add, distribution=distribution, version=version))
        except PluginError:
            raise
        except Exception as error:
            raise PluginError(
                f"The hook of {plugin.__name__} ({distribution} {version}) fails with {type(error).__name__}: {error}. "
                f"Mend or uninstall it: pip uninstall {distribution}."
            ) from error
    return found


def register(name: str, technique: type[Technique]) -> None:
    """Add an option for this session: ``register("mish", Mish)``; a plugin does the same for every session."""
    registry().add(name, technique)


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
