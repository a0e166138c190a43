from __future__ import annotations

import re
import types
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

import ablate
from ablate import hookspecs
from ablate.discovery import Plugin, Source
from ablate.errors import ConfigError, PluginError
from ablate.registry import Registry, registry
from ablate.techniques import KINDS, Norm, Technique
from tests import helpers
from tests.helpers import Unchanging


@dataclass
class Scaled(Unchanging):
    """Scales."""

    factor: float = 2.0


def loaded(*plugins: types.ModuleType) -> Registry:
    """Load plugins as if each were a distribution of its module's name."""
    found = Registry()
    for each in plugins:
        found.load(
            Plugin(
                each.__name__, Source(f"dist-{each.__name__}", "1.0"), {"register_techniques": each.register_techniques}
            )
        )
    return found


def broken(found: Registry) -> str:
    """Return why the one plugin or option that was set aside was."""
    (only,) = found.broken
    return only.reason


def registering(module: str, name: str, technique: type[Technique]) -> types.ModuleType:
    @ablate.hookimpl
    def register_techniques(register: hookspecs.Register) -> None:
        register(name, technique)

    return helpers.module(module, register_techniques=register_techniques)


def test_every_kind_has_the_options_of_the_catalogue() -> None:
    expected = {
        "act": "elu gelu hardswish identity leaky_relu mish prelu relu selu sigmoid silu softmax softplus step tanh",
        "init": "constant glorot he identity lecun normal orthogonal truncated_normal uniform xavier zeros",
        "norm": "bn group instance ln none rms spectral weight",
        "reg": "augment channel_dropout dropout early_stopping elastic ema grad_clip input_noise l1 l2 label_smoothing "
        "max_norm mixup none",
        "pool": "avg blur global_avg global_max lp max none stride",
        "opt": "adadelta adagrad adam adamw gd lbfgs lion momentum muon nadam nesterov radam rmsprop sgd",
        "loss": "auto cross_entropy dice focal hinge huber kl mae mse triplet",
        "sched": "cosine exponential linear none onecycle plateau step warmup_cosine",
        "model": "attention cnn embedding fcn gan inception linear lstm mlp mlp_output pointnet resnet unet vgg "
        "wide_deep",
        "data": "adding boolean breast_cancer channel_xor copy diabetes digits digits_canvas digits_placed digits_rows "
        "gaussians iris offset_xor parity point_sets rare_features recall rings spirals wine",
    }
    assert list(KINDS) == list(expected)
    for kind, names in expected.items():
        assert set(names.split()) <= set(registry().options(kind))


def test_an_option_knows_who_brought_it() -> None:
    option = loaded(registering("mine", "scaled", Scaled)).get("norm", "scaled")
    assert (option.distribution, option.version, option.summary) == ("dist-mine", "1.0", "Scales.")
    assert registry().get("norm", "bn").distribution == "lightning-ablate"


def test_unknown_option_names_the_choices_and_the_closest() -> None:
    with pytest.raises(ConfigError, match=r"norm=bnn: .*Did you mean 'bn'\?.*Options of norm: bn, .*ln, none"):
        registry().get("norm", "bnn")


def test_duplicate_name_blames_the_newcomer_and_names_both() -> None:
    @dataclass
    class Other(Unchanging):
        """Another."""

    Other.__module__ = "newcomer_module"
    found = loaded(registering("old", "scaled", Scaled), registering("new", "scaled", Other))
    assert found.get("norm", "scaled").cls is Scaled
    assert re.match(r"newcomer_module \(dist-new\) registers norm=scaled, which .*dist-old", broken(found))


def test_one_class_under_two_names_is_refused() -> None:
    found = loaded(registering("mine", "scaled", Scaled))
    with pytest.raises(PluginError, match="is norm=scaled already"):
        found.add("again", Scaled)


class NotDecorated(Unchanging):
    """Lost its decorator."""

    factor: float = 2.0


@dataclass
class Misspelled(Norm):
    """Writes a method that nobody calls."""

    def buld(self, features: int, spatial: int) -> None: ...


@dataclass(kw_only=True)
class Required(Unchanging):
    """Has a parameter that has to be given."""

    factor: float


@dataclass
class Undocumented(Unchanging):
    factor: float = 2.0


@dataclass
class Untypable(Unchanging):
    """Has a parameter that no command line can give."""

    fill: set[int] | bytes | object = 0


