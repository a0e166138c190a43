"""The verb ``doctor``: why does the configured run not converge?"""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape

from ablate.cli import settings
from ablate.composition import config_loader
from ablate.errors import ConfigError
from ablate.report.style import console


def doctor(arguments: Sequence[str] = ()) -> int:
    """Examine one run and print what each item found; return 1 where one failed, else 0."""
    as_data = "--json" in arguments
    command = settings.read([argument for argument in arguments if argument != "--json"])
    if command.sweep:
        raise ConfigError("doctor examines one run: leave -m out, and say one level of each setting.")
    if refused := [*command.flags, *command.hydra]:
        raise ConfigError(f"{refused[0]}: doctor takes settings such as opt.lr=0.1, and --json.")
    # here, so that settings are checked before torch is imported
    from ablate.doctor.examine import examine
    from ablate.doctor.finding import Verdict
    from ablate.report.doctor import as_json, print_findings
    from ablate.sweeps.plan import make_plan
    from ablate.training.process import process_state, quiet

    with config_loader() as loader:
        plan = make_plan(command.settings, loader, sweep=False)
    config = plan.arms[0].config
    if not as_data:
        for warning in plan.warnings:
            console().print(f"[yellow]Warning:[/] {escape(warning)}")
    with quiet(), process_state(config.trainer.threads):
        if as_data:
            findings = list(examine(config))
            print(as_json(findings), end="")
        else:
            findings = print_findings(examine(config))
    return int(any(finding.verdict is Verdict.failed for finding in findings))
