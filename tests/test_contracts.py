"""Every option that ships keeps the contracts of its kind, and so does somebody else's distribution."""

from __future__ import annotations

from ablate.testing import contract_tests

test_contracts = contract_tests("lightning-ablate")
test_contracts_of_a_third_party = contract_tests("Ablate_Extras")
