"""Figures of the gallery of reruns."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from ftz.figures.style import PALETTE


def headline_over_grid(
    frame: pd.DataFrame, x: str, y: str, by: str | None = None, label: str = ""
) -> Figure:
    """Draw a headline number over a parameter, one line for each value of another.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row a run; numbers in the columns ``x`` and ``y``.
    x, y : str
        The parameter and the headline number.
    by : str, optional
        The parameter that tells the lines apart.
    label : str
        What the number is called; ``y`` if empty.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.2, 3.2))
    groups = frame.groupby(by, sort=True) if by else [(None, frame)]
    markers = "osD^vP*X"
    for number, (value, part) in enumerate(groups):
        line = part.sort_values(x)
        axes.plot(
            line[x],
            line[y],
            marker=markers[number % len(markers)],
            color=PALETTE[number % len(PALETTE)],
            label=None if by is None else f"{value:g}" if isinstance(value, float) else str(value),
        )
    axes.set(xlabel=x, ylabel=label or y)
    axes.set_xticks(sorted(frame[x].unique()))
    if by:
        axes.legend(title=by)
    plt.close(figure)
    return figure
