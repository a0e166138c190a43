"""Broken plugins are set aside with a sentence, and everything else works."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest

import ablate
from ablate import hookspecs
from ablate.cli.main import main
from ablate.discovery import Plugin, Source, installed
from ablate.errors import ConfigError
from ablate.registry import Registry, registry
from tests import helpers
from tests.helpers import Unchanging, module, short

Run = Callable[..., subprocess.CompletedProcess[str]]


@dataclass
class Doubling(Unchanging):
    """Doubles."""


@dataclass
class Tripling(Unchanging):
    """Triples."""


class NotDecorated(Unchanging):
    """Lost its decorator."""

    factor: float = 2.0


@pytest.fixture
def reasons(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Return a loader of modules, or of names that no module has, as entry points; it gives what is wrong with them."""

    def load(*plugins: types.ModuleType | str) -> list[str]:
        names = [each if isinstance(each, str) else each.__name__ for each in plugins]
        for each in plugins:
            if not isinstance(each, str):
                monkeypatch.setitem(sys.modules, each.__name__, each)
        points = [metadata.EntryPoint(f"p{n}", name, hookspecs.PROJECT) for n, name in enumerate(names)]
        monkeypatch.setattr(metadata, "entry_points", lambda group: points)
        return [each.reason for each in registry.__wrapped__().broken]

    return load


@ablate.hookimpl
def register_doubling(register: hookspecs.Register) -> None:
    register("doubling", Doubling)


def test_a_module_that_is_missing_is_named(reasons: Callable[..., list[str]]) -> None:
    (reason,) = reasons("no_such_module_anywhere")
    assert "'p0' of unknown 0 cannot be loaded from no_such_module_anywhere (ModuleNotFoundError: No module" in reason


def test_a_plugin_without_a_hook_is_told_which(reasons: Callable[..., list[str]]) -> None:
    (reason,) = reasons(module("hookless"))
    assert "has no hook. Define one of register_techniques(register)" in reason


def test_a_misspelled_hook_and_a_renamed_argument_are_told(reasons: Callable[..., list[str]]) -> None:
    @ablate.hookimpl
    def register_technique(register: hookspecs.Register) -> None: ...

    @ablate.hookimpl(specname="register_techniques")
    def other(reg: hookspecs.Register) -> None: ...

    found = reasons(module("misspelled", register_technique=register_technique), module("renamed", other=other))
    assert len(found) == 2
    assert all("The hooks are register_techniques(register), register_studies(register)" in reason for reason in found)


def test_one_module_named_twice_is_loaded_once(reasons: Callable[..., list[str]]) -> None:
    (reason,) = reasons(*[module("twice", register_techniques=register_doubling)] * 2)
    assert "names twice, which unknown 0 has brought already" in reason


def test_a_plugin_that_exits_while_it_is_imported_stops_nothing(
    reasons: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "exits_on_import.py").write_text("raise SystemExit('no licence')\n")
    monkeypatch.syspath_prepend(tmp_path)
    (reason,) = reasons("exits_on_import")
    assert "SystemExit: no licence" in reason


def test_an_object_may_be_the_plugin(reasons: Callable[..., list[str]]) -> None:
    class Bringer:
        @ablate.hookimpl
        def register_techniques(self, register: hookspecs.Register) -> None:
            register("doubling", Doubling)

    assert reasons(module("with_object", bringer=Bringer()), "with_object:bringer")[1:] == []


def test_what_ships_is_loaded_first() -> None:
    plugins, _ = installed()
    ours = [plugin.source.distribution == "lightning-ablate" for plugin in plugins]
    assert ours == sorted(ours, reverse=True)


def loaded(hook: Callable[[hookspecs.Register], object]) -> Registry:
    found = Registry()
    found.load(Plugin("mine", Source("dist-mine", "1.0"), {"register_techniques": hook}))
    return found


def test_a_bad_option_is_set_aside_alone() -> None:
    def hook(register: hookspecs.Register) -> None:
        register("lost", NotDecorated)
        register("doubling", Doubling)
        register("number", int)  # type: ignore[arg-type]

    found = loaded(hook)
    assert list(found.options("norm")) == ["doubling"]
    assert [each.options for each in found.broken] == [("norm=lost",), ("number",)]
    with pytest.raises(ConfigError, match=r"norm=lost: there is no such option\. It was set aside: .*Write @dataclass"):
        found.get("norm", "lost")
    with pytest.raises(ConfigError, match="which is no technique"):
        found.get("act", "number")


