"""``pytest --pyargs ablate.testing``: the contracts of every option that is installed and does not ship with ablate."""

from __future__ import annotations

import pytest

from ablate.discovery import BUILTIN
from ablate.testing.suite import contract_tests, normalized, options

_FOUND = sorted({normalized(option.distribution) for option in options()} - {normalized(BUILTIN)})

# One function for each distribution, so that -k takes its name as it is written in Python as well.
globals().update({f"test_{name.replace('-', '_')}": contract_tests(name) for name in _FOUND})

if not _FOUND:

    def test_nothing_is_installed() -> None:
        """Say that there is nothing to check, and how there would be."""
        pytest.skip(
            "No distribution but lightning-ablate has options. To write one: a module with dataclasses derived from "
            "ablate.techniques and the hook register_techniques, and an entry point in the group ablate that names it; "
            "README.md has an example under 'Add a technique'."
        )
