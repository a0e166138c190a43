"""Trackers beside the record's own curves and events: MLflow and W&B through Lightning's loggers, Aim through its own.

An arm is a group, a run of it has its settings as parameters, and the report of a sweep is an artifact of a run that is
called ``effects``. Each is asked for by ``logger=…`` and imported then.
"""

from __future__ import annotations

import importlib
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, MLFlowLogger, WandbLogger

from ablate.config import TRACKERS, Config
from ablate.errors import ConfigError
from ablate.facts import Facts, Status

EFFECTS = "effects"
"""What the run is called that has the report."""
_RUN = "ablate.run"


def prepare(configs: Iterable[Config]) -> None:
    """Make what runs that begin at once would all make: MLflow's database and its experiments, Aim's repository.

    Raises ``ConfigError`` where a tracker cannot be reached at all: before anything trains, rather than in every run.
    """
    configs = list(configs)
    if any("wandb" in config.logger for config in configs):
        _check_wandb()
    for repo in {_repo(config) for config in configs if "aim" in config.logger}:
        with _said("aim"):
            _make_repo(repo)
    places = {(_uri(config), config.folder_name): config for config in configs if "mlflow" in config.logger}
    for (_, name), config in places.items():
        with _said("mlflow"):
            client = _client(config)
            if client.get_experiment_by_name(name) is None:
                client.create_experiment(name, artifact_location=_artifacts(config))


@contextmanager
def tracked(config: Config, facts: Facts) -> Iterator[list[Logger]]:
    """Give a logger for each tracker that ``config`` names; the tracker is told how the run ends, however it does."""
    made: list[Logger] = []
    try:
        for name in TRACKERS:
            if name in config.logger:
                with _said(name):
                    made.append(_MAKERS[name](config, facts))
                    _say_what_breaks(name, made[-1])
                    made[-1].log_hyperparams({**facts.settings, "seed": facts.seed})
        yield made
    except BaseException as error:
        _close(made, Status.failed if isinstance(error, Exception) else Status.interrupted)
        raise
    _close(made, facts.status)


def send_report(config: Config, files: Sequence[Path], text: str) -> None:
    """Hand the report of the sweep of ``config`` to each tracker: its ``files``, or its findings as ``text``."""
    for name in TRACKERS:
        if name in config.logger:
            with _said(name):
                _SENDERS[name](config, files, text)


def _close(loggers: Sequence[Logger], status: Status) -> None:
    for logger in loggers:
        with suppress(Exception):  # what the run came to is in its record, whatever becomes of a tracker
            if isinstance(logger, MLFlowLogger):
                logger.experiment.set_tag(logger.run_id, "ablate.status", str(status))
                ends = {Status.failed: "FAILED", Status.interrupted: "KILLED"}
                logger.finalize(ends.get(status, "FINISHED"))
            elif isinstance(logger, WandbLogger):
                logger.experiment.summary["status"] = str(status)
                logger.experiment.finish(exit_code=int(status in (Status.failed, Status.interrupted)))
            else:
                run: Any = logger.experiment  # type: ignore[attr-defined]
                run["ablate.status"] = str(status)
                run.close()


