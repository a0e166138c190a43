"""Measure all that concerns speed and memory, and write the page about it, ``docs/performance.md``, with its figure.

    python -m benchmarks.performance [--rounds 3] [--runs 16,64,256] [--only sweeps,solo] [--quick] [--docs docs]

Each program is a process of its own; what it finds is kept in outputs/performance.json. ``--only`` measures some of
them again and takes the rest from there; with ``--only none`` the page is written anew and nothing is measured.
``--quick`` takes the smallest sizes: to see that all works, not to be quoted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from ablate.atomic import atomic, write_atomically
from benchmarks import timing
from benchmarks.page import SECTIONS, page
from benchmarks.plot import PANELS, plot

ROOT = Path(__file__).parent.parent
QUICK = {
    "sweeps": ["--epochs=1", "--runs=4,8"],
    "stacks": ["--members=1,4", "--models=mlp32"],
    "memory": ["--members=4,16", "--models=mlp32"],
    "planning": ["--runs=200"],
    "report": ["--records=20,50"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=timing.positive, help="of each program; each has its own number else")
    parser.add_argument("--runs", type=timing.numbers, help="sizes of the sweep")
    parser.add_argument("--only", type=timing.names([*SECTIONS, "none"]), default=[*SECTIONS])
    parser.add_argument("--quick", action="store_true", help="smallest sizes, one round")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="the folder of the page")
    parser.add_argument("--found", type=Path, default=ROOT / "outputs" / "performance.json", help="what was measured")
    asked = parser.parse_args()
    wanted = [name for name in SECTIONS if name in asked.only]
    known = json.loads(asked.found.read_text(encoding="utf-8")) if asked.found.is_file() else {}
    found = {name: own for name, own in known.items() if len(wanted) < len(SECTIONS)}
    asked.found.parent.mkdir(parents=True, exist_ok=True)
    for name in wanted:
        print(f"\n{name}\n", flush=True)
        found[name] = measured(name, asked.found.with_name(f"performance-{name}.json"), options(name, asked))
        write_atomically(asked.found, json.dumps(found, indent=1) + "\n")
    write(found, asked.docs)
    print(f"\nPage: {asked.docs / 'performance.md'}")


def options(name: str, asked: argparse.Namespace) -> list[str]:
    """Return the options that a program is called with."""
    told = QUICK.get(name, []) if asked.quick else []
    rounds = asked.rounds or (1 if asked.quick else None)
    if rounds:
        told = [*told, f"--rounds={rounds}"]
    if asked.runs and name == "sweeps":
        told = [*told, f"--runs={','.join(map(str, asked.runs))}"]
    return told


def measured(name: str, path: Path, told: list[str]) -> dict[str, Any]:
    """Return what a program finds."""
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *told, f"--json={path}"], cwd=ROOT, check=True)
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    return found


def write(found: dict[str, Any], docs: Path) -> None:
    """Write the page and its figure."""
    image = docs / "images" / "performance.png"
    image.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(docs / "performance.md", page(found))
    if found.keys() & PANELS.keys():
        with atomic(image) as temporary:
            temporary.write_bytes(plot(found).png())


if __name__ == "__main__":
    main()