def test_of_a_hook_that_fails_half_way_nothing_stays() -> None:
    def hook(register: hookspecs.Register) -> None:
        register("doubling", Doubling)
        raise NameError("planted")

    found = loaded(hook)
    assert not found.options("norm")
    (each,) = found.broken
    assert each.reason == (
        "The hook of mine (dist-mine 1.0) fails with NameError: planted. Mend or uninstall it: pip uninstall dist-mine."
    )
    with pytest.raises(ConfigError, match=r"norm=doubling: .*may belong to a broken plugin: The hook of mine"):
        found.get("norm", "doubling")
    found.add("doubling", Doubling)


def test_of_two_distributions_with_one_name_the_second_is_told_so() -> None:
    found = loaded(lambda register: register("doubling", Doubling))
    hooks = {"register_techniques": lambda register: register("doubling", Tripling)}
    found.load(Plugin("other", Source("dist-other", "2.0"), hooks))
    assert found.get("norm", "doubling").distribution == "dist-mine"
    assert found.warning() == (
        "broken plugins were set aside: norm=doubling of dist-other 2.0. `python -m ablate plugins` says why."
    )


BROKEN = """
from dataclasses import dataclass
from ablate import hookimpl
from ablate.techniques import Norm

class Lost(Norm):
    '''Lost its decorator.'''
    factor: float = 2.0

@dataclass
class Kept(Norm):
    '''Kept.'''
    def build(self, features, spatial):
        from torch import nn
        return nn.Softsign()

@hookimpl
def register_techniques(register):
    register("lost", Lost)
    register("bn", Kept)
    register("kept", Kept)
"""


@pytest.fixture
def python(tmp_path: Path) -> Run:
    """Return a caller of this Python where two broken distributions are installed."""
    for name, text in (("halfgood", BROKEN), ("unloadable", "import no_such_module_anywhere\n")):
        (tmp_path / "site" / f"{name}-1.5.dist-info").mkdir(parents=True)
        (tmp_path / "site" / f"{name}.py").write_text(text, encoding="utf-8")
        folder = tmp_path / "site" / f"{name}-1.5.dist-info"
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
        (folder / "entry_points.txt").write_text(f"[ablate]\n{name} = {name}\n")
    path = os.pathsep.join([str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH")])])

    return functools.partial(helpers.python, PYTHONPATH=path)


def test_listings_name_what_is_broken(python: Run) -> None:
    listed = python("-m", "ablate", "plugins")
    assert listed.returncode == 0, listed.stderr
    good, _, bad = listed.stdout.partition("\nBroken")
    assert "norm=kept" in good
    assert "norm=lost" not in good
    said = " ".join(bad.split())
    assert "norm=lost of halfgood 1.5 halfgood (halfgood): Lost declares factor" in said
    assert "norm=bn of halfgood 1.5 halfgood (halfgood) registers norm=bn, which ablate_plugins.normal" in said
    assert "unloadable 1.5 The plugin 'unloadable' of unloadable 1.5 cannot be loaded from unloadable (Module" in said
    help_text = " ".join(python("-m", "ablate", "--help").stdout.split())
    assert "Broken plugins were set aside: unloadable 1.5; norm=lost of halfgood 1.5; norm=bn of halfgood" in help_text


def test_a_sweep_warns_once_and_trains(python: Run) -> None:
    done = python("-m", "ablate", *short("-m", "norm=kept,bn", "seed=0,1"))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("ablate: warning: broken plugins were set aside") == 1
    assert done.stderr.count("\n") == 1


def test_choosing_what_is_missing_says_why(python: Run) -> None:
    done = python("-m", "ablate", "norm=lost")
    assert done.returncode == 2
    assert "norm=lost: there is no such option" in done.stderr
    assert "It was set aside: halfgood (halfgood): Lost declares factor" in done.stderr


def test_in_python_composing_warns(python: Run) -> None:
    done = python("-c", "import ablate; print(ablate.compose(['norm=kept']).norm)")
    assert done.returncode == 0, done.stderr
    assert "Kept(" in done.stdout
    assert done.stderr.count("UserWarning: broken plugins were set aside") == 1


def test_nothing_is_said_where_nothing_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "Broken" not in capsys.readouterr().out
