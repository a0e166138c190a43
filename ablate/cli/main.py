"""The command line: a verb, help, or a run or sweep through Hydra."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from importlib import metadata

from ablate.cli import settings
from ablate.cli.verbs import VERBS, function_of
from ablate.engines import processes
from ablate.errors import AblateError, ConfigError, did_you_mean
from ablate.garbage import uncollected
from ablate.registry import load_plugin
from ablate.shapes import clean
from ablate.studies.arguments import key_of, named
from ablate.studies.catalogue import study

BAD_INPUT, SOME_FAILED, INTERRUPTED = 2, 1, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 0 done, 1 a run failed, 2 bad input, 130 interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(_with_plugins(arguments))
    except AblateError as error:
        if "HYDRA_FULL_ERROR" in os.environ:
            raise
        print(f"ablate: {clean(str(error))}", file=sys.stderr)
        return BAD_INPUT
    except RuntimeError as error:  # Lightning imports torchvision where there is one
        if "operator torchvision::" not in str(error):
            raise
        print(
            "ablate: torchvision is of another build than torch, and nothing that imports Lightning works "
            f"({str(error).splitlines()[0]}): install the two from one place, or uninstall torchvision.",
            file=sys.stderr,
        )
        return BAD_INPUT
    except KeyboardInterrupt:
        print("ablate: interrupted; the same command trains what is missing.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `… | head` has seen enough
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
        return 0


def _with_plugins(arguments: Sequence[str]) -> list[str]:
    """Load what ``--plugin FILE`` names, wherever it stands; return the other arguments."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--plugin", action="append", default=[])
    try:
        named, rest = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise ConfigError("--plugin needs a file: --plugin ./my_norm.py norm=mine.") from error
    for path in named.plugin:
        load_plugin(path)
    return rest


def _dispatch(arguments: list[str]) -> int:
    first = arguments[0] if arguments else ""
    if {"-h", "--help"} & set(arguments):
        arguments, first = ["help", *([first] if first in VERBS else [])], "help"
    if first and first[0].isalpha() and "=" not in first:
        if first not in VERBS:
            raise ConfigError(
                f"There is no verb '{first}'.{did_you_mean(first, VERBS)} "
                f"Verbs: {', '.join(VERBS)}. Settings are written key=value, such as norm=bn."
            )
        with uncollected():
            verb = getattr(importlib.import_module(VERBS[first]), function_of(first))
        return verb(arguments[1:]) or 0
    if arguments and arguments[-1] == "summary":  # a network was described, and then the question occurred
        return _dispatch(["summary", *arguments[:-1]])
    if misplaced := [argument for argument in arguments if argument in VERBS]:
        raise ConfigError(
            f"'{misplaced[0]}' is a verb and stands first{', or last' if misplaced[0] == 'summary' else ''}: "
            f"python -m ablate {misplaced[0]} …"
        )
    if arguments == ["--version"]:
        print(f"lightning-ablate {metadata.version('lightning-ablate')}")
        return 0
    if (asked := named(arguments)) is not None and study(asked).exact:
        return _dispatch(["study", asked, *(a for a in arguments if key_of(a) != "study")])
    command = settings.parse(arguments)
    if command.needs_workers:
        processes.warm_up()  # before the settings are checked: both take their time
    settings.check(command)
    with uncollected():
        from ablate.cli.train import train  # here, so that all of the above stays free of torch

    return train(command)
