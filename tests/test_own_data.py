"""Runs on data of somebody's own: what identifies them, what is said, what the record keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import ablate
from ablate.composition import config_loader
from ablate.dataset import loaded, prepare
from ablate.errors import ConfigError
from ablate.record import Status
from ablate.sweeps.execute import foresee
from ablate.sweeps.plan import make_plan
from ablate.training.reproduction import reproduce
from tests import own_data
from tests.helpers import python

SHORT = ["trainer.max_epochs=1", "trainer.validations=2", "model.width=8", "workers=0"]


def people(*settings: str, path: str = "people.csv") -> list[str]:
    return ["data=table", f"data.path={path}", "data.target=buys", *settings]


def config(*settings: str, path: str = "people.csv") -> ablate.Config:
    return ablate.compose(people(*settings, path=path))


def test_a_run_is_known_by_the_content_of_its_file(tmp_path: Path) -> None:
    own_data.csv(tmp_path)
    one = config().arm_hash
    assert config(path=str(tmp_path / "people.csv")).arm_hash == one
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "people.csv").rename(tmp_path / "elsewhere" / "renamed.csv")
    assert config(path="elsewhere/renamed.csv").arm_hash == one
    assert config("data.hold=stream", path="elsewhere/renamed.csv").arm_hash == one
    assert config("data.drop=[height]", path="elsewhere/renamed.csv").arm_hash != one
    own_data.csv(tmp_path, own_data.frame().assign(height=1.5))
    assert config().arm_hash != one


def test_a_changed_file_is_trained_again_and_an_unchanged_one_is_not(tmp_path: Path) -> None:
    own_data.csv(tmp_path)
    first = ablate.sweep([*people("act=relu,tanh"), *SHORT])
    assert [record.status for record in first.records] == [Status.finished] * 2
    again = ablate.sweep([*people("act=relu,tanh"), *SHORT])
    assert [r.folder for r in again.records] == [r.folder for r in first.records]
    assert [r.facts.started for r in again.records] == [r.facts.started for r in first.records]
    own_data.csv(tmp_path, own_data.frame(80))
    other = ablate.sweep([*people("act=relu,tanh"), *SHORT])
    assert not {r.folder for r in other.records} & {r.folder for r in first.records}


def test_the_folder_and_the_record_name_the_file(tmp_path: Path) -> None:
    path = own_data.csv(tmp_path)
    record = ablate.run(config(*SHORT[:-1]))
    assert record.folder.parents[1].name == "people-mlp"
    facts = record.facts.data
    assert facts is not None
    assert facts["path"] == str(path.resolve())
    assert facts["held"] == "memory"
    assert facts["examples"] == {"train": 60, "val": 20, "test": 20}
    assert len(facts["content"]) == 16
    assert record.facts.settings["data.path"] == "people.csv"


@pytest.mark.parametrize("source", ["table", "images", "masks", "arrays"])
def test_a_stream_trains_to_the_same_bits_as_memory(tmp_path: Path, source: str) -> None:
    settings = {
        "table": lambda: people(),
        "images": lambda: ["data=images", f"data.path={own_data.image_folder(tmp_path)}", "model=cnn"],
        "masks": lambda: ["data=images", f"data.path={own_data.mask_folder(tmp_path, size=(8, 8))}", "model=fcn"],
        "arrays": lambda: ["data=arrays", f"data.path={own_data.npz(tmp_path)}"],
    }[source]()
    own_data.csv(tmp_path)
    short = ["trainer.max_epochs=2", "trainer.validations=2", "data.batch_size=7", "seed=3"]
    records = [
        ablate.run(ablate.compose([*settings, *short, f"data.hold={hold}", f"output_dir={hold}"]))
        for hold in ("memory", "stream")
    ]
    held = [(record.facts.data or {})["held"] for record in records]
    assert held == ["memory", "streamed"]
    one, two = (torch.load(record.folder / "last.ckpt", weights_only=True)["state_dict"] for record in records)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert records[0].facts.test == records[1].facts.test


def test_a_run_is_repeated_from_its_record_wherever_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_data.csv(tmp_path)
    record = ablate.run(config(*SHORT[:-1], f"output_dir={tmp_path / 'outputs'}"))
    (tmp_path / "away").mkdir()
    monkeypatch.chdir(tmp_path / "away")
    assert reproduce(record, tmp_path / "again").same
    (tmp_path / "people.csv").unlink()
    with pytest.raises(ConfigError, match="there is no such file"):
        reproduce(record, tmp_path / "more")


def test_data_that_has_changed_is_not_a_repetition(tmp_path: Path) -> None:
    own_data.csv(tmp_path)
    record = ablate.run(config(*SHORT[:-1]))
    own_data.csv(tmp_path, own_data.frame().assign(height=1.5))
    with pytest.raises(ConfigError, match="has changed since"):
        reproduce(record, tmp_path / "again")


def test_what_the_data_is_is_said_once_for_a_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = own_data.frame().assign(idle=3)
    own_data.csv(tmp_path, given)
    ablate.sweep([*people("act=relu,tanh", "seed=0,1", "data.batch_size=16,32"), *SHORT])
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("people.csv: 100 rows, classification of buys, 2 classes (no, yes).") == 1
    assert said.count("Missing: height (10);") == 1
    assert said.count("Training, validation and test: 60 : 20 : 20, in memory") == 1
    assert said.count("the same in every training example, and so of no use: 'idle'.") == 1


def test_a_plan_says_it_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own_data.csv(tmp_path)
    with config_loader() as loader:
        foresee(make_plan([*people("act=relu,tanh"), *SHORT], loader, sweep=True))
    assert "people.csv: 100 rows" in capsys.readouterr().out


def test_names_with_odd_characters_need_no_quotes(tmp_path: Path) -> None:
    own_data.csv(tmp_path, name="my people, 2 (new)=x.csv")
    made = config(path="my people, 2 (new)=x.csv")
    assert made.folder_name == "my_people,_2_new_=x-mlp"
    assert ablate.run(ablate.compose([*people(path="my people, 2 (new)=x.csv"), *SHORT[:-1]])).status is Status.finished


def test_the_command_line_trains_in_worker_processes(tmp_path: Path) -> None:
    own_data.csv(tmp_path)
    done = python("-m", "ablate", "-m", *people("act=relu,tanh"), *SHORT[:-1], "workers=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "people-mlp: 2 runs. Training 2." in done.stdout
    missing = python("-m", "ablate", *people(path="gone.csv"), cwd=tmp_path)
    assert missing.returncode != 0
    assert missing.stderr.startswith("ablate: data.path=gone.csv: there is no such file or folder")
    assert "Traceback" not in missing.stderr


def test_a_folder_of_runs_may_stand_elsewhere(tmp_path: Path) -> None:
    own_data.csv(tmp_path)
    away = config().elsewhere()
    assert isinstance(away.data.title, str)
    assert Path(str(vars(away.data)["path"])).is_absolute()
    assert away.arm_hash == config().arm_hash


def test_seeds_differ_in_their_splits_and_arms_do_not(tmp_path: Path) -> None:
    own_data.csv(tmp_path)
    a, b = config("act=relu"), config("act=tanh")
    one, two, other = loaded(a.data, 0), loaded(b.data, 0), loaded(a.data, 1)
    assert torch.equal(one.train.x[:], two.train.x[:])
    assert not torch.equal(one.train.x[:], other.train.x[:])


@pytest.mark.parametrize("setting", ["data.shift=1", "data.permute_pixels=true"])
def test_what_moves_pixels_takes_the_images_into_memory(tmp_path: Path, setting: str) -> None:
    images = ["data=images", f"data.path={own_data.image_folder(tmp_path)}", "model=cnn"]
    record = ablate.run(ablate.compose([*images, setting, "trainer.max_epochs=1", "trainer.validations=1"]))
    assert record.status is Status.finished
    assert (record.facts.data or {})["held"] == "memory"


def test_pixels_are_not_moved_in_a_stream(tmp_path: Path) -> None:
    images = ["data=images", f"data.path={own_data.image_folder(tmp_path)}", "model=cnn", "data.hold=stream"]
    with pytest.raises(ConfigError, match=r"data.shift moves pixels in memory: it does not go with data.hold=stream"):
        prepare(ablate.compose([*images, "data.shift=1"]).data, 0)


def test_a_moved_test_leaves_training_as_it_was_to_the_bit(tmp_path: Path) -> None:
    images = ["data=images", f"data.path={own_data.image_folder(tmp_path, count=300)}", "model=cnn"]
    still, moved = (prepare(ablate.compose([*images, f"data.shift={by}"]).data, 0).splits for by in (0, 1))
    assert torch.equal(still.train.x, moved.train.x)
    assert torch.equal(still.val.x, moved.val.x)
    assert not torch.equal(still.test.x, moved.test.x)


def test_infinite_inputs_are_refused_before_anything_trains(tmp_path: Path) -> None:
    x = np.ones((30, 4))
    x[3, 2] = np.nan
    own_data.npz(tmp_path, x=x, y=np.arange(30) % 2)
    with pytest.raises(ConfigError, match=r"data=arrays \(arrays\): the inputs of the .* split have NaN or infinity"):
        ablate.sweep(["data=arrays", "data.path=arrays.npz", "act=relu,tanh", *SHORT])
    assert not Path("outputs").exists()
