"""Runs of MLflow: of a tracking server, a database or a folder, through MLflow's own client."""

from __future__ import annotations

import datetime
import importlib
import os
from pathlib import Path
from typing import Any

from ablate.errors import ConfigError
from ablate.facts import Status
from ablate.imports.found import Found

_STATUS = {
    "FINISHED": Status.finished,
    "FAILED": Status.failed,
    "KILLED": Status.killed,
    "RUNNING": Status.interrupted,
    "SCHEDULED": Status.missing,
}
_PAGE = 1000


def read(place: str, experiment: str | None) -> tuple[list[Found], str]:
    """Return the runs of the experiment, and its name; the only one that has runs where none is named."""
    try:
        tracking: Any = importlib.import_module("mlflow.tracking")
    except ImportError as error:
        raise ConfigError(
            'import mlflow needs MLflow\'s client, which is not installed: pip install "lightning-ablate[mlflow]".'
        ) from error
    uri = _uri(place)
    try:
        client = tracking.MlflowClient(tracking_uri=uri)
        experiments = {one.name: one.experiment_id for one in client.search_experiments()}
        if experiment is not None and experiment not in experiments:
            there = f"There is {', '.join(experiments)}."
            raise ConfigError(f"import mlflow: there is no experiment '{experiment}'. {there}")
        wanted = {experiment: experiments[experiment]} if experiment is not None else experiments
        of = {name: runs for name, key in wanted.items() if (runs := _runs(client, key))}
        if len(of) > 1:
            names = " or ".join(of)
            raise ConfigError(f"import mlflow: {place} has several experiments: name one, --experiment {names}.")
        name, runs = next(iter(of.items()), (experiment or "mlflow", []))
        return [_found(client, run) for run in runs], name
    except ConfigError:
        raise
    except Exception as error:  # whatever a server or database answers, and one that is gone does not
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ConfigError(f"import mlflow {place}: it cannot be read ({reason}).") from error


def _uri(place: str) -> str:
    """Return what MLflow calls a place: a server as it is, a database or a folder by its kind."""
    if "://" in place:
        return place
    path = Path(place)
    if path.is_file():
        return f"sqlite:///{path.absolute()}"
    if path.is_dir():
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # it warns who would write there; this only reads
        return path.absolute().as_uri()
    raise ConfigError(
        f"import mlflow {place}: there is no such file or folder. Name mlflow.db, a folder mlruns or http://HOST:PORT."
    )


def _runs(client: Any, experiment_id: str) -> list[Any]:
    found: list[Any] = []
    token = None
    while True:
        page = client.search_runs(
            [experiment_id], max_results=_PAGE, order_by=["attributes.start_time ASC"], page_token=token
        )
        found += page
        token = page.token
        if not token:
            return found


def _found(client: Any, run: Any) -> Found:
    info, data = run.info, run.data
    tags = {name: text for name, text in data.tags.items() if not name.startswith("mlflow.")}
    found = Found(
        f"{info.run_name or 'run'}/{info.run_id}",
        {**tags, **data.params},
        status=_STATUS.get(info.status, Status.interrupted),
    )
    for name in data.metrics:
        for point in client.get_metric_history(info.run_id, name):
            found.add(point.step, name, float(point.value))
    if info.start_time:
        began = datetime.datetime.fromtimestamp(info.start_time / 1000, datetime.UTC)
        found.started = began.isoformat(timespec="seconds")
        if info.end_time:
            found.seconds = max(0.0, (info.end_time - info.start_time) / 1000)
    return found
