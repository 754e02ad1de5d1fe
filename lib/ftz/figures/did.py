"""Figures of difference-in-differences results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ftz.figures.style import BLUE, GREY, INK, ORANGE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ftz.did import DidResult, EventStudyResult


def event_study_plot(result: EventStudyResult, level: float = 0.95) -> Figure:
    """Draw event-study coefficients with confidence intervals.

    The reference period is a hollow point at zero; a dotted line separates before
    and after.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    interval = result.conf_int(level)
    for step in result.event_times:
        estimate = result.params[step]
        if step == result.reference:
            axes.plot(step, 0, "o", mfc="white", mec=INK)
            continue
        colour = ORANGE if step >= 0 else BLUE
        axes.vlines(step, interval.loc[step, "lower"], interval.loc[step, "upper"], color=colour)
        axes.plot(step, estimate, "o" if step >= 0 else "s", color=colour)
    axes.axhline(0, color=GREY, lw=1)
    axes.axvline(result.reference + 0.5, color=GREY, lw=1, ls=":")
    axes.set(xlabel="Years since adoption", ylabel="Coefficient", xticks=result.event_times)
    plt.close(figure)
    return figure


def column_path(
    results: Sequence[DidResult], printed: Mapping[str, tuple[float, float]] | None = None
) -> Figure:
    """Draw the treatment coefficient through the columns of a stepwise table.

    Parameters
    ----------
    results : sequence of DidResult
        One a column.
    printed : mapping, optional
        Column label to the bounds of the printed coefficient's rounding interval.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.0, 3.6))
    labels = list(printed) if printed else [f"({j})" for j in range(1, len(results) + 1)]
    for place, result in enumerate(results):
        bounds = result.conf_int().loc[result.treatment]
        axes.vlines(place, bounds["lower"], bounds["upper"], color=BLUE, lw=2)
        axes.plot(
            place, result.att, "o", color=BLUE, label="here, 95% interval" if not place else ""
        )
    if printed:
        middles = [(low + high) / 2 for low, high in printed.values()]
        axes.plot(range(len(middles)), middles, "_", color=ORANGE, ms=26, mew=2, label="printed")
    axes.axhline(0, color=GREY, lw=1)
    axes.set(
        xticks=range(len(labels)), xticklabels=labels, xlabel="Column", ylabel="Effect on ln HQD"
    )
    axes.legend(loc="lower right")
    plt.close(figure)
    return figure


def adoption_grid(frame: pd.DataFrame, unit: str = "city", time: str = "year") -> Figure:
    """Draw who is treated when, and which rows are matched.

    Parameters
    ----------
    frame : pandas.DataFrame
        With columns ``FTZ`` and ``matched`` (0/1) beside unit and time.
    """
    import matplotlib.pyplot as plt
    from matplotlib.patches import Patch

    units = list(dict.fromkeys(frame[unit]))
    colours = {(1, 1): ORANGE, (1, 0): "#F3C9B0", (0, 1): BLUE, (0, 0): "#D5E4EE"}
    names = {
        (1, 1): "treated, matched",
        (1, 0): "treated, off support",
        (0, 1): "not treated, matched",
        (0, 0): "not treated, off support",
    }
    figure, axes = plt.subplots(figsize=(7.0, 4.6))
    for row in frame.itertuples():
        kind = (int(row.FTZ), int(row.matched))
        y = units.index(getattr(row, unit))
        axes.add_patch(
            plt.Rectangle(
                (getattr(row, time) - 0.46, y - 0.44), 0.92, 0.88, color=colours[kind], lw=0
            )
        )
        if row.FTZ:  # a mark that survives printing in grey
            axes.text(getattr(row, time), y, "T", ha="center", va="center", color=INK, fontsize=8)
    axes.set(xlim=(frame[time].min() - 0.6, frame[time].max() + 0.6), ylim=(len(units) - 0.4, -0.6))
    axes.set_yticks(range(len(units)), units)
    axes.set_xticks(sorted(frame[time].unique()))
    axes.grid(False)
    axes.legend(
        handles=[Patch(color=colours[k], label=names[k]) for k in names],
        loc="upper center",
        bbox_to_anchor=(0.45, -0.08),
        ncols=2,
    )
    plt.close(figure)
    return figure
