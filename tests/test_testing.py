"""The contract kit as its users meet it: a test file of three lines, a command, a call in a notebook."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

import ablate
from ablate.techniques import KINDS, Activation
from ablate.testing import Contract, ContractError, check, contract_tests, contracts, suite
from tests.helpers import python

DOCS = Path(__file__).parent.parent / "docs" / "testing.md"


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call pytest in an empty folder, with no settings but its own."""
    return python("-m", "pytest", "-p", "no:cacheprovider", *arguments, cwd=folder)


def ids(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if "::" in line]


def test_three_lines_are_a_test_file(tmp_path: Path) -> None:
    (tmp_path / "test_extras.py").write_text(
        '"""The contract of every option of this distribution."""\n'
        "from ablate.testing import contract_tests\n"
        'test_contracts = contract_tests("ablate-extras")\n',
        encoding="utf-8",
    )
    done = run_pytest(tmp_path, "-q", "-k", "dyt")
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d\d passed, \d+ deselected", done.stdout)


def test_what_is_installed_is_chosen_by_kind_name_or_distribution_and_leaves_out_what_ships(tmp_path: Path) -> None:
    words = ["signum", "ablate_extras and opt", "ablate-extras and opt", ""]
    # All in one process: to import torch takes longer than to collect.
    call = "['--pyargs', 'ablate.testing', '-p', 'no:cacheprovider', '--collect-only', '-q', '-k', word]"
    code = f"import pytest\nfor word in {words!r}: print('chosen by', word), pytest.main({call})"
    done = python("-c", code, cwd=tmp_path)
    *chosen, everything = [ids(part) for part in done.stdout.split("chosen by")[1:]]
    assert len(chosen) == 3
    for found in chosen:
        assert len(found) == len(contracts("opt"))
        assert all("::test_ablate_extras[" in one and "-opt=signum-ablate-extras]" in one for one in found)
    assert {re.sub(r".*-(\w+=\w+)-.*", r"\1", one) for one in everything} == {"norm=dyt", "opt=signum"}


def test_where_nothing_is_installed_it_says_how_to_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = [option for option in suite.options() if option.distribution == "lightning-ablate"]
    monkeypatch.setattr(suite, "options", lambda: ours)
    monkeypatch.delitem(sys.modules, "ablate.testing.test_installed", raising=False)
    from ablate.testing import test_installed

    with pytest.raises(pytest.skip.Exception, match="entry point in the group ablate"):
        test_installed.test_nothing_is_installed()
    monkeypatch.delitem(sys.modules, "ablate.testing.test_installed")


@pytest.mark.parametrize("spelled", ["ablate-extras", "Ablate_Extras", "ablate.extras"])
def test_a_distribution_may_be_spelled_as_pip_allows(spelled: str) -> None:
    (mark,) = contract_tests(spelled).pytestmark  # type: ignore[attr-defined]
    assert {case.distribution for case in mark.args[1]} == {"ablate-extras"}


def test_a_distribution_without_options_fails_and_names_those_there_are() -> None:
    with pytest.raises(pytest.fail.Exception) as caught:
        contract_tests("ablate-extra")()
    assert str(caught.value).startswith(
        "No installed distribution called ablate-extra has options for ablate. Did you mean 'ablate-extras'? "
        "Those that have: ablate-extras, lightning-ablate."
    )


def test_a_reference_for_an_unknown_option_fails() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"opt=lyon, but ablate-extras has norm=dyt, opt=signum"):
        contract_tests("ablate-extras", references={"opt=lyon": lambda *_: None})()


@dataclass
class Doubled(Activation):
    """2 · x in float32."""

    factor: float = 2.0

    def build(self) -> nn.Module:
        return nn.Softmax(dim=0)

    def waives(self) -> Mapping[str, str]:
        return {"does_not_mix_examples": "it is a softmax over the batch"} if self.factor == 2 else {}


def test_a_broken_promise_is_an_assertion_that_says_which_and_with_what() -> None:
    with pytest.raises(ContractError) as caught:
        check(Doubled)
    assert isinstance(caught.value, AssertionError)
    sentence = str(caught.value)
    assert sentence.startswith(
        "Doubled breaks the contract explains_itself: the docstring does not say what factor is."
    )
    assert "Seen with Doubled(factor=2.0)." in sentence


def test_a_contract_is_waived_for_the_parameters_that_say_so_alone() -> None:
    (case,) = [c for c in suite.cases("act=doubled", Doubled, "here") if c.contract.name == "does_not_mix_examples"]
    with pytest.raises(ContractError, match=r"Seen with Doubled\(factor=(4.0|1.0)\)"):
        case.run()


def test_an_option_is_checked_by_its_name_too() -> None:
    check("act=tanh")
    with pytest.raises(ablate.AblateError, match="there is no such option"):
        check("act=tanhh")


@pytest.mark.parametrize("contract", contracts(), ids=lambda contract: contract.name)
def test_a_contract_says_what_it_promises(contract: Contract) -> None:
    assert contract.promise.endswith(".")
    assert len(contract.promise.split()) > 8


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_contracts_of_its_own(kind: str) -> None:
    shared = [contract for contract in contracts(kind) if set(contract.kinds) == set(KINDS)]
    assert len(contracts(kind)) >= len(shared) + 3


def test_the_documentation_lists_every_contract() -> None:
    named = re.findall(r"^\| `(\w+)`", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(contract.name for contract in contracts())


def test_importing_ablate_does_not_import_the_kit() -> None:
    code = "import sys, ablate; ablate.register; print('ablate.testing' in sys.modules, 'pytest' in sys.modules)"
    done = python("-c", code)
    assert done.stdout.split() == ["False", "False"]


def test_without_hypothesis_the_import_says_what_to_install() -> None:
    code = "import sys; sys.modules['hypothesis'] = None; import ablate.testing"
    done = python("-c", code)
    assert done.stderr.strip().endswith("ablate.testing needs hypothesis: pip install 'lightning-ablate[test]'.")


def test_a_check_leaves_the_random_numbers_as_they_were() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    check("act=prelu")
    assert torch.equal(torch.rand(2), expected)
