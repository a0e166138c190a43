"""The verb ``completion``: a script for a shell that knows every verb, setting, option and parameter there is now.

All words are in the script, so that pressing the key starts no process; a plugin that is installed later is known to
the next shell. Hydra's own completion knows no verbs, and imports what training needs each time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from importlib.resources import files

from ablate.cli.catalogue_data import type_of
from ablate.cli.verbs import VERBS
from ablate.config import LOGGERS, STRATEGIES, TrainerConfig
from ablate.errors import ConfigError, did_you_mean
from ablate.overrides import CHOICES, SETTINGS
from ablate.registry import registry
from ablate.sweep_settings import SweepSettings
from ablate.techniques import KINDS

SHELLS = ("bash", "zsh", "fish")

FLAGS = {
    "": "-m --multirun --plugin --version --help",
    "plugins": "--json",
    "runs": "--json",
    "report": "--format --json --watch",
    "compare": "--json --html",
    "summary": "-m --json",
    "doctor": "--json",
    "rerun": "--keep",
    "new": "plugin --kind --into",
    "import": "tb csv mlflow --factor --seed --metric --mode --curve --step --experiment --map",
    "completion": " ".join(SHELLS),
}
"""What may stand after each verb, beside settings and names of sweeps."""


def completion(arguments: Sequence[str] = ()) -> None:
    """Print the script for a shell."""
    if len(arguments) != 1 or arguments[0] not in SHELLS:
        said = " ".join(arguments)
        raise ConfigError(
            f"completion {said}: name your shell, {', '.join(SHELLS)}.{did_you_mean(said, SHELLS)} "
            'For bash: eval "$(ablate completion bash)".'
        )
    template = (files("ablate") / "templates" / "completion" / f"{arguments[0]}.txt").read_text(encoding="utf-8")
    print(template.replace("@TABLE@", "\n".join(_table())), end="")


def _table() -> Iterator[str]:
    """Yield a line for each verb and each setting: its name, and what may stand after it."""
    yield f"verb: {' '.join(VERBS)} {FLAGS['']}"
    for verb in VERBS:
        more = " ".join([*KINDS, *_choices()]) if verb == "plugins" else ""
        yield f"verb:{verb} {FLAGS.get(verb, '')} {more}".rstrip()
    values = {**dict.fromkeys(SETTINGS, ""), **_values()}
    for key, words in values.items():
        if _safe(key):
            yield f"{key}= {words}".rstrip()


def _choices() -> Iterator[str]:
    for kind in KINDS:
        yield from (f"{kind}={name}" for name in registry().options(kind))


def _values() -> dict[str, str]:
    """Return what may stand after each ``key=``, as far as that is a choice."""
    found = {name: "true false" for name, field in SweepSettings.__dataclass_fields__.items() if field.type == "bool"}
    found |= {name: " ".join(choices) for name, choices in CHOICES.items()}
    found |= {"logger": " ".join(LOGGERS), "init_head": "keep new frozen scratch", "target": "auto reached"}
    found |= {f"trainer.{one.name}": "true false" * (one.type == "bool") for one in dataclasses.fields(TrainerConfig)}
    found |= {"trainer.strategy": " ".join(STRATEGIES), "trainer.accelerator": "auto cpu gpu"}
    found["hydra/launcher"] = "local ray joblib submitit_local submitit_slurm"
    for kind in KINDS:
        options = registry().options(kind)
        found[kind] = " ".join(filter(_safe, options))
        for option in options.values():
            prefix = f"reg.{option.name}" if kind == "reg" else kind
            for one in option.fields:
                told, choices = type_of(option.cls, one.name)
                words = " ".join(choices or ()) or "true false" * (told == "bool")
                found[f"{prefix}.{one.name}"] = words
    return {key: words for key, words in found.items() if key != "trainer"}


def _safe(word: str) -> bool:
    """Whether a shell takes a word as it is: what a plugin calls its option goes into a script."""
    return all(sign.isalnum() or sign in "._-/=" for sign in word)
