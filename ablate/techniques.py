"""The kinds of technique: one small base class each, with its contract.

A technique is a dataclass. Its fields are its parameters (typed on the command line), ``__post_init__``
refuses bad values with a ``ValueError``, and one method makes the torch object. The base class decides the
kind, and the kind is a config group: ``class BatchNorm(Norm)`` registered as ``bn`` is ``norm=bn``.

Shapes: B batch · C channels or features · T time · H, W height and width · *S any number of spatial dims.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

from ablate.checks import at_least, fraction, not_negative
from ablate.tasks import DATA_TASKS as DATA_TASKS
from ablate.tasks import DataSpec as DataSpec
from ablate.tasks import Task as Task
from ablate.wrapping import Target, wrap

if TYPE_CHECKING:
    import torch
    from lightning.pytorch import Callback, LightningDataModule
    from torch import Tensor, nn

    from ablate.dataset import Splits
    from ablate.kit import Kit
    from ablate.module import AblationModule

Criterion: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"


@dataclass
class Technique:
    """Base of every option. Subclass one of the kinds below, not this."""

    kind: ClassVar[str] = ""
    stackable: ClassVar[bool] = True
    """Whether runs with it can train as one program; where False, each trains by itself."""
    keeps: ClassVar[bool] = False
    """Whether it stands for what a network that somebody else wrote has already, and leaves that alone."""

    @classmethod
    def of(cls, target: Target | Sequence[Target], *, doc: str = "", **given: Any) -> type[Self]:
        """Return an option of this kind made from an existing class: ``register("mish", Activation.of(nn.Mish))``.

        Its fields are the parameters of the class that a command line can give, with their types and defaults;
        ``given`` values take the place of defaults. What the kind hands over is supplied to the parameters that are
        called so: ``features`` (or ``num_features``, ``num_channels``, ``normalized_shape``, …) of a norm,
        ``params`` of an optimizer, ``optimizer`` and the total steps (``T_max``, ``total_steps``, …) of a schedule,
        ``num_classes`` and ``in_channels`` of a model, ``seed`` of a ``LightningDataModule``.
        A function that returns the object does as well; for ``Init``
        it is one that fills a weight, such as ``nn.init.xavier_uniform_``.

        A norm, pool or regularizer may be a sequence of classes, the last for images, the one before for sequences,
        the first of three for tables. A norm that has ``normalized_shape``, or is said to be ``channels_last=True``,
        gets the features as the last dim. A loss takes ``tasks=``, a model ``tasks=`` and ``input_ranks=``, data
        ``task=``. ``doc`` replaces the docstring.

        Raises ``PluginError`` where the class needs what nobody gives.
        """
        return wrap(cls, target, doc, given)

    def versions(self) -> Mapping[str, str]:
        """Return the versions of what its runs depend on, beside the distribution that brought it."""
        return {}

    def waives(self) -> Mapping[str, str]:
        """Return the contracts of ``ablate.testing`` that do not hold with these parameters, each with its reason."""
        return {}


@dataclass
class Activation(Technique):
    """Elementwise non-linearity after a hidden layer."""

    kind: ClassVar[str] = "act"

    def build(self) -> nn.Module:
        """Return a module that maps (B, *any) to the same shape."""
        raise NotImplementedError


class Signal(Enum):
    """What passes through a layer: activations forwards, gradients backwards."""

    forward = "forward"
    backward = "backward"


@dataclass
class Init(Technique):
    """Initial values of weight matrices and kernels; biases start at zero."""

    kind: ClassVar[str] = "init"

    @property
    def preserves(self) -> Signal | None:
        """The signal whose variance the weights keep whatever the layer's size, where that is promised.

        Forward: their variance goes by 1 / fan_in. Backward: by 1 / fan_out. ``ablate.testing`` measures it.
        """
        return None

    def fill(self, weight: Tensor, fan_in: int, fan_out: int, generator: torch.Generator) -> None:
        """Fill ``weight`` in place, drawing from ``generator`` only.

        ``fan_in`` counts the inputs that one output sums over, ``fan_out`` the outputs that one input reaches.
        A gated recurrent layer is filled gate by gate.
        """
        raise NotImplementedError


class Position(Enum):
    """Where a normalisation stands: before or after the activation."""

    pre = "pre"
    post = "post"


@dataclass
class Norm(Technique):
    """Normalisation between a layer and its activation, or of the layer's weights."""

    kind: ClassVar[str] = "norm"
    position: Position = field(default=Position.pre, kw_only=True)

    def build(self, features: int, spatial: int) -> nn.Module:
        """Return a module that keeps the shape (B, features, *S), with ``spatial`` dims in S (0, 1 or 2)."""
        raise NotImplementedError

    def reparametrize(self, layer: nn.Module) -> None:
        """Change how the weight of a linear or convolutional layer is made, after it got its first values."""


