"""Designs that take any number of levels: the full factorial, one factor at a time, leave one out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ablate.designs.factor import Arm, Factor
from ablate.designs.full import full
from ablate.designs.loo import loo
from ablate.designs.ofat import ofat
from ablate.errors import ConfigError

NORM = Factor("norm", ("none", "bn", "ln"))
ACT = Factor("act", ("relu", "gelu"))
OPT = Factor("opt", ("sgd", "adam", "lion"))
RESIDUAL = Factor("model.residual", ("true", "false"))


def rows(arms: list[Arm]) -> list[str]:
    return [" ".join(arm.values()) for arm in arms]


def refused(design: Callable[[], object]) -> str:
    with pytest.raises(ConfigError) as caught:
        design()
    return str(caught.value)


def test_full_factorial_varies_the_last_factor_fastest() -> None:
    assert full([Factor("a", ("1", "2")), Factor("b", ("x", "y"))]) == [
        {"a": "1", "b": "x"},
        {"a": "1", "b": "y"},
        {"a": "2", "b": "x"},
        {"a": "2", "b": "y"},
    ]
    assert full([]) == [{}]


def test_one_factor_at_a_time_changes_the_baseline_factor_by_factor() -> None:
    arms = ofat([NORM, ACT, OPT, RESIDUAL], {})
    assert rows(arms) == [
        "none relu sgd true",
        "bn relu sgd true",
        "ln relu sgd true",
        "none gelu sgd true",
        "none relu adam true",
        "none relu lion true",
        "none relu sgd false",
    ]
    assert all(list(arm) == ["norm", "act", "opt", "model.residual"] for arm in arms)


def test_one_factor_at_a_time_starts_from_the_baseline_that_was_named() -> None:
    assert rows(ofat([NORM, ACT, OPT, RESIDUAL], {"opt": "adam", "norm": "bn"})) == [
        "bn relu adam true",
        "none relu adam true",
        "ln relu adam true",
        "bn gelu adam true",
        "bn relu sgd true",
        "bn relu lion true",
        "bn relu adam false",
    ]


def test_a_baseline_of_something_else_is_refused() -> None:
    assert refused(lambda: ofat([NORM, ACT], {"nrom": "bn"})) == (
        "baseline={nrom:bn}: nrom is not swept. Swept factors: norm, act. Did you mean 'norm'?"
    )
    assert refused(lambda: ofat([NORM, ACT], {"norm": "bnn"})) == (
        "baseline={norm:bnn}: bnn is no level of norm in this sweep. Levels: none, bn, ln. Did you mean 'bn'?"
    )
    assert refused(lambda: ofat([], {"norm": "bn"})) == "baseline={norm:bn}: norm is not swept. Swept factors: none."


def test_leave_one_out_takes_each_technique_from_the_full_kit() -> None:
    kit = [
        Factor("norm", ("bn", "ln", "none")),
        Factor("reg", ("[l2,dropout]", "none", "l2")),
        RESIDUAL,
        Factor("opt", ("adam", "sgd")),  # no level means "without": of two the other one does
        Factor("opt.momentum", ("0.9", "0.5", "0.0")),
        Factor("act", ("gelu", "Null")),
    ]
    assert rows(loo(kit)) == [
        "bn [l2,dropout] true adam 0.9 gelu",
        "none [l2,dropout] true adam 0.9 gelu",
        "bn none true adam 0.9 gelu",
        "bn [l2,dropout] false adam 0.9 gelu",
        "bn [l2,dropout] true sgd 0.9 gelu",
        "bn [l2,dropout] true adam 0.0 gelu",
        "bn [l2,dropout] true adam 0.9 Null",
    ]


def test_leave_one_out_refuses_a_factor_that_does_not_say_what_without_is() -> None:
    assert refused(lambda: loo([ACT, OPT])) == (
        "design=loo: opt=sgd,adam,lion does not say which level is without opt. "
        "Add one of none, false, null, 0, or name two levels, the full kit's first; or take design=ofat."
    )
    assert refused(lambda: loo([Factor("act", ("relu",))])).startswith("design=loo: act=relu does not say which")


@pytest.mark.parametrize("off", ["none", "False", "null", "0", "0.0"])
def test_leave_one_out_refuses_a_kit_that_begins_without(off: str) -> None:
    assert refused(lambda: loo([ACT, Factor("norm", (off, "bn"))])) == (
        f"design=loo: norm={off},bn begins with {off}, which leaves nothing to leave out. "
        "Write the full kit first, each technique before its none: norm=bn,none."
    )
