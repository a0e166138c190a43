"""A study put to the test: what is missing is trained, the claim judged, the outcome printed and kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape

from ablate.facts import FAILURES
from ablate.report.gallery import Entry
from ablate.report.study import print_outcome
from ablate.report.style import console
from ablate.results import Sweep
from ablate.studies.arguments import overridden
from ablate.studies.definition import Study
from ablate.sweeps.execute import sweep
from ablate.verdicts.exact import check
from ablate.verdicts.figure import figure
from ablate.verdicts.judge import judge
from ablate.verdicts.outcome import Outcome


def put_to_test(study: Study, settings: Sequence[str], root: Path, *, again: bool = False) -> None:
    """Run a study to its verdict; ``root`` is where outcomes are kept.

    ``again`` is with as many other seeds, the next ones; of an exact property there is none.
    """
    if study.exact:
        outcome = check(study)
        outcome.save(root)
        print_outcome(study, outcome)
        return
    if again:
        settings = [*settings, f"seed=range({study.seeds},{2 * study.seeds})"]
    conclude(study, sweep([f"study={study.name}", *settings]), settings, root, again=again)


def conclude(study: Study, results: Sweep, settings: Sequence[str], root: Path, *, again: bool = False) -> None:
    """Judge the runs of a study, print the verdict, and keep it unless the ``settings`` make it another study, or some
    of its runs were interrupted.
    """
    outcome = judge(study, results)
    print_outcome(study, outcome)
    if why := _another(study, results, settings):
        console().print(f"Not kept as the study's verdict: {escape(why)}.", soft_wrap=True)
        return
    drawn = None if again else figure(study, results)
    outcome.save(root, drawn.svg() if drawn else None, again=again)
    if again and (repeated := Entry(study, Outcome.load(root, study.name), again=outcome).repeated):
        console().print(escape(repeated))


def _another(study: Study, results: Sweep, settings: Sequence[str]) -> str:
    """Return why a verdict is not that of the study as it is written; nothing where it is."""
    if own := overridden(study, settings):
        return f"it was changed by {' '.join(own)}"
    left = [one for one in results.records if not one.status.done and one.status not in FAILURES]
    return f"{len(left)} of {len(results.records)} runs are not done; the same command goes on" if left else ""
