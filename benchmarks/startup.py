"""What ``python -m ablate --help`` costs, against a bare Hydra application's ``--help`` and Python itself.

    python -m benchmarks.startup [--rounds 10] [--json FILE]

The commands take turns, and each is compared with the others of its round: what else the machine is doing
falls on all of them alike.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks import timing

AIM = 2.0  # --help may take so many times the bare application's

BARE_APP = """\
import hydra
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path=".", config_name="config")
def main(config: DictConfig) -> None:
    print(config)


if __name__ == "__main__":
    main()
"""

ABLATE, HYDRA, PYTHON = "python -m ablate --help", "bare Hydra app --help", "python -c pass"


def main() -> None:
    asked = timing.parser(__doc__, rounds=10).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        times = measure(Path(folder), asked.rounds)
    print(table(times))
    ratio = timing.median_ratio(times[ABLATE], times[HYDRA])
    print(f"\nAim: at most {AIM:g} times the bare Hydra app. {'Met' if ratio <= AIM else 'Missed'}: {ratio:.2f}.")
    timing.keep(asked.json, {"times": times, "ratio": ratio})


def measure(folder: Path, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each command in each round, after one round that warms the caches."""
    (folder / "app.py").write_text(BARE_APP, encoding="utf-8")
    (folder / "config.yaml").write_text("lr: 0.1\n", encoding="utf-8")
    commands = {
        ABLATE: [sys.executable, "-m", "ablate", "--help"],
        HYDRA: [sys.executable, "app.py", "--help"],
        PYTHON: [sys.executable, "-c", "pass"],
    }
    return timing.in_turns({name: partial(timing.call, own, folder) for name, own in commands.items()}, rounds)


def table(times: dict[str, list[float]]) -> str:
    """Return one line per command: median milliseconds, and the medians of the ratios within a round."""
    lines = [f"{'median of ' + str(len(times[ABLATE])) + ' rounds':<26}{'ms':>8}{'× Hydra app':>14}{'× Python':>11}"]
    for name, own in times.items():
        against = [timing.median_ratio(own, times[base]) for base in (HYDRA, PYTHON)]
        lines.append(f"{name:<26}{1000 * statistics.median(own):>8.0f}{against[0]:>14.2f}{against[1]:>11.2f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
