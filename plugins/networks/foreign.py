"""Networks of other libraries, built for the data: channels, classes and image size are asked for where they can be.

Shapes: C channels · H, W height and width.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import sys
from collections.abc import Callable, Collection, Mapping
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from lightning.pytorch.utilities.seed import isolate_rng
from torch import nn

from ablate.kit import Kit
from ablate.techniques import DataSpec
from ablate.wrapping.calls import CALLS

_NEAR = 3


def of_timm(name: str, kwargs: Mapping[str, Any], spec: DataSpec) -> nn.Module:
    """Return timm's network ``name`` with ``spec``'s channels and outputs; raise ``ValueError`` where there is none."""
    timm = library("timm")
    if not timm.is_model(name.partition(".")[0]):
        raise ValueError(_unknown("timm", name, timm.list_models()))
    given: dict[str, Any] = {"in_chans": spec.input_shape[0], "num_classes": spec.outputs}
    _refuse_given(given, kwargs)
    about = timm.models.get_pretrained_cfg(name, allow_unregistered=True)
    if about is not None and about.fixed_input_size:
        given["img_size"] = spec.input_shape[1:]
    return _made(f"timm's {name}", lambda: timm.create_model(name, **{**given, **kwargs}))


def of_torchvision(name: str, kwargs: Mapping[str, Any], spec: DataSpec) -> nn.Module:
    """Return torchvision's network ``name`` for ``spec``; raise ``ValueError`` where there is none."""
    models = library("torchvision").models
    known = models.list_models(module=models)
    if name not in known:
        raise ValueError(_unknown("torchvision", name, known))
    given = {"num_classes": spec.outputs}
    _refuse_given(given, kwargs)
    network = _made(f"torchvision's {name}", lambda: models.get_model(name, **{**given, **kwargs}))
    _take_channels(network, spec.input_shape[0])
    return network


def of_target(target: str, kwargs: Mapping[str, Any], kit: Kit, spec: DataSpec) -> nn.Module:
    """Return what ``my_pkg:make_net`` makes, called with what it asks for of ``spec``; raise ``ValueError``."""
    factory = _found(target)
    call = CALLS["model"]
    known = call.derive({"kit": kit, "spec": spec})
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError) as error:
        raise ValueError(f"target={target} is no class or function whose signature Python knows") from error
    given = {name: known[call.supplied[name]] for name in parameters if name in call.supplied and name not in kwargs}
    takes_more = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if not takes_more and (foreign := [name for name in kwargs if name not in parameters]):
        near = difflib.get_close_matches(foreign[0], parameters, 1)
        meant = f", such as {near[0]}" if near else ""
        raise ValueError(f"{target} takes no kwargs.{foreign[0]}; it takes {', '.join(parameters) or 'none'}{meant}")
    needed = [
        p for p in parameters.values() if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if missing := [p.name for p in needed if p.name not in given and p.name not in kwargs]:
        raise ValueError(f"{target} needs {missing[0]}, which the data does not say: add model.kwargs.{missing[0]}=…")
    made = _made(target, lambda: factory(**given, **kwargs))
    if not isinstance(made, nn.Module):
        raise ValueError(f"{target} makes a {type(made).__name__}, and has to make a torch.nn.Module")
    return made


def library(name: str) -> ModuleType:
    """Return a library that an extra brings; raise ``ValueError`` where it is missing or does not fit this torch."""
    try:
        return _imported(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in (name, "torchvision"):
            raise
        raise ValueError(f"{error.name} is not installed: pip install 'lightning-ablate[{name}]'") from error
    except RuntimeError as error:  # its operators are of another build of torch
        raise ValueError(
            f"torchvision {metadata.version('torchvision')} is of another build than torch {torch.__version__} "
            f"({str(error).splitlines()[0]}): install the two from one place"
        ) from error


def _imported(name: str) -> ModuleType:
    """Import a module; what it draws at random while it is imported, the first time only, changes no network."""
    with isolate_rng():
        return importlib.import_module(name)


def _found(target: str) -> Callable[..., Any]:
    module, _, name = target.partition(":")
    if str(Path.cwd()) not in (str(Path(entry).absolute()) for entry in sys.path):
        sys.path.append(str(Path.cwd()))  # as `python -m` has it, and the script `ablate` has not
    try:
        found: Any = _imported(module)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"target={target}: there is no module {error.name}; install it, or call from the folder where it stands"
        ) from error
    except Exception as error:  # whatever a module does when it is imported
        raise ValueError(f"target={target} cannot be imported: {type(error).__name__}: {error}") from error
    for part in name.split("."):
        if not hasattr(found, part):
            near = difflib.get_close_matches(part, dir(found), 1)
            meant = f", but {near[0]}" if near else ""
            raise ValueError(f"target={target}: {module} has no {name}{meant}")
        found = getattr(found, part)
    if isinstance(found, nn.Module) or not callable(found):
        raise ValueError(
            f"target={target} is a {type(found).__name__}, and has to be a class or function that makes one"
        )
    return found  # type: ignore[no-any-return]


def _made(what: str, make: Callable[[], nn.Module]) -> nn.Module:
    try:
        return make()
    except Exception as error:  # whatever a library raises
        reason = next(iter(str(error).splitlines()), "").rstrip(".")
        raise ValueError(f"{what} cannot be made: {type(error).__name__}: {reason}. See model.kwargs") from error


def _unknown(where: str, name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, _NEAR)
    meant = f"close to it are {', '.join(near)}" if near else "its list_models() has all of them"
    return f"{where} has no network name={name}; {meant}"


def _refuse_given(given: Collection[str], kwargs: Collection[str]) -> None:
    if twice := [name for name in given if name in kwargs]:
        raise ValueError(f"kwargs.{twice[0]} is said by the data: leave it out")


def _take_channels(network: nn.Module, channels: int) -> None:
    """Put a new first convolution into ``network`` where the one it has is for another number of channels."""
    path, old = next((p, m) for p, m in network.named_modules() if isinstance(m, nn.Conv2d))
    if old.in_channels == channels:
        return
    new = nn.Conv2d(
        channels,
        old.out_channels,
        old.kernel_size,  # type: ignore[arg-type]  # torch says tuples of any length
        old.stride,  # type: ignore[arg-type]
        old.padding,  # type: ignore[arg-type]
        old.dilation,  # type: ignore[arg-type]
        old.groups,
        old.bias is not None,
        old.padding_mode,
    )
    parent, _, name = path.rpartition(".")
    setattr(network.get_submodule(parent), name, new)