class Mode(Enum):
    on = 1


@dataclass
class Typable(Unchanging):
    """Has every type that structured configs know."""

    mode: Mode = Mode.on
    size: int | None = None


@pytest.mark.parametrize(
    ("technique", "message"),
    [
        (NotDecorated, "declares factor.*Write @dataclass"),
        (Undocumented, "needs a docstring"),
        (Misspelled, r"has no method build\(\), which every norm needs\. Did you mean 'buld'\?"),
        (Required, r"Required\.factor has no default: every parameter needs one"),
        (Untypable, "cannot be given on the command line"),
        (int, "no technique.*Norm"),
        (Technique, "no technique"),
    ],
)
def test_broken_techniques_are_refused_with_the_mend(technique: Any, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        Registry().add("broken", technique)


def test_names_that_no_command_line_can_say_are_refused() -> None:
    with pytest.raises(PluginError, match="letters, digits"):
        Registry().add("b n", Scaled)


def test_enums_and_optionals_are_accepted() -> None:
    Registry().add("typable", Typable)


def test_technique_by_name_checks_types_and_values() -> None:
    assert ablate.technique("norm", "bn", eps=1e-3) == ablate.compose(["norm=bn", "norm.eps=1e-3"]).norm
    with pytest.raises(ConfigError, match=r"norm=bn: .*epsilon.*Parameters: position, eps, momentum, affine"):
        ablate.technique("norm", "bn", epsilon=1)
    with pytest.raises(ConfigError, match=r"init=he: mode: .*'mean'"):
        ablate.technique("init", "he", mode="mean")
    with pytest.raises(ConfigError, match="eps must be positive"):
        ablate.technique("norm", "bn", eps=-1)
    with pytest.raises(ConfigError, match="no kind 'nrom'"):
        ablate.technique("nrom", "bn")


def test_registering_without_packaging_reaches_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = registry.__wrapped__()
    monkeypatch.setattr("ablate.registry.registry", lambda: fresh)
    monkeypatch.setattr("ablate.composition.registry", lambda: fresh)
    monkeypatch.setattr("ablate.overrides.registry", lambda: fresh)
    monkeypatch.setattr("ablate.override_checks.registry", lambda: fresh)
    monkeypatch.setattr("ablate.config.registry", lambda: fresh)
    ablate.register("scaled", Scaled)
    assert ablate.compose(["norm=scaled", "norm.factor=3"]).norm == Scaled(factor=3.0)


def edition(factor: float, source: str) -> type[Technique]:
    @dataclass
    class Edited(Unchanging):
        """Scales."""

        scale: float = factor

    Edited.__module__ = source
    return Edited


def test_a_cell_that_is_run_again_replaces_its_option() -> None:
    found = Registry()
    found.add("edited", edition(1.0, "notebook"))
    found.add("edited", edition(2.0, "notebook"))
    assert found.get("norm", "edited").cls().scale == 2.0  # type: ignore[attr-defined]
    with pytest.raises(PluginError, match="already registered"):
        found.add("edited", edition(3.0, "another"))


def test_options_of_one_session_have_versions_of_their_own() -> None:
    found = Registry()
    found.add("first", Scaled, version="1")
    found.add("mode", Typable, version="2")
    versions = found.get("norm", "first").versions | found.get("norm", "mode").versions
    assert sorted(versions.values()) == ["1", "2"]


def test_what_a_session_registers_is_identified_by_its_source(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    versions = set()
    for number, body in enumerate(("return nn.Identity()", "return nn.Identity()", "return nn.Dropout()")):
        (tmp_path / f"cell{number}.py").write_text(
            "from dataclasses import dataclass\nfrom torch import nn\nfrom ablate.techniques import Norm\n"
            f"@dataclass\nclass Mine(Norm):\n    'A norm.'\n    def build(self, features, spatial):\n        {body}\n"
        )
        found = Registry()
        found.add("mine", __import__(f"cell{number}").Mine)
        versions.add(found.get("norm", "mine").version)
    assert len(versions) == 2


@dataclass
class WithPath(Unchanging):
    """Has a parameter that no identity can be made of."""

    path: Path = Path()


def test_parameters_that_cannot_be_written_down_are_refused() -> None:
    with pytest.raises(PluginError, match="cannot be given on the command line"):
        Registry().add("with_path", WithPath)
