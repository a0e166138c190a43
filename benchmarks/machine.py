"""The machine that benchmarks run on: what it is, and how fast it multiplies matrices.

    python -m benchmarks.machine [--rounds 20] [--json FILE]

The rate is that of the fastest of many products of two matrices of 1024 by 1024 numbers of single precision, on one
core: nothing that is made of matrix products is faster.
"""

from __future__ import annotations

import platform

import torch

from ablate.engines.slots import usable_processors
from ablate.provenance import machine
from benchmarks import timing

SIZE = 1024


def main() -> None:
    asked = timing.parser(__doc__, rounds=20).parse_args()
    found = described()
    torch.set_num_threads(1)
    found["gflops"] = rate(asked.rounds)
    print("\n".join(f"{name:<12}{value}" for name, value in found.items()))
    timing.keep(asked.json, found)


def described() -> dict[str, object]:
    """Return processor, cores, memory in bytes, system and versions; not the machine's name."""
    found = machine() | {"cores": usable_processors()}
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    return {key: found[key] for key in ("cpu", "cores", "memory")} | {"system": system()} | versions


def system() -> str:
    """Return the name of the distribution, or of the operating system."""
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform(terse=True)


def rate(rounds: int) -> float:
    """Return the GFLOP/s of matrix products on one core."""
    a, b, out = (torch.ones(SIZE, SIZE) for _ in range(3))
    fastest = min(timing.seconds(lambda: torch.mm(a, b, out=out)) for _ in range(rounds + 1))
    return 2 * SIZE**3 / fastest / 1e9


if __name__ == "__main__":
    main()
