"""Figures of the mechanism chapter: printed columns beside their identity, and beside ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ftz.figures.style import BLUE, GREY, ORANGE, sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ftz._results import CoefficientResult
    from study.printed_parts import _IdentityCheck


def identity_gap(check: _IdentityCheck) -> Figure:
    """Draw the printed total and the total that the other columns imply, as intervals."""
    figure, axes = sheet(figsize=(6.2, 2.2))
    lines = {"total": (check.total, BLUE), "direct + $ab$": (check.implied, ORANGE)}
    for place, (interval, colour) in enumerate(lines.values()):
        ends = [float(interval.low), float(interval.high)]
        axes.plot(ends, [place] * 2, color=colour, lw=8, solid_capstyle="butt", marker="|", ms=16)
        axes.annotate(
            f"{interval:.4f}",
            (sum(ends) / 2, place),
            xytext=(0, 12),
            textcoords="offset points",
            ha="center",
        )
    axes.axvline(0, color=GREY, lw=1)
    axes.set_yticks(range(len(lines)), list(lines))
    axes.set(ylim=(1.6, -0.7), xlim=(-0.03, 0.95), xlabel="Effect on ln HQD")
    return figure


def outcome_effects(
    results: Mapping[str, CoefficientResult], printed: Mapping[str, tuple[float, float]]
) -> Figure:
    """Draw the treatment's coefficient for several outcomes, with the printed ones.

    Parameters
    ----------
    results : mapping
        Outcome to its regression, in which the treatment comes first.
    printed : mapping
        Outcome to the bounds of the printed coefficient.
    """
    figure, axes = sheet(figsize=(6.2, 3.4))
    for place, (outcome, result) in enumerate(results.items()):
        bounds = result.conf_int().iloc[0]
        axes.hlines(place, bounds["lower"], bounds["upper"], color=BLUE, lw=2)
        axes.plot(result.params.iloc[0], place, "o", color=BLUE)
        middle = sum(printed[outcome]) / 2
        axes.plot(middle, place, "|", color=ORANGE, ms=24, mew=2)
    axes.plot([], [], "o-", color=BLUE, lw=2, label="here, 95% interval")
    axes.plot([], [], "|", color=ORANGE, ms=12, mew=2, label="printed")
    axes.axvline(0, color=GREY, lw=1)
    axes.set_yticks(range(len(results)), list(results))
    axes.set(ylim=(len(results) - 0.5, -0.5), xlabel="Coefficient of the zone (log points)")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return figure
