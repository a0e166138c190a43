"""TensorBoard's HPARAMS tab: every swept factor a column in every run, the seeds of an arm one group.

Written from the records alone, into an event file of its own beside each run's curves, and anew after every
sweep: a factor that a later sweep adds becomes a column of the earlier runs too.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.plugins.hparams import summary_v2 as hparams

from ablate.analysis.naming import names
from ablate.record import Record, Status
from ablate.report.events import write_events
from ablate.report.style import level_text

_SUFFIX = ".hparams"
_STATUS = {
    Status.finished: api_pb2.STATUS_SUCCESS,
    Status.diverged: api_pb2.STATUS_SUCCESS,
    Status.failed: api_pb2.STATUS_FAILURE,
    Status.running: api_pb2.STATUS_RUNNING,
}

Value = bool | float | str


def write_hparams(records: Sequence[Record], factors: Sequence[str] = ()) -> None:
    """Write the HPARAMS summaries of ``records``, which share a folder; ``factors`` are columns in any case."""
    columns = hparam_columns(records, factors)
    domains = {key: sorted({v for r in records if (v := _value(r, key)) is not None}, key=_order) for key in columns}
    called = names({record.facts.arm_hash: record.facts.arm for record in records})
    for record in records:
        _write(record, called.own[record.facts.arm_hash], domains)


def lacks_hparams(record: Record) -> bool:
    """Return whether nothing was written for ``record`` so far."""
    return next(record.folder.glob(f"events.out.tfevents.*{_SUFFIX}"), None) is None


def hparam_columns(records: Sequence[Record], factors: Sequence[str] = ()) -> list[str]:
    """Return the settings to show: the given factors, what differs between the records that have it, the seed."""
    keys = dict.fromkeys(key for record in records for key in record.facts.settings)

    def varies(key: str) -> bool:
        return len({v for record in records if (v := _value(record, key)) is not None}) > 1

    return list(dict.fromkeys([*factors, *filter(varies, keys), "seed"]))


def _write(record: Record, arm: str, domains: Mapping[str, Sequence[Value]]) -> None:
    facts = record.facts
    values = {key: value for key in domains if (value := _value(record, key)) is not None}
    metrics = dict.fromkeys((facts.metric, "val/loss", "train/loss"))
    summaries = [
        hparams.hparams_config_pb(
            hparams=[hparams.HParam(key, _domain(domain)) for key, domain in domains.items()],
            metrics=[hparams.Metric(tag, display_name=tag) for tag in metrics],
        ),
        hparams.hparams_pb(values, trial_id=arm),
        _session_end(_STATUS.get(record.status, api_pb2.STATUS_UNKNOWN)),
    ]
    write_events(record.folder, summaries, _SUFFIX)


def _domain(values: Sequence[Value]) -> hparams.Discrete | None:
    """Return the values to filter by, where they are of one type."""
    return hparams.Discrete(values) if len({type(value) for value in values}) == 1 else None


def _order(value: Value) -> tuple[str, Value]:
    return type(value).__name__, value


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


def _value(record: Record, key: str) -> Value | None:
    """Return a setting as TensorBoard's boolean, number or text; None where the run has no such setting."""
    value = record.facts.seed if key == "seed" else record.facts.settings.get(key)
    if value is None or isinstance(value, bool):
        return value
    return float(value) if isinstance(value, int | float) else level_text(value)
