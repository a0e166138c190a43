"""From a configuration to real objects: kit, data set, model, module."""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from torch import nn

from ablate import transfer
from ablate.config import Config
from ablate.dataset import Dataset, prepare
from ablate.errors import AblateError, ConfigError
from ablate.freezing import freeze
from ablate.kit import Kit, initialize, weight_layers
from ablate.objective import Objective
from ablate.registry import registry
from ablate.techniques import Task
from ablate.transplant import Replacements, transplant

if TYPE_CHECKING:
    from ablate.module import AblationModule

Made = TypeVar("Made", bound=Objective)

BUILT = ("act", "norm", "reg", "pool", "model")
"""The kinds that have a part in building a network."""


def kit_of(config: Config) -> Kit:
    """Return the techniques that a model is assembled from."""
    return Kit(act=config.act, init=config.init, norm=config.norm, pool=config.pool, reg=config.reg)


def build(config: Config, dataset: Dataset | None = None) -> AblationModule:
    """Return the module of a run as training begins; ``.model`` is the network, with the weights of ``init_from``.

    ``dataset`` saves loading the data again where it is at hand. Raises ``ConfigError`` where model, loss and
    data do not fit together.
    """
    from ablate.module import AblationModule  # here, as it needs Lightning, and planning does not

    dataset = dataset or prepare(config.data, config.seed)
    make = config.model.module() or AblationModule
    module = _assembled(config, dataset, partial(make, target_scale=dataset.target_scale))
    if not module.automatic_optimization:
        refuse_automatic(config)
    return module


def objective(config: Config, dataset: Dataset | None = None) -> Objective:
    """Return what a run minimises as training begins: all that :func:`build` has but what is there for Lightning."""
    if config.model.module() is not None:
        return build(config, dataset)
    return _assembled(config, dataset or prepare(config.data, config.seed), Objective)


def _assembled(config: Config, dataset: Dataset, make: Callable[..., Made]) -> Made:
    """Return what ``make`` makes of a run's network and techniques."""
    refuse_code(config)
    model, replaced = network(config, dataset)
    freeze(model, config.freeze)
    transferred = transfer.load(model, config)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ConfigError(
            f"model={config.choices()['model']}: nothing in the network is left to train. Freeze less, by freeze and "
            "init_head, or take another network."
        )
    made = make(
        model,
        spec=dataclasses.replace(dataset.spec, task=config.task),
        loss=config.loss.build(config.task),
        opt=config.opt,
        sched=config.sched,
        reg=config.reg,
        seed=config.seed,
    )
    made.transfer, made.replaced = transferred, replaced
    if config.layer_decay < 1:
        made.layer_decay = config.layer_decay
        made.optimizer_for(p for p in model.parameters() if p.requires_grad)  # refused now, if at all
    return made


def network(config: Config, dataset: Dataset) -> tuple[nn.Module, Replacements | None]:
    """Return the network of a run, with the weights that its initialiser chose, and what was replaced in it.

    That is of networks which somebody else wrote.
    """
    refuse_misfit(config)
    replaced = None
    try:
        config.model.check(dataset.spec)
        model = config.model.build(kit_of(config), dataset.spec)
        if config.model.foreign:
            replaced = transplant(model, kit_of(config), dataset.spec)
    except AblateError:
        raise
    except (ValueError, RuntimeError) as error:
        if (technique := _culprit(error, config)) is not None:
            raise ConfigError(
                f"{technique} cannot be built: {type(error).__name__}: {str(error).rstrip('.')}. "
                "Leave it out, or mend it."
            ) from error
        raise ConfigError(
            f"model={config.choices()['model']} on data={config.choices()['data']}: {str(error).rstrip('.')}."
        ) from error
    except Exception as error:  # whatever a plugin raises
        chosen = " ".join(f"{kind}={name}" for kind, name in config.choices().items() if kind in BUILT)
        raise ConfigError(f"{chosen} cannot be built. {type(error).__name__}: {str(error).rstrip('.')}.") from error
    initialize(model, config.init, config.seed)
    for layer in weight_layers(model):
        config.norm.reparametrize(layer)
    return model, replaced


def _culprit(error: BaseException, config: Config) -> str | None:
    """Return the technique in whose method an error was raised; None where it was the model, or none of them."""
    own = {id(technique): key for key, technique in config.techniques().items() if key != "model"}
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        if (key := own.get(id(frame.f_locals.get("self")))) is not None:
            return f"{key.replace('.', '=')}" if "." in key else f"{key}={config.choices()[key]}"
    return None


def refuse_code(config: Config) -> None:
    """Raise ``ConfigError`` where a network is made by code that a setting names, and nobody has said that it may."""
    if config.model.runs_code and not config.allow_code:
        raise ConfigError(
            f"model={config.choices()['model']} runs code: what its settings name is imported and called. If you know "
            "it, add allow_code=true."
        )


def refuse_misfit(config: Config) -> None:
    """Raise ``ConfigError`` where loss, data or optimizer are not for what the network is trained for."""
    keeping = [key for key, technique in config.techniques().items() if technique.keeps]
    if keeping and not config.model.foreign:
        options = registry().options("model").items()
        foreign = ", ".join(name for name, option in options if getattr(option.cls, "foreign", False))
        raise ConfigError(
            f"{keeping[0].partition('.')[0]}=keep leaves what a network came with, and "
            f"model={config.choices()['model']} is made of the options: choose one. keep is for model={foreign}."
        )
    if config.opt.full_batch and config.data.batch_size != "all":
        raise ConfigError(
            f"opt={config.choices()['opt']} takes the gradient of the whole training split: add data.batch_size=all, "
            "or take opt=sgd for batches."
        )
    if config.task is Task.generation and config.data.label_noise:
        raise ConfigError(
            f"data.label_noise={config.data.label_noise} would change nothing: model={config.choices()['model']} "
            "takes no labels. Drop it."
        )
    tasks = config.loss.tasks
    if config.task in tasks:
        return
    loss, model, data = (config.choices()[kind] for kind in ("loss", "model", "data"))
    asks = f"data={data} asks for" if config.model.goal is None else f"model={model} is trained for"
    options = registry().options("model").items()
    fitting = [f"model={name}" for name, option in options if getattr(option.cls, "goal", None) in tasks]
    raise ConfigError(
        f"loss={loss} is for {', '.join(sorted(task.value for task in tasks))}, but {asks} {config.task.value}. "
        f"loss=auto takes the one that fits{''.join(f'; loss={loss} goes with {name}' for name in fitting)}."
    )


def refuse_automatic(config: Config) -> None:
    """Raise ``ConfigError`` for what Lightning can do only where it steps the optimizer itself."""
    model, t = config.choices()["model"], config.trainer
    reason = f"is not possible with model={model}, which steps its optimizers itself"
    if config.layer_decay < 1:
        raise ConfigError(f"layer_decay={config.layer_decay} {reason}. Drop it.")
    if t.gradient_clip_val is not None:
        raise ConfigError(f"trainer.gradient_clip_val={t.gradient_clip_val} {reason}. Take reg=grad_clip.")
    if t.accumulate_grad_batches > 1:
        raise ConfigError(
            f"trainer.accumulate_grad_batches={t.accumulate_grad_batches} {reason}. Take a larger data.batch_size."
        )
