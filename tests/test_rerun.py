from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import ablate
from ablate.cli.main import main
from ablate.composition import config_loader, load
from ablate.config import Config, to_config
from ablate.overrides import written
from ablate.record import open_record, read
from ablate.training.reproduction import overrides_of, reproduce
from tests.helpers import short

Maker = Callable[..., Config]


@pytest.mark.parametrize(
    "settings",
    [
        ["reg=[l2,dropout]", "reg.l2.weight=0.01", "norm=bn", "opt.lr=1e-4", "sched=onecycle"],
        ["model=cnn", "model.channels=[4,8]", "data.batch_size=all", "opt=gd"],
        ["reg=none", "trainer.max_steps=3", "trainer.gradient_clip_val=0.5", "data.train_size=64"],
        [
            "act=leaky_relu",
            "data.label_noise=0.1",
            "seed=7",
            "label='odd, it\\'s'",
            "name=own",
            "trainer.threads=2",
        ],
        ["model=gan", "data=gaussians", "model.objective=saturating"],
    ],
)
def test_a_record_says_all_that_composes_its_run(settings: list[str]) -> None:
    config = ablate.compose(settings)
    record = open_record(config)
    with config_loader() as loader:
        again = to_config(load(loader, overrides_of(record)))
    assert (again.flat(), again.seed, again.folder_name) == (config.flat(), config.seed, config.folder_name)
    assert again.arm_hash == config.arm_hash


def test_a_run_on_several_devices_is_done_again_by_the_same_strategy(short_config: Maker) -> None:
    record = open_record(short_config("trainer.devices=2", "trainer.strategy=ddp"))
    record.folder.mkdir(parents=True)
    (record.folder / "config.yaml").write_text("trainer: {strategy: ddp}", encoding="utf-8")
    assert 'trainer.strategy="ddp"' in overrides_of(record)


@pytest.mark.parametrize(
    "value", ["", "a", "null", "1e5", "it's", "a\\", "a\\'b", "a,b=[c]{d}", None, True, 3, 0.1, [1, "x"], {"k": [0.5]}]
)
def test_values_are_written_as_hydra_reads_them(value: Any) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed: Any = OverridesParser.create().parse_override(f"key={written(value)}").value()
    plain = [getattr(part, "text", part) for part in parsed] if isinstance(value, list) else parsed
    plain = getattr(plain, "text", plain)
    assert plain == value
    assert type(plain) is type(value)


def test_a_run_done_again_is_the_same(short_config: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    record = ablate.run(short_config("reg=[dropout,mixup]", "norm=bn", "sched=cosine", "seed=3"))
    assert main(["rerun", str(record.folder)]) == 0
    out = capsys.readouterr().out
    assert "The same" in out
    assert "Otherwise" not in out
    assert [path.name for path in Path("outputs").iterdir()] == ["digits-mlp"]


def test_what_came_out_differently_is_named(short_config: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    record = ablate.run(short_config())
    facts = json.loads((record.folder / "record.json").read_text())
    facts["test"]["test/acc"] = 2.0
    facts["versions"]["torch"] = "0.1"
    facts["arm_hash"] = "00000000"
    facts["settings"]["opt.lr"] = 0.002
    (record.folder / "record.json").write_text(json.dumps(facts))
    assert main(["rerun", str(record.folder), "--keep", "kept"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    for said in (
        "version of torch: 0.1 then",
        "arm: 00000000 then",
        "test/acc was 2.0 and is",
        "The curve lr differs by up to 0.001.",
        "tensors of the last weights differ, by up to",
        "Files: ",
    ):
        assert said in out
    (kept,) = Path("kept").rglob("record.json")
    assert read(kept.parent).facts.settings["opt.lr"] == 0.002
    assert main(["rerun", str(record.folder), "--keep", "kept"]) == 2


def test_a_run_of_a_stack_says_what_rounded_otherwise(short_config: Maker, tmp_path: Path) -> None:
    record = ablate.run(short_config())
    record.facts.stack = ["its-arm/seed=1", "its-arm/seed=2"]
    record.save()
    (line,) = reproduce(record, tmp_path / "again").circumstances
    assert line == "it trained in step with 2 others then, which rounds otherwise: stack=off"


def test_a_run_that_started_from_another_is_done_again_from_it(short_config: Maker, tmp_path: Path) -> None:
    source = ablate.run(short_config("name=source"))
    config = ablate.compose(short(f"init_from={source.facts.arm_hash}", "name=then", "opt.lr=0.01"))
    found = reproduce(ablate.run(config), tmp_path / "again")
    assert found.same
    assert found.again.facts.settings["init_from"] == found.original.facts.settings["init_from"]


def test_lost_weights_are_no_sameness(short_config: Maker, tmp_path: Path) -> None:
    record = ablate.run(short_config())
    (record.folder / "last.ckpt").unlink()
    (difference,) = reproduce(record, tmp_path / "a").differences
    assert "there is no" in difference
    torch.save({}, record.folder / "last.ckpt")
    (record.folder / "last.ckpt").write_bytes(b"")
    (difference,) = reproduce(record, tmp_path / "b").differences
    assert "cannot be compared" in difference


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "takes the folder of one run"),
        (["a", "b"], "takes the folder of one run"),
        (["norm=bn"], "is no folder of a run"),
        (["nowhere", "--keep"], "--keep needs a folder"),
    ],
)
def test_what_cannot_be_done_again_is_one_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rerun", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_an_unfinished_run_is_not_compared(short_config: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    record = open_record(short_config())
    record.facts.overrides = ["norm=bn"]
    record.save()
    assert main(["rerun", str(record.folder)]) == 2
    said = capsys.readouterr().err
    assert "only a run that has ended by itself" in said
    assert "To train it: python -m ablate norm=bn" in said
