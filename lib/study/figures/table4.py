"""Figures of the chapter that asks who printed Table 4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftz.figures.style import BLUE, GREEN, GREY, INK, ORANGE, sheet

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def relations_met(counts: pd.DataFrame, total: pd.Series) -> Figure:
    """Draw for each step and count of effects how many relations hold; full rows stand out.

    Parameters
    ----------
    counts : pandas.DataFrame
        Relations that hold, counts of effects down, steps across.
    total : pandas.Series
        Relations of each step.
    """
    figure, axes = sheet(figsize=(8.0, 2.2))
    for row, step in enumerate(counts.columns):
        for absorbed, number in zip(counts.index.to_list(), counts[step], strict=True):
            full = number == total[step]
            axes.scatter(
                absorbed,
                row,
                s=110,
                marker="s",
                color=BLUE if full else GREY,
                alpha=1 if full else 0.35,
            )
            axes.text(
                absorbed, row, number, ha="center", va="center", fontsize=7,
                color="white" if full else INK,
            )  # fmt: skip
    axes.set_yticks(range(len(counts.columns)), [f"{s}, of {total[s]}" for s in counts.columns])
    axes.set(xlabel="effects counted in the degrees of freedom", ylim=(len(total) - 0.4, -0.6))
    axes.grid(visible=False)
    return figure


def trap(frame: pd.DataFrame) -> Figure:
    """Draw degrees of freedom between cities, and theta, against the number of cities.

    ``frame`` is as :func:`study.table4.by_cities` returns it.
    """
    figure, (left, right) = sheet(1, 2, figsize=(7.0, 2.9))
    figure.subplots_adjust(wspace=0.28)
    styles = {1: (BLUE, "-"), 3: (GREEN, "--"), 5: (ORANGE, ":")}
    for column, (colour, line) in styles.items():
        part = frame[frame["column"] == column].groupby("cities")
        label = f"column ({column})"
        left.plot(part["between"].median(), color=colour, ls=line, label=label)
        right.plot(part["theta"].mean(), color=colour, ls=line, label=label)
        right.fill_between(
            list(part.groups),
            part["theta"].min(),
            part["theta"].max(),
            color=colour,
            alpha=0.12,
            lw=0,
        )
    left.axhline(0, color=INK, lw=0.8)
    left.set(xlabel="cities", ylabel="degrees of freedom between")
    right.set(xlabel="cities", ylabel="theta, mean over cities", ylim=(-0.03, 1))
    left.legend()
    return figure
