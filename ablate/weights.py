"""Weights in a file, whoever wrote it: read without running anything that is in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ablate.errors import ConfigError

WITHIN = ("state_dict", "model_state_dict", "model", "module", "state_dict_ema")
"""Where checkpoints keep the weights, beside what else they hold."""
PREFIXES = ("model.", "module.", "network.", "backbone.", "_orig_mod.")
"""What trainers and wrappers put before the names."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file, .safetensors or what ``torch.save`` writes; raise ``ConfigError`` for any other."""
    content = _safetensors(path) if path.suffix == ".safetensors" else _torch(path)
    for name in WITHIN:
        if isinstance(content.get(name), Mapping):
            content = content[name]
            break
    found = {str(name): tensor for name, tensor in content.items() if isinstance(tensor, Tensor)}
    if not found:
        raise ConfigError(f"init_from={path}: it holds no tensors by name. Save a state_dict.")
    return found


def _torch(path: Path) -> Mapping[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling fails in as many ways as a file can be broken
        raise ConfigError(
            f"init_from={path} cannot be read as weights alone ({type(error).__name__}), and whatever else is in it is "
            "not run. Save a state_dict, or a safetensors file."
        ) from error
    if not isinstance(content, Mapping):
        raise ConfigError(f"init_from={path}: it holds a {type(content).__name__}, and has to hold a state_dict.")
    return content


def _safetensors(path: Path) -> Mapping[str, Any]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"init_from={path}: safetensors is not installed: pip install 'lightning-ablate[safetensors]'."
        ) from error
    try:
        content: dict[str, Any] = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ConfigError(f"init_from={path} cannot be read as safetensors ({error}).") from error
    return content


def named_alike(there: Mapping[str, Tensor], here: Collection[str]) -> dict[str, Tensor]:
    """Return ``there`` without the prefix, or the two, that keep most of its names from being those of ``here``."""

    def without(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): tensor for name, tensor in there.items()}

    twice = (outer + inner for outer in PREFIXES for inner in PREFIXES)  # a compiled network in a trainer's module
    return max((without(prefix) for prefix in ("", *PREFIXES, *twice)), key=lambda found: len(found.keys() & set(here)))
