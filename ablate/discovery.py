"""Finding plugins: entry points of installed distributions, and single files. What is broken is told, not raised."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, TypeAlias

import pluggy

from ablate import files, hookspecs
from ablate.errors import PluginError

Hook: TypeAlias = Callable[[Any], object]

BUILTIN = "lightning-ablate"
SESSION = "this session"
"""The distribution of what a script or notebook registers."""


@dataclass(frozen=True)
class Source:
    """Who brings options, and in which edition."""

    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".rstrip()

    @property
    def way_out(self) -> str:
        """What a person can do about a broken one."""
        if self.distribution.startswith("file:"):
            return "Mend the file, or leave it out."
        return f"Mend or uninstall it: pip uninstall {self.distribution}."


@dataclass(frozen=True)
class Plugin:
    """The hooks to call, by name, and whose they are."""

    module: str
    source: Source
    hooks: Mapping[str, Hook]


@dataclass(frozen=True)
class Broken:
    """A plugin, or one option of it, that was set aside."""

    source: Source
    reason: str
    """One sentence: what is wrong, and the mend."""
    options: tuple[str, ...] = ()
    """What it would have brought: ``norm=rms``, or ``rms`` where the kind is not known; empty where nothing is."""

    def concerns(self, kind: str, name: str) -> bool:
        """Say whether ``kind=name`` may be missing because of this."""
        return not self.options or f"{kind}={name}" in self.options or name in self.options

    def __str__(self) -> str:
        return f"{', '.join(self.options)} of {self.source}" if self.options else str(self.source)


def installed() -> tuple[list[Plugin], list[Broken]]:
    """Load the entry points, ours first: of two options with one name the later is blamed, and set aside."""
    plugins: dict[str, Plugin] = {}
    broken = []
    for point in sorted(metadata.entry_points(group=hookspecs.PROJECT), key=_order):
        source = _source(point)
        try:
            if point.value in plugins:
                raise PluginError(
                    f"The plugin '{point.name}' of {source} names {point.value}, which {plugins[point.value].source} "
                    f"has brought already. {source.way_out}"
                )
            plugins[point.value] = _plugin(point, source)
        except PluginError as error:
            broken.append(Broken(source, str(error)))
    return list(plugins.values()), broken


def _order(point: metadata.EntryPoint) -> tuple[bool, str, str]:
    distribution = _source(point).distribution
    return distribution != BUILTIN, distribution, point.name


def _source(point: metadata.EntryPoint) -> Source:
    try:
        return Source("unknown", "0") if point.dist is None else Source(point.dist.name, point.dist.version)
    except Exception:  # its metadata cannot be read
        return Source("unknown", "0")


def _plugin(point: metadata.EntryPoint, source: Source) -> Plugin:
    told = f"The plugin '{point.name}' of {source}"
    try:
        plugin = point.load()
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"{told} cannot be loaded from {point.value} ({type(error).__name__}: {error}). {source.way_out}"
        ) from error
    return Plugin(point.module, source, _hooks(plugin, f"{told} ({point.value})"))


def from_file(path: str | os.PathLike[str]) -> Plugin:
    """Load one file; raise ``PluginError`` where there is none, it cannot be imported, or it has no hook."""
    file = files.resolve(path)
    source = Source(f"file:{file.name}", files.digest(file))
    try:
        module = files.load(file)
    except (Exception, SystemExit) as error:
        raise PluginError(f"The plugin file {file} cannot be loaded ({type(error).__name__}: {error}).") from error
    return Plugin(module.__name__, source, _hooks(module, f"The plugin file {file}"))


def _hooks(plugin: object, told: str) -> dict[str, Hook]:
    """Return the hooks of a plugin, which pluggy has compared with the specifications."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    known = ", ".join(f"{name}(register)" for name in hookspecs.HOOKS)
    try:
        manager.register(plugin)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        reason = str(error).splitlines()[-1].rstrip(".")
        raise PluginError(
            f"{told} has a hook that nobody calls: {reason}. The hooks are {known}; check its spelling."
        ) from error
    found = {name: getattr(manager.hook, name).get_hookimpls() for name in hookspecs.HOOKS}
    if not any(found.values()):
        raise PluginError(f"{told} has no hook. Define one of {known} in it, marked with @ablate.hookimpl.")
    return {name: implementations[0].function for name, implementations in found.items() if implementations}
