"""Exact properties that studies name; what computes them stands in ``exact/`` and is imported when it is called."""

from __future__ import annotations

from ablate.hookspecs import RegisterChecks, hookimpl

from .exact import gradients


@hookimpl
def register_checks(register: RegisterChecks) -> None:
    """Add the checks."""
    register("backpropagation", gradients.backpropagation)
    register("central_differences", gradients.central_differences)
    register("steepest_descent", gradients.steepest_descent)
