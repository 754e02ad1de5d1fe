"""Figures of size, power and bias."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ftz.figures.style import BLUE, GREEN, GREY, INK, ORANGE, PALETTE, PURPLE, sheet

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_MARKS = ("o", "s", "^", "D", "v", "P", "X")


def size_plot(sizes: pd.DataFrame, level: float = 0.05, xlabel: str = "") -> Figure:
    """Draw how often each test rejects the truth.

    Parameters
    ----------
    sizes : pandas.DataFrame
        Tests by settings; a column is a setting, its name stands in the legend.
    level : float
        Of the tests, at the dashed line.
    xlabel : str
        Replaces the default label of the horizontal axis.
    """
    figure, axes = sheet(figsize=(7.0, 0.34 * len(sizes) + 1.2))
    places = range(len(sizes))[::-1]
    axes.hlines(places, 0, sizes.max(axis=1), color="#E6E6E6", lw=1)
    for column, colour, mark in zip(sizes.columns, PALETTE, _MARKS, strict=False):
        axes.plot(sizes[column], places, mark, color=colour, ms=6, label=str(column))
    axes.axvline(level, color=INK, lw=1, ls="--")
    axes.set_yticks(places, sizes.index)
    axes.set(xlabel=xlabel or f"Share of true nulls rejected at {level:.0%}", xlim=(0, None))
    axes.grid(axis="y", visible=False)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=len(sizes.columns))
    return figure


def power_plot(
    power: pd.DataFrame, mark: float | None = None, label: str = "", xlabel: str = "True effect"
) -> Figure:
    """Draw how often each test rejects no effect, against the effect.

    Parameters
    ----------
    power : pandas.DataFrame
        Effects (index) by tests.
    mark : float, optional
        Effect at a vertical line, with ``label`` beside it.
    xlabel : str
        Name of the horizontal axis.
    """
    figure, axes = sheet(figsize=(7.0, 4.0))
    dashes = ("-", "--", "-.", ":")
    colours = (ORANGE, BLUE, GREEN, PURPLE, INK)
    for place, column in enumerate(power.columns):
        axes.plot(
            power.index,
            power[column],
            dashes[place % 4],
            marker=_MARKS[place % len(_MARKS)],
            color=colours[place % len(colours)],
            ms=5,
            label=column,
        )
    if mark is not None:
        axes.axvline(mark, color=GREY, lw=1)
        axes.annotate(
            label, (mark, 0.02), xytext=(-5, 0), textcoords="offset points", ha="right", color=INK
        )
    axes.set(xlabel=xlabel, ylabel="Share of panels with p ≤ 5%", ylim=(0, 1.02))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2)
    return figure


def bias_plot(
    table: pd.DataFrame, names: Mapping[str, str] | None = None, xlabel: str = "Estimate less truth"
) -> Figure:
    """Draw the error of each estimator: bias, and two standard deviations to each side.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`ftz.size_and_power.bias_and_spread`.
    names : mapping, optional
        Scenario to the title of its panel.
    xlabel : str
        Name of the horizontal axis.
    """
    scenarios = list(dict.fromkeys(table.index.get_level_values(0)))
    figure, axes = sheet(
        1, len(scenarios), figsize=(7.4, 2.9), sharey=True, sharex=True, layout="constrained"
    )
    for axis, scenario in zip(axes, scenarios, strict=True):
        part = table.loc[scenario]
        places = range(len(part))[::-1]
        axis.hlines(
            places, part["bias"] - 2 * part["sd"], part["bias"] + 2 * part["sd"], color=BLUE
        )
        axis.plot(part["bias"], places, "o", color=ORANGE)
        axis.axvline(0, color=INK, lw=1, ls="--")
        axis.set_yticks(places, part.index)
        axis.set_ylim(-0.6, len(part) - 0.4)
        axis.set_title((names or {}).get(scenario, scenario), fontsize=10)
        axis.grid(axis="y", visible=False)
    figure.supxlabel(xlabel, fontsize=10.5)
    return figure
