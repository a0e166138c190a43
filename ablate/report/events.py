"""Event files for TensorBoard, of its own messages: nothing of torch or TensorFlow is needed to write them."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable
from pathlib import Path

from tensorboard.compat.proto import types_pb2
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_TENSOR, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import metadata as custom_scalars
from tensorboard.plugins.image import metadata as images
from tensorboard.plugins.scalar import metadata as scalars
from tensorboard.plugins.text import metadata as texts
from tensorboard.summary.writer.record_writer import RecordWriter

from ablate.atomic import atomic


def write_events(folder: Path, summaries: Iterable[Summary | tuple[int, Summary]], suffix: str) -> None:
    """Write an event file, in place of older ones with this ``suffix``; a summary may come with a step.

    A link is replaced by a folder: what is written stays where the records are.
    """
    if folder.is_symlink():
        folder.unlink()
    now = time.time()
    path = folder / f"events.out.tfevents.{int(now)}{suffix}"
    with atomic(path) as temporary, temporary.open("wb") as file:
        writer = RecordWriter(file)
        writer.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
        for each in summaries:
            step, summary = each if isinstance(each, tuple) else (0, each)
            writer.write(Event(wall_time=now, step=step, summary=summary).SerializeToString())
        writer.flush()
    for old in folder.glob(f"events.out.tfevents.*{suffix}"):
        if old != path:
            old.unlink(missing_ok=True)  # another process may have done so


def scalar(tag: str, value: float) -> Summary:
    """Return one point of a curve."""
    tensor = TensorProto(dtype=types_pb2.DT_FLOAT, float_val=[value])
    return _summary(tag, scalars.create_summary_metadata(tag, ""), tensor)


def image(tag: str, png: bytes, description: str = "") -> Summary:
    """Return an image; ``description`` stands beside it, as Markdown."""
    width, height = struct.unpack(">II", png[16:24])  # where a PNG has them
    tensor = _strings([str(width).encode(), str(height).encode(), png], (3,))
    return _summary(tag, images.create_summary_metadata(tag, description), tensor)


def markdown(tag: str, text: str) -> Summary:
    """Return a text, as Markdown."""
    return _summary(tag, texts.create_summary_metadata(tag, ""), _strings([text.encode()], ()))


def margins(title: str, charts: dict[str, list[tuple[str, str, str]]]) -> layout_pb2.Category:
    """Return charts of the custom scalars by their titles; each line is three tags: mean, lower end, upper end."""
    made = [
        layout_pb2.Chart(
            title=chart,
            margin=layout_pb2.MarginChartContent(
                series=[
                    layout_pb2.MarginChartContent.Series(value=mean, lower=low, upper=high)
                    for mean, low, high in series
                ]
            ),
        )
        for chart, series in charts.items()
    ]
    return layout_pb2.Category(title=title, chart=made)


def layout(categories: Iterable[layout_pb2.Category]) -> Summary:
    """Return what the custom scalars show, and in which order."""
    content = layout_pb2.Layout(category=list(categories)).SerializeToString()
    metadata = custom_scalars.create_summary_metadata()
    metadata.data_class = DATA_CLASS_TENSOR
    return _summary(custom_scalars.CONFIG_SUMMARY_TAG, metadata, _strings([content], ()))


def _strings(values: list[bytes], shape: tuple[int, ...]) -> TensorProto:
    sizes = TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in shape])
    return TensorProto(dtype=types_pb2.DT_STRING, string_val=values, tensor_shape=sizes)


def _summary(tag: str, metadata: SummaryMetadata, tensor: TensorProto) -> Summary:
    summary = Summary()
    summary.value.add(tag=tag, metadata=metadata, tensor=tensor)
    return summary
