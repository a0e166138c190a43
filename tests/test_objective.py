"""What a run minimises, without Lightning."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
import torch

import ablate
from ablate.assembly import build, objective
from ablate.dataset import prepare
from ablate.garbage import uncollected
from ablate.module import AblationModule
from tests.helpers import python


@pytest.mark.parametrize(
    "settings", [["norm=bn", "reg=[l2,dropout]"], ["model=cnn", "reg=l1"], ["model=gan", "data=gaussians"]]
)
def test_it_is_that_of_the_module_which_lightning_trains(settings: list[str]) -> None:
    config = ablate.compose(settings)
    dataset = prepare(config.data, config.seed)
    found = []
    for make in (objective, build):
        own = make(config, dataset)
        x, y = (part[:16] for part in dataset.splits.train)
        torch.manual_seed(0)
        prediction, loss = own.outcome(x, y)
        penalty = own.penalty()
        found.append([prediction, loss, *own.model.parameters(), *([] if penalty is None else [penalty])])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_a_training_procedure_of_its_own_is_its_objective() -> None:
    assert isinstance(objective(ablate.compose(["model=gan", "data=gaussians"])), AblationModule)
    assert not isinstance(objective(ablate.compose([])), AblationModule)


def test_a_sweep_is_planned_without_lightning(tmp_path: Path) -> None:
    arguments = ["norm=bn,none", "opt=sgd,adam", "reg=none,dropout", f"output_dir={tmp_path}", "stack=auto"]
    code = (
        "import sys\n"
        "import ablate.cli.train\n"
        "from ablate.composition import config_loader\n"
        "from ablate.sweeps.plan import make_plan\n"
        "with config_loader() as loader:\n"
        f"    plan = make_plan({arguments!r}, loader, sweep=True)\n"
        "print(len(plan.arms), [name for name in ('lightning', 'torchmetrics') if name in sys.modules])"
    )
    done = python("-c", code)
    assert done.stdout.endswith("8 []\n"), done.stderr


def test_garbage_is_collected_again_afterwards() -> None:
    assert gc.isenabled()
    frozen = gc.get_freeze_count()
    with uncollected():
        assert not gc.isenabled()
        with uncollected():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > frozen
    gc.unfreeze()