@dataclass
class Pool(Technique):
    """Reduction of spatial size between stages."""

    kind: ClassVar[str] = "pool"

    def build(self, channels: int, spatial: int) -> nn.Module:
        """Return a module from (B, channels, *S) to (B, channels, *S'), with ``spatial`` dims in S (1 or 2)."""
        raise NotImplementedError


@dataclass
class Regularizer(Technique):
    """Any of: a layer after each hidden activation, a penalty, a batch transform, callbacks.

    Override what the technique needs. ``reg=[l2,dropout]`` takes several; they act in alphabetical order.
    """

    kind: ClassVar[str] = "reg"

    def layer(self, features: int, spatial: int) -> nn.Module | None:
        """Return a module that keeps (B, features, *S) and does nothing in evaluation mode, or None."""
        return None

    def penalty(self, model: nn.Module) -> Tensor | None:
        """Return a scalar added to the training loss, or None."""
        return None

    def transform(self, x: Tensor, y: Tensor, spec: DataSpec, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return a training batch changed at random by ``generator``; never called in evaluation.

        x (B, *input_shape); y as the loss takes it, class indices or soft targets (B, classes, *S).
        """
        return x, y

    def callbacks(self, monitor: str, higher_is_better: bool) -> list[Callback]:
        """Return Lightning callbacks that take part in training; ``monitor`` is the metric the run is judged by."""
        return []


@dataclass
class Optimizer(Technique):
    """Update rule of the weights."""

    kind: ClassVar[str] = "opt"
    full_batch: ClassVar[bool] = False
    """Whether the rule is for the gradient of the whole training split, ``data.batch_size=all``, and no other."""
    elementwise: ClassVar[bool] = False
    """Whether the rule treats each number of a parameter alike, whatever the parameter's shape and its neighbours."""

    def build(self, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Return the optimizer of ``params``."""
        raise NotImplementedError


@dataclass
class Loss(Technique):
    """What training minimises, before penalties."""

    kind: ClassVar[str] = "loss"
    tasks: ClassVar[frozenset[Task]] = DATA_TASKS

    def build(self, task: Task) -> Criterion:
        """Return ``(prediction, target) -> scalar``.

        Classification: (B, classes) logits, (B,) int64 · regression: (B, targets) twice ·
        segmentation: (B, classes, H, W) logits, (B, H, W) int64 · embedding: (B, D), (B,) int64 classes.
        """
        raise NotImplementedError


@dataclass
class Schedule(Technique):
    """Learning rate over the optimizer steps of a run."""

    kind: ClassVar[str] = "sched"

    def build(self, optimizer: torch.optim.Optimizer, total_steps: int) -> torch.optim.lr_scheduler.LRScheduler | None:
        """Return a scheduler that is stepped after every optimizer step, or None for a constant rate."""
        raise NotImplementedError


@dataclass
class Model(Technique):
    """Network assembled from the kit."""

    kind: ClassVar[str] = "model"
    goal: ClassVar[Task | None] = None
    """What the network is trained for, where that is not the data's own task: loss, metrics and judge go by it."""
    tasks: ClassVar[frozenset[Task]] = frozenset({Task.classification, Task.regression})
    input_ranks: ClassVar[frozenset[int]] = frozenset({1, 2, 3})
    """How many dims one example may have: 1 table, 2 sequence, 3 image."""
    advice: ClassVar[str] = "Choose another model or other data."
    """The way out, for data that this model cannot take."""
    foreign: ClassVar[bool] = False
    """Whether ``build`` returns a network as somebody else wrote it, into which the kit is transplanted afterwards."""
    runs_code: ClassVar[bool] = False
    """Whether to build it runs code that a setting names: refused unless ``allow_code=true``."""
    defaults: ClassVar[Mapping[str, str]] = {}
    """The options of other kinds where nothing is said, if not the usual ones: ``{"act": "keep"}``."""

    def check(self, spec: DataSpec) -> None:
        """Raise ``ValueError`` if this model cannot be built for ``spec``."""
        if len(spec.input_shape) not in self.input_ranks or spec.task not in self.tasks:
            raise ValueError(f"the model cannot take {spec.task.value} of {spec.layout}. {self.advice}")

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        """Return a module from (B, *input_shape) to the loss's prediction; ``spec.task`` is the data's."""
        raise NotImplementedError

    def module(self) -> Callable[..., AblationModule] | None:
        """Return what to make instead of an ``AblationModule``, with its arguments: a training procedure of its own."""
        return None


class Scale(Enum):
    """How inputs are scaled; statistics come from the training split alone."""

    none = "none"
    unit = "unit"
    standard = "standard"


class Hold(Enum):
    """Where examples are while a run trains: all in ``memory``, read batch by batch as a ``stream``, or as fits."""

    auto = "auto"
    memory = "memory"
    stream = "stream"


@dataclass(frozen=True)
class Origin:
    """Where a data set comes from and what was found there, for the record and the first lines of a sweep."""

    path: str
    """The file or folder, absolute; or the name on a hub."""
    content: str
    """Digest of what it holds."""
    sentences: tuple[str, ...]
    """What was made of it, in words."""
    features: tuple[str, ...] = ()
    """The features of a table by name."""
    classes: tuple[str, ...] = ()


class Order(Enum):
    """In what order training meets its examples: drawn anew each epoch, or sorted by target, always the same."""

    shuffled = "shuffled"
    sorted = "sorted"


@dataclass
class Data(Technique):
    """Data set with its splits and its task.

    batch_size: examples a step, or ``all`` for the whole training split · train_size: keeps so many training
    examples and leaves the other splits alone · scale: per feature of a table or sequence and per channel of an
    image, ``unit`` maps the training range to 0..1, ``standard`` to mean 0 and standard deviation 1; a feature
    that is constant in the training split is only shifted.

    label_noise: this fraction of the training labels (of pixels, where pixels have labels) becomes another
    class; for a regression, normal noise of so many standard deviations on the training targets ·
    shift: test images are moved at random by up to so many pixels in each direction, zeros move in ·
    permute_pixels: one random order of the pixels of every image, or of the time steps of every sequence ·
    order: ``shuffled`` anew each epoch, or ``sorted`` by class or target.
    """

    kind: ClassVar[str] = "data"
    elsewhere: ClassVar[frozenset[str]] = frozenset()
    """Parameters that say where the examples are found or kept, not what they are: no part of a run's identity."""
    batch_size: Any = 64  # int | str, but OmegaConf 2.3 fails to merge a union over a default
    train_size: int | None = None
    scale: Scale = Scale.standard
    label_noise: float = 0.0
    shift: int = 0
    permute_pixels: bool = False
    order: Order = Order.shuffled

    def __post_init__(self) -> None:
        if self.batch_size != "all":
            if not isinstance(self.batch_size, int) or isinstance(self.batch_size, bool):
                raise ValueError(f"batch_size must be a whole number or all, not {self.batch_size!r}")
            at_least(1, batch_size=self.batch_size)
        at_least(2, train_size=self.train_size)
        at_least(0, shift=self.shift)
        if isinstance(task := type(self).task, Task):
            self.check_task(task)
        else:  # which a look at the data will say
            not_negative(label_noise=self.label_noise)

    @property
    def task(self) -> Task:
        """What is asked of a network; a class attribute where every such data set asks the same."""
        raise NotImplementedError(f"{type(self).__name__} has no task: write `task: ClassVar[Task] = Task.…` into it.")

    def check_task(self, task: Task) -> None:
        """Raise ``ValueError`` for a parameter that has no meaning for ``task``."""
        (not_negative if task is Task.regression else fraction)(label_noise=self.label_noise)
        if self.order is Order.sorted and task is Task.segmentation:
            raise ValueError("order=sorted needs one target an example, but a segmentation has one a pixel")

    @property
    def holding(self) -> Hold:
        """Where the examples are to be while a run trains."""
        return Hold.auto

    @property
    def title(self) -> str | None:
        """What folders of runs are named after; None for the option's name."""
        return None

    def content(self) -> str | None:
        """Return a digest of what is read from outside, a part of a run's identity; None for what the code brings."""
        return None

    def origin(self) -> Origin | None:
        """Return where the examples come from; None for what the code brings."""
        return None

    def absolute(self) -> Self:
        """Return the same for another working directory."""
        return self

    def batch(self, count: int) -> int:
        """Return how many of ``count`` training examples make a batch."""
        return count if self.batch_size == "all" else int(self.batch_size)

    def load(self, seed: int) -> Splits | LightningDataModule:
        """Return the raw train, validation and test examples that belong to ``seed``.

        Inputs are float32, or float64 where the scaling needs it; a ``Stored`` tensor is read when it is needed. Of a
        ``LightningDataModule`` the data sets are taken; batches and their order are made of them here.
        """
        raise NotImplementedError


KINDS: dict[str, type[Technique]] = {
    base.kind: base for base in (Activation, Init, Norm, Regularizer, Pool, Optimizer, Loss, Schedule, Model, Data)
}
"""Every kind by its name on the command line, in the order of listings."""
