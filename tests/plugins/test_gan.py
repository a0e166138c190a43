"""The gan against the same training written by hand, and what of a run's settings acts in it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from ablate_plugins.networks.adversarial import OBJECTIVES
from torch import Tensor, nn

import ablate
from ablate.config import Config
from ablate.dataset import Batches, prepare
from ablate.errors import ConfigError
from ablate.record import Status
from ablate.techniques import DataSpec, Model, Task
from ablate.variations import stream
from tests.helpers import classes, make, make_kit, normal, refusal

Maker = Callable[..., Config]
GAN = ("model=gan", "data=gaussians", "data.train_size=128", "data.count=400")


def sigmoid(score: float) -> float:
    return 1 / (1 + math.exp(-score))


FORMULAS: dict[str, tuple[Callable[[float, float], float], Callable[[float], float]]] = {
    "non_saturating": (
        lambda d, g: -math.log(sigmoid(d)) - math.log(1 - sigmoid(g)),
        lambda g: -math.log(sigmoid(g)),
    ),
    "saturating": (
        lambda d, g: -math.log(sigmoid(d)) - math.log(1 - sigmoid(g)),
        lambda g: math.log(1 - sigmoid(g)),
    ),
    "least_squares": (lambda d, g: (d - 1) ** 2 / 2 + g**2 / 2, lambda g: (g - 1) ** 2 / 2),
    "hinge": (lambda d, g: max(0, 1 - d) + max(0, 1 + g), lambda g: -g),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_objectives_are_their_papers_formulas(name: str) -> None:
    real, generated = 2 * normal(20, 1), 2 * normal(20, 1, seed=1)
    discriminator, generator = FORMULAS[name]
    pairs = list(zip(real.flatten().tolist(), generated.flatten().tolist(), strict=True))
    assert OBJECTIVES[name].discriminator(real, generated).item() == pytest.approx(
        float(np.mean([discriminator(d, g) for d, g in pairs])), rel=1e-12
    )
    assert OBJECTIVES[name].generator(generated).item() == pytest.approx(
        float(np.mean([generator(g) for _, g in pairs])), rel=1e-12
    )


def test_every_objective_on_the_command_line_is_there() -> None:
    for name in OBJECTIVES:
        make(Model, "gan", objective=name)
    assert "latent must be at least 1" in refusal(Model, "gan", latent=0)


@pytest.mark.parametrize("spec", [classes(3), classes(1, 4, 5), DataSpec(Task.regression, (6, 2), 1)])
def test_a_generator_makes_examples_of_the_datas_shape_and_the_discriminator_scores_them(spec: DataSpec) -> None:
    model = make(Model, "gan", latent=5)
    model.check(spec)
    net = model.build(make_kit(), spec)
    made = net.get_submodule("generator")(normal(4, 5).float())
    assert made.shape == (4, *spec.input_shape)
    assert net(made).shape == (4, 1)


def by_hand(config: Config, steps: int, discriminator_steps: int, penalty: float) -> tuple[nn.Module, float, float]:
    """Train with plain torch; return the network and the means of the generator's and the discriminator's losses."""
    torch.manual_seed(config.seed)
    net = ablate.build(config).model
    generator, discriminator = (net.get_submodule(name) for name in ("generator", "discriminator"))
    train = Batches(prepare(config.data, 0).splits.train, config.data.batch_size, shuffle_seed=config.seed)
    draws = stream(config.seed, "noise")

    def log(p: Tensor) -> Tensor:
        return p.sigmoid().log().mean()

    def extra(part: nn.Module) -> Tensor:
        weights = [m.weight for m in part.modules() if isinstance(m, nn.Linear)]
        return penalty * torch.stack([w.square().sum() for w in weights]).sum()

    g_optimizer = torch.optim.SGD(generator.parameters(), lr=0.1)
    d_optimizer = torch.optim.SGD(discriminator.parameters(), lr=0.1)
    g_losses, d_losses = [], []
    for x, _ in list(train)[:steps]:
        for _ in range(discriminator_steps):
            made = generator(torch.randn(len(x), 2, generator=draws)).detach()
            loss = -log(discriminator(x)) - log(-discriminator(made))
            d_optimizer.zero_grad()
            (loss + extra(discriminator)).backward()
            d_optimizer.step()
        d_losses.append(loss.item())
        loss = -log(discriminator(generator(torch.randn(len(x), 2, generator=draws))))
        g_optimizer.zero_grad()
        (loss + extra(generator)).backward()
        g_optimizer.step()
        g_losses.append(loss.item())
    return net, sum(g_losses) / steps, sum(d_losses) / steps


@pytest.mark.parametrize("discriminator_steps", [1, 3])
def test_training_equals_the_same_training_by_hand(short_config: Maker, discriminator_steps: int) -> None:
    steps = ("trainer.max_steps=4", "trainer.validations=1", f"model.discriminator_steps={discriminator_steps}")
    config = short_config(*GAN, *steps, "opt=sgd", "reg=l2", "reg.l2.weight=0.01", "data.batch_size=32")
    record = ablate.run(config)
    net, g_loss, d_loss = by_hand(config, 4, discriminator_steps, penalty=0.01)
    state = torch.load(record.folder / "last.ckpt", weights_only=True)
    for name, weight in net.state_dict().items():
        torch.testing.assert_close(state["state_dict"][f"model.{name}"], weight, rtol=1e-4, atol=1e-6)
    curves = record.curves()
    assert curves["train/loss"][0] == pytest.approx(g_loss, rel=1e-5)
    assert curves["train/discriminator_loss"][0] == pytest.approx(d_loss, rel=1e-5)
    gradients = torch.cat([p.grad.flatten() for p in net.get_submodule("generator").parameters() if p.grad is not None])
    assert curves["grad_norm"][0] == pytest.approx(float(gradients.norm()), rel=1e-4)
    assert state["global_step"] == 4


@pytest.mark.parametrize("discriminator_steps", [1, 2])
def test_steps_are_the_generators_and_schedules_move_with_them(short_config: Maker, discriminator_steps: int) -> None:
    steps = ("trainer.max_steps=7", "trainer.validations=3", f"model.discriminator_steps={discriminator_steps}")
    record = ablate.run(short_config(*GAN, *steps, "sched=linear", "opt.lr=1e-3", "data.batch_size=32"))
    curves = record.curves()
    assert curves["step"].tolist() == [3, 6, 7]
    assert curves["lr"].tolist() == pytest.approx([4e-3 / 7, 1e-3 / 7, 0], abs=1e-9)
    state = torch.load(record.folder / "last.ckpt", weights_only=True)
    assert [s["_step_count"] for s in state["lr_schedulers"]] == [8, 8]
    assert (record.facts.metric, record.facts.higher_is_better) == ("val/mmd", False)
    assert set(record.facts.test) == {"test/loss", "test/mmd"}


def test_gradients_are_clipped_for_each_of_the_two(short_config: Maker) -> None:
    settings = ("opt=sgd", "opt.lr=1", "reg=grad_clip", "reg.grad_clip.limit=0.001", "trainer.max_steps=1")
    config = short_config(*GAN, *settings)
    state = torch.load(ablate.run(config).folder / "last.ckpt", weights_only=True)["state_dict"]
    before = ablate.build(config).model.state_dict()
    for player in ("generator", "discriminator"):
        moved = [(state[f"model.{k}"] - v).flatten() for k, v in before.items() if k.startswith(player)]
        assert float(torch.cat(moved).norm()) == pytest.approx(0.001, rel=1e-3)


@pytest.mark.parametrize(
    "setting",
    ["opt=lbfgs", "opt=muon", "norm=bn", "reg=ema", "reg=input_noise", "reg=dropout", "reg=max_norm", "act=tanh"],
)
def test_techniques_act_in_both(short_config: Maker, setting: str) -> None:
    plain, changed = (ablate.run(short_config(*GAN, *own)) for own in ((), (setting,)))
    assert changed.status is Status.finished
    assert changed.curves()["val/mmd"].tolist() != plain.curves()["val/mmd"].tolist()


def test_a_run_stops_where_the_discrepancy_no_longer_falls(short_config: Maker) -> None:
    settings = ("reg=early_stopping", "reg.early_stopping.patience=1", "opt=sgd", "opt.lr=1e-30")
    record = ablate.run(short_config(*GAN, *settings, "trainer.max_steps=20", "trainer.validations=10"))
    assert record.curves()["step"].tolist() == [2, 4]


def test_the_rate_of_both_falls_on_a_plateau_of_the_discrepancy(short_config: Maker) -> None:
    settings = ("sched=plateau", "sched.patience=0", "opt=sgd", "opt.lr=1e-30", "trainer.validations=4")
    record = ablate.run(short_config(*GAN, *settings, "data.batch_size=32"))
    # nothing is learned: the first point is the best, and every other one lowers the rate
    assert record.curves()["lr"].tolist() == pytest.approx([1e-30, 1e-31, 1e-32, 1e-33], rel=1e-5)
    assert len(set(record.curves()["val/mmd"].tolist())) == 1  # the noise of the evaluation stays the same


def test_the_same_seed_gives_the_same_run_and_another_seed_another(short_config: Maker) -> None:
    a, b, c = (
        ablate.run(short_config(*GAN, f"name={name}", f"seed={seed}")).curves()["val/mmd"].tolist()
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert a == b != c


def test_what_is_generated_comes_closer_to_the_data(short_config: Maker) -> None:
    settings = ("data.batch_size=32", "model.width=64", "trainer.max_steps=600", "trainer.validations=60")
    mmd = ablate.run(short_config(*GAN, *settings)).curves()["val/mmd"]
    assert mmd[-10:].mean() < mmd[0] / 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trainer.gradient_clip_val=1"], "gradient_clip_val=1.0 is not possible with model=gan.* Take reg=grad_clip"),
        (["trainer.gradient_clip_val=null,1"], "gradient_clip_val=1.0 is not possible"),
        (["trainer.accumulate_grad_batches=2"], "Take a larger data.batch_size"),
        (
            ["loss=mse"],
            "loss=mse is for .*, but model=gan is trained for generation. loss=auto",
        ),
        (["reg=label_smoothing"], "LabelSmoothing changes the labels alone"),
        (["pool=max,avg"], "model=gan takes no part in pool"),
    ],
)
def test_what_does_nothing_in_a_gan_is_refused_before_it_trains(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ablate.sweep(["model=gan", "data=rings", *arguments])


def test_all_that_acts_can_be_swept(short_sweep: Callable[[list[str]], ablate.Sweep]) -> None:
    objectives = ",".join(OBJECTIVES)
    for factor in (f"model.objective={objectives}", "model.discriminator_steps=1,2", "act=relu,tanh"):
        sweep = short_sweep([*GAN, factor, "name=swept"])
        assert not sweep.higher_is_better
        assert sweep.frame()["final"].nunique() == len(sweep.records)
