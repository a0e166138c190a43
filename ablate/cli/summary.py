"""The verb ``summary``: what the configured network costs and sees, without training it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape

from ablate.cli import settings
from ablate.composition import config_loader
from ablate.errors import ConfigError
from ablate.json_text import json_text
from ablate.report.costs import arm_cost, cost_table, print_network
from ablate.report.costs_data import document
from ablate.report.style import console


def summary(arguments: Sequence[str] = ()) -> None:
    """Print the layers of the network of one run or, with ``-m``, a row for each arm."""
    as_data = "--json" in arguments
    command = settings.read([argument for argument in arguments if argument != "--json"])
    refused = [flag for flag in command.flags if flag not in ("-m", "--multirun")]
    if refused := [*refused, *command.hydra]:
        raise ConfigError(
            f"{refused[0]}: summary takes settings such as norm=bn, -m for every arm of a sweep, and --json."
        )
    # here, so that settings are checked before torch is imported
    from ablate.accounting.costs import costs
    from ablate.assembly import build
    from ablate.dataset import prepare
    from ablate.sweeps.plan import make_plan

    with config_loader() as loader:
        plan = make_plan(command.settings, loader, sweep=command.sweep)
    if not as_data:
        for warning in plan.warnings:
            console().print(f"[yellow]Warning:[/] {escape(warning)}")
    rows, data = [], []
    for config in (arm.config for arm in plan.arms):
        dataset = prepare(config.data, config.seed)
        model = build(config, dataset).model
        found = costs(model, dataset.splits.train.x[0], config.opt.build)
        levels = {factor.key: config.flat().get(factor.key) for factor in plan.factors}
        data.append((levels, dataset.spec.input_shape, found))
        if not plan.factors and not as_data:
            print_network(found, dataset.spec.input_shape, config.choices()["opt"])
            return
        rows.append(arm_cost([*levels.values()], found))
    if as_data:
        print(json_text(document(data)), end="")
        return
    console().print(cost_table([factor.key for factor in plan.factors], rows))
