"""Which settings take part in a model: the guard against a false ablation.

``model=lstm pool=max,avg`` would train the same network twice and report that pooling has no effect. So every
arm's network is built and tried on a few random examples before anything trains: two levels of a factor that
give the same weights, outputs, buffers and penalties are the same network. This needs no cooperation of the
model, so that it holds for anybody's plugin.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from ablate.assembly import objective
from ablate.config import Config
from ablate.dataset import Dataset, Examples
from ablate.errors import AblateError, ConfigError
from ablate.random_state import isolated, seed_all
from ablate.techniques import Regularizer

_EXAMPLES = 8  # enough for batch statistics to be defined
PROBED = ("act", "init", "norm", "reg", "pool", "loss", "model", "init_from", "init_head", "freeze")
"""The kinds and settings whose part in a run shows in its network and loss; the others take part in every run."""


def fingerprint(config: Config, dataset: Dataset) -> str:
    """Return a digest of the network that ``config`` makes: two equal ones train alike.

    It covers the initial weights, and with weights that no initialiser has chosen (zeros would hide
    everything behind them) the training output with its gradients (layers may differ in these alone), the
    evaluation output, the buffers left behind and the penalties. Regularizers that act through batches or
    callbacks are told apart by their parameters.
    """
    digest = hashlib.sha256()
    with isolated(config.seed):
        module = objective(config, dataset)
        _add_state(digest, module.model)
        digest.update(module.procedure.encode())
        examples = dataset.splits.train
        count = min(_EXAMPLES, config.data.batch(len(examples.x)), len(examples.x))
        x = torch.randn(count, *dataset.spec.input_shape, generator=_generator())
        _randomise(module.double().model)  # in float64, where eps=1e-8 and 1e-9 are not the same
        x, y = x.double(), examples.y[:count]
        y = y.double() if y.is_floating_point() else y
        for mode in (True, False):
            seed_all(config.seed)
            module.model.train(mode)
            with torch.set_grad_enabled(mode), _blaming(config, x):
                prediction, loss = module.outcome(x, y)
            digest.update(prediction.detach().numpy().tobytes())
            digest.update(loss.detach().numpy().tobytes())
            if loss.requires_grad:
                parameters = [p for p in module.model.parameters() if p.requires_grad]
                for gradient in torch.autograd.grad(loss, parameters, allow_unused=True):
                    digest.update(b"" if gradient is None else gradient.numpy().tobytes())
        _add_state(digest, module.model)
        with _blaming(config, x), torch.no_grad():
            module.outcome(*module.transformed(Examples(x, y)))
        for reg in module.reg:
            penalty = reg.penalty(module.model)
            digest.update(b"" if penalty is None else penalty.detach().numpy().tobytes())
            if reg.callbacks("val/loss", False) or type(reg).transform is not Regularizer.transform:
                digest.update(repr(reg).encode())
    return digest.hexdigest()


@contextmanager
def _blaming(config: Config, x: torch.Tensor) -> Iterator[None]:
    """Make whatever a plugin raises the configuration's fault, known in time."""
    try:
        yield
    except Exception as error:
        chosen = " ".join(f"{kind}={name}" for kind, name in config.choices().items() if kind in PROBED)
        reason = str(error) if isinstance(error, AblateError) else f"{type(error).__name__}: {error}"
        raise ConfigError(
            f"{chosen} cannot be trained, as a batch of {len(x)} examples {tuple(x.shape[1:])} shows. "
            f"{reason.rstrip('.')}."
        ) from error


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@torch.no_grad()
def _randomise(model: nn.Module) -> None:
    generator = _generator()
    for parameter in model.parameters():
        fan_in = parameter.numel() // len(parameter) if parameter.ndim > 1 else 1
        parameter.copy_((2 / fan_in) ** 0.5 * torch.randn(parameter.shape, generator=generator))


def _add_state(digest: hashlib._Hash, model: nn.Module) -> None:
    for name, tensor in model.state_dict().items():
        digest.update(name.encode() + str(tuple(tensor.shape)).encode() + tensor.numpy().tobytes())
