"""Somebody else's distribution, ``tests/third_party/ablate-extras``: installed, it is like what ships."""

from __future__ import annotations

import itertools
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from ablate import technique
from ablate.errors import ConfigError
from ablate.record import Status, find
from ablate.techniques import Norm, Optimizer
from tests.helpers import python

SOURCE = Path(__file__).parent / "third_party" / "ablate-extras"
Array = npt.NDArray[np.float64]


@pytest.fixture(scope="module", autouse=True)
def version() -> str:
    """Its version; without it every test here fails, saying what to do."""
    try:
        return metadata.version("ablate-extras")
    except metadata.PackageNotFoundError:
        pytest.fail(
            f"These tests need ablate-extras. `make test` installs it; by hand: pip install --no-deps {SOURCE}",
            pytrace=False,
        )


def ablate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call ``python -m ablate`` in ``folder``, as a person would."""
    return python("-m", "ablate", *arguments, cwd=folder)


def options_of(kind: str, listing: str) -> list[str]:
    """Return the names after ``kind`` in the table of ``--help``."""
    lines = listing.splitlines()
    (start,) = [number for number, line in enumerate(lines) if line.split()[:1] == [kind]]
    rest = itertools.takewhile(lambda line: line.startswith("   "), lines[start + 1 :])  # the row's further lines
    return [word.rstrip("*") for line in (lines[start], *rest) for word in line.split()]


def test_help_lists_its_options(tmp_path: Path) -> None:
    done = ablate(tmp_path, "--help")
    assert done.returncode == 0, done.stderr
    assert "dyt" in options_of("norm", done.stdout)
    assert "signum" in options_of("opt", done.stdout)


def test_plugins_lists_its_options_and_who_brought_them(tmp_path: Path, version: str) -> None:
    done = ablate(tmp_path, "plugins")
    assert done.returncode == 0, done.stderr
    for option in ("norm=dyt", "opt=signum"):
        (line,) = [line for line in done.stdout.splitlines() if line.strip().startswith(option)]
        assert f"ablate-extras {version}" in line


def test_plugins_describes_one_in_full(tmp_path: Path) -> None:
    done = ablate(tmp_path, "plugins", "opt=signum")
    assert done.returncode == 0, done.stderr
    for text in ("1802.04434", "opt.lr=0.001", "opt.momentum=0.9", "opt.weight_decay=0.0"):
        assert text in done.stdout


def test_help_imports_it_but_neither_torch_nor_lightning(tmp_path: Path) -> None:
    script = tmp_path / "help_and_modules.py"  # -X importtime would miss what importlib.import_module imports
    script.write_text(
        "import runpy, sys\n"
        "sys.argv[1:] = ['--help']\n"
        "try:\n"
        "    runpy.run_module('ablate', run_name='__main__', alter_sys=True)\n"
        "finally:\n"
        "    print(*sys.modules, sep='\\n', file=sys.stderr)\n",
        encoding="utf-8",
    )
    done = python(str(script), cwd=tmp_path)
    assert "dyt" in options_of("norm", done.stdout)
    imported = set(done.stderr.split())
    assert "ablate_extras" in imported
    assert not imported & {"torch", "lightning", "pytorch_lightning", "ablate_extras_torch"}


def test_a_sweep_over_its_options_and_ours(tmp_path: Path, version: str) -> None:
    done = ablate(tmp_path, "-m", "norm=dyt,none", "opt=signum,adam", "trainer.max_epochs=1")
    assert done.returncode == 0, done.stdout + done.stderr
    records = find(tmp_path / "outputs")[0]
    assert [record.status for record in records] == [Status.finished] * 4
    arms = {(record.facts.choices["norm"], record.facts.choices["opt"]) for record in records}
    assert arms == {("dyt", "signum"), ("dyt", "adam"), ("none", "signum"), ("none", "adam")}
    for record in records:
        uses_it = record.facts.choices["norm"] == "dyt" or record.facts.choices["opt"] == "signum"
        assert record.facts.versions.get("ablate-extras") == (version if uses_it else None)


def test_its_claim_is_put_to_the_test_like_ours(tmp_path: Path) -> None:
    listed = ablate(tmp_path, "studies", "dyt_replaces_layer_norm")
    assert "Dynamic tanh does as well as layer normalisation." in listed.stdout, listed.stderr
    done = ablate(tmp_path, "study=dyt_replaces_layer_norm", "seed=0,1", "trainer.max_epochs=1", "workers=0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Expected of norm=dyt against norm=ln: as much test/acc." in " ".join(done.stdout.split())


@pytest.mark.parametrize("spatial", [0, 1, 2])
def test_dynamic_tanh_agrees_with_its_formula(spatial: int) -> None:
    features = 5
    dyt = technique("norm", "dyt", alpha=0.7)
    assert isinstance(dyt, Norm)
    module = dyt.build(features, spatial).double()
    generator = torch.Generator().manual_seed(0)
    alpha, *affine = module.parameters()
    assert alpha.item() == pytest.approx(0.7)
    with torch.no_grad():
        for parameter in affine:
            parameter.copy_(torch.randn(features, generator=generator, dtype=torch.float64))
    x = torch.randn(4, features, *(3, 2)[:spatial], generator=generator, dtype=torch.float64)

    y = module(x)

    scale, shift = (parameter.detach().numpy() for parameter in affine)
    rows: Array = np.moveaxis(x.numpy(), 1, -1)  # features last
    expected = np.moveaxis(scale * np.tanh(alpha.item() * rows) + shift, -1, 1)
    assert y.shape == x.shape
    np.testing.assert_allclose(y.detach().numpy(), expected, rtol=0, atol=1e-12)
    y.sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_signum_agrees_with_its_formula(weight_decay: float) -> None:
    lr, momentum = 0.01, 0.8
    signum = technique("opt", "signum", lr=lr, momentum=momentum, weight_decay=weight_decay)
    assert isinstance(signum, Optimizer)
    generator = torch.Generator().manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(3, 4, generator=generator, dtype=torch.float64))
    optimizer = signum.build([weight])
    w: Array = weight.detach().numpy().copy()
    m: Array = np.zeros_like(w)
    for _ in range(20):  # long enough for m to outweigh some gradients
        weight.grad = torch.randn(3, 4, generator=generator, dtype=torch.float64)
        g: Array = weight.grad.numpy().copy()
        optimizer.step()

        m = momentum * m + (1 - momentum) * g
        w = w - lr * (np.sign(m) + weight_decay * w)
        np.testing.assert_allclose(weight.detach().numpy(), w, rtol=0, atol=1e-12)


def test_signum_leaves_a_weight_without_gradient_alone() -> None:
    signum = technique("opt", "signum", weight_decay=0.1)
    assert isinstance(signum, Optimizer)
    used, unused = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    used.grad = torch.ones(2)
    signum.build([used, unused]).step()
    assert (unused == 1).all()
    assert (used < 1).all()


@pytest.mark.parametrize(
    ("kind", "name", "params"),
    [
        ("norm", "dyt", {"alpha": 0.0}),
        ("opt", "signum", {"lr": 0.0}),
        ("opt", "signum", {"momentum": 1.0}),
        ("opt", "signum", {"weight_decay": -1.0}),
    ],
)
def test_bad_parameters_are_refused_by_name(kind: str, name: str, params: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{kind}={name}: {next(iter(params))} must"):
        technique(kind, name, **params)
