"""TensorBoard's HPARAMS tab: every swept factor a column in every run, the seeds of an arm one group.

Written from the records alone, into an event file of its own beside each run's curves, and anew after every
sweep: a factor that a later sweep adds becomes a column of the earlier runs too.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.plugins.hparams import summary_v2 as hparams
from tensorboard.summary.writer.record_writer import RecordWriter

from ablate.record import Record, Status, atomic
from ablate.report.style import level_text

_SUFFIX = ".hparams"
_STATUS = {
    Status.finished: api_pb2.STATUS_SUCCESS,
    Status.diverged: api_pb2.STATUS_SUCCESS,
    Status.failed: api_pb2.STATUS_FAILURE,
}

Value = bool | float | str


def write_hparams(records: Sequence[Record], factors: Sequence[str] = ()) -> None:
    """Write the HPARAMS summaries of ``records``, which share a folder; ``factors`` are columns in any case."""
    columns = hparam_columns(records, factors)
    for record in records:
        _write(record, columns)


def hparam_columns(records: Sequence[Record], factors: Sequence[str] = ()) -> list[str]:
    """Return the settings to show: the given factors, and whatever differs between the records."""
    keys = dict.fromkeys(key for record in records for key in record.facts.settings)

    def varies(key: str) -> bool:
        return len({repr(record.facts.settings.get(key)) for record in records}) > 1

    return list(dict.fromkeys([*factors, *filter(varies, keys)])) or ["model", "data"]


def _write(record: Record, columns: Sequence[str]) -> None:
    facts = record.facts
    values: dict[str, Value] = {key: _value(facts.settings.get(key)) for key in columns}
    values["seed"] = float(facts.seed)
    metrics = [facts.metric, "val/loss", "train/loss"]
    summaries = [
        hparams.hparams_config_pb(
            hparams=[hparams.HParam(key) for key in values],
            metrics=[hparams.Metric(tag, display_name=tag) for tag in dict.fromkeys(metrics)],
        ),
        hparams.hparams_pb(values, trial_id=record.folder.parent.name),
        _session_end(_STATUS.get(record.status, api_pb2.STATUS_UNKNOWN)),
    ]
    path = record.folder / f"events.out.tfevents.{int(time.time())}{_SUFFIX}"
    for old in record.folder.glob(f"events.out.tfevents.*{_SUFFIX}"):
        old.unlink()
    _write_events(path, summaries)


def _session_end(status: int) -> Summary:
    """Return the summary that says how a run ended (TensorBoard's own helper for it needs TensorFlow)."""
    data = plugin_data_pb2.HParamsPluginData(
        session_end_info=plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=time.time())
    )
    end = Summary()
    end.value.add(
        tag=metadata.SESSION_END_INFO_TAG,
        metadata=metadata.create_summary_metadata(data),
        tensor=metadata.NULL_TENSOR,
    )
    return end


def _write_events(path: Path, summaries: Sequence[Summary]) -> None:
    now = time.time()
    with atomic(path) as temporary, temporary.open("wb") as file:
        writer = RecordWriter(file)
        writer.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
        for summary in summaries:
            writer.write(Event(wall_time=now, summary=summary).SerializeToString())
        writer.flush()


def _value(value: object) -> Value:
    """Return a setting as TensorBoard's boolean, number or text."""
    if isinstance(value, bool):
        return value
    return float(value) if isinstance(value, int | float) else level_text(value)
