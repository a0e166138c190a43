"""The contract kit: what proves the options that ship proves anybody's.

Every kind makes promises to models, runs and tables: its contracts. An author's own test file is

    \"""The contract of every option of this distribution.\"""
    from ablate.testing import contract_tests
    test_contracts = contract_tests("ablate-snake")

``pytest --pyargs ablate.testing`` checks whatever is installed beside lightning-ablate. In a notebook,
``check(Snake)`` raises ``ContractError`` at the first broken promise. ``contracts("act")`` lists what an activation
promises. A technique that breaks a promise by its nature says so itself, with the reason:

    def waives(self):
        return {"has_the_right_gradient": "the gradient is a surrogate"}
"""

from __future__ import annotations

try:
    import hypothesis  # noqa: F401
    import pytest  # noqa: F401
except ImportError as error:
    raise ImportError(f"ablate.testing needs {error.name}: pip install 'lightning-ablate[test]'.") from error

# The order of the contracts is that of their modules: what is broken first explains what is broken next.
from ablate.testing import shared  # isort: skip
from ablate.testing import data, inits, layers, losses, models, norms, optimizers, pools, regularizers, schedules

from ablate.testing import parameters, stacks  # isort: skip
from ablate.testing.contract import Contract, ContractError
from ablate.testing.references import Reference
from ablate.testing.suite import check, contract_tests, contracts

__all__ = ["Contract", "ContractError", "Reference", "check", "contract_tests", "contracts"]
_MODULES = (
    *(shared, data, inits, layers, losses, models, norms, optimizers, pools, regularizers, schedules),
    *(parameters, stacks),
)