@contextmanager
def _said(name: str) -> Iterator[None]:
    """Say what a tracker says in one sentence."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"logger={name}: {reason.rstrip('.')[:300]}. Mend that, or leave {name} out.") from error


def _say_what_breaks(name: str, logger: Logger) -> None:
    """Have a run that fails by its tracker say so, whenever that is."""
    log = logger.log_metrics

    def log_metrics(metrics: dict[str, float], step: int | None = None) -> None:
        with _said(name):
            log(metrics, step)

    logger.log_metrics = log_metrics  # type: ignore[method-assign]


def _key(facts: Facts) -> str:
    """Return what is the same for the attempts that continue one another, and no two others.

    The time is there for records that are gone: a server may know the runs that they were of.
    """
    began = [one.started for one in facts.attempts if one.from_step == 0]
    return f"{facts.arm_hash}-{facts.seed}-{len(began)}-{re.sub(r'[^0-9]', '', began[-1] if began else '')[:14]}"


def _title(facts: Facts) -> str:
    return f"{facts.arm} seed={facts.seed}"


def _home(config: Config) -> Path:
    return Path(config.output_dir).absolute()


def _uri(config: Config) -> str:
    """Return where MLflow keeps runs: as its environment variable says, or in a database beside the sweeps."""
    _home(config).mkdir(parents=True, exist_ok=True)
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{_home(config) / 'mlflow.db'}"


def _artifacts(config: Config) -> str | None:
    return None if os.environ.get("MLFLOW_TRACKING_URI") else (_home(config) / ".mlflow").as_uri()


def _client(config: Config) -> Any:
    logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells of every table of a new database
    return importlib.import_module("mlflow.tracking").MlflowClient(tracking_uri=_uri(config))


def _mlflow(config: Config, facts: Facts) -> Logger:
    prepare([config])
    client, key = _client(config), _key(facts)
    experiment = client.get_experiment_by_name(config.folder_name).experiment_id
    known = client.search_runs([experiment], filter_string=f"tags.`{_RUN}` = '{key}'", max_results=1)
    return MLFlowLogger(
        experiment_name=config.folder_name,
        run_name=_title(facts),
        tracking_uri=_uri(config),
        tags={_RUN: key, "ablate.arm": facts.arm_hash, "group": facts.arm},
        run_id=known[0].info.run_id if known else None,
    )


def _wandb(config: Config, facts: Facts) -> Logger:
    _home(config).mkdir(parents=True, exist_ok=True)
    return WandbLogger(
        project=os.environ.get("WANDB_PROJECT", config.folder_name),
        name=_title(facts),
        group=facts.arm,
        tags=[facts.arm_hash],
        id=_key(facts),
        save_dir=_home(config),
        reinit="create_new",  # runs that train in step are in one process
    )


def _check_wandb() -> None:
    mode = os.environ.get("WANDB_MODE", "online")
    with _said("wandb"):
        if mode == "online" and not importlib.import_module("wandb").login(prompt=False):
            raise RuntimeError("there is no API key: wandb login, or WANDB_MODE=offline")


def _repo(config: Config) -> str:
    """Return where Aim keeps runs: as its environment variable says, or beside the sweeps."""
    return os.environ.get("AIM_REPO") or str(_home(config))


def _make_repo(repo: str) -> None:
    """Make Aim's repository: to a run that begins while another makes it, it would look out of date."""
    found: Any = importlib.import_module("aim").Repo
    if not found.is_remote_path(repo) and not found.exists(repo):
        found.from_path(repo, init=True)


def _aim(config: Config, facts: Facts) -> Logger:
    made: Any = importlib.import_module("aim.pytorch_lightning").AimLogger(
        repo=_repo(config), experiment=config.folder_name, run_name=_title(facts)
    )
    made.experiment["group"], made.experiment["arm"] = facts.arm, facts.arm_hash
    logger: Logger = made
    return logger


def _report_to_mlflow(config: Config, files: Sequence[Path], text: str) -> None:
    prepare([config])
    client = _client(config)
    experiment = client.get_experiment_by_name(config.folder_name).experiment_id
    known = client.search_runs([experiment], filter_string=f"tags.`{_RUN}` = '{EFFECTS}'", max_results=1)
    run = known[0] if known else client.create_run(experiment, run_name=EFFECTS, tags={_RUN: EFFECTS})
    for path in files:
        client.log_artifact(run.info.run_id, str(path))
    client.set_terminated(run.info.run_id)


def _report_to_wandb(config: Config, files: Sequence[Path], text: str) -> None:
    wandb: Any = importlib.import_module("wandb")
    project = os.environ.get("WANDB_PROJECT", config.folder_name)
    with wandb.init(
        project=project, name=EFFECTS, job_type="report", dir=str(_home(config)), reinit="create_new"
    ) as run:
        artifact = wandb.Artifact(f"{config.folder_name}-{EFFECTS}", type="report")
        for path in files:
            artifact.add_file(str(path))
        run.log_artifact(artifact)


def _report_to_aim(config: Config, files: Sequence[Path], text: str) -> None:
    aim: Any = importlib.import_module("aim")
    run = aim.Run(repo=_repo(config), experiment=config.folder_name)
    run.name = EFFECTS
    run.track(aim.Text(text), name=EFFECTS)
    run.close()


_MAKERS: dict[str, Callable[[Config, Facts], Logger]] = {"mlflow": _mlflow, "wandb": _wandb, "aim": _aim}
_SENDERS: dict[str, Callable[[Config, Sequence[Path], str], None]] = {
    "mlflow": _report_to_mlflow,
    "wandb": _report_to_wandb,
    "aim": _report_to_aim,
}
