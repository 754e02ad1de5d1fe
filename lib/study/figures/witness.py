"""Figures of the witnesses: what the tables force and what they leave open."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from ftz.figures.style import BLUE, GREEN, GREY, INK, ORANGE, sheet

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

#: The golden ratio's fraction.
_GOLDEN = 0.618034


def interval_plot(
    ranges: pd.DataFrame,
    xlabel: str,
    *,
    zero: bool = True,
    marks: tuple[float, ...] = (),
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Draw one line a quantity: its range over the ensemble, and the range that was reached.

    Parameters
    ----------
    ranges : pandas.DataFrame
        Indexed by name: ``low``, ``high`` (ensemble) and, where known, ``reached_low``
        and ``reached_high``, drawn thin; an arrowhead at the edge of the figure says that
        the line goes on beyond it.
    xlabel : str
    zero : bool
        Whether to mark zero.
    marks : tuple of float
        Further vertical lines, such as critical values.
    limits : tuple of float, optional
        Ends of the horizontal axis; by default somewhat beyond the ensemble's.
    """
    figure, axes = sheet(figsize=(6.2, 0.9 + 0.34 * len(ranges)))
    low, high = float(ranges["low"].min()), float(ranges["high"].max())
    room = 0.35 * (high - low) or 0.1
    left, right = limits or (low - room, high + room)
    for place, (_, row) in enumerate(ranges.iterrows()):
        reached = [row.get("reached_low", np.nan), row.get("reached_high", np.nan)]
        if np.isfinite(reached).all():
            ends = np.clip(reached, left, right)
            axes.plot(ends, [place, place], color=GREY, lw=1.5, zorder=1)
            for end, value, marker in zip(ends, reached, ("<", ">"), strict=True):
                beyond = value < left or value > right
                axes.plot(end, place, marker if beyond else "|", color=GREY, ms=6, clip_on=False)
        ends = [row["low"], row["high"]]
        axes.plot(ends, [place, place], color=BLUE, lw=7, solid_capstyle="butt", zorder=2)
    if zero:
        axes.axvline(0, color=INK, lw=0.8)
    for mark in marks:
        axes.axvline(mark, color=ORANGE, lw=1, ls="--")
    axes.set_yticks(range(len(ranges)), [fill(str(n), 26) for n in ranges.index])
    axes.set(xlim=(left, right), ylim=(len(ranges) - 0.4, -0.6), xlabel=xlabel)
    axes.plot([], [], color=BLUE, lw=7, solid_capstyle="butt", label="ensemble")
    if "reached_low" in ranges and ranges["reached_low"].notna().any():
        axes.plot([], [], color=GREY, lw=1.5, label="reached by search")
    axes.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=2)
    return figure


def coverage(frame: pd.DataFrame) -> Figure:
    """Draw for each study where the truth lies inside the reported range.

    Parameters
    ----------
    frame : pandas.DataFrame
        ``quantity``, ``truth``, ``low``, ``high``, ``inside``, one row a study and quantity.
    """
    names = list(dict.fromkeys(frame["quantity"]))
    figure, axes = sheet(figsize=(6.2, 0.9 + 0.5 * len(names)))
    for place, name in enumerate(names):
        part = frame[frame["quantity"] == name]
        share = ((part["truth"] - part["low"]) / (part["high"] - part["low"])).to_numpy()
        # Steps of the golden ratio fill the row evenly.
        jitter = place + 0.64 * ((np.arange(len(share)) * _GOLDEN) % 1 - 0.5)
        colours = [GREEN if inside else ORANGE for inside in part["inside"]]
        axes.scatter(share, jitter, s=7, c=colours, alpha=0.6, linewidths=0)
    for end in (0, 1):
        axes.axvline(end, color=INK, lw=1)
    axes.set_yticks(range(len(names)), names)
    axes.set(
        xlim=(-0.08, 1.08),
        ylim=(len(names) - 0.4, -0.6),
        xlabel="where the truth lies: 0 and 1 are the ends of the reported range",
    )
    axes.grid(axis="y", visible=False)
    return figure


def within_city(table: pd.DataFrame, bounds: pd.DataFrame, printed: float) -> Figure:
    """Draw panels by what the controls leave of the zone's variation, between the bounds.

    Parameters
    ----------
    table : pandas.DataFrame
        As :func:`study.witness._within_city.stored` returns it.
    bounds : pandas.DataFrame
        Indexed by tolerance: ``low`` and ``high`` on the widest rows, ``narrow_low`` and
        ``narrow_high`` on the narrowest.
    printed : float
        The effect where column (5) itself has city effects.
    """
    figure, axes = sheet(figsize=(6.2, 4.2))
    for line in ("low", "high"):
        between = bounds[f"narrow_{line}"], bounds[line]
        axes.fill_between(bounds.index, *between, color=GREY, alpha=0.45, lw=0)
    for reading, marker, color in (("pooled", "o", BLUE), ("one command", "D", GREEN)):
        grown = (table["end"] == "member") & ~table["official"]
        dots = table[grown & (table["reading"] == reading)]
        axes.plot(dots["left"], dots["effect"], marker, color=color, ms=4, alpha=0.7, label=reading)
    ends = table[table["end"].isin(["low", "high"])]
    for official, label, face in ((False, "pushed", ORANGE), (True, "in official ranges", "none")):
        part = ends[ends["official"] == official]
        axes.plot(part["left"], part["effect"], "^", color=ORANGE, mfc=face, ms=6, label=label)
    axes.axhline(printed, color=INK, lw=0.8, ls="--", label="two-way reading: the printed effect")
    axes.axhline(0, color=INK, lw=0.8)
    axes.set_xlabel("share of the zone's variation that the controls leave")
    axes.set_ylabel("within-city effect")
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return figure
