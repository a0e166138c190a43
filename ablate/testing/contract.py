"""What a contract is: one promise of a kind of technique, and the check that finds it broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

import torch

from ablate.techniques import KINDS, Technique


class ContractError(AssertionError):
    """A promise that a technique breaks: which option, which contract, what was seen, and the way out."""


class _BrokenError(Exception):
    """What was seen, before it is known of which option."""


class RefusedError(ValueError):
    """A technique's own refusal to be built anywhere with its parameters: what cannot be built breaks no promise."""


class Scope(Enum):
    """With which parameters a contract is checked."""

    defaults = "its defaults"
    neighbours = "its defaults, and each parameter changed by itself"
    generated = "its defaults, each parameter changed by itself, and parameters that Hypothesis makes up"


@dataclass(frozen=True)
class Contract:
    """One promise of some kinds of technique."""

    name: str
    kinds: tuple[str, ...]
    scope: Scope
    overrides: str
    """Of a kind that has this method, the contract is for options that override it; empty: for all of them."""
    promise: str
    check: Callable[[Any], None]

    def concerns(self, cls: type[Technique]) -> bool:
        """Say whether options of class ``cls`` make this promise."""
        if cls.kind not in self.kinds:
            return False
        inherited = getattr(KINDS[cls.kind], self.overrides, None) if self.overrides else None
        return inherited is None or getattr(cls, self.overrides) is not inherited

    def hold(self, label: str, technique: Technique) -> None:
        """Raise ``ContractError`` if ``technique`` breaks the promise; the global random numbers stay as they were."""
        with _own_torch():
            try:
                self.check(technique)
            except _BrokenError as broken:
                reason = str(broken)
            except RefusedError:
                return
            except Exception as error:
                reason = f"it raises {type(error).__name__}: {str(error).rstrip('.') or 'no text'}."
                raise ContractError(self._sentence(label, technique, reason)) from error
            else:
                return
        raise ContractError(self._sentence(label, technique, reason))

    def _sentence(self, label: str, technique: Technique, reason: str) -> str:
        return f"{label} breaks the contract {self.name}: {reason}\n  Seen with {technique!r}.\n  {self.promise}"


CONTRACTS: dict[str, Contract] = {}
"""Every contract by its name."""

Check = TypeVar("Check", bound=Callable[[Any], None])


def contract(*kinds: str, scope: Scope = Scope.neighbours, overrides: str = "") -> Callable[[Check], Check]:
    """Make a function of one technique a contract of ``kinds``: its docstring is the promise."""

    def decorate(check: Check) -> Check:
        promise = " ".join((check.__doc__ or "").split())
        name = check.__name__
        CONTRACTS[name] = Contract(name, kinds or tuple(KINDS), scope, overrides, promise, check)
        return check

    return decorate


def demand(kept: bool, seen: str) -> None:
    """Report ``seen``, one or two sentences with the way out, unless the promise is ``kept``."""
    if not kept:
        raise _BrokenError(seen)


def seed_torch(seed: int) -> None:
    """Seed the random numbers of the CPU, where contracts are checked.

    ``torch.manual_seed`` notes, for each kind of GPU, where it was called from: that takes longer than a small network.
    """
    torch.default_generator.manual_seed(seed)


@contextmanager
def _own_torch() -> Iterator[None]:
    """Small tensors are fastest on one thread; no check leaves a trace in the random numbers of the next."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            seed_torch(0)
            yield
    finally:
        torch.set_num_threads(threads)
