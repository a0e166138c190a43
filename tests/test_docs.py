"""The plugin guide, and the question of a new technique: every snippet works, every kind is in the guide."""

from __future__ import annotations

import os
import re

import pytest

from ablate.techniques import KINDS
from tests.helpers import python
from tests.pages import DOCS, snippets

GUIDE = (DOCS / "plugins.md").read_text(encoding="utf-8")
QUESTION = (DOCS / "questions" / "new_technique.md").read_text(encoding="utf-8")
SNIPPETS = [*snippets(GUIDE), *snippets(QUESTION)]
NAMES = re.compile(r'register\("(\w+)", (\w+)')
NEEDS = {"pool": ["model=cnn"], "loss": ["data=diabetes"], "norm": ["model=cnn"]}
"""What an option of a kind has to stand beside in a run."""


def options(snippet: str) -> list[tuple[str, str]]:
    """Return the kind and name of each option that a snippet registers."""
    kinds = {base.__name__: kind for kind, base in KINDS.items()}
    bases = dict(re.findall(r"^class (\w+)\((\w+)\)", snippet, re.MULTILINE))
    return [(kinds[bases.get(cls, cls)], name) for name, cls in NAMES.findall(snippet)]


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Every snippet in a file of its own, as the environment variable names them."""
    folder = tmp_path_factory.mktemp("snippets")
    files = [folder / f"snippet_{number}.py" for number in range(len(SNIPPETS))]
    for file, snippet in zip(files, SNIPPETS, strict=True):
        file.write_text(snippet, encoding="utf-8")
    return os.pathsep.join(map(str, files))


def test_every_kind_is_explained_with_an_option() -> None:
    assert {kind for snippet in SNIPPETS for kind, _ in options(snippet)} == set(KINDS)
    for kind, base in KINDS.items():
        assert f"| `{kind}` | `{base.__name__}` |" in GUIDE


def test_every_snippet_keeps_its_contract(plugins: str) -> None:
    pytest_call = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "ablate.testing", "-k", "file:")
    done = python(*pytest_call, ABLATE_PLUGINS=plugins)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    counted = re.search(r"(\d+) passed", done.stdout)
    assert counted
    assert int(counted.group(1)) > 10 * len(SNIPPETS)


def test_every_option_in_it_trains(plugins: str) -> None:
    found = [option for snippet in SNIPPETS for option in options(snippet)]
    assert len(found) > len(KINDS)
    short = ["trainer.max_steps=2", "trainer.validations=1"]
    runs = [[f"{kind}={name}", *NEEDS.get(kind, []), *short] for kind, name in found]
    # All in one process: to import torch and lightning takes longer than the runs.
    code = f"import ablate\nfor s in {runs!r}: print(ablate.run(ablate.compose(s)).status)"
    done = python("-c", code, ABLATE_PLUGINS=plugins)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split().count("finished") == len(found)
