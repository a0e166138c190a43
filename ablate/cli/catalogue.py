"""The verbs ``help`` and ``plugins``: what can be chosen. Neither imports torch, lightning or pandas."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Sequence
from enum import Enum
from typing import Any

from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ablate.cli.catalogue_data import document, type_of
from ablate.cli.verbs import VERBS, words_of
from ablate.composition import defaults
from ablate.config import Config, TrainerConfig
from ablate.discovery import BUILTIN
from ablate.errors import ConfigError, did_you_mean
from ablate.json_text import json_text
from ablate.registry import Option, registry
from ablate.report.style import console, level_text
from ablate.sweep_settings import SweepSettings
from ablate.techniques import KINDS

_USAGE = """\
[bold]ablate[/]: what does this technique do to convergence?

  python -m ablate norm=bn opt.lr=0.01             one run
  python -m ablate -m norm=bn,none opt=sgd,adam    a sweep: every combination of the levels
  python -m ablate -m … "seed=range(0,10)"         ten seeds of each
  python -m ablate plugins \\[KIND | KIND=OPTION]    what can be chosen, with parameters and defaults
  python -m ablate summary norm=bn opt=sgd         what that network costs and sees; -m: every arm
  python -m ablate doctor opt.lr=0.1               why does it not converge? \\[--json]
  python -m ablate runs \\[NAME]                     what has been run \\[--json, as most verbs]
  python -m ablate report \\[NAME]                   what it has shown: effects with intervals, a page, data
  python -m ablate compare A B …                   arms, runs or sweeps side by side \\[--json] \\[--html FILE]
  python -m ablate import tb|csv|mlflow PATH       runs of other programs as records: report, compare \\[--factor …]
  python -m ablate studies \\[NAME]                  the claims that are tested, and how they came out
  python -m ablate study=NAME                      one of them, tested; study --all: the whole book
  python -m ablate rerun FOLDER                    a run again, from its record: the same to the bit?
  python -m ablate new plugin NAME --kind norm     a plugin of your own, to begin with
  python -m ablate completion bash|zsh|fish        what your shell completes: eval "$(ablate completion bash)"
  python -m ablate --plugin FILE …                 with the options of a Python file (or ABLATE_PLUGINS)
