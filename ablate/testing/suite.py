"""The contracts of a distribution's options, as tests; and of one option, for a notebook."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import pytest

from ablate.discovery import SESSION
from ablate.errors import did_you_mean
from ablate.registry import Option, registry
from ablate.techniques import KINDS, Technique
from ablate.testing.contract import CONTRACTS, Contract, ContractError, Scope
from ablate.testing.references import Reference, agreement
from ablate.testing.values import for_generated, neighbours


@dataclass(frozen=True)
class Case:
    """One contract of one option."""

    contract: Contract
    label: str
    cls: type[Technique]
    distribution: str

    def __str__(self) -> str:
        return f"{self.contract.name}-{self.label}-{self.distribution}"

    def run(self) -> str:
        """Check the promise; return why it is waived, or nothing. Raises ``ContractError`` where it is broken."""
        waived: list[str] = []
        kept: list[Technique] = []

        def check(technique: Technique) -> None:
            if reason := technique.waives().get(self.contract.name):
                waived.append(reason)
            else:
                self.contract.hold(self.label, technique)
                kept.append(technique)

        try:
            defaults = self.cls()
        except Exception as error:
            raise ContractError(
                f"{self.label} breaks the contract builds_from_its_defaults: {self.cls.__name__}() raises "
                f"{type(error).__name__}: {error}. Give every parameter a default that __post_init__ accepts."
            ) from error
        if self.contract.scope is Scope.defaults:
            check(defaults)
        else:
            for technique in neighbours(self.cls):
                check(technique)
            if self.contract.scope is Scope.generated:
                for_generated(self.cls, check)
        return "" if kept else waived[0]


def contracts(kind: str | None = None) -> list[Contract]:
    """Return every contract, or those of one kind: each has a ``name``, a ``promise`` and a ``scope``."""
    return [contract for contract in CONTRACTS.values() if kind is None or kind in contract.kinds]


def check(technique: type[Technique] | Option | str, reference: Reference | None = None) -> None:
    """Check every contract of an option: a class, or ``"act=snake"``.

    Raises ``ContractError``, an ``AssertionError``, at the first broken promise.
    """
    if isinstance(technique, str):
        kind, _, name = technique.partition("=")
        technique = registry().get(kind, name)
    if isinstance(technique, Option):
        label, cls, distribution = f"{technique.kind}={technique.name}", technique.cls, technique.distribution
    else:
        label, cls, distribution = technique.__name__, technique, SESSION
    for case in cases(label, cls, distribution, reference):
        case.run()


def cases(label: str, cls: type[Technique], distribution: str, reference: Reference | None = None) -> list[Case]:
    """Return the contracts of one option."""
    found = [contract for contract in CONTRACTS.values() if contract.concerns(cls)]
    if reference is not None:
        found.append(agreement(reference))
    return [Case(contract, label, cls, distribution) for contract in found]


def options() -> list[Option]:
    """Return every option there is."""
    return [option for kind in KINDS for option in registry().options(kind).values()]


def normalized(distribution: str) -> str:
    """Return a distribution's name as PyPI compares names: ``Ablate_Snake`` and ``ablate.snake`` are ablate-snake."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def contract_tests(distribution: str, references: Mapping[str, Reference] | None = None) -> Callable[..., None]:
    """Return a parametrised test of every contract of every option of ``distribution``.

    ``references`` gives implementations to compare with, ``{"opt=lion": lion_by_hand}``; see ``Reference``.
    """
    name, given = normalized(distribution), dict(references or {})
    mine = [option for option in options() if normalized(option.distribution) == name]
    if not mine:
        return _failing(_no_options(distribution))
    labels = {f"{option.kind}={option.name}" for option in mine}
    if unknown := sorted(set(given) - labels):
        return _failing(f"References for {', '.join(unknown)}, but {name} has {', '.join(sorted(labels))}.")
    return _parametrised(
        case
        for option in mine
        for label in [f"{option.kind}={option.name}"]
        for case in cases(label, option.cls, name, given.get(label))
    )


def _parametrised(found: Iterable[Case]) -> Callable[..., None]:
    @pytest.mark.parametrize("case", list(found), ids=str)
    def test_contracts(case: Case) -> None:
        try:
            waived, broken = case.run(), ""
        except ContractError as error:
            waived, broken = "", str(error)
        if broken:
            pytest.fail(broken, pytrace=False)
        if waived:
            pytest.skip(f"waived: {waived}")

    return test_contracts


def _failing(sentence: str) -> Callable[..., None]:
    def test_contracts() -> None:
        pytest.fail(sentence, pytrace=False)

    return test_contracts


def _no_options(distribution: str) -> str:
    there = sorted({normalized(option.distribution) for option in options() if option.distribution != SESSION})
    return (
        f"No installed distribution called {normalized(distribution)} has options for ablate."
        f"{did_you_mean(normalized(distribution), there)} Those that have: {', '.join(there)}. Is it installed "
        "(pip install -e .), with an entry point in the group ablate?"
    )
