"""Runs of TensorBoard: each folder with event files is one."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.util import tensor_util

from ablate.errors import ConfigError
from ablate.imports.found import Found, in_order, inside, parameters_near

_SESSION = "_hparams_/session_start_info"


def read(root: Path) -> tuple[list[Found], list[str]]:
    """Return the runs below ``root``, and a sentence for each file that cannot be read to its end."""
    if not root.is_dir():
        raise ConfigError(
            f"import tb {root}: there is no such folder. Name the one that tensorboard --logdir is given."
        )
    folders: dict[Path, list[Path]] = {}
    for path in inside(root, "*tfevents*"):
        folders.setdefault(path.parent, []).append(path)
    runs, problems = [], []
    for folder in sorted(folders, key=lambda one: in_order(one.as_posix())):
        if (folder / "record.json").is_file():
            raise ConfigError(f"import tb {root}: {folder} is a run of ablate's own, which needs no import: report it.")
        run = Found(folder.relative_to(root).as_posix())
        run.parameters, run.typed = parameters_near(folder, root)
        times: list[float] = []
        for path in sorted(folders[folder]):
            try:
                for event in EventFileLoader(str(path)).Load():
                    _add(run, event, times)
            except Exception as error:  # a damaged file fails in as many ways as it has bytes
                problems.append(f"{path} is read up to where it is damaged ({type(error).__name__}).")
        if times:
            run.started = datetime.datetime.fromtimestamp(min(times), datetime.UTC).isoformat(timespec="seconds")
            run.seconds = max(times) - min(times)
        runs.append(run)
    return runs, problems


def _add(run: Found, event: Any, times: list[float]) -> None:
    for value in event.summary.value:
        plugin = value.metadata.plugin_data.plugin_name
        if value.tag == _SESSION:
            run.parameters |= dict(_parameters(value))
        elif plugin == "scalars":
            number = tensor_util.make_ndarray(value.tensor)
            if number.size == 1:
                run.add(event.step, value.tag, float(number.reshape(())))
                if 0 < event.wall_time < 2**33:  # any later is no time
                    times.append(event.wall_time)


def _parameters(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a run was given, as the HPARAMS tab shows it."""
    data = plugin_data_pb2.HParamsPluginData.FromString(value.metadata.plugin_data.content)
    for name, given in data.session_start_info.hparams.items():
        kind = given.WhichOneof("kind")
        if kind == "number_value":
            number = given.number_value
            yield name, int(number) if math.isfinite(number) and number == int(number) else number
        elif kind in ("string_value", "bool_value"):
            yield name, getattr(given, kind)
