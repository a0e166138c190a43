"""From a configuration to real objects: kit, data set, model, module."""

from __future__ import annotations

from ablate import transfer
from ablate.config import Config
from ablate.dataset import Dataset, prepare
from ablate.errors import ConfigError
from ablate.kit import Kit, initialize, weight_layers
from ablate.module import AblationModule


def kit_of(config: Config) -> Kit:
    """Return the techniques that a model is assembled from."""
    return Kit(act=config.act, init=config.init, norm=config.norm, pool=config.pool, reg=config.reg)


def build(config: Config, dataset: Dataset | None = None) -> AblationModule:
    """Return the module of a run as training begins; ``.model`` is the network, with the weights of ``init_from``.

    ``dataset`` saves loading the data again where it is at hand. Raises ``ConfigError`` where model, loss and
    data do not fit together.
    """
    dataset = dataset or prepare(config.data, config.seed)
    spec = dataset.spec
    if spec.task not in config.loss.tasks:
        fitting = ", ".join(sorted(task.value for task in config.loss.tasks))
        raise ConfigError(
            f"loss={config.choices()['loss']} is for {fitting}, but data={config.choices()['data']} asks for "
            f"{spec.task.value}. loss=auto takes the one that fits."
        )
    try:
        config.model.check(spec)
        model = config.model.build(kit_of(config), spec)
    except (ValueError, RuntimeError) as error:
        raise ConfigError(
            f"model={config.choices()['model']} on data={config.choices()['data']}: {str(error).rstrip('.')}."
        ) from error
    initialize(model, config.init, config.seed)
    for layer in weight_layers(model):
        config.norm.reparametrize(layer)
    transferred = transfer.load(model, config)
    module = AblationModule(
        model,
        spec=spec,
        loss=config.loss.build(spec.task),
        opt=config.opt,
        sched=config.sched,
        reg=config.reg,
        target_scale=dataset.target_scale,
        seed=config.seed,
    )
    module.transfer = transferred
    return module
