from __future__ import annotations

import pytest

import ablate
from ablate import override_checks, overrides
from ablate.composition import config_loader, defaults
from ablate.errors import ConfigError
from ablate.overrides import Setting, parse


def check(*arguments: str, sweep: bool = True) -> list[str]:
    with config_loader() as loader:
        return override_checks.check(parse(arguments, loader), sweep=sweep, defaults=defaults())


@pytest.mark.parametrize(
    ("argument", "levels"),
    [
        ("norm=bn,none", ("bn", "none")),
        ("seed=range(0,3)", ("0", "1", "2")),
        ("opt.lr=choice(0.1,0.01)", ("0.1", "0.01")),
        ("reg=[l2,dropout],none", ("[l2,dropout]", "none")),
        ("norm=glob(*n)", ("bn", "gn", "ln")),
        ("data.permute_pixels=true,false", ("true", "false")),
        ("label='a,b','c'", ("'a,b'", "'c'")),
    ],
)
def test_all_of_hydras_sweep_syntax_becomes_levels(argument: str, levels: tuple[str, ...]) -> None:
    with config_loader() as loader:
        (setting,) = parse([argument], loader)
    assert setting.swept
    assert setting.levels == levels


def test_a_plain_setting_has_one_level_and_hydras_own_are_left_out() -> None:
    assert parse(["opt.lr=0.1", "hydra/launcher=basic", "hydra.verbose=true"]) == [
        Setting("opt.lr", ("0.1",), "opt.lr=0.1")
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["+pol=max"], r"\+pol=max: there is no setting 'pol'. Did you mean 'pool'\?"),
        (["+pool=max"], "pool is always set; write pool=max"),
        (["++norm.foo=1"], "norm=none has no parameter 'foo'"),
        (["norm=null"], "null is no option of norm. Write norm=none"),
        (["opt=null"], "null is no option of opt. Options: .*adam"),
        (["~norm"], "cannot be deleted.*norm=none"),
        (["norm=bnn"], "Did you mean 'bn'"),
        (["norm=[bn,ln]"], "norm takes one option"),
        (["reg=[l2,nope]"], "reg=nope: there is no such option"),
        (["norm=bn,none", "norm.epss=1e-3"], r"norm=bn has no parameter 'epss'.*Did you mean 'eps'"),
        (["opt.lrr=1"], r"opt=adam has no parameter 'lrr' \(it has lr, .*Did you mean 'lr'"),
        (["reg=l2", "reg.l1.weight=1"], "reg=l2 does not include l1"),
        (["lr=0.1"], "lr=0.1: write opt.lr"),
        (["max_epochs=3"], "write trainer.max_epochs"),
        (["reg=dropout", "reg.p=0.9"], "write reg.dropout.p"),
        (["act=RELU"], "Did you mean 'relu'"),
        (["reg=[l2,none]"], "none stands alone"),
        (["reg=[l2,l2]"], "each option stands once"),
        (["name=ünï"], "this cannot be read"),
        (["trainer.max_epoch=3"], "trainer has no setting 'max_epoch'. Did you mean 'max_epochs'"),
        (["trainer=fast"], "trainer is a group of settings"),
        (["seed.x=1"], "seed is a plain value"),
        (["name=a,b"], "name belongs to a whole sweep"),
        (["opt.lr=interval(0,1)"], "no finite number of levels"),
        (["opt.lr=0.1,0.10"], "the level 0.1 is there twice"),
        (["norm=bn=3=="], "key=value"),
        (["foo"], "key=value"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_way_out(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check(*arguments)


def test_a_sweep_without_the_flag_says_so() -> None:
    with pytest.raises(ConfigError, match="norm=bn,none is a sweep over 2 levels: add -m"):
        check("norm=bn,none", sweep=False)


def test_a_key_given_twice_warns_and_names_the_loser() -> None:
    assert check("norm=bn,none", "norm=ln") == ["norm is given twice: norm=bn,none is ignored, norm=ln counts."]
    with pytest.warns(UserWarning, match="opt=sgd is ignored"):
        assert type(ablate.compose(["opt=sgd", "opt=adam"]).opt).__name__ == "Adam"


def test_parameters_of_every_swept_option_pass() -> None:
    assert (
        check("norm=bn,ln", "norm.eps=1e-3,1e-5", "reg=[l2,dropout],l2", "reg.l2.weight=1", "trainer.max_epochs=2")
        == []
    )


def test_a_parameter_that_only_some_options_have_is_noted() -> None:
    assert check("norm=bn,none", "norm.eps=1e-3") == ["norm.eps has no meaning for norm=none: trained without it."]
    assert check("reg=none,l2,l1", "reg.l2.weight=1,2") == [
        "reg.l2.weight has no meaning for reg=none and reg=l1: trained without it, once."
    ]


def test_labels_say_what_was_said() -> None:
    def label(*arguments: str, **values: str) -> str:
        return overrides.label(parse(arguments), values, defaults())

    assert label() == "default"
    assert label("norm=none", "data=digits", "model=cnn", "seed=3", "trainer.accelerator=cpu") == "default"
    assert label("norm=bn", "opt.lr=0.1") == "norm=bn,opt.lr=0.1"
    assert label("norm=bn,none", "opt=sgd", norm="none") == "norm=none,opt=sgd"
    assert label("model=mlp,cnn", model="mlp") == "model=mlp"


def test_an_empty_range_is_no_sweep() -> None:
    with pytest.raises(ConfigError, match=r"seed=range\(3,3\) is empty"):
        parse(["seed=range(3,3)"])
