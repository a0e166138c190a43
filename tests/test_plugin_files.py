"""Plugins that are single files: ``--plugin FILE``, ``ABLATE_PLUGINS``, ``ablate.load_plugin``."""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path

import pytest

import ablate
from ablate import files
from ablate.cli.main import main
from ablate.errors import PluginError
from ablate.record import find
from ablate.registry import Registry, registry
from tests.helpers import python, short

TEXT = """
from dataclasses import dataclass
from torch import nn
from ablate import hookimpl
from ablate.techniques import Activation, Norm

@dataclass
class Mine(Norm):
    '''Mine.'''
    factor: float = 2.0
    def build(self, features, spatial):
        return nn.Softsign()

@hookimpl
def register_techniques(register):
    register("mine", Mine)
    register("theirs", Activation.of(nn.Softsign))
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a plugin file; what is loaded is forgotten after the test."""
    monkeypatch.setenv(files.VARIABLE, "")
    path = tmp_path / "my_norm.py"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Return a registry of the test's own, in the place of the one of the process."""
    fresh = registry.__wrapped__()
    for module in ("registry", "composition", "override_checks", "overrides", "config"):
        monkeypatch.setattr(f"ablate.{module}.registry", lambda: fresh)
    assert isinstance(fresh, Registry)
    return fresh


def version(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:8]


def test_a_sweep_trains_the_options_of_a_file_and_records_its_version(file: Path, tmp_path: Path) -> None:
    done = python("-m", "ablate", *short("-m", "norm=mine,none", "act=theirs"), "--plugin", "./my_norm.py")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    versions = {r.facts.choices["norm"]: r.facts.versions for r in find(tmp_path / "outputs")[0]}
    assert versions["mine"]["file:my_norm.py"] == version(file)


@pytest.mark.parametrize(
    "arguments", [["--plugin=my_norm.py", "plugins", "norm"], ["plugins", "norm", "--plugin", "my_norm.py"]]
)
def test_verbs_list_them_wherever_the_flag_stands(
    file: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "norm=mine" in line]
    assert line.split()[-2:] == ["file:my_norm.py", version(file)]


def test_help_and_hydra_s_flags_go_with_it(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help", "--plugin", "my_norm.py"]) == 0
    assert "mine" in capsys.readouterr().out
    shown = python("-m", "ablate", "--plugin", "my_norm.py", "norm=mine", "--cfg", "job")
    assert "factor: 2.0" in shown.stdout


def test_the_environment_names_several_for_every_process(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    other.write_text(TEXT.replace('"mine"', '"other"').replace('"theirs"', '"others"'), encoding="utf-8")
    script = "import ablate; print(ablate.compose(['norm=other', 'act=theirs']).arm_hash)"
    both = os.pathsep.join(map(str, (file, other)))
    first = python("-c", script, ABLATE_PLUGINS=both)
    assert first.returncode == 0, first.stderr
    other.write_text(other.read_text() + "# edited\n")
    second = python("-c", script, ABLATE_PLUGINS=both)
    assert second.returncode == 0, second.stderr
    assert first.stdout != second.stdout


def test_a_file_of_the_environment_that_is_missing_stops_nothing(file: Path) -> None:
    done = python("-m", "ablate", "plugins", "--plugin", "my_norm.py", ABLATE_PLUGINS="gone.py")
    assert done.returncode == 0, done.stderr
    assert "norm=mine" in done.stdout
    assert "There is no plugin file gone.py" in " ".join(done.stdout.partition("Broken")[2].split())


def test_other_processes_find_the_classes_by_name(file: Path, own: Registry) -> None:
    ablate.load_plugin(file)
    chosen = [ablate.technique("norm", "mine", factor=3.0), ablate.technique("act", "theirs")]
    script = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')))"
    Path("pickled").write_bytes(pickle.dumps(chosen))
    done = python("-c", script, "pickled")
    assert done.returncode == 0, done.stderr
    assert "Mine(position=<Position.pre: 'pre'>, factor=3.0)" in done.stdout
    assert "act_theirs()" in done.stdout


def test_an_edited_file_takes_the_place_of_its_earlier_edition(file: Path, own: Registry) -> None:
    ablate.load_plugin(file)
    before = ablate.compose(["norm=mine", "act=theirs"])
    identity = before.arm_hash
    ablate.load_plugin(file)
    assert before.arm_hash == identity
    file.write_text(TEXT.replace("2.0", "4.0"))  # as long as before, within the same second
    ablate.load_plugin(file)
    after = ablate.compose(["norm=mine"])
    assert after.norm == ablate.technique("norm", "mine", factor=4.0)
    assert after.options()["norm"].version == version(file)
    file.write_text("import no_such_module_anywhere\n")
    with pytest.raises(PluginError, match="cannot be loaded"):
        ablate.load_plugin(file)
    assert ablate.compose(["norm=mine"]) == after


def test_two_files_of_one_name_are_refused(file: Path, own: Registry, tmp_path: Path) -> None:
    ablate.load_plugin(file)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "my_norm.py").write_text(TEXT)
    with pytest.raises(PluginError, match=r"two plugin files called my_norm\.py.*Rename one"):
        ablate.load_plugin(tmp_path / "there" / "my_norm.py")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "There is no plugin file"),
        ("x = 1\n", "has no hook"),
        ("x = (\n", "cannot be loaded (SyntaxError"),
        (TEXT.replace("'''Mine.'''", ""), "Mine needs a docstring"),
        (TEXT.replace('"mine"', '"bn"'), "registers norm=bn, which"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(
    file: Path, text: str | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file.unlink() if text is None else file.write_text(text)
    assert main(["--plugin", "my_norm.py", "norm=mine"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("ablate: ")
    assert message in said
    assert said.count("\n") == 1


def test_a_folder_and_a_flag_without_a_file_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--plugin", str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err
    assert main(["norm=bn", "--plugin"]) == 2
    assert "--plugin needs a file" in capsys.readouterr().err
