"""Configurations put together from parts are those that Hydra composes whole."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig
from torch import nn

import ablate
from ablate import composition
from ablate.config import Config, to_config
from ablate.errors import ConfigError
from ablate.registry import registry
from ablate.sweeps.parts import Parts
from ablate.sweeps.shortcut import Shortcut
from ablate.techniques import KINDS, Activation


@pytest.fixture
def loader() -> Iterator[ConfigLoader]:
    with composition.config_loader() as loader:
        yield loader


Said = list[tuple[str, str]]


def whole(loader: ConfigLoader, said: Said) -> Config:
    return to_config(composition.load(loader, [text for _, text in said]))


def made(config: Callable[[Said], Config], said: Said) -> str:
    """Return the configuration in full, or why there is none."""
    try:
        return repr(config(said))
    except (ConfigError, ValueError) as error:
        return str(error)


def test_every_option_is_what_hydra_composes(loader: ConfigLoader) -> None:
    parts, options = Parts(loader), {kind: list(registry().options(kind)) for kind in KINDS}
    for number in range(max(map(len, options.values()))):
        chosen = {kind: names[number % len(names)] for kind, names in options.items()}
        said = [(kind, f"{kind}={name}") for kind, name in chosen.items()]
        assert parts.config(said) == whole(loader, said)


def test_parameters_and_settings_of_the_trainer_and_of_the_run_belong_to_their_parts(loader: ConfigLoader) -> None:
    said = [
        ("opt", "opt=adam"),
        ("reg", "reg=[l2,dropout]"),
        ("trainer.max_epochs", "trainer.max_epochs=3"),
        ("reg.l2.weight", "reg.l2.weight=0.5"),
        ("opt.lr", "opt.lr=0.25"),
        ("data.batch_size", "data.batch_size=all"),
        ("output_dir", "output_dir=elsewhere"),
        ("trainer.threads", "trainer.threads=2"),
    ]
    config = Parts(loader).config(said)
    assert config == whole(loader, said)
    assert (config.trainer.max_epochs, config.trainer.threads, config.output_dir) == (3, 2, "elsewhere")


def test_where_to_start_from_and_what_of_the_head_are_checked_together(loader: ConfigLoader) -> None:
    said = [("init_head", "init_head=new"), ("init_from", "init_from=somewhere")]
    assert Parts(loader).config(said) == whole(loader, said)


def test_a_preset_that_reaches_into_another_part_is_composed_whole(loader: ConfigLoader) -> None:
    store = ConfigStore.instance()
    node = {"defaults": [{"override /model": "cnn"}], "opt": {"lr": 0.125}}
    store.store(group="far", name="reaching", node=node, package="_global_")
    try:
        said = [("opt", "opt=adam"), ("far", "+far=reaching"), ("model.channels", "model.channels=[4]")]
        config = Parts(loader).config(said)
        assert config == whole(loader, said)
        assert config.flat()["opt.lr"] == 0.125
        assert config.choices()["opt"] == "adam"
    finally:
        del store.repo["far"]


def test_hydra_composes_once_however_many_levels_and_arms_there_are(
    loader: ConfigLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []
    load = composition.load

    def counted(loader: ConfigLoader, texts: Sequence[str]) -> DictConfig:
        asked.append(tuple(texts))
        return load(loader, texts)

    monkeypatch.setattr(composition, "load", counted)
    parts = Parts(loader)
    for act, norm, opt in itertools.product(("relu", "tanh"), ("bn", "none"), ("sgd", "adam")):
        parts.config([("act", f"act={act}"), ("norm", f"norm={norm}"), ("opt", f"opt={opt}")])
    for rate in ("0.1", "0.2", "1e-3"):
        parts.config([("opt.lr", f"opt.lr={rate}"), ("trainer.max_steps", "trainer.max_steps=5")])
    assert asked == [()]


@pytest.mark.parametrize("value", ["5", "true", "yes", "null", "[a]", "1e-3", "text"])
def test_a_setting_of_the_run_is_typed_as_hydra_types_it(loader: ConfigLoader, value: str) -> None:
    for field in dataclasses.fields(Config):
        if field.name in {*KINDS, "trainer", "init_from", "init_head"}:
            continue
        said = [(field.name, f"{field.name}={value}")]
        assert made(Parts(loader).config, said) == made(partial(whole, loader), said)


def test_a_name_that_two_kinds_have_is_not_mixed_up(loader: ConfigLoader) -> None:
    before = registry()._state()
    try:

        @dataclasses.dataclass
        class Timm(Activation):
            """x."""

            def build(self) -> nn.Module:
                return nn.Identity()

        ablate.register("timm", Timm)
        registry().install()
        said = [("model", "model=timm"), ("act", "act=mish")]
        assert Parts(loader).config(said) == whole(loader, said)
    finally:
        registry()._restore(before)
        del ConfigStore.instance().repo["act"]["timm.yaml"]


@pytest.mark.parametrize(
    "text",
    [
        "norm=nothing_known",
        "norm=bn norm.eps=fast",
        "norm=bn norm.unknown=1",
        "+norm.eps=1",
        "~norm.eps",
        "norm.eps=${seed}",
        "trainer.max_epochs=0",
        "trainer.nothing=1",
        "name=a/b",
    ],
)
def test_what_only_hydra_can_read_and_whatever_is_wrong_is_left_to_it(loader: ConfigLoader, text: str) -> None:
    shortcut = Shortcut(composition.load(loader, ()), loader.get_sources())
    root = text.lstrip("+~").partition("=")[0].partition(".")[0]
    assert shortcut.config([root], text.split()) is None


def test_an_option_out_of_a_file_of_somebodys_is_hydras(tmp_path: Path) -> None:
    (tmp_path / "norm").mkdir()
    (tmp_path / "norm" / "bn.yaml").write_text("# @package norm\nmomentum: 0.5\n")
    with composition.config_loader() as loader:
        sources = [*loader.get_sources(), FileConfigSource("theirs", f"file://{tmp_path}")]
        shortcut = Shortcut(composition.load(loader, ()), sources)
    assert shortcut.config(["norm"], ["norm=bn"]) is None
    assert shortcut.config(["opt"], ["opt=sgd"]) is not None


def test_what_is_wrong_with_a_part_is_said_as_hydra_says_it(loader: ConfigLoader) -> None:
    said = [("norm", "norm=none"), ("norm.eps", "norm.eps=1"), ("opt", "opt=adam")]
    with pytest.raises(ConfigError) as of_part:
        Parts(loader).config(said)
    with pytest.raises(ConfigError) as of_whole:
        whole(loader, said)
    assert str(of_part.value) == str(of_whole.value)
