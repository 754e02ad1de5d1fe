"""Figures of the mechanism chapter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ftz.figures.style import BLUE, GREEN, GREY, INK, ORANGE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ftz.mediation import IdentityCheck, IndirectBootstrap, MediatorSensitivity
    from ftz.results import CoefficientResult


def identity_gap(check: IdentityCheck) -> Figure:
    """Draw the printed total and the total that the other columns imply, as intervals."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.0, 2.2))
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
    plt.close(figure)
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
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.0, 3.4))
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
    plt.close(figure)
    return figure


def bootstrap_distribution(result: IndirectBootstrap, level: float = 0.95) -> Figure:
    """Draw the resampled indirect effects with both intervals and the product itself."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.0, 3.6))
    low, high = np.quantile(result.draws, [0.005, 0.995])
    bins = list(np.linspace(low, high, 41))
    counts = np.asarray(axes.hist(result.draws, bins=bins, color=BLUE, alpha=0.35)[0])
    axes.axvline(0, color=GREY, lw=1)
    axes.axvline(result.indirect, color=INK, lw=1.5, label="estimate")
    lines = zip(result.intervals(level).iterrows(), (ORANGE, GREEN), (-0.06, -0.14), strict=True)
    for (name, bounds), colour, place in lines:
        axes.plot(
            list(bounds),
            [place * counts.max()] * 2,
            color=colour,
            lw=5,
            solid_capstyle="butt",
            label=f"{name} interval",
        )
    axes.set_yticks([tick for tick in axes.get_yticks() if 0 <= tick <= counts.max()])
    axes.set(xlabel="Indirect effect $ab$", ylabel="Resamples")
    axes.legend(loc="upper right")
    plt.close(figure)
    return figure


def confounding_curve(result: MediatorSensitivity) -> Figure:
    """Draw the indirect effect over the correlation of the two columns' errors."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.0, 3.6))
    axes.axhline(0, color=GREY, lw=1)
    axes.plot(result.curve.index, result.curve, color=BLUE, lw=2)
    axes.plot(0, result.indirect, "o", color=BLUE, label="no confounding: the product $ab$")
    axes.plot(result.rho_at_zero, 0, "s", color=ORANGE, label="no indirect effect")
    axes.set(
        xlabel="Correlation of what moves the mediator and what moves the outcome",
        ylabel="Indirect effect",
    )
    axes.legend()
    plt.close(figure)
    return figure
