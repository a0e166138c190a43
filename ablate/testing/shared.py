"""What every option promises, of whatever kind."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import math
import pickle
import re
from enum import Enum
from typing import Any, get_type_hints

from omegaconf import OmegaConf

from ablate.errors import AblateError
from ablate.techniques import Technique
from ablate.testing.contract import CONTRACTS, RefusedError, Scope, contract, demand
from ablate.testing.use import use
from ablate.testing.values import wrong

PLAIN_NAMES = frozenset(
    {"lr", "eps", "momentum", "weight", "width", "depth", "hidden", "layers", "kernel_size", "stride", "dilation"}
)
"""Parameters whose names say all: the field's own words."""

_SOURCE = re.compile(r"\b(1[6-9]|20)\d\d\b|arXiv:|https?://| = |[←√Σ²ᵢ∞⌊Φ]|\|\w|\w\(\w|[-+/] ?\w\b")


@contract(scope=Scope.defaults)
def builds_from_its_defaults(technique: Technique) -> None:
    """Every parameter has a default, and what they build works and gives finite numbers: ``act=snake`` is enough."""
    try:
        used = use(technique)
    except RefusedError as error:
        demand(False, f"it refuses its own defaults: {error}. Change them.")
    demand(all(bool(t.isfinite().all()) for t in used), "its defaults give NaN or infinity. Change them.")


@contract(scope=Scope.generated)
def builds_from_valid_parameters(technique: Technique) -> None:
    """What ``__post_init__`` accepts can be built and used, or is refused in build() by a ValueError that says why."""
    try:
        use(technique)
    except (ValueError, AblateError) as error:
        named = [f.name for f in dataclasses.fields(technique) if f.name in str(error)]
        demand(
            bool(named) or not dataclasses.fields(technique),
            f"build() refuses its parameters: {error}. Refuse them in __post_init__, or name the parameter to change.",
        )


@contract(scope=Scope.defaults)
def refuses_wrong_values(technique: Technique) -> None:
    """NaN, infinity, negative numbers, zero, empty lists: each is refused by a ValueError that names it, or works."""
    cls = type(technique)
    for name, value in wrong(cls):
        given = f"{name}={value!r}"
        try:
            made = cls(**{name: value})
        except ValueError as error:
            demand(name in str(error), f'{given} is refused by "{error}". Name the parameter, {name}, in that text.')
            continue
        except Exception as error:
            demand(False, f"{given} raises {type(error).__name__}: {error}. Raise a ValueError in __post_init__.")
        try:
            outcome = use(made)
        except (ValueError, AblateError) as error:
            demand(name in str(error), f'{given} is refused late, by "{error}". Refuse it in __post_init__, by name.')
        except Exception as error:
            demand(
                False,
                f"{given} is accepted, and fails in use with {type(error).__name__}: {error}. Refuse it in "
                f"__post_init__ (`from ablate.checks import positive`; `positive({name}=self.{name})`).",
            )
        else:
            finite = isinstance(value, int) or all(bool(t.isfinite().all()) for t in outcome)
            demand(
                finite or (isinstance(value, float) and math.isfinite(value)),
                f"{given} is accepted, and gives NaN or infinity. Refuse it in __post_init__ (ablate.checks.finite).",
            )


@contract()
def comes_back_from_its_config(technique: Technique) -> None:
    """A configuration written to YAML and read again is the same technique: a record can be trained again."""
    schema = OmegaConf.structured(type(technique))
    text = OmegaConf.to_yaml(OmegaConf.structured(technique))
    again = OmegaConf.to_object(OmegaConf.merge(schema, OmegaConf.create(text)))
    demand(
        again == technique,
        f"{technique!r} comes back as {again!r}. Let __post_init__ check the parameters, not change them, and leave "
        "eq=True in @dataclass.",
    )


