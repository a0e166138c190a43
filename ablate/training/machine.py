"""What a run asks of the machine that it trains on."""

from __future__ import annotations

from typing import Any

from ablate.config import Config, TrainerConfig
from ablate.errors import ConfigError
from ablate.training.process import quiet


def machine(t: TrainerConfig) -> dict[str, Any]:
    """Return the arguments of Lightning's Trainer that depend on what the machine has."""
    return {"accelerator": t.accelerator, "devices": t.devices, "strategy": t.strategy, "precision": t.precision}


def check_machine(config: Config) -> None:
    """Raise ``ConfigError`` for an accelerator or precision that Lightning does not know or the machine has not."""
    if machine(config.trainer) == machine(TrainerConfig()):  # whatever the machine has
        return
    import lightning.pytorch as pl  # here, as nothing else of planning needs it
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    with quiet():
        try:
            pl.Trainer(**machine(config.trainer), logger=False, enable_checkpointing=False)
        except (MisconfigurationException, ImportError, ValueError, RuntimeError) as error:
            asked = ", ".join(f"trainer.{key}={value}" for key, value in machine(config.trainer).items())
            raise ConfigError(f"{asked}: {' '.join(str(error).split())}") from error


def check_shares(config: Config) -> None:
    """Raise ``ConfigError`` for a run that several devices cannot share."""
    devices, batch = config.trainer.devices, config.data.batch_size
    if batch != "all" and int(batch) < devices:
        raise ConfigError(
            f"trainer.devices={devices}: a batch of data.batch_size={batch} has no example for some of them."
        )
