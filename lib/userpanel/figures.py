"""Figures of a reader's own panel: who adopts when, and how outcomes moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from ftz.figures.style import GREY, INK, ORANGE, PALETTE, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: More units than this are drawn as counts.
_MOST_LINES = 60
_MARKS = ("o", "s", "^", "D", "v", "P", "X")


def adoption(starts: dict[str, float | None], periods: list[int]) -> Figure:
    """Draw who is treated when: one line a unit, or counts where units are many.

    Parameters
    ----------
    starts : dict
        Unit to its first treated period, None for never.
    periods : list of int
    """
    if len(starts) > _MOST_LINES:
        figure, axes = sheet(figsize=(6.2, 3.6))
        _counts(axes, starts, periods)
    else:
        figure, axes = sheet(figsize=(6.2, 1.2 + 0.2 * len(starts)))
        _lines(axes, starts, periods)
    return figure


def _lines(axes: Axes, starts: dict[str, float | None], periods: list[int]) -> None:
    last = periods[-1] + 0.5
    order = sorted(starts, key=lambda u: (starts[u] if starts[u] is not None else np.inf, u))
    for place, unit in enumerate(order):
        start = starts[unit]
        axes.hlines(place, periods[0] - 0.5, last, color=GREY, lw=1)
        if start is not None:
            from_here = max(start, periods[0]) - 0.5
            axes.hlines(place, from_here, last, color=ORANGE, lw=5)
            axes.plot(from_here, place, "|", color=INK, ms=8)
    axes.set_yticks(range(len(order)), order, fontsize=8)
    axes.set(ylim=(len(order) - 0.4, -0.6), xlim=(periods[0] - 0.6, last + 0.1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(False)


def _counts(axes: Axes, starts: dict[str, float | None], periods: list[int]) -> None:
    first = np.array([np.inf if s is None else s for s in starts.values()])
    treated = [int((first <= t).sum()) for t in periods]
    axes.bar(periods, treated, color=ORANGE, label="treated")
    rest = [len(first) - t for t in treated]
    axes.bar(periods, rest, bottom=treated, color="#D5E4EE", label="not yet, or never")
    axes.set(ylabel="Units")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)


def outcome_paths(
    frame: pd.DataFrame, outcome: str, cohort: str, time: str, label: str = ""
) -> Figure:
    """Draw the mean outcome by date of adoption, with a mark at adoption.

    Parameters
    ----------
    frame : pandas.DataFrame
    outcome, cohort, time : str
        Columns; the cohort is missing for units that are never treated.
    label : str
        What the axis says.
    """
    figure, axes = sheet(figsize=(6.2, 4.2))
    never = frame[frame[cohort].isna()].groupby(time)[outcome].mean()
    if len(never):
        axes.plot(never.index, never, "--", color=GREY, label="never")
    means = frame.dropna(subset=[cohort]).groupby([cohort, time])[outcome].mean()
    dates = sorted(means.index.get_level_values(0).unique())
    for number, start in enumerate(dates):
        path = means.loc[start]
        colour, mark = PALETTE[number % len(PALETTE)], _MARKS[number % len(_MARKS)]
        axes.plot(path.index, path, color=colour, lw=1.4, label=f"{start:g}")
        at = path[path.index >= start]
        if len(at):
            axes.plot(at.index[0], at.iloc[0], mark, color=colour, ms=8, mec=INK)
    axes.set_ylabel(label or outcome)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    columns = min(len(dates) + 1, 6)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=columns, title="Adoption")
    return figure
