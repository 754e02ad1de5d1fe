"""Figures of placebo and randomisation inference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ftz.figures.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ftz.inference._bootstrap import WildBootstrapResult
    from ftz.inference._jackknife import LeaveOneOutResult
    from ftz.inference._randomisation import PlaceboResult


def placebo_plot(result: PlaceboResult, level: float = 0.1) -> Figure:
    """Draw the placebo coefficients, their p values and the observed coefficient.

    Parameters
    ----------
    result : PlaceboResult
    level : float
        P value at the horizontal line.
    """
    from scipy.stats import gaussian_kde

    placebos = result.estimates[result.valid]
    figure, (top, bottom) = sheet(2, 1, figsize=(6.2, 5.2), sharex=True, height_ratios=[3, 2])
    reach = 1.1 * max(np.abs(placebos).max(), abs(result.estimate))
    grid = np.linspace(-reach, reach, 400)
    bins = np.linspace(placebos.min(), placebos.max(), 32)
    top.hist(placebos, bins=bins, density=True, color=BLUE, alpha=0.3)
    top.plot(grid, gaussian_kde(placebos)(grid), color=BLUE, lw=2)
    top.set_ylabel("Density")
    bottom.plot(placebos, result.placebo_pvalues[result.valid], "o", color=BLUE, ms=3, alpha=0.5)
    bottom.axhline(level, color=GREY, lw=1, ls="--")
    bottom.annotate(
        f"p = {level:g}", (-reach, level), xytext=(2, 3), textcoords="offset points", color=INK
    )
    bottom.set(
        xlabel="Coefficient under reassigned treatment", ylabel="p value", ylim=(-0.03, 1.03)
    )
    for axis in (top, bottom):
        axis.axvline(0, color=GREY, lw=1)
        axis.axvline(result.estimate, color=ORANGE, lw=2)
    left = result.estimate > 0
    top.annotate(
        "as observed",
        (result.estimate, top.get_ylim()[1]),
        xytext=(-5 if left else 5, -4),
        textcoords="offset points",
        ha="right" if left else "left",
        va="top",
        color=ORANGE,
    )
    figure.tight_layout()
    return figure


def rejection_curves(pvalues: Mapping[str, np.ndarray], upto: float = 0.3) -> Figure:
    """Draw how often a test rejects a true null against the level it was run at.

    Parameters
    ----------
    pvalues : mapping
        Name of a test to its p values over simulated panels.
    upto : float
        Largest level shown.
    """
    levels = np.linspace(0, upto, 301)
    figure, axes = sheet(figsize=(6.2, 4.2))
    axes.plot([0, upto], [0, upto], color=INK, lw=1, ls="--", label="an honest test")
    looks = ((PURPLE, ":"), (ORANGE, "-"), (GREEN, "-."), (BLUE, "-"))
    for (name, values), (colour, dash) in zip(pvalues.items(), looks, strict=False):
        rate = np.mean(np.asarray(values)[None, :] <= levels[:, None] + 1e-12, axis=1)
        axes.step(levels, rate, dash, where="post", color=colour, lw=2, label=name)
    axes.set(xlabel="Level of the test", ylabel="Share of true nulls rejected", xlim=(0, upto))
    axes.set_ylim(bottom=0)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3)
    return figure


def bootstrap_plot(results: Mapping[str, WildBootstrapResult]) -> Figure:
    """Draw bootstrap distributions of t statistics, and the observed one, one panel each."""
    figure, axes = sheet(
        len(results), 1, figsize=(6.2, 1.9 * len(results) + 0.6), sharex=True, squeeze=False
    )
    reach = 1.1 * max(abs(r.tstat) for r in results.values())
    bins = np.linspace(-reach, reach, 61)
    for axis, (name, result) in zip(axes[:, 0], results.items(), strict=True):
        axis.hist(np.clip(result.draws, -reach, reach), bins=bins, color=BLUE, alpha=0.5)
        for side in (-1, 1):
            axis.axvline(side * result.tstat, color=ORANGE, lw=2, ls="-" if side == 1 else ":")
        axis.set_title(f"{name}: p = {result.p_value:.4f}", fontsize=10)
        axis.set_ylabel("Draws")
    axes[-1, 0].set_xlabel("t statistic")
    figure.tight_layout()
    return figure


def leave_one_out_plot(result: LeaveOneOutResult) -> Figure:
    """Draw the estimate without each cluster; treated clusters are marked."""
    table = result.table.sort_values("without")
    figure, axes = sheet(figsize=(6.2, 0.32 * len(table) + 1.0))
    for place, (_, row) in enumerate(table.iterrows()):
        treated = row["treated_rows"] > 0
        axes.plot(
            row["without"], place, "o" if treated else "s", color=ORANGE if treated else BLUE, ms=7
        )
    axes.axvline(result.estimate, color=INK, lw=1, ls="--")
    treated_rows = zip(table.index, table["treated_rows"], strict=True)
    axes.set_yticks(
        range(len(table)), [f"{name} (treated)" if rows else name for name, rows in treated_rows]
    )
    axes.set(xlabel="Coefficient without this city")
    axes.grid(axis="y", visible=False)
    return figure
