"""Figures of propensity-score matching."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ftz.figures.style import BLUE, GREY, INK, ORANGE, sheet

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ftz._results import CoefficientResult


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
        (its ``sample_weights``); absent rows count zero.
    label : str
        Name of the horizontal axis.
    """
    import seaborn as sns

    status = treated.astype(bool).to_numpy()
    values = score.to_numpy(float)
    panels = {
        "Before matching": np.ones(len(values)),
        "After matching": after.reindex(score.index).fillna(0.0).to_numpy(float),
    }
    figure, axes = sheet(2, 1, figsize=(6.2, 5.2), sharex=True, sharey=True)
    for axis, (title, weight) in zip(axes, panels.items(), strict=True):
        for group, name, colour, dash in (
            (status, "treated", ORANGE, "-"),
            (~status, "controls", BLUE, "--"),
        ):
            inside = group & (weight > 0)
            options = {"clip": (values.min(), values.max()), "color": colour, "ax": axis}
            data = {"x": values[inside], "weights": weight[inside], "cut": np.inf}
            sns.kdeplot(**data, **options, lw=2, ls=dash, label=name)
            sns.kdeplot(**data, **options, lw=0, fill=True, alpha=0.12)
        axis.set(title=title, ylabel="Density")
    axes[0].legend()
    axes[1].set_xlabel(label)
    figure.tight_layout()
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
    before = balance["before"]["std_difference"]
    after = balance["after"]["std_difference"]
    rows = np.arange(len(balance))[::-1]
    figure, axes = sheet(figsize=(6.2, 1.2 + 0.5 * len(balance)))
    axes.axvspan(-rule, rule, color=GREY, alpha=0.15, lw=0)
    axes.axvline(0, color=GREY, lw=1)
    axes.hlines(rows, before, after, color=GREY, lw=1)
    axes.plot(before, rows, "o", mfc="white", mec=BLUE, ms=8, label="before matching")
    axes.plot(after, rows, "o", color=ORANGE, ms=8, label="after matching")
    axes.set_yticks(rows, list(balance.index))
    axes.set_ylim(-0.7, len(balance) - 0.3)
    axes.set_xlabel("Standardised difference, treated minus controls")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.18), ncols=2)
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
    rows = np.arange(len(results))[::-1]
    figure, axes = sheet(figsize=(6.2, 1.2 + 0.55 * len(results)))
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
    figure, axes = sheet(figsize=(6.2, 3.8))
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
    return figure


def overlap(
    score: pd.Series,
    treated: pd.Series,
    support: pd.Series | None = None,
    label: str = "Propensity score",
    bins: int = 20,
) -> Figure:
    """Draw counts by score, treated above the axis and controls below it.

    Parameters
    ----------
    score, treated : pandas.Series
        As in :func:`ftz.matching.match`.
    support : pandas.Series of bool, optional
        Rows on the common support; its range is shaded.
    label : str
        Name of the horizontal axis.
    bins : int
    """
    values, status = score.to_numpy(float), treated.astype(bool).to_numpy()
    edges = np.linspace(values.min(), values.max(), bins + 1)
    figure, axes = sheet(figsize=(6.2, 3.8))
    if support is not None:
        inside = values[support.reindex(score.index).to_numpy(bool)]
        axes.axvspan(inside.min(), inside.max(), color=GREY, alpha=0.15, lw=0, label="support")
    for group, sign, name, colour in (
        (status, 1, "treated", ORANGE),
        (~status, -1, "controls", BLUE),
    ):
        counts = np.histogram(values[group], edges)[0]
        axes.bar(
            edges[:-1],
            sign * counts,
            np.diff(edges),
            align="edge",
            color=colour,
            label=name,
            edgecolor="white",
            lw=0.5,
        )
    axes.axhline(0, color=INK, lw=1)
    axes.yaxis.set_major_formatter(lambda height, _: f"{abs(height):.0f}")
    axes.set(xlabel=label, ylabel="Number of rows")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.14), ncols=3)
    return figure


def error_ratios(ratios: pd.DataFrame) -> Figure:
    """Draw mean estimated standard errors over the true one, by sample design.

    Parameters
    ----------
    ratios : pandas.DataFrame
        Rows are standard errors, columns designs; one is right.
    """
    rows = np.arange(len(ratios))[::-1]
    figure, axes = sheet(figsize=(6.2, 1.2 + 0.5 * len(ratios)))
    axes.axvline(1, color=INK, lw=1, ls="--")
    for (name, column), colour, marker in zip(
        ratios.items(), (BLUE, ORANGE, GREY), "os^", strict=False
    ):
        axes.plot(column, rows, marker, color=colour, ms=8, label=name)
    axes.set_yticks(rows, list(ratios.index))
    axes.set(ylim=(-0.6, len(ratios) - 0.4), xlabel="Mean standard error / true standard error")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.28), ncols=ratios.shape[1])
    return figure


def rosenbaum(table: pd.DataFrame, level: float = 0.05) -> Figure:
    """Draw the bounds on p value and estimate as hidden bias grows.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`ftz.matching.rosenbaum_bounds`.
    level : float
        Drawn as a line in the upper panel.
    """
    figure, axes = sheet(2, 1, figsize=(6.2, 5.0), sharex=True)
    gamma = table.index.to_numpy(float)
    axes[0].fill_between(gamma, table["p_lower"], table["p_upper"], color=BLUE, alpha=0.2, lw=0)
    axes[0].plot(gamma, table["p_upper"], color=BLUE, label="upper bound")
    axes[0].axhline(level, color=ORANGE, lw=1, ls="--", label=f"{level:g}")
    axes[0].set(title="One-sided p value", ylabel="p value")
    axes[0].legend()
    axes[1].fill_between(gamma, table["hl_lower"], table["hl_upper"], color=BLUE, alpha=0.2, lw=0)
    axes[1].plot(gamma, table[["hl_lower", "hl_upper"]], color=BLUE)
    axes[1].axhline(0, color=GREY, lw=1)
    axes[1].set(title="Hodges-Lehmann estimate", ylabel="Effect")
    axes[1].set_xlabel("Largest ratio of the odds of treatment within a pair")
    figure.tight_layout()
    return figure
