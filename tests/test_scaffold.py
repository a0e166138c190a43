"""What ``new plugin`` writes works as it is, for every kind."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ablate.cli.main import main
from ablate.errors import ConfigError
from ablate.scaffold import write_plugin
from ablate.techniques import KINDS
from tests.helpers import python


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plugin of every kind, installed into one folder as a person would install them."""
    sources, target = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("installed")
    folders = [write_plugin(f"my_{kind}", kind, sources) for kind in KINDS]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(target), *map(str, folders)], check=True, capture_output=True)
    return target


def with_plugins(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(installed), os.environ.get("PYTHONPATH", "")]))
    return python(*arguments, PYTHONPATH=path)


@pytest.mark.parametrize("kind", KINDS)
def test_its_parts_are_named_after_it(kind: str, tmp_path: Path) -> None:
    folder = write_plugin("half_life", kind, tmp_path / "new")
    assert folder == tmp_path / "new" / "ablate-half-life"
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["name"] == "ablate-half-life"
    assert project["project"]["entry-points"]["ablate"] == {"half_life": "ablate_half_life"}
    source = (folder / "ablate_half_life" / "__init__.py").read_text(encoding="utf-8")
    assert "class HalfLife(" in source
    assert 'register("half_life", HalfLife)' in source
    assert f"{kind}=half_life" in (folder / "README.md").read_text(encoding="utf-8")
    for file in filter(Path.is_file, folder.rglob("*")):
        text = file.read_text(encoding="utf-8")
        assert "$" not in text, file
        if file.suffix == ".py":
            ast.parse(text)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["ablate-half-life"]


def test_every_one_passes_its_own_tests(installed: Path, tmp_path: Path) -> None:
    tests = tmp_path / "test_contracts.py"
    lines = [f'test_{kind} = contract_tests("ablate-my-{kind}")' for kind in KINDS]
    tests.write_text("\n".join(["from ablate.testing import contract_tests", *lines]), encoding="utf-8")
    done = with_plugins(installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "skipped" not in done.stdout


def test_every_one_takes_part_in_a_run(installed: Path) -> None:
    all_at_once = [f"{kind}=my_{kind}" for kind in KINDS if kind not in ("pool", "loss")]
    runs = [all_at_once, ["data=diabetes", "loss=my_loss"], ["model=cnn", "pool=my_pool"]]
    short = ["trainer.max_steps=2", "trainer.validations=1"]
    # All in one process: to import torch and lightning takes longer than the runs.
    code = f"from ablate.cli.main import main\nfor run in {runs!r}: print('status', main([*run, *{short!r}]))"
    done = with_plugins(installed, "-c", code)
    assert done.stdout.count("status 0") == len(runs), done.stdout + done.stderr


def test_the_command_says_what_to_do_next(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["new", "plugin", "mine", "--kind", "act", "--into", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert f"cd {tmp_path / 'ablate-mine'}" in printed
    assert "act=mine" in printed
    assert (tmp_path / "ablate-mine" / "tests" / "test_contracts.py").is_file()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["plugin", "mine"], "--kind"),
        (["plugin", "mine", "--kind", "nrm"], "Kinds: act, init, norm"),
        (["plugin", "Mine", "--kind", "norm"], "small letters"),
        (["plugin", "bn", "--kind", "norm"], "norm=bn exists already, from lightning-ablate"),
        (["study", "mine", "--kind", "norm"], "plugin"),
        ([], "python -m ablate new plugin NAME --kind"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["new", *arguments]) == 2
    assert reason in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    mine = write_plugin("mine", "act", tmp_path) / "README.md"
    mine.write_text("my own words", encoding="utf-8")
    with pytest.raises(ConfigError, match="ablate-mine exists already"):
        write_plugin("mine", "norm", tmp_path)
    assert mine.read_text(encoding="utf-8") == "my own words"
