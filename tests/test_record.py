from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ablate.atomic import write_atomically
from ablate.config import Config
from ablate.curves import write_curves
from ablate.errors import RecordError
from ablate.record import Status, find, open_record, read

Maker = Callable[..., Config]


def test_a_new_record_has_a_readable_folder_and_is_not_written(short_config: Maker) -> None:
    config = short_config("norm=bn", "seed=3", "label='norm=bn'")
    record = open_record(config)
    assert record.folder == Path("outputs/digits-mlp") / f"norm=bn-{config.arm_hash}" / "seed=3"
    assert record.status is Status.missing
    assert not record.folder.exists()


def test_an_arm_is_found_by_its_hash_whatever_its_label(short_config: Maker) -> None:
    first = open_record(short_config("norm=bn", "label=one"))
    first.save()
    second = open_record(short_config("norm=bn", "label=two", "seed=1"))
    assert second.folder.parent == first.folder.parent


def test_labels_become_safe_and_short_folder_names(short_config: Maker) -> None:
    record = open_record(short_config("label='../../etc/pass wd'"))
    assert record.folder.parent.name.startswith(".._.._etc_pass_wd-")
    assert record.folder.parent.parent == Path("outputs/digits-mlp")
    assert len(open_record(short_config(f"label={'x' * 400}")).folder.parent.name) < 255


def test_what_is_written_is_read_back(short_config: Maker) -> None:
    record = open_record(short_config("seed=2"))
    record.facts.test = {"test/acc": 0.5}
    record.facts.status = Status.failed
    record.save()
    assert read(record.folder).facts == record.facts
    assert [r.facts.seed for r in find(Path("outputs"))[0]] == [2]


def test_curves_keep_columns_that_appear_late(tmp_path: Path, short_config: Maker) -> None:
    record = open_record(short_config())
    write_curves(record.folder / "metrics.csv", [{"step": 1, "a": 0.1}, {"step": 2, "a": 0.2, "b": 3.0}])
    curves = record.curves()
    assert list(curves) == ["step", "a", "b"]
    np.testing.assert_array_equal(curves["b"], [np.nan, 3.0])
    np.testing.assert_allclose(curves["a"], [0.1, 0.2])


def test_a_failing_write_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    write_curves(path, [{"step": 1}])
    before = path.read_text()
    with pytest.raises(ValueError, match="Unknown format"):
        write_curves(path, [{"step": 2}, {"step": "three"}])  # type: ignore[dict-item]
    assert path.read_text() == before
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.csv"]


def test_an_unwritable_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RecordError, match=r"cannot be written.*choose another output_dir"):
        write_atomically(tmp_path / "file" / "record.json", "{}")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"status": "odd"}', '{"status": "finished"}'])
def test_an_unreadable_record_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "record.json").write_text(content)
    with pytest.raises(RecordError, match=r"record.json cannot be read: ."):
        read(tmp_path)


def test_unreadable_records_do_not_hide_the_others(short_config: Maker) -> None:
    for seed in (0, 1):
        open_record(short_config(f"seed={seed}")).save()
    path = open_record(short_config("seed=0")).folder / "record.json"
    path.write_text("{")
    records, problems = find(Path("outputs"))
    assert [record.facts.seed for record in records] == [1]
    assert len(problems) == 1
    assert str(path) in problems[0]


def test_clearing_removes_every_trace_of_an_attempt_but_the_lock(short_config: Maker) -> None:
    record = open_record(short_config())
    with record.lock():
        for name in ("metrics.csv", "best.ckpt", "events.out.tfevents.1.host", ".metrics.csv.x.tmp"):
            (record.folder / name).touch()
        record.clear()
        assert [path.name for path in record.folder.iterdir()] == [".lease"]


def test_only_what_would_come_out_the_same_is_done() -> None:
    assert {s for s in Status if s.done} == {Status.finished, Status.diverged}


def test_records_of_a_later_version_are_read(short_config: Maker) -> None:
    record = open_record(short_config())
    record.save()
    path = record.folder / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"added_later": 1}))
    assert read(record.folder).facts == record.facts
