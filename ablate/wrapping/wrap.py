"""A dataclass of a kind made from somebody's class."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ablate.errors import ConfigError, PluginError
from ablate.wrapping.calls import CALLS, Call, drawing_from
from ablate.wrapping.provenance import distribution_of, doc_of, name_of
from ablate.wrapping.signatures import NO_HYPERPARAMETERS, Parameter, parameter, resolved_annotations

Target: TypeAlias = Callable[..., Any]


class RefusalError(ValueError):
    """The class refuses its values."""


@dataclass(frozen=True)
class Wrapping:
    """What a class made by ``of`` stands for."""

    targets: tuple[Target, ...]
    """One, or where the kind tells the number of spatial dims, one for each, the last for two."""
    signatures: tuple[inspect.Signature, ...]
    call: Call
    parameters: tuple[Parameter, ...]
    fixed: Mapping[str, Any]
    """Values that no command line can give, from who wrapped the class."""
    settings: Mapping[str, Any]

    @property
    def constants(self) -> str:
        """The fixed values in words: part of the identity of what a session registers."""
        told = {**self.fixed, **self.settings}
        return "".join(f" {name}={getattr(value, '__qualname__', value)}" for name, value in sorted(told.items()))

    def make(self, values: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
        """Call the class that is meant; raise ``RefusalError`` if it refuses its values."""
        number = given["spatial"] + len(self.targets) - 3 if "spatial" in given else 0
        if number < 0:
            dims = ("one or two spatial dims", "two spatial dims")[2 - len(self.targets)]
            raise RefusalError(f"{self.name} needs {dims}, and this model has layers with {given['spatial']}")
        target, signature = self.targets[number], self.signatures[number]
        own = {p.name: p.passed(values[p.name]) for p in self.parameters} | dict(self.fixed)
        supplied = {n: given[self.call.supplied[n]] for n in _supplied(signature, self.call) if n not in own}
        arguments = {**supplied, **own}
        bound = inspect.BoundArguments(
            signature,
            {n: arguments.pop(n) for n in signature.parameters if n in arguments},
        )
        foreign_draws = "generator" in given and "generator" not in supplied
        try:
            with drawing_from(given["generator"]) if foreign_draws else contextlib.nullcontext():
                return target(*bound.args, **bound.kwargs, **arguments)
        except Exception as error:
            changed = [f"{p.name}={values[p.name]}" for p in self.parameters if values[p.name] != p.default]
            reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            raise RefusalError(f"{self.name}({', '.join(changed)}) refuses: {reason}") from error

    @property
    def name(self) -> str:
        """The name of the class."""
        return name_of(self.targets[-1])


def wrapping_of(cls: type) -> Wrapping | None:
    """Return what ``of`` made the class from, None for a class that somebody wrote."""
    return cls.__dict__.get("_wrapping")


def versions(cls: type) -> dict[str, str]:
    """Return the version of the distribution that a class wraps; of torch not: every run depends on it."""
    wrapping: Wrapping | None = getattr(cls, "_wrapping", None)
    found = None if wrapping is None else distribution_of(wrapping.targets[-1])
    return {} if found is None or found[0] == "torch" else dict([found])


def settle(cls: type, module: str, kind: str, name: str) -> None:
    """Name a class made by ``of`` after its option: ``module`` gives it back by that name, to who unpickles it."""
    if wrapping_of(cls) is not None:
        cls.__module__, cls.__qualname__ = module, f"{kind}_{name}"


def wrap(base: type, target: Target | Sequence[Target], doc: str, given: Mapping[str, Any]) -> type:
    """Return a dataclass of the kind ``base``; raise ``PluginError`` for what the kind cannot call."""
    told = f"{base.__name__}.of"
    kind = getattr(base, "kind", "")
    if kind not in CALLS:
        raise PluginError(f"{told}: call it on a kind, such as Activation.of or Optimizer.of.")
    if kind == "data" and "task" not in given:
        raise PluginError(f"{told} needs the task of the data: {told}(…, task=Task.classification).")
    call = CALLS[kind]
    most = 3 if "spatial" in call.arguments else 1
    targets = tuple(target) if isinstance(target, Sequence) else (target,) * most
    if not 0 < len(targets) <= most:
        raise PluginError(f"{told} takes one class; of a norm, pool or reg, one for each of 0, 1 and 2 spatial dims.")
    signatures = tuple(_signature(told, each) for each in targets)
    settings = {name: value for name, value in given.items() if name in call.settings}
    values = {name: value for name, value in given.items() if name not in settings}
    for each, signature in zip(targets, signatures, strict=True):
        _check(f"{told}({name_of(each)})", signature, call, values)
    parameters, fixed = _fields(base, targets[-1], signatures, call, values)
    wrapping = Wrapping(targets, signatures, call, parameters, fixed, settings)
    namespace = {
        "__doc__": doc or doc_of(targets[-1]),
        "_wrapping": wrapping,
        "__post_init__": _post_init(base),
        "waives": _waives(wrapping, own_words=not doc),
        call.method: _method(wrapping),
        **{name: value for name, value in settings.items() if hasattr(base, name)},
    }
    fields = [(p.name, p.type, _default(p)) for p in parameters]
    made = dataclasses.make_dataclass(wrapping.name, fields, bases=(base,), namespace=namespace)
    made.__module__ = __name__
    return made


def _method(wrapping: Wrapping) -> Target:
    """Return the method of the kind, which makes the object or, of an initialiser, fills the weight."""
    call = wrapping.call
    moves = wrapping.settings.get("channels_last", any("normalized_shape" in s.parameters for s in wrapping.signatures))

    def method(self: Any, *arguments: Any, **named: Any) -> Any:
        given = call.derive(dict(zip(call.arguments, arguments, strict=False)) | named)
        try:
            made = wrapping.make(vars(self), given)
        except RefusalError as error:
            label = type(self).__qualname__.replace(f"{self.kind}_", f"{self.kind}=", 1)
            raise ConfigError(f"{label}: {error}.") from error
        if moves and given["spatial"]:
            from ablate.wrapping.channels_last import ChannelsLast  # torch

            return ChannelsLast(made)
        return made

    method.__name__ = call.method
    return method


def _waives(wrapping: Wrapping, own_words: bool) -> Callable[[Any], dict[str, str]]:
    """Return the ``waives`` of an option: values and words are those of a class that knows nothing of our customs."""
    promises = ["refuses_wrong_values", *(["explains_itself", "names_its_source"] if own_words else [])]
    found = dict.fromkeys(promises, f"{wrapping.name} refuses and describes its parameters as its author chose")
    if "seed" in wrapping.call.arguments and not _supplied(wrapping.signatures[-1], wrapping.call):
        found["splits_by_its_seed"] = f"{wrapping.name} has splits of its own and takes no seed"
    return lambda self: dict(found)


def _post_init(base: type) -> Callable[[Any], None]:
    """Return the ``__post_init__`` of an option: the checks of its kind, and those of its own."""

    def checked(self: Any) -> None:
        if (of_kind := getattr(base, "__post_init__", None)) is not None:
            of_kind(self)
        _check_values(self)

    return checked


def _check_values(self: Any) -> None:
    """Refuse what the signature excludes and, of an optimizer, which is built last of all, what the class does."""
    wrapping: Wrapping = self._wrapping
    for each in wrapping.parameters:
        each.check(getattr(self, each.name))
    if self.kind == "opt":
        import torch

        def trial(values: Mapping[str, Any]) -> None:
            wrapping.make(values, {"params": [torch.nn.Parameter(torch.zeros(2, 2))]})

        try:
            trial(vars(self))
        except RefusalError:
            try:
                trial({p.name: p.default for p in wrapping.parameters})
            except RefusalError:  # it refuses this weight, not the values: the weights of the model decide
                return
            raise


def _check(told: str, signature: inspect.Signature, call: Call, values: Mapping[str, Any]) -> None:
    """Raise ``PluginError`` for a value that the class does not take, and for one that it needs and nobody gives."""
    known = signature.parameters
    takes_more = any(p.kind is p.VAR_KEYWORD for p in known.values())
    if not takes_more and (foreign := [name for name in values if name not in known]):
        raise PluginError(f"{told} has no parameter {foreign[0]}. It has {', '.join(known) or 'none'}.")
    needed = [n for n, p in known.items() if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if missing := [name for name in needed if name not in values and name not in call.supplied]:
        supplied = f" (the kind supplies {', '.join(call.supplied)})" if call.supplied else ""
        raise PluginError(
            f"{told} needs {', '.join(missing)}{supplied}. Give a default: "
            f"{told[:-1]}, {', '.join(f'{name}=…' for name in missing)})."
        )


def _supplied(signature: inspect.Signature, call: Call) -> list[str]:
    """Return the parameters that the kind supplies."""
    return [
        name
        for name, p in signature.parameters.items()
        if name in call.supplied and (p.default is p.empty or name in call.always)
    ]


def _fields(
    base: type, target: Target, signatures: Sequence[inspect.Signature], call: Call, values: Mapping[str, Any]
) -> tuple[tuple[Parameter, ...], dict[str, Any]]:
    """Return the parameters that all of the classes have and a command line can give, and the values it cannot."""
    signature = signatures[-1]
    annotated = resolved_annotations(target, signature)
    shared = [name for name in signature.parameters if all(name in each.parameters for each in signatures)]
    inherited = {f.name for f in dataclasses.fields(base)}
    found, fixed = [], {}
    for name in dict.fromkeys([*shared, *values]):
        p = signature.parameters.get(name)
        plain = name not in NO_HYPERPARAMETERS | inherited and not name.startswith("_")
        if name in values:
            default = tuple(values[name]) if p and isinstance(p.default, tuple) else values[name]
        elif p is None or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) or name in _supplied(signature, call):
            continue
        else:
            default = p.default
        made = parameter(name, annotated.get(name, Any), default) if plain else None
        if made is not None:
            found.append(made)
        elif name in values:
            fixed[name] = default
    return tuple(found), fixed


def _default(p: Parameter) -> Any:
    if isinstance(p.default, list):
        return dataclasses.field(default_factory=functools.partial(list, p.default))
    return dataclasses.field(default=p.default)


def _signature(told: str, target: Target) -> inspect.Signature:
    try:
        return inspect.signature(target)
    except (TypeError, ValueError) as error:
        raise PluginError(
            f"{told} takes a class or a function whose signature Python knows, not {target!r}."
        ) from error
