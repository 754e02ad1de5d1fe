"""Figures of the mechanism chapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ftz.figures.style import BLUE, GREEN, GREY, INK, ORANGE, sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ftz.mediation._mediation import IndirectBootstrap, MediatorSensitivity


def bootstrap_distribution(result: IndirectBootstrap, level: float = 0.95) -> Figure:
    """Draw the resampled indirect effects with both intervals and the product itself."""
    figure, axes = sheet(figsize=(6.2, 3.6))
    low, high = np.quantile(result.draws, [0.005, 0.995])
    bins = list(np.linspace(low, high, 41))
    counts = np.asarray(axes.hist(result.draws, bins=bins, color=BLUE, alpha=0.35)[0])
    axes.axvline(0, color=GREY, lw=1)
    axes.axvline(result.indirect, color=INK, lw=1.5, label="estimate")
    lines = zip(result.conf_int(level).iterrows(), (ORANGE, GREEN), (-0.06, -0.14), strict=True)
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
    return figure


def confounding_curve(result: MediatorSensitivity) -> Figure:
    """Draw the indirect effect over the correlation of the two columns' errors."""
    figure, axes = sheet(figsize=(6.2, 3.6))
    axes.axhline(0, color=GREY, lw=1)
    axes.plot(result.curve.index, result.curve, color=BLUE, lw=2)
    axes.plot(0, result.indirect, "o", color=BLUE, label="no confounding: the product $ab$")
    axes.plot(result.rho_at_zero, 0, "s", color=ORANGE, label="no indirect effect")
    axes.set(
        xlabel="Correlation of what moves the mediator and what moves the outcome",
        ylabel="Indirect effect",
    )
    axes.legend()
    return figure