@contract()
def is_known_by_its_parameters(technique: Technique) -> None:
    """Equal parameters make equal techniques with one repr, others make others: so a finished run is found again."""
    twin = dataclasses.replace(technique)
    default = type(technique)()
    if vars(technique) != vars(default):
        demand(
            technique != default and repr(technique) != repr(default),
            f"it counts as the same as {default!r}. Write @dataclass without eq=False and fields without repr=False.",
        )
    demand(twin == technique, "two of equal parameters differ. Leave eq=True in @dataclass.")
    text = repr(technique)
    demand(
        repr(twin) == text and " at 0x" not in text,
        f"its repr is {text}. Leave repr=True in @dataclass, and take numbers, words, Enums and lists as parameters.",
    )


@contract()
def can_be_pickled(technique: Technique) -> None:
    """It survives pickle and deepcopy: another process can train it."""
    try:
        again = pickle.loads(pickle.dumps(technique))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        demand(
            False, f"{error}. Define the class at the top of an importable module, and keep torch objects out of it."
        )
    demand(again == technique, f"pickle makes {again!r} of it. Set nothing but the parameters on self.")
    demand(copy.deepcopy(technique) == technique, "its deepcopy is not equal to it.")


@contract()
def stays_as_it_was(technique: Technique) -> None:
    """Building changes no parameter: the same technique is built in many places, and written into the record."""
    before = copy.deepcopy(technique.__dict__)
    try:
        use(technique)
    except (ValueError, AblateError):
        return  # builds_from_valid_parameters judges that
    demand(
        technique.__dict__ == before,
        f"after use it is {technique!r}, before {before}. Keep what a run needs in the built object, not in self.",
    )


@contract(scope=Scope.defaults)
def explains_itself(technique: Technique) -> None:
    """The docstring names every parameter: it is all that ``python -m ablate plugins`` can show.

    Words that the field shares (lr, eps, width, kernel_size, …: ``shared.PLAIN_NAMES``) and Enums with a docstring
    of their own speak for themselves.
    """
    cls = type(technique)
    text = documentation(cls)
    hints = get_type_hints(cls)
    silent = [
        f.name
        for f in dataclasses.fields(cls)
        if f.name not in PLAIN_NAMES and not _explained(f.name, hints[f.name], text)
    ]
    demand(not silent, f"the docstring does not say what {', '.join(silent)} is. Write `name: what it does` into it.")


@contract(scope=Scope.defaults)
def names_its_source(technique: Technique) -> None:
    """The docstring has a formula, or a source: a year, an arXiv id or an address.

    Models and data sets, which may be new, need none, and neither does an option that says "No …".
    """
    text = inspect.getdoc(type(technique)) or ""
    exempt = text.startswith("No ") or technique.kind in ("data", "model")
    demand(
        exempt or bool(_SOURCE.search(text)),
        f'"{text}" says neither what is computed nor who proposed it. Add a formula, or (Author et al. 2020, '
        "arXiv:2006.08195).",
    )


@contract()
def waives_what_there_is(technique: Technique) -> None:
    """``waives()`` names contracts that exist, each with its reason."""
    for name, reason in technique.waives().items():
        demand(name in CONTRACTS, f"it waives {name}, which is no contract. There are: {', '.join(CONTRACTS)}.")
        demand(bool(reason), f"it waives {name} without a reason. Write the sentence that a user should read.")


def documentation(cls: type[Technique]) -> str:
    """Return the docstrings of ``cls`` and of the techniques it derives from."""
    return "\n".join(inspect.cleandoc(base.__doc__ or "") for base in cls.__mro__ if issubclass(base, Technique))


def _explained(name: str, hint: Any, text: str) -> bool:
    if isinstance(hint, type) and issubclass(hint, Enum) and hint.__doc__ != Enum.__doc__:
        return bool(hint.__doc__)
    return re.search(rf"(?<![A-Za-z0-9_]){name}(?![A-Za-z0-9_])", text) is not None
