"""Golden curves: the first losses of each model, so that a change that should not touch the maths can prove it.

Regenerate, after a change that should: ``python -m tests.test_golden`` prints the table below.
"""

from __future__ import annotations

import pytest

import ablate
from ablate.dataset import Batches, prepare

STEPS = 5
COMMON = (
    *("act=relu", "init=he", "norm=bn", "pool=max", "reg=[l2]", "reg.l2.weight=1e-3", "loss=auto", "sched=none"),
    *("opt=adam", "opt.lr=0.01", "seed=0"),
)
CURVES: dict[str, tuple[float, ...]] = {
    "data=digits model=mlp": (3.135115, 2.082541, 1.417156, 1.242213, 0.981906),
    "data=digits model=mlp model.residual=pre model.depth=4": (3.692119, 2.468370, 1.857256, 1.703070, 1.410141),
    "data=diabetes model=mlp": (2.585224, 2.101081, 2.056000, 2.161116, 1.211169),
    "data=digits model=cnn": (3.598276, 2.596854, 2.573075, 1.680648, 1.435481),
    "data=digits model=cnn model.residual=pre model.head=gap": (2.983090, 2.467423, 1.772802, 1.699380, 1.435694),
    "data=digits model=resnet": (4.374146, 2.386013, 1.905793, 1.631340, 1.574225),
    "data=digits model=inception": (2.783181, 2.496700, 2.169660, 2.106989, 1.988271),
    "data=wine model=wide_deep": (2.399410, 1.154978),
    "data=digits_rows model=lstm": (4.880609, 3.827644, 3.072201, 2.810147, 2.089535),
    "data=digits_rows model=lstm model.cell=gru": (4.032976, 3.186373, 2.534767, 2.367252, 1.676762),
    "data=digits_rows model=lstm model.cell=rnn": (4.018199, 2.994174, 2.482476, 2.394922, 1.770363),
    "data=digits_rows model=lstm model.peepholes=true model.readout=attention": (
        3.715122,
        3.343213,
        2.883305,
        2.876512,
        2.474003,
    ),
    "data=digits_rows model=attention": (3.865323, 3.380373, 2.786194, 2.873264, 2.608121),
    "data=point_sets model=pointnet": (2.435660, 1.680682, 1.339599, 1.055997, 0.962588),
    "data=digits_canvas data.count=150 data.batch_size=16 model=fcn": (
        3.863525,
        3.196632,
        2.788330,
        2.600930,
        2.425898,
    ),
    "data=digits_canvas data.count=150 data.batch_size=16 model=fcn model.up=bilinear model.skips=false": (
        4.067550,
        3.507985,
        2.982031,
        2.691286,
        2.485471,
    ),
}


def losses(arm: str) -> tuple[float, ...]:
    """Return the training loss, penalty included, before each of the first optimizer steps."""
    config = ablate.compose([*COMMON, *arm.split()])
    dataset = prepare(config.data, config.seed)
    module = ablate.build(config, dataset)
    optimizer = config.opt.build(module.model.parameters())
    found = []
    for index, batch in enumerate(Batches(dataset.splits.train, config.data.batch_size, config.seed)):
        if index == STEPS:
            break
        optimizer.zero_grad()
        loss = module.training_step(batch, index)
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return tuple(found)


@pytest.mark.parametrize("arm", CURVES)
def test_first_losses_are_those_of_before(arm: str) -> None:
    assert losses(arm) == pytest.approx(CURVES[arm], rel=1e-4)


if __name__ == "__main__":
    for arm in CURVES:
        curve = ", ".join(f"{loss:.6f}" for loss in losses(arm))
        print(f'    "{arm}": ({curve}),')
