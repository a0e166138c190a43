"""What the benchmarks of speed share: programs take turns, ratios are within a round, JSON has what was found."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any


def parser(doc: str | None, *, rounds: int) -> argparse.ArgumentParser:
    """Return a parser described by the first line of ``doc``, with ``--rounds`` and ``--json``."""
    made = argparse.ArgumentParser(description=(doc or "").split("\n", 1)[0])
    made.add_argument("--rounds", type=positive, default=rounds)
    made.add_argument("--json", type=Path, metavar="FILE", help="write what was found there, too")
    return made


def positive(text: str) -> int:
    """Return a whole number from 1 on."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on, not {text}")
    return int(text)


def numbers(text: str) -> list[int]:
    """Return whole numbers from 1 on, with commas between them."""
    return [positive(one) for one in text.split(",")]


def names(known: Sequence[str]) -> Callable[[str], list[str]]:
    """Return what reads names of ``known``, with commas between them."""

    def read(text: str) -> list[str]:
        if unknown := [one for one in text.split(",") if one not in known]:
            raise argparse.ArgumentTypeError(f"there is no {unknown[0]}, only {', '.join(known)}")
        return text.split(",")

    return read


def keep(path: Path | None, found: Mapping[str, Any]) -> None:
    """Write what was found as JSON, where a file was named."""
    if path is not None:
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def seconds(work: Callable[[], object]) -> float:
    """Return the wall time of ``work``."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def call(command: Sequence[str], folder: Path, **environment: str) -> float:
    """Return the wall time of a command in ``folder``, from start to exit; end with what it said where it fails."""
    start = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        check=False,
    )
    elapsed = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return elapsed


def in_turns(works: Mapping[str, Callable[[], float]], rounds: int, *, warm_up: int = 1) -> dict[str, list[float]]:
    """Return what each of ``works`` measures in each round, A B C A B C; rounds that warm up are left out."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for number in range(-warm_up, rounds):
        for name, work in works.items():
            measured = work()
            if number >= 0:
                times[name].append(measured)
    return times


def median_ratio(times: Sequence[float], base: Sequence[float]) -> float:
    """Return the median of the ratios within each round."""
    return statistics.median(a / b for a, b in zip(times, base, strict=True))
