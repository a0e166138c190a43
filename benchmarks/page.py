"""The page of what was measured, ``docs/performance.md``: tables, and what limits each figure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from benchmarks import planning, report, startup, sweeps
from benchmarks.timing import median_ratio

Found = Mapping[str, Any]
"""What a program has written as JSON; of all of them, by the program's name."""

HEAD = """\
# Performance

`make bench` measures all of this and writes this page: about half an hour on two cores, which should have
nothing else to do. Programs that are compared take turns, and ratios are medians of the ratios within a round.
"""
IMAGE = "![Sweeps, stacks, memory and reports over their sizes](images/performance.png)\n"


def page(found: Found) -> str:
    """Return the page, with a section for each program that has been run."""
    parts = (section(found) for name, section in SECTIONS.items() if name in found)
    return "\n".join([HEAD, IMAGE, *parts])


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown, all columns but the first aligned to the right."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def section(title: str, *parts: str) -> str:
    return "\n".join([f"## {title}\n", *parts])


def machine(found: Found) -> str:
    """Return what the figures were measured on."""
    of = found["machine"]
    told = (
        f"{of['cpu']}, {of['cores']} cores, {of['memory'] / 2**30:.0f} GiB; {of['system']}; Python {of['python']}, "
        f"torch {of['torch']}.\n"
        f"Matrix products: {of['gflops']:.0f} GFLOP/s a core.\n"
    )
    return section("The machine", told)


def sweep(found: Found) -> str:
    """Return the sweep's seconds, its cost of one run more, and how far that is from arithmetic alone."""
    of = found["sweeps"]
    times: dict[int, sweeps.Times] = {int(runs): own for runs, own in of["times"].items()}
    what = (
        f"norm=bn,none and opt=sgd,adam over seeds: an MLP 64-128-128-10 on digits, batches of 64, {of['epochs']} "
        "epochs.\nWall time of the whole command; the library has a worker for each core. It alone keeps records and "
        "checkpoints,\nmeasures layers, tests and computes effects.\n"
    )
    parts = [what, *(_of_size(runs, own) for runs, own in times.items())]
    if len(times) > 1:
        parts += _marginal(times, of["flops"], found.get("machine"))
    return section("A sweep", *parts)


def _of_size(runs: int, times: sweeps.Times) -> str:
    bases = [base for base in sweeps.AGAINST if base in times]
    rows = [
        [name, f"{statistics.median(own):.1f}", *(f"{median_ratio(own, times[base]):.2f}" for base in bases)]
        for name, own in times.items()
    ]
    return table([f"{runs} runs", "s", *(f"× {base}" for base in bases)], rows)


def _marginal(times: Mapping[int, sweeps.Times], flops: float, machine: Found | None) -> list[str]:
    more, least = sweeps.marginal(times), min(times)
    fixed = {name: statistics.median(times[least][name]) - least * cost for name, cost in more.items()}
    heads = ["", "one run more, ms", "start and end, s"]
    rows = [[name, f"{1000 * cost:.0f}", f"{fixed[name]:.1f}"] for name, cost in more.items()]
    if machine is None:
        return [table(heads, rows)]
    floor = flops / (machine["gflops"] * machine["cores"]) / 1e9
    for row, cost in zip(rows, more.values(), strict=True):
        row.append(f"{cost / floor:.1f}")
    limits = (
        f"The floor is the {flops / 1e9:.2f} GFLOP of a run's matrix products at the rate of all cores, "
        f"{1000 * floor:.1f} ms. Start and end are limited by\nimports, one run more by the dispatch of "
        "small operations, in a stack by arithmetic and by what each run logs.\n"
    )
    return [table([*heads, "× the floor"], rows), limits]


def solo(found: Found) -> str:
    """Return what a run costs against the loop by hand."""
    of = found["solo"]
    rows = [
        [
            f"norm={arm['norm']}, opt={arm['opt']}",
            *(f"{1000 * statistics.median(arm[name]):.0f}" for name in ("run", "by hand")),
            f"{median_ratio(arm['run'], arm['by hand']):.2f}",
        ]
        for arm in of["arms"]
    ]
    limits = (
        "In a warm process, on one thread. Limited by the dispatch of small operations, as the loop by hand is; the "
        "rest is what\nLightning's loops, the points of the curves, checkpoints and the record cost a run.\n"
    )
    return section("One run", table(("", "run, ms", "by hand, ms", "ratio"), rows), limits)


def stacks(found: Found) -> str:
    """Return how many times as fast a step is in a stack."""
    of = found["stacks"]
    counts = list(next(iter(of["models"].values()))["gains"])
    rows = [
        [name, f"{1e6 * own['seconds']:.0f}", *(f"{own['gains'][count]:.2f}" for count in counts)]
        for name, own in of["models"].items()
    ]
    limits = (
        f"A run's training step in a stack of K: how many times as fast as the step by hand, {of['opt']}, one thread. "
        "Limited by\ndispatch where K is small, by arithmetic and the caches where it is large.\n"
    )
    return section("A step", table(("", "by hand, µs", *(f"K = {count}" for count in counts)), rows), limits)


def memory(found: Found) -> str:
    """Return the peak of stacks in times as many runs."""
    of = found["memory"]
    counts = list(next(iter(of["models"].values()))["ratios"])
    rows = [
        [name, f"{own['bytes'] / 1000:.0f}", *(f"{own['ratios'][count]:.2f}" for count in counts)]
        for name, own in of["models"].items()
    ]
    limits = (
        f"Peak of what torch has allocated, {of['opt']}: of a stack of K, in times K runs alone. Limited by weights, "
        "gradients, the\noptimizer's state and activations, which each run has of its own.\nThe process itself "
        "grows by more: Python's objects, for one, are not counted.\n"
    )
    return section("Memory", table(("", "alone, kB", *(f"K = {count}" for count in counts)), rows), limits)


def plan(found: Found) -> str:
    """Return what planning costs a run."""
    of = found["planning"]
    rows = [[name, f"{statistics.median(own):.2f}"] for name, own in of["milliseconds"].items()]
    limits = (
        f"{of['runs']:,} configurations. Limited by the guards, which build the network of each arm; its seeds share "
        "it. Hydra composes\nonce, where nothing is said. "
        f"A composition *{planning.HYDRA}* is what other multiruns pay for each run.\n"
    )
    return section("Planning", table(("", "ms a run"), rows), limits)


def reports(found: Found) -> str:
    """Return what a report costs over the number of runs."""
    names = {"terminal summary, s": report.SUMMARY, "whole report, s": report.REPORT}
    rows = [
        [f"{int(count):,}", *(f"{statistics.median(times[name]):.1f}" for name in names.values())]
        for count, times in found["report"]["seconds"].items()
    ]
    limits = (
        "From start to exit. Few runs are limited by imports and drawing, many by the reading of each and by tables of "
        "all.\n"
    )
    return section("A report", table(("runs", *names), rows), limits)


def start(found: Found) -> str:
    """Return what ``--help`` costs."""
    times = found["startup"]["times"]
    rows = [
        [f"`{name}`", f"{1000 * statistics.median(own):.0f}", f"{median_ratio(own, times[startup.HYDRA]):.2f}"]
        for name, own in times.items()
    ]
    limits = "Limited by imports, most of them Hydra's; torch is not among them.\n"
    return section("Start-up", table(("", "ms", "× Hydra"), rows), limits)


SECTIONS: dict[str, Callable[[Found], str]] = {
    "machine": machine,
    "sweeps": sweep,
    "solo": solo,
    "stacks": stacks,
    "memory": memory,
    "planning": plan,
    "report": reports,
    "startup": start,
}
