from __future__ import annotations

import dataclasses

import pytest
from omegaconf import OmegaConf, open_dict

import ablate
from ablate.composition import config_loader, load
from ablate.config import is_scientific, to_config
from ablate.errors import ConfigError


def test_defaults_compose_to_techniques() -> None:
    config = ablate.compose()
    assert config.choices() == {
        "act": "relu",
        "init": "he",
        "norm": "none",
        "reg": "none",
        "pool": "max",
        "opt": "adam",
        "loss": "auto",
        "sched": "none",
        "model": "mlp",
        "data": "digits",
    }


def test_lists_of_regularizers_keep_their_parameters_apart() -> None:
    config = ablate.compose(["reg=[l2,dropout]", "reg.l2.weight=0.5", "reg.dropout.p=0.1"])
    assert config.choices()["reg"] == "[dropout,l2]"
    assert {k: dataclasses.asdict(v) for k, v in config.reg.items()} == {
        "l2": {"weight": 0.5, "bias": False},
        "dropout": {"p": 0.1},
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["opt.lr=abc"], "opt.lr: .*'abc'.*Float"),
        (["opt.lr=-1"], "opt: lr must be positive, not -1.0"),
        (["reg=dropout", "reg.dropout.p=1"], r"reg.dropout: p must be in \[0, 1\)"),
        (["trainer.max_epochs=0"], "trainer: max_epochs must be at least 1"),
        (["trainer.max_steps=0"], "trainer: max_steps must be at least 1"),
        (["data.scale=huge"], "data.scale: .*huge"),
        (["model.width=0"], "model: width must be at least 1"),
    ],
)
def test_wrong_values_name_the_setting(settings: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ablate.compose(settings)


def test_keys_that_nothing_reads_are_refused_wherever_they_come_from() -> None:
    with config_loader() as loader:
        tree = load(loader, ["norm=bn"])
    with open_dict(tree.norm):
        tree.norm.foo = 1
    with pytest.raises(ConfigError, match=r"norm.foo: norm has no such setting. Valid: position, eps, momentum"):
        to_config(tree)


def test_a_kind_without_an_option_is_refused() -> None:
    with config_loader() as loader:
        tree = load(loader, [])
    OmegaConf.update(tree, "norm", "???")
    with pytest.raises(ConfigError, match=r"norm has no option.*`none` is an option"):
        to_config(tree)


def test_identity_covers_science_and_nothing_else() -> None:
    base = ablate.compose().arm_hash
    for same in ("seed=3", "name=x", "label=y", "output_dir=z", "trainer.accelerator=cpu", "norm=none"):
        assert ablate.compose([same]).arm_hash == base, same
    others = ("norm=bn", "opt.lr=0.5", "data.batch_size=32", "reg=l2", "trainer.max_epochs=3", "trainer.max_steps=9")
    more = ("trainer.validations=3", "trainer.precision=64-true", "trainer.gradient_clip_val=1")
    for other in (*others, *more, "trainer.accumulate_grad_batches=2", "trainer.deterministic=false"):
        assert ablate.compose([other]).arm_hash != base, other
    both = [ablate.compose([f"reg={order}"]).arm_hash for order in ("[l2,dropout]", "[dropout,l2]")]
    assert both[0] == both[1]


def test_identity_depends_on_the_plugins_version(monkeypatch: pytest.MonkeyPatch) -> None:
    config = ablate.compose()
    before = config.arm_hash
    newer = {k: dataclasses.replace(o, version="99") for k, o in config.options().items()}
    monkeypatch.setattr(type(config), "options", lambda self: newer)
    assert config.arm_hash != before


def test_a_single_setting_is_not_a_list_of_letters() -> None:
    with pytest.raises(ConfigError, match=r'compose\(\["norm=bn"\]\)'):
        ablate.compose("norm=bn")


def test_scientific_settings() -> None:
    assert is_scientific("trainer.max_epochs")
    assert is_scientific("norm.eps")
    assert not is_scientific("trainer.threads")
    assert not is_scientific("output_dir")


def test_composing_works_inside_another_hydra_application() -> None:
    from hydra import initialize_config_module
    from hydra.core.global_hydra import GlobalHydra

    with initialize_config_module("ablate_conf", version_base="1.3"):
        outer = GlobalHydra.instance().hydra
        ablate.compose(["norm=bn"])
        assert GlobalHydra.instance().hydra is outer
