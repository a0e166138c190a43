"""Networks as somebody else wrote them: the kit takes the place of what they came with, where it is asked to.

Their ``act``, ``init``, ``norm``, ``pool`` and ``reg`` are ``keep`` where nothing is said.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ablate.techniques import DataSpec, Model, Task

if TYPE_CHECKING:
    from torch import nn

    from ablate.kit import Kit

KEPT: Mapping[str, str] = dict.fromkeys(("act", "init", "norm", "pool", "reg"), "keep")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_PROMISES = (
    "builds_from_its_defaults",
    "builds_from_valid_parameters",
    "has_its_activation",
    "has_its_normalisation",
    "has_its_regularizers",
    "sees_all_of_its_input",
    "trains_every_parameter",
)
_THEIRS = "it is a network that somebody else wrote, and the kit takes its places afterwards"


@dataclass
class Foreign(Model):
    """A network of another library.

    kwargs: what it is made with beside what the data says, model.kwargs.drop_rate=0.1.
    """

    foreign: ClassVar[bool] = True
    stackable: ClassVar[bool] = False
    defaults: ClassVar[Mapping[str, str]] = KEPT
    kwargs: dict[str, Any] = field(default_factory=dict)

    def waives(self) -> Mapping[str, str]:
        return dict.fromkeys(_PROMISES, _THEIRS)


@dataclass
class Named(Foreign):
    """A network that a library knows by name.

    name: what the library calls it.
    """

    input_ranks: ClassVar[frozenset[int]] = frozenset({3})
    advice: ClassVar[str] = "It needs images and one prediction an image: data=digits, or model=import for your own."
    library: ClassVar[str] = ""
    name: str = "resnet18"

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError(f"name is empty: say which network of {self.library}, such as resnet18")

    def versions(self) -> Mapping[str, str]:
        try:
            return {self.library: metadata.version(self.library)}
        except metadata.PackageNotFoundError:  # it is missed where the network is built
            return {}


@dataclass
class Timm(Named):
    """A network of timm, with the weights that it starts with there: model.name=resnet18 (Wightman 2019).

    name: as in timm.list_models() · kwargs: of timm.create_model. Channels, classes and, where the network has a fixed
    size, the image size are those of the data. Needs the extra ``timm``.
    """

    library: ClassVar[str] = "timm"

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        from ..networks import foreign

        return foreign.of_timm(self.name, self.kwargs, spec)


@dataclass
class TorchVision(Named):
    """A network of torchvision, for classes or targets: model.name=resnet18.

    name: as in torchvision.models.list_models(torchvision.models) · kwargs: of torchvision.models.get_model. For images
    of other than three channels the first convolution is a new one. Needs the extra ``torchvision``.
    """

    library: ClassVar[str] = "torchvision"

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        from ..networks import foreign

        return foreign.of_torchvision(self.name, self.kwargs, spec)


@dataclass
class Import(Foreign):
    """A network of your own code: model.target=my_pkg:make_net allow_code=true, a class or a function that makes it.

    target: module and name, ``my_pkg.nets:make_net``; what stands in the working directory is found. Of these it is
    given what it asks for by name: num_classes (outputs, out_features, …), in_channels (in_chans, input_size),
    in_features, input_shape, spec, kit. kwargs: the rest. It runs code, so that it is refused without allow_code=true.
    A run is known by the version of the package, or by the text of the module.
    """

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.classification, Task.regression, Task.segmentation})
    runs_code: ClassVar[bool] = True
    target: str = ""

    def __post_init__(self) -> None:
        if self.target and not _TARGET.fullmatch(self.target):
            raise ValueError(f"target is a module and what makes the network in it, my_pkg:make_net, not {self.target}")

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        from ..networks import foreign

        if not self.target:
            raise ValueError("target is empty: write model.target=my_pkg:make_net, what makes the network")
        return foreign.of_target(self.target, self.kwargs, kit, spec)

    def versions(self) -> Mapping[str, str]:
        module = self.target.partition(":")[0]
        package = module.partition(".")[0]
        if (text := _source(Path.cwd(), module)) is not None:
            return {module: hashlib.sha256(text).hexdigest()[:8]}
        try:
            return {package: metadata.version(package)} if package else {}
        except (metadata.PackageNotFoundError, ValueError):
            return {}


def _source(folder: Path, module: str) -> bytes | None:
    """Return the text of a module in ``folder``, which is not imported for it; None where it is not there."""
    path = folder.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if module and file.is_file():
            return file.read_bytes()
    return None
