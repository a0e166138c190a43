from __future__ import annotations

import subprocess
import sys

import pytest

import ablate


def test_public_names_are_pinned() -> None:
    assert ablate.__all__ == [
        "AblateError",
        "Config",
        "Record",
        "Sweep",
        "build",
        "compose",
        "hookimpl",
        "load_plugin",
        "register",
        "run",
        "sweep",
        "technique",
    ]


@pytest.mark.parametrize("name", ablate.__all__)
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    assert getattr(ablate, name).__doc__ or name == "hookimpl"


def test_unknown_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        ablate.nonsense  # noqa: B018


@pytest.mark.parametrize("command", [["--help"], ["plugins"], ["plugins", "norm=bn"], ["runs"], ["help"]])
def test_what_only_reads_imports_neither_torch_nor_lightning(command: list[str]) -> None:
    code = (
        "import sys; from ablate.cli.main import main; status = main(sys.argv[1:]); "
        "heavy = {'torch', 'lightning', 'torchmetrics', 'sklearn', 'scipy', 'statsmodels', 'pyDOE3'}; "
        "heavy &= set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else status)"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
