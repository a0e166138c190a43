"""Two libraries that know nothing of ablate, wrapped in a few lines each: ``tests/third_party/``."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from ablate.record import Status, find
from tests.helpers import short
from tests.libraries import Run, caller, needs

pytestmark = needs("pytorch_optimizer", "timm")


@pytest.fixture
def ablate(tmp_path: Path) -> Run:
    """Return a caller of ``python -m ablate`` where the wrappers are installed."""
    return caller(tmp_path, "-m", "ablate")


def brought(listing: str, kind: str, distribution: str) -> set[str]:
    """Return the options of ``kind`` that a listing says are from ``distribution``."""
    return set(re.findall(rf"^  {kind}=(\w+) .* {distribution} [\d.]+ *$", listing, re.MULTILINE))


def test_listings_hold_whole_libraries_and_nothing_is_broken(ablate: Run) -> None:
    listed = ablate("plugins")
    assert listed.returncode == 0, listed.stderr
    assert "Broken" not in listed.stdout
    assert len(brought(listed.stdout, "opt", "ablate-pytorch-optimizer")) > 100
    assert len(brought(listed.stdout, "act", "ablate-timm")) == 17
    assert len(brought(listed.stdout, "norm", "ablate-timm")) == 23


def test_a_sweep_over_their_optimizers_and_ours(ablate: Run, tmp_path: Path) -> None:
    levels = ("adabelief", "po_lion", "schedulefreeadamw", "adam")
    done = ablate(*short("-m", f"opt={','.join(levels)}", "act=timm_quick_gelu,timm_gelu_tanh,relu"))
    assert done.returncode == 0, done.stdout + done.stderr
    records = find(tmp_path / "outputs")[0]
    assert [record.status for record in records] == [Status.finished] * 12
    for record in records:
        theirs = record.facts.choices["opt"] != "adam"
        assert ("ablate-pytorch-optimizer" in record.facts.versions) is theirs
        assert ("pytorch_optimizer" in record.facts.versions) is theirs
        assert ("timm" in record.facts.versions) is (record.facts.choices["act"] != "relu")


def test_a_norm_for_features_that_come_last_trains_like_the_one_for_images(ablate: Run, tmp_path: Path) -> None:
    norms = "timm_layernorm,timm_layernorm2d,timm_simplenorm,timm_evonormb0,bn"
    done = ablate(
        *("-m", "model=cnn", "model.channels=[8]", f"norm={norms}"),
        *("trainer.max_steps=4", "trainer.validations=2", "data.train_size=64"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    curves = {r.facts.choices["norm"]: r.curves()["val/loss"] for r in find(tmp_path / "outputs")[0]}
    assert len(curves) == 5
    np.testing.assert_allclose(curves["timm_layernorm"], curves["timm_layernorm2d"], rtol=1e-5)
    assert (curves["timm_layernorm"] != curves["bn"]).all()


def test_a_value_that_their_class_refuses_is_one_sentence(ablate: Run) -> None:
    done = ablate("opt=adabelief", "opt.lr=-1")
    assert done.returncode == 2
    assert done.stderr.startswith("ablate: opt: AdaBelief(lr=-1.0) refuses: ")
    assert done.stderr.count("\n") == 1
