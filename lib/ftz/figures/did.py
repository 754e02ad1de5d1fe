"""Figures of difference-in-differences results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ftz.figures.style import BLUE, GREY, INK, ORANGE, PALETTE, sheet

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ftz.did._events import EventStudyResult
    from ftz.did._honest import HonestBounds
    from ftz.did._regression import DidResult
    from ftz.did._weights import BaconDecomposition


def event_study_plot(
    result: EventStudyResult, level: float = 0.95, band: pd.DataFrame | None = None
) -> Figure:
    """Draw event-study coefficients with confidence intervals.

    The reference period is a hollow point at zero; a dotted line separates before
    and after.

    Parameters
    ----------
    result : EventStudyResult
    level : float
        Of the pointwise intervals.
    band : pandas.DataFrame, optional
        Simultaneous band (its ``simultaneous_band``), drawn as
        thin whiskers behind.
    """
    figure, axes = sheet()
    if band is not None:
        known = band.dropna()
        axes.errorbar(
            known.index,
            known.mean(axis=1),
            yerr=(known["upper"] - known["lower"]) / 2,
            fmt="none",
            ecolor=GREY,
            elinewidth=1,
            capsize=4,
            label="simultaneous",
        )
        axes.legend(loc="upper left")
    _draw_events(axes, result, level)
    axes.set(ylabel="Coefficient", xticks=result.event_times)
    return figure


def event_study_pair(results: Mapping[str, EventStudyResult], level: float = 0.95) -> Figure:
    """Draw event studies of the same panel side by side, on one scale."""
    figure, axes = sheet(1, len(results), figsize=(6.6, 3.4), sharey=True, squeeze=False)
    for axis, (name, result) in zip(axes[0], results.items(), strict=True):
        _draw_events(axis, result, level)
        axis.set(title=name)
    axes[0, 0].set_ylabel("Points of the index")
    return figure


def _draw_events(axes: Axes, result: EventStudyResult, level: float) -> None:
    interval = result.conf_int(level)
    for step in result.event_times:
        if step == result.reference:
            axes.plot(step, 0, "o", mfc="white", mec=INK)
            continue
        colour = ORANGE if step >= 0 else BLUE
        axes.vlines(step, *interval.loc[step, ["lower", "upper"]], color=colour)
        axes.plot(step, result.params[step], "o" if step >= 0 else "s", color=colour)
    axes.axhline(0, color=GREY, lw=1)
    axes.axvline(result.reference + 0.5, color=GREY, lw=1, ls=":")
    axes.set_xlabel("Years since adoption")


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
    figure, axes = sheet(figsize=(6.2, 3.6))
    labels = list(printed) if printed else [f"({j})" for j in range(1, len(results) + 1)]
    name = "witness" if printed else "estimate"
    for place, result in enumerate(results):
        bounds = result.conf_int().iloc[0]
        axes.vlines(place, bounds["lower"], bounds["upper"], color=BLUE, lw=2)
        axes.plot(
            place, result.att, "o", color=BLUE, label=f"{name}, 95% interval" if not place else ""
        )
    if printed:
        middles = [(low + high) / 2 for low, high in printed.values()]
        axes.plot(range(len(middles)), middles, "_", color=ORANGE, ms=26, mew=2, label="printed")
    axes.axhline(0, color=GREY, lw=1)
    axes.set(
        xticks=range(len(labels)), xticklabels=labels, xlabel="Column", ylabel="Effect on ln HQD"
    )
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2)
    return figure


def adoption_grid(frame: pd.DataFrame, unit: str = "city", time: str = "year") -> Figure:
    """Draw who is treated when, and which rows are matched.

    Parameters
    ----------
    frame : pandas.DataFrame
        With columns ``FTZ`` and ``matched`` (0/1) beside unit and time.
    """
    from matplotlib.patches import Patch, Rectangle

    units = list(dict.fromkeys(frame[unit]))
    colours = {(1, 1): ORANGE, (1, 0): "#F3C9B0", (0, 1): BLUE, (0, 0): "#D5E4EE"}
    names = {
        (1, 1): "treated, matched",
        (1, 0): "treated, off support",
        (0, 1): "not treated, matched",
        (0, 0): "not treated, off support",
    }
    figure, axes = sheet(figsize=(6.2, 4.6))
    for name, year, treated, matched in frame[[unit, time, "FTZ", "matched"]].to_numpy().tolist():
        y = units.index(name)
        colour = colours[int(treated), int(matched)]
        axes.add_patch(Rectangle((year - 0.46, y - 0.44), 0.92, 0.88, color=colour, lw=0))
        if treated:  # a mark that survives printing in grey
            axes.text(year, y, "T", ha="center", va="center", color=INK, fontsize=8)
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
    return figure


def interval_plot(
    table: pd.DataFrame, xlabel: str, zero: bool = True, printed: tuple[float, float] | None = None
) -> Figure:
    """Draw estimates with intervals, one a row: a family of errors, or several estimators.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``estimate``, ``lower``, ``upper``; infinite ends become arrows.
    xlabel : str
    zero : bool
        Whether to draw a line at zero.
    printed : (float, float), optional
        Bounds of a printed number, drawn as a band.
    """
    import numpy as np

    figure, axes = sheet(figsize=(6.2, 0.36 * len(table) + 1.0))
    ends = table[["lower", "upper"]].to_numpy(float)
    seen = np.r_[ends[np.isfinite(ends)], table["estimate"], 0.0 if zero else table["estimate"]]
    reach = 0.12 * (seen.max() - seen.min())
    left, right = seen.min() - reach, seen.max() + reach
    for place, (_, row) in zip(range(len(table))[::-1], table.iterrows(), strict=True):
        low, high = max(row["lower"], left), min(row["upper"], right)
        axes.hlines(place, low, high, color=BLUE, lw=2)
        if row["lower"] < left:
            axes.plot(left, place, "<", color=BLUE)
        if row["upper"] > right:
            axes.plot(right, place, ">", color=BLUE)
        axes.plot(row["estimate"], place, "o", color=ORANGE)
    if zero:
        axes.axvline(0, color=GREY, lw=1)
    if printed is not None:
        # an edge, since a printed number of three digits is a band of no visible width
        axes.axvspan(*printed, color=ORANGE, alpha=0.6, lw=2, zorder=0.5, label="printed")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0))
    axes.set_yticks(range(len(table))[::-1], table.index)
    axes.set(xlabel=xlabel, xlim=(left - 0.2 * reach, right + 0.2 * reach))
    axes.grid(axis="y", visible=False)
    return figure


def event_studies_plot(results: Mapping[str, EventStudyResult], level: float = 0.95) -> Figure:
    """Draw several event studies side by side, one colour and mark each.

    The reference period of an estimator is a hollow mark at zero; one that has no
    coefficient before it, such as imputation, has no reference and no such mark.
    """
    figure, axes = sheet(figsize=(6.2, 4.2))
    width = 0.7 / max(len(results), 1)
    marks = ("o", "s", "^", "D", "v", "P", "X")
    for number, (name, result) in enumerate(results.items()):
        shift = (number - (len(results) - 1) / 2) * width
        interval = result.conf_int(level)
        steps = [k for k in result.event_times if k != result.reference]
        if not steps:
            continue
        places = [k + shift for k in steps]
        colour, mark = PALETTE[number % len(PALETTE)], marks[number % len(marks)]
        ends = interval.loc[steps]
        axes.vlines(places, ends["lower"], ends["upper"], color=colour, lw=1)
        axes.plot(places, result.params[steps], mark, color=colour, ms=5, label=name)
        if min(steps) < result.reference:
            axes.plot(result.reference + shift, 0, mark, mfc="white", mec=colour, ms=5)
    axes.axhline(0, color=GREY, lw=1)
    axes.axvline(-0.5, color=GREY, lw=1, ls=":")
    axes.set(xlabel="Years since adoption", ylabel="Coefficient")
    if axes.lines[:-2]:  # beside the two lines of reference
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2)
    return figure


def cells_plot(cells: pd.DataFrame) -> Figure:
    """Draw the effect on each cohort in each period: one line of squares a cohort.

    Parameters
    ----------
    cells : pandas.DataFrame
        ``cohort``, ``period``, ``estimate``, ``std_error``; periods in the order of time.  An
        effect more than 1.96 errors from zero has a dot; the base, without error, is a dash.
    """
    import numpy as np

    cohorts, periods = (list(cells[c].sort_values().unique()) for c in ("cohort", "period"))
    wide = np.full((len(cohorts), len(periods)), np.nan)
    reach = float(cells["estimate"].abs().max()) or 1.0
    figure, axes = sheet(figsize=(6.2, 1.4 + 0.3 * len(cohorts)))
    for cohort, period, estimate, error in cells.itertuples(index=False):
        row, column = cohorts.index(cohort), periods.index(period)
        wide[row, column] = estimate
        sure = abs(estimate) > 1.96 * error
        mark = "_" if not np.isfinite(error) else "o" if sure else None
        if mark:
            axes.plot(column, row, mark, color=INK, ms=4 if sure else 8)
    shown = axes.imshow(wide, cmap="PuOr_r", vmin=-reach, vmax=reach, aspect="auto")
    figure.colorbar(shown, ax=axes, label="Effect")
    step = max(1, len(periods) // 8)
    axes.set_xticks(range(0, len(periods), step), [str(p) for p in periods[::step]])
    axes.set_yticks(range(len(cohorts)), [str(c) for c in cohorts])
    axes.set(xlabel="Period", ylabel="First treated")
    axes.grid(False)
    return figure


def honest_plot(bounds: HonestBounds, xlabel: str) -> Figure:
    """Draw robust confidence sets against the bound on trends, the original one first."""
    figure, axes = sheet(figsize=(6.2, 3.6))
    summary = bounds.summary
    for place, (name, row) in enumerate(summary.iterrows()):
        colour = ORANGE if name == "parallel" else BLUE
        axes.vlines(place, row["lower"], row["upper"], color=colour, lw=3)
    axes.axhline(0, color=GREY, lw=1)
    axes.set_xticks(
        range(len(summary)), ["parallel\ntrends", *(f"{bound:g}" for bound in bounds.table.index)]
    )
    axes.set(xlabel=xlabel, ylabel="Effect", xlim=(-0.6, len(summary) - 0.4))
    return figure


def bacon_plot(parts: BaconDecomposition) -> Figure:
    """Draw each two-by-two comparison: its weight and its estimate."""
    figure, axes = sheet(figsize=(6.2, 3.8))
    marks = ("o", "s", "^", "D")
    for number, (kind, part) in enumerate(parts.comparisons.groupby("kind", sort=False)):
        axes.plot(
            part["weight"], part["estimate"], marks[number], color=PALETTE[number], ms=7, label=kind
        )
    axes.axhline(parts.estimate, color=INK, lw=1, ls="--")
    axes.axhline(0, color=GREY, lw=1)
    axes.set(xlabel="Weight", ylabel="Estimate of the comparison", xlim=(0, None))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2)
    return figure
