"""A planned run, trained in this process: what only plans and watches runs imports neither this nor Lightning."""

from __future__ import annotations

from ablate.engines.planned import PlannedRun
from ablate.errors import RecordError
from ablate.stop import Stop
from ablate.training.lockstep import Apart, Company
from ablate.training.run import run


def attempt(planned: PlannedRun, stop: Stop, *, wait: bool = False, company: Company | None = None) -> str | None:
    """Train one run of many in this process; return why it was left out, or None.

    A failure is in the run's record and does not stop the others, nor does the interruption that ``stop`` asks for.
    With ``company`` it trains in step, and raises ``KeyboardInterrupt`` from ``Apart`` where the company breaks up.
    """
    try:
        run(
            planned.config,
            stop=stop,
            wait=wait,
            again=planned.again,
            overrides=planned.arguments,
            command=planned.typed,
            company=company,
        )
    except RecordError as error:
        return str(error)
    except KeyboardInterrupt as error:
        if not stop.requested or isinstance(error.__cause__, Apart):
            raise
    except Exception:  # whatever a plugin raises: it is in the record
        return None
    return None
