"""Figures of propensity-score matching."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ftz.figures.style import BLUE, GREY, INK, ORANGE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ftz.results import CoefficientResult


def density_before_after(
    score: pd.Series, treated: pd.Series, after: pd.Series, label: str = "Propensity score"
) -> Figure:
    """Draw kernel densities of the score for treated and controls, before and after.

    Parameters
    ----------
    score : pandas.Series
        All rows; score or linear index.
    treated : pandas.Series of 0/1
        On the same index.
    after : pandas.Series
        What each row counts for after matching
        (:attr:`ftz.matching.Matches.sample_weights`); absent rows count zero.
    label : str
        Name of the horizontal axis.
    """
    import matplotlib.pyplot as plt
    from scipy.stats import gaussian_kde

    status = treated.astype(bool).to_numpy()
    values = score.to_numpy(float)
    panels = {
        "Before matching": np.ones(len(values)),
        "After matching": after.reindex(score.index).fillna(0.0).to_numpy(float),
    }
    grid = np.linspace(values.min(), values.max(), 400)
    figure, axes = plt.subplots(2, 1, figsize=(7.0, 5.2), sharex=True, sharey=True)
    for axis, (title, weight) in zip(axes, panels.items(), strict=True):
        for group, name, colour, dash in (
            (status, "treated", ORANGE, "-"),
            (~status, "controls", BLUE, "--"),
        ):
            inside = group & (weight > 0)
            density = gaussian_kde(values[inside], weights=weight[inside])(grid)
            axis.plot(grid, density, dash, color=colour, lw=2, label=name)
            axis.fill_between(grid, density, color=colour, alpha=0.12, lw=0)
        axis.set(title=title, ylabel="Density")
    axes[0].legend()
    axes[1].set_xlabel(label)
    figure.tight_layout()
    plt.close(figure)
    return figure


def love_plot(balance: pd.DataFrame, rule: float = 0.1) -> Figure:
    """Draw standardised differences before and after matching, one line a covariate.

    Parameters
    ----------
    balance : pandas.DataFrame
        From :func:`ftz.matching.balance`.
    rule : float
        Half-width of the shaded band that many call balanced.
    """
    import matplotlib.pyplot as plt

    before = balance["before"]["std_difference"]
    after = balance["after"]["std_difference"]
    rows = np.arange(len(balance))[::-1]
    figure, axes = plt.subplots(figsize=(7.0, 1.2 + 0.5 * len(balance)))
    axes.axvspan(-rule, rule, color=GREY, alpha=0.15, lw=0)
    axes.axvline(0, color=GREY, lw=1)
    axes.hlines(rows, before, after, color=GREY, lw=1)
    axes.plot(before, rows, "o", mfc="white", mec=BLUE, ms=8, label="before matching")
    axes.plot(after, rows, "o", color=ORANGE, ms=8, label="after matching")
    axes.set_yticks(rows, list(balance.index))
    axes.set_ylim(-0.7, len(balance) - 0.3)
    axes.set_xlabel("Standardised difference, treated minus controls")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.18), ncols=2)
    plt.close(figure)
    return figure


def estimates_against_truth(
    results: Mapping[str, CoefficientResult], truth: float, label: str = "Estimated effect"
) -> Figure:
    """Draw estimates with 95% intervals beside the effect that was simulated.

    Parameters
    ----------
    results : mapping
        Description to a result with one coefficient.
    truth : float
        The simulated effect.
    label : str
        Name of the horizontal axis.
    """
    import matplotlib.pyplot as plt

    rows = np.arange(len(results))[::-1]
    figure, axes = plt.subplots(figsize=(7.0, 1.2 + 0.55 * len(results)))
    axes.axvline(truth, color=INK, lw=1, ls="--")
    axes.annotate("truth", (truth, rows[0] + 0.45), xytext=(4, 0), textcoords="offset points")
    for row, result in zip(rows, results.values(), strict=True):
        low, high = result.conf_int().iloc[0]
        colour = BLUE if low <= truth <= high else ORANGE
        axes.hlines(row, low, high, color=colour, lw=2)
        axes.plot(result.params.iloc[0], row, "o" if colour == BLUE else "s", color=colour)
    axes.set_yticks(rows, list(results))
    axes.set_ylim(-0.6, len(results) - 0.2)
    axes.set_xlabel(label)
    plt.close(figure)
    return figure


def caliper_path(
    path: pd.Series, readings: Mapping[str, float], printed: tuple[float, float]
) -> Figure:
    """Draw the effect on the treated as the caliper widens.

    Parameters
    ----------
    path : pandas.Series
        Effect by caliper width, in units of what is matched on.
    readings : mapping
        Name of a reading of the paper's caliper to its width in the same units.
    printed : (float, float)
        Rounding interval of the printed effect.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.0, 3.8))
    axes.axhspan(*printed, color=ORANGE, alpha=0.35, lw=0, label="printed effect")
    axes.step(path.index, path.to_numpy(), where="post", color=BLUE, label="effect on the treated")
    top = axes.get_ylim()[1]
    for name, width in readings.items():
        axes.axvline(width, color=INK, lw=1, ls=":")
        axes.annotate(
            name,
            (width, top),
            xytext=(-3, -2),
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="top",
            fontsize=9,
        )
    axes.set(xscale="log", xlabel="Caliper, units of the linear index", ylabel="Effect on ln HQD")
    axes.legend(loc="upper left", bbox_to_anchor=(0, 1.17), ncols=2)
    plt.close(figure)
    return figure
