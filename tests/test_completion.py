"""Shell completion: the script of each shell offers what there is, and is made without torch."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ablate.cli.completion import SHELLS
from ablate.cli.main import main
from ablate.cli.verbs import VERBS
from ablate.registry import registry
from ablate.techniques import KINDS
from tests.helpers import python

ASK = {
    "bash": 'eval "$SCRIPT"; COMP_WORDBREAKS=" "; COMP_LINE="$LINE"; COMP_POINT=${#LINE}; _ablate; '
    'printf "%s\\n" "${COMPREPLY[@]}"',
    "zsh": 'eval "$SCRIPT"; _ablate_found "$CURRENT_WORD" "$VERB"',
    "fish": 'echo "$SCRIPT" | source; _ablate_found "$CURRENT_WORD" "$VERB" | string match -- "$CURRENT_WORD*"',
}


def offered(shell: str, script: str, line: str) -> set[str]:
    """Return what a shell offers after ``line``."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    *before, current = line.split(" ")
    verb = next((word for word in before[1:] if "=" not in word and not word.startswith("-")), "")
    given = {
        "SCRIPT": script,
        "LINE": line,
        "CURRENT_WORD": current,
        "VERB": verb,
        "PATH": "/usr/bin:/bin",
        "HOME": "/",
    }
    quiet = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    done = subprocess.run(
        [shell, *quiet, "-c", ASK[shell]], env=given, capture_output=True, encoding="utf-8", check=False
    )
    assert done.stderr == ""
    return {word.strip() for word in done.stdout.splitlines() if word.strip()}


@pytest.fixture(scope="module")
def scripts() -> dict[str, str]:
    return {shell: python("-m", "ablate", "completion", shell).stdout for shell in SHELLS}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_offers_verbs_settings_options_and_sweeps(shell: str, scripts: dict[str, str]) -> None:
    script = scripts[shell]
    Path("outputs/digits-mlp").mkdir(parents=True)
    assert set(VERBS) <= offered(shell, script, "ablate ")
    assert {f"{kind}=" for kind in KINDS} <= offered(shell, script, "ablate -m ")
    assert {f"norm={name}" for name in registry().options("norm")} == offered(shell, script, "ablate -m norm=")
    assert offered(shell, script, "ablate norm=b") == {"norm=bn"}
    assert offered(shell, script, "ablate -m norm=ln,b") == {"norm=ln,bn"}
    assert "opt.lr=" in offered(shell, script, "ablate opt.l")
    assert offered(shell, script, "ablate design=of") == {"design=ofat"}
    assert offered(shell, script, "ablate report dig") == {"digits-mlp"}
    assert "--json" in offered(shell, script, "ablate runs --")
    assert offered(shell, script, "ablate nothing=") == set()


def test_the_script_is_made_without_torch() -> None:
    code = (
        "import sys; from ablate.cli.main import main; main(['completion', 'bash']); sys.exit('torch' in sys.modules)"
    )
    assert python("-c", code).returncode == 0


def test_another_shell_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "fsh"]) == 2
    assert "name your shell, bash, zsh, fish. Did you mean 'fish'?" in capsys.readouterr().err