"""


def help(arguments: Sequence[str] = ()) -> None:
    """Print how to call ablate and what can be chosen, or how to call one verb."""
    out = console()
    if arguments and arguments[0] not in VERBS:
        raise ConfigError(
            f"help {arguments[0]}: there is no such verb.{did_you_mean(arguments[0], VERBS)} Verbs: {', '.join(VERBS)}."
        )
    if arguments and arguments[0] != "help":
        called = re.compile(rf"\bablate {arguments[0]}\b|; {arguments[0]} --")
        out.print("\n".join(line for line in _USAGE.splitlines() if called.search(line)))
        out.print(Padding(escape(words_of(arguments[0])), (1, 0, 1, 0)))
        out.print("Everything else: python -m ablate --help")
        return
    out.print(_USAGE)
    chosen = defaults()
    kinds = Table.grid(padding=(0, 3))
    for kind, base in KINDS.items():
        names = [f"[bold]{name}*[/]" if name == chosen[kind] else name for name in registry().options(kind)]
        kinds.add_row(f"  [cyan]{kind}[/]", escape(_first_line(base).rstrip(".").lower()), "  ".join(names))
    out.print("[bold]Kinds[/] (kind=option; * when nothing is said; reg takes a list: reg=\\[l2,dropout])")
    out.print(kinds)
    if warning := registry().warning():
        out.print(Padding(Text(f"{warning[0].upper()}{warning[1:]}", style="yellow"), (1, 0, 0, 0)))
    out.print("\nAn option's parameters are settings too: norm=bn norm.eps=1e-3, reg=l2 reg.l2.weight=0.01.\n")
    out.print("[bold]Settings[/]")
    settings = Table.grid(padding=(0, 3))
    for name, default, words in _plain_settings():
        settings.add_row(f"  [cyan]{name}[/]", escape(default), escape(words))
    out.print(settings)
    trainer = "  ".join(f"{f.name}={_default_text(f)}" for f in dataclasses.fields(TrainerConfig))
    out.print("\n[bold]Trainer[/] (trainer.max_epochs=5, …)")
    out.print(Padding(escape(trainer), (0, 0, 0, 2)))
    out.print("\nHydra's own flags work as usual: --cfg job, --config-dir, hydra/launcher=…; see --hydra-help.")


def _plain_settings() -> list[tuple[str, str, str]]:
    words = {
        "init_from": "weights to start from: a run's folder, an arm's hash for each seed's own run, or a file",
        "init_head": "keep, new, or frozen: a new head on a frozen body; scratch loads nothing",
        "freeze": 'parts that do not learn, by name: [conv1,layer1], "[blocks.0.*]"',
        "layer_decay": "learning rate of each level of weights, times that of the next: 0.8; 1 is one rate for all",
        "seed": "split, initialisation and data order; the same in every arm",
        "name": "folder of the sweep; by default <data>-<model>",
        "label": "what the arm's folder is called; by default the settings given",
        "output_dir": "where the folders of sweeps are",
        "logger": "who is told of the curves: tensorboard,csv and any of mlflow, wandb, aim",
        "allow_code": "true: what model.target names may be imported and called (model=import)",
        "target": "validation metric for 'steps to target': a number, reached (by every arm), or auto: by calibration",
        "calibration": "runs of the baseline, not reported, that set target=auto; by default 5 from 5 seeds on",
        "study": "a claim to be tested: its arms, seeds and measure; `studies` lists them",
        "design": "full, ofat, loo, fractional or path: which of all combinations are trained",
        "baseline": "design=ofat: where it starts, {norm:none}; by default each factor's first level",
        "resolution": "design=fractional: III, IV, V or plackett_burman; by default IV",
        "tune": "parameters of which each arm gets its own value: lr, or opt.lr,reg.l2.weight",
        "tune_seeds": "how many seeds, none of them reported, that is decided on; by default 3",
        "dry_run": "print the plan and how long it would take; train nothing",
        "retry": "none, failed or all: which runs that ended badly are tried again; all: those that diverged, too",
        "fail_fast": "whether the first failure stops the sweep",
        "workers": "worker processes: auto, a number, or 0 for this process",
        "runs_per_gpu": "how many runs share a GPU",
        "stack": "how many runs of one network train in step: off; auto, as a few timed steps say; a number at most",
        "quiet": "print nothing but failures while training",
        "cost": "whether a table of parameters, multiply-adds and memory follows the results",
    }
    fields = {f.name: f for part in (Config, SweepSettings) for f in dataclasses.fields(part)}
    return [(name, _default_text(fields[name]), text) for name, text in words.items()]


def plugins(arguments: Sequence[str] = ()) -> None:
    """Print every option, those of one kind, or one in full: ``plugins``, ``plugins norm``, ``plugins norm=bn``; with
    ``--json`` as data.
    """
    as_data = "--json" in arguments
    arguments = [argument for argument in arguments if argument != "--json"]
    for argument in arguments:
        kind, _, name = argument.partition("=")
        if kind not in KINDS:
            meant = [f"{k}={kind}" for k in KINDS if kind in registry().options(k)]
            hint = f" Did you mean {' or '.join(meant)}?" if meant else ""
            raise ConfigError(f"plugins {argument}: there is no kind '{kind}'.{hint} Kinds: {', '.join(KINDS)}.")
    if as_data:
        asked = [(kind, name) for kind, _, name in (argument.partition("=") for argument in arguments)]
        print(json_text(document(asked)), end="")
        return
    for argument in arguments:
        kind, _, name = argument.partition("=")
        if name:
            _print_option(registry().get(kind, name))
        else:
            _print_kind(kind)
    if not arguments:
        for kind in KINDS:
            _print_kind(kind)
        _print_broken()


def _print_broken() -> None:
    """Print what was set aside, and why."""
    out = console()
    if registry().broken:
        out.print("\n[bold yellow]Broken[/]  What was set aside, and why.")
    for each in registry().broken:
        out.print(f"  [yellow]{escape(str(each))}[/]")
        out.print(Padding(Text(each.reason), (0, 0, 0, 4)))


def _print_kind(kind: str) -> None:
    out = console()
    out.print(f"\n[bold cyan]{kind}[/]  {escape(_first_line(KINDS[kind]))}")
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=16)
    for option in registry().options(kind).values():
        described = Text(option.summary)
        if option.fields:
            described.append("\n" + "  ".join(_parameters(option)), style="dim")
        by = "" if option.distribution == BUILTIN else f"{option.distribution} {option.version}"
        table.add_row(f"  {option.kind}={option.name}", described, escape(by))
    out.print(table)


def _print_option(option: Option) -> None:
    out = console()
    out.print(
        f"[bold cyan]{option.kind}={option.name}[/]  {option.distribution} {option.version}, {option.cls.__module__}"
    )
    out.print(Padding(Text(_reflowed(inspect.getdoc(option.cls) or "")), (0, 0, 0, 2)))
    for base in dict.fromkeys(_owner(option.cls, f.name) for f in option.fields):
        _, _, shared = (inspect.getdoc(base) or "").partition("\n\n")
        if base is not option.cls and shared:
            out.print(Padding(Text(f"\nAs every {base.__name__}:\n{_reflowed(shared)}"), (0, 0, 0, 2)))
    prefix = f"reg.{option.name}" if option.kind == "reg" else option.kind
    for name, parameter in zip((f.name for f in option.fields), _parameters(option), strict=True):
        kind = _type_text(option.cls, name)
        out.print(f"  [cyan]{prefix}.{escape(parameter)}[/]  {escape(kind)}")


def _reflowed(doc: str) -> str:
    """Return the paragraphs of a docstring each on one line, for the screen to break."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in doc.split("\n\n"))


def _parameters(option: Option) -> list[str]:
    """Return ``name=default`` of each parameter."""
    return [f"{f.name}={_default_text(f)}" for f in option.fields]


def _default_text(field: dataclasses.Field[Any]) -> str:
    value = field.default
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    if value is dataclasses.MISSING:
        return "(required)"
    if isinstance(value, Enum):
        return value.name
    return "null" if value is None else level_text(value)


def _type_text(cls: type, name: str) -> str:
    """Return a parameter's type, or the choices of an Enum."""
    told, choices = type_of(cls, name)
    return " | ".join(choices) if choices else told


def _owner(cls: type, name: str) -> type:
    return next(base for base in cls.__mro__ if name in inspect.get_annotations(base))


def _first_line(cls: type) -> str:
    return (inspect.getdoc(cls) or "").split("\n", 1)[0]
