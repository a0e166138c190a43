"""Files of a run that cannot be read: set aside, said, and no dead end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import ablate
from ablate.config import Config
from ablate.errors import DamageWarning
from ablate.record import Record, Status, find, open_record, read
from tests.test_resume import TWELVE, After, assert_equal

Maker = Callable[..., Config]


def interrupted(config: Config) -> Record:
    """Return the record of a run that was interrupted after its first two points."""
    with pytest.raises(KeyboardInterrupt):
        ablate.run(config, stop=After(9))
    return open_record(config)


def flip(path: Path) -> bytes:
    """Change one bit in the middle of a file's longest run of data; return the whole."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return bytes(content)


@pytest.fixture
def whole(short_config: Maker) -> Record:
    return ablate.run(short_config(*TWELVE, "name=whole"))


@pytest.mark.parametrize("damaged", ["last.ckpt", "best.ckpt"])
@pytest.mark.parametrize("how", ["flipped", "half", "empty"])
def test_a_damaged_checkpoint_is_set_aside_and_the_run_begins_anew(
    short_config: Maker, whole: Record, damaged: str, how: str
) -> None:
    config = short_config(*TWELVE)
    path = interrupted(config).folder / damaged
    if how == "flipped":
        kept = flip(path)
    else:
        kept = path.read_bytes()[: path.stat().st_size // 2] if how == "half" else b""
        path.write_bytes(kept)
    with pytest.warns(DamageWarning, match=rf"{damaged} was damaged .* is now .*damaged-1/{damaged}"):
        again = ablate.run(config)
    assert_equal(whole, again)
    assert (again.folder / "damaged-1" / damaged).read_bytes() == kept
    assert again.facts.attempts[-1].from_step == 0
    assert len(again.facts.warnings) == 1


def test_a_damaged_record_is_set_aside_and_the_run_goes_on(short_config: Maker, whole: Record) -> None:
    config = short_config(*TWELVE)
    record = interrupted(config)
    (record.folder / "record.json").write_text('{"status": "runn')
    assert open_record(config).status is Status.missing
    assert find(Path("outputs") / "digits-mlp")[1]
    with pytest.warns(DamageWarning, match=r"record\.json was damaged .*Unterminated string"):
        again = ablate.run(config)
    assert_equal(whole, again)
    assert again.facts.attempts[-1].from_step == 8
    assert (again.folder / "damaged-1" / "record.json").read_text() == '{"status": "runn'
    assert find(Path("outputs") / "digits-mlp")[1] == []


def test_the_curves_of_a_finished_run_come_back_from_its_last_checkpoint(short_config: Maker, whole: Record) -> None:
    config = short_config(*TWELVE)
    first = ablate.run(config)
    (first.folder / "metrics.csv").write_bytes(b"step,val/loss\n1,0.5\n2,\x00\x00")
    with pytest.warns(DamageWarning, match="metrics.csv was damaged"):
        again = ablate.run(config)
    assert_equal(whole, again)
    assert again.facts.attempts[-1].from_step == 12


def test_the_checkpoint_of_another_run_is_not_taken(short_config: Maker, whole: Record) -> None:
    config = short_config(*TWELVE)
    other = interrupted(short_config(*TWELVE, "seed=1"))
    record = interrupted(config)
    (record.folder / "last.ckpt").write_bytes((other.folder / "last.ckpt").read_bytes())
    with pytest.warns(DamageWarning, match="of another run"):
        assert_equal(whole, ablate.run(config))


def test_lost_best_weights_are_said_and_the_run_begins_anew(short_config: Maker, whole: Record) -> None:
    config = short_config(*TWELVE)
    interrupted(config).checkpoint.unlink()
    with pytest.warns(DamageWarning, match=r"best.ckpt is gone"):
        assert_equal(whole, ablate.run(config))


def test_a_killed_run_whose_record_is_damaged_loses_nothing(short_config: Maker, whole: Record) -> None:
    config = short_config(*TWELVE)
    record = interrupted(config)
    (record.folder / "record.json").write_text("{")
    with pytest.warns(DamageWarning, match="record.json was damaged"):
        open_record(config).mark_killed("Out of memory.")
    assert open_record(config).status is Status.killed
    again = ablate.run(config)
    assert_equal(whole, again)
    assert again.facts.attempts[-1].from_step == 8


def test_a_failed_run_begins_anew(short_config: Maker, whole: Record) -> None:
    config = short_config(*TWELVE)
    record = interrupted(config)
    record.facts.status = Status.failed
    record.save()
    again = ablate.run(config)
    assert_equal(whole, again)
    assert again.facts.attempts[-1].from_step == 0


def test_a_run_goes_on_where_its_folder_is_now(short_config: Maker, whole: Record) -> None:
    interrupted(short_config(*TWELVE, "name=before"))
    Path("outputs/before").rename("outputs/after")
    assert_equal(whole, ablate.run(short_config(*TWELVE, "name=after")))


def test_records_of_the_first_schema_are_read_and_their_runs_trained_anew(short_config: Maker, whole: Record) -> None:
    config = short_config(*TWELVE)
    record = interrupted(config)
    content = json.loads((record.folder / "record.json").read_text())
    for name in ("overrides", "command", "git", "machine", "attempts", "warnings", "log"):
        del content[name]
    (record.folder / "record.json").write_text(json.dumps(content | {"schema": 1}))
    torch.save({"state_dict": {}}, record.folder / "last.ckpt")
    assert read(record.folder).facts.attempts == []
    assert_equal(whole, ablate.run(config))
