"""Figures of the chapter that asks who printed Table 4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftz.figures.style import BLUE, GREEN, GREY, INK, ORANGE, sheet

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def relations_met(counts: pd.DataFrame, total: pd.Series) -> Figure:
    """Draw for each step and count of effects which share of relations holds; full ones stand out.

    Parameters
    ----------
    counts : pandas.DataFrame
        Relations that hold, counts of effects down, steps across.
    total : pandas.Series
        Relations of each step.
    """
    figure, axes = sheet(figsize=(6.2, 2.2))
    for row, step in enumerate(counts.columns):
        held = counts[step] / total[step]
        full = held == 1
        axes.scatter(held.index[full], [row] * full.sum(), s=62, marker="s", color=BLUE)
        # what holds in part is paler; the palest square is a relation that holds nowhere
        axes.scatter(
            held.index[~full], [row] * (~full).sum(), s=62, marker="s", color=GREY,
            alpha=(0.12 + 0.38 * held[~full]).to_numpy(),
        )  # fmt: skip
    axes.set_yticks(range(len(counts.columns)), [f"{s}, of {total[s]}" for s in counts.columns])
    axes.set(xlabel="effects counted in the degrees of freedom", ylim=(len(total) - 0.4, -0.6))
    axes.grid(visible=False)
    return figure


def trap(frame: pd.DataFrame) -> Figure:
    """Draw degrees of freedom between cities, and theta, against the number of cities.

    ``frame`` is as :func:`study.table4.by_cities` returns it.
    """
    figure, (left, right) = sheet(1, 2, figsize=(6.2, 2.9))
    figure.subplots_adjust(wspace=0.36)
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
