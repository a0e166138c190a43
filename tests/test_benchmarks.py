"""The benchmarks: that their programs can be called, what they count, and the page made of what they find."""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from ablate.results import open_sweep
from benchmarks import page, performance, sweeps, timing
from benchmarks.baselines import by_hand
from benchmarks.memory import peak
from benchmarks.report import write_records

PROGRAMS = (*page.SECTIONS, "performance", "baselines.by_hand")
ROUNDS = {"4": [3.0, 5.0, 4.0], "8": [5.0, 9.0, 7.0]}
FOUND: dict[str, Any] = {
    "machine": {
        **{"cpu": "A <fast> one", "cores": 2, "memory": 2**33, "system": "Linux", "python": "3.11.7"},
        **{"torch": "2.4.0", "gflops": 50.0},
    },
    "sweeps": {
        "epochs": 20,
        "flops": 1e9,
        "times": {size: dict.fromkeys(sweeps.COMMANDS, times) for size, times in ROUNDS.items()},
    },
    "solo": {"arms": [{"norm": "bn", "opt": "sgd", "run": [0.3, 0.6], "by hand": [0.2, 0.3]}], "ratio": 1.75},
    "stacks": {"opt": "sgd", "models": {"cnn": {"seconds": 2e-4, "gains": {"1": 0.9, "64": 3.25}}}},
    "memory": {"opt": "adam", "models": {"cnn": {"bytes": 123_456, "ratios": {"4": 1.01, "64": 1.125}}}},
    "planning": {"runs": 1000, "milliseconds": {"over seeds": [1.0, 3.0, 2.0]}},
    "report": {"seconds": {"50": {"summary": [2.0], "report": [4.0]}, "2000": {"summary": [3.0], "report": [9.0]}}},
    "startup": {"times": {"python -m ablate --help": [0.6], "bare Hydra app --help": [0.5]}, "ratio": 1.2},
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_says_how_it_is_called(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = importlib.import_module(f"benchmarks.{name}")
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert " ".join((program.__doc__ or "").split("\n", 1)[0].split()[:4]) in said
    assert {"--json", "--docs", "--processes"} & set(said.replace("]", " ").split())


def test_programs_take_turns_and_rounds_that_warm_up_do_not_count() -> None:
    order: list[str] = []

    def measure(name: str) -> float:
        order.append(name)
        return float(len(order))

    times = timing.in_turns({name: lambda name=name: measure(name) for name in "AB"}, 2)  # type: ignore[misc]
    assert "".join(order) == "ABABAB"
    assert times == {"A": [3, 5], "B": [4, 6]}
    assert timing.median_ratio([2.0, 9.0, 4.0], [1.0, 3.0, 1.0]) == 3


def test_one_run_more_costs_the_difference_of_two_sizes_by_their_runs() -> None:
    found = {16: {"A": [4.0, 6.0, 5.0]}, 64: {"A": [52.0, 30.0, 29.0]}}
    assert sweeps.marginal(found) == {"A": 0.5}


def test_the_operations_of_a_run_are_those_that_torch_counts() -> None:
    data, net = by_hand.digits(0), by_hand.network("none")
    assert (len(data.x), len(data.val_x)) == (sweeps.EXAMPLES, sweeps.VALIDATED)
    with FlopCounterMode(display=False) as counted:
        F.cross_entropy(net(data.x), data.y).backward()
        by_hand.validation(net, data)
    assert sweeps.flops(20) == 20 * counted.get_total_flops()


def test_the_loop_by_hand_learns_and_keeps_its_curves(tmp_path: Path) -> None:
    assert by_hand.train(tmp_path / "run", by_hand.digits(0), "bn", "adam", 0, epochs=3) > 0.8
    assert len((tmp_path / "run" / "metrics.csv").read_text().splitlines()) == 4


def test_a_peak_is_of_what_is_there_at_once() -> None:
    def work() -> None:
        first = torch.zeros(1000, 100)
        del first
        kept = torch.zeros(1000, 200)
        kept.add(torch.zeros(1000, 50).sum())

    assert peak(work) == pytest.approx(4 * 1000 * (200 + 200), abs=1000)


def test_records_that_were_never_trained_are_a_sweep(tmp_path: Path) -> None:
    write_records(tmp_path / "sweep", seeds=1)
    sweep = open_sweep(tmp_path / "sweep")
    frame = sweep.frame()
    assert sweep.factors == ["norm", "opt"]
    assert len(frame) == 10
    assert frame["best"].notna().all()


def test_the_page_has_every_figure_and_says_what_limits_it() -> None:
    made = page.page(FOUND)
    assert re.findall(r"^## (.*)", made, re.MULTILINE) == [
        *("The machine", "A sweep", "One run", "A step", "Memory", "Planning", "A report", "Start-up")
    ]
    assert "Matrix products: 50 GFLOP/s a core." in made
    assert "| by hand, one process | 4.0 | 1.00 | 1.00 | 1.00 |" in made
    assert "| by hand, one process | 750 | 1.0 | 75.0 |" in made  # 10 ms of arithmetic at 100 GFLOP/s
    assert "| norm=bn, opt=sgd | 450 | 250 | 1.75 |" in made
    assert "| cnn | 200 | 0.90 | 3.25 |" in made
    assert "| cnn | 123 | 1.01 | 1.12 |" in made
    assert "| over seeds | 2.00 |" in made
    assert "| 2,000 | 3.0 | 9.0 |" in made
    assert "| `python -m ablate --help` | 600 | 1.20 |" in made
    assert made.lower().count("limited by") >= 7
    assert max(map(len, made.splitlines())) <= 120


def test_the_page_and_its_figure_are_made_of_what_was_measured_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "found.json").write_text(json.dumps({name: FOUND[name] for name in ("stacks", "memory")}))
    given = ["--only=none", f"--found={tmp_path / 'found.json'}", f"--docs={tmp_path / 'docs'}"]
    monkeypatch.setattr(sys, "argv", ["performance", *given])
    performance.main()
    assert "## Memory" in (tmp_path / "docs" / "performance.md").read_text(encoding="utf-8")
    assert (tmp_path / "docs" / "images" / "performance.png").read_bytes().startswith(b"\x89PNG")
