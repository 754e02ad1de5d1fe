"""Figures of the multiverse: the specification curve as a still and as a page's instrument."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from ftz.figures.style import BLUE, GREY, INK, ORANGE, SKY, sheet
from specgrid._grid import SETS, members

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from specgrid._results import JointTest, ShapleyDecomposition

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

#: What pages say of these functions (see ``bookworks._lineage``).
__lineage__ = {"*": {"role": "drawing"}}

#: More specifications than this are drawn as points, and their choices as shades.
_LINES_UP_TO = 200
#: Columns of shade that a figure's width can show.
_BINS = 120
#: Narrower than the other figures: on a telephone it is shrunk less.
_WIDTH = 5.0
_SMALL = 8.5


@dataclass(frozen=True)
class _Board:
    """One choice of the dashboard: its levels, and which specification has which.

    Attributes
    ----------
    choice : str
        What the choice is called on the figure.
    levels : tuple of str
    member : array of bool, shape (levels, n)
        Whether a specification, in the order of the estimates, has a level.
    many : bool
        Whether a specification can have several levels at once, as with controls.
    """

    choice: str
    levels: tuple[str, ...]
    member: Flags
    many: bool


def specification_curve(
    results: pd.DataFrame,
    choices: Sequence[str],
    *,
    labels: Mapping[str, str] | None = None,
    level: float = 0.05,
    joint: JointTest | None = None,
    marked: pd.Series | None = None,
) -> Figure:
    """Draw estimates in order with their intervals, and below them which choices they made.

    Parameters
    ----------
    results : pandas.DataFrame
        One row a specification: ``estimate``, ``lower``, ``upper``, ``p_value`` and the
        columns of the choices, as :func:`specgrid.evaluate` gives them.  Rows without
        an estimate are not drawn.
    choices : sequence of str
        Columns of the dashboard; those with one level are left out.  ``controls`` and
        ``sample`` get a line a member of the set.
    labels : mapping, optional
        What to write for a choice or for a level.
    level : float
        At which an estimate counts as significant.
    joint : JointTest, optional
        Its band, of curves under reassigned treatment, is drawn behind the curve.
    marked : pandas.Series of bool, optional
        Specifications to ring, on the index of the results.

    Notes
    -----
    Simonsohn, Simmons and Nelson (2020), figure 2.
    """
    ordered = _ordered(results)
    significant = ordered["p_value"].to_numpy(float) < level
    drawn = [
        _Board("p value", (f"below {level:g}",), significant[None, :], False),
        *_boards(ordered, choices, labels or {}),
    ]
    lines = sum(len(board.levels) for board in drawn)
    heights = [2.9, 0.17 * (lines + len(drawn)) + 0.2]
    figure, (top, bottom) = sheet(
        2, 1, figsize=(_WIDTH, sum(heights)), sharex=True, height_ratios=heights
    )
    _draw_curve(top, ordered, level, joint)
    if marked is not None:
        at = np.flatnonzero(marked.reindex(ordered.index, fill_value=False).to_numpy(bool))
        top.plot(
            at, ordered["estimate"].iloc[at], "o", ms=8, mfc="none", mec=INK, mew=1.4, zorder=5
        )
    _draw_boards(bottom, drawn, len(ordered))
    for axis in (top, bottom):
        axis.tick_params(labelsize=_SMALL)
    figure.tight_layout(h_pad=0.3)
    return figure


def _ordered(results: pd.DataFrame) -> pd.DataFrame:
    there = np.isfinite(results["estimate"].to_numpy(float, na_value=np.nan))
    known: pd.DataFrame = results.loc[there].sort_values("estimate", kind="stable")
    return known


def _boards(
    ordered: pd.DataFrame, choices: Sequence[str], labels: Mapping[str, str]
) -> list[_Board]:
    """Return the lines of the dashboard, without choices that never vary."""
    boards = []
    for choice in choices:
        many = choice in SETS
        if many:
            table = members(ordered[choice], choice)
            levels, member = [str(name) for name in table], table.to_numpy(bool).T
        else:
            levels, member = _levels(ordered[choice])
        varies = ~(member.all(axis=1) | ~member.any(axis=1))
        if not varies.any():
            continue
        varying = np.flatnonzero(varies)
        names = tuple(labels.get(levels[i], levels[i]) for i in varying)
        boards.append(_Board(labels.get(choice, choice), names, member[varying], many))
    return boards


def _levels(entries: pd.Series) -> tuple[list[str], Flags]:
    words = entries.map(_word, na_action=None)
    levels = sorted(words.unique(), key=_natural)
    return levels, np.array([words.to_numpy() == level for level in levels])


def _word(entry: object) -> str:
    if entry is None or entry is pd.NA or (isinstance(entry, float) and np.isnan(entry)):
        return "none"
    if isinstance(entry, float | np.floating):
        return f"{entry:g}"
    return str(entry) if str(entry) else "none"


def _natural(word: str) -> tuple[int, float, str]:
    """Order numbers as numbers, before words; *none* comes first."""
    if word == "none":
        return (0, 0.0, word)
    try:
        return (1, float(word), word)
    except ValueError:
        return (2, 0.0, word)


def _draw_curve(axes: Axes, ordered: pd.DataFrame, level: float, joint: JointTest | None) -> None:
    rank, estimate = np.arange(len(ordered)), ordered["estimate"].to_numpy(float)
    if joint is not None:
        band = joint.curve
        place = (np.arange(len(band)) + 0.5) / len(band) * len(ordered) - 0.5
        axes.fill_between(place, band["lower"], band["upper"], color=GREY, alpha=0.25, lw=0)
        axes.plot(place, band["middle"], color=GREY, lw=1.2, ls=":")
    axes.axhline(0, color=INK, lw=0.8)
    significant = ordered["p_value"].to_numpy(float) < level
    many = len(ordered) > _LINES_UP_TO
    low, high = ordered["lower"].to_numpy(float), ordered["upper"].to_numpy(float)
    if many:  # a band, of the mean ends by stretch of the order
        edges = _edges(len(ordered))
        middle = (edges[:-1] + edges[1:] - 1) / 2
        axes.fill_between(
            middle, _binned(low), _binned(high), color=SKY, alpha=0.35, lw=0, label="95% intervals"
        )
    else:
        axes.vlines(rank, low, high, color=SKY, lw=1.2, alpha=0.6)
    for chosen, colour, mark, name in (
        (~significant, ORANGE, "x", "not significant"),
        (significant, BLUE, "o", f"significant at {level:.0%}"),
    ):
        if chosen.any():
            axes.plot(
                rank[chosen],
                estimate[chosen],
                mark,
                color=colour,
                ms=2.2 if many else 4,
                mew=0.7,
                ls="none",
                label=name,
            )
    shown = np.r_[estimate, np.nanquantile(low, 0.01), np.nanquantile(high, 0.99)]
    room = 0.06 * np.ptp(shown)
    axes.set_ylim(shown.min() - room, shown.max() + room)
    axes.set_ylabel("Estimate", fontsize=_SMALL)
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.14, 1),
        ncols=3,
        fontsize=_SMALL,
        markerscale=1.6,
        columnspacing=0.9,
        handletextpad=0.4,
    )
    axes.grid(axis="x", visible=False)


def _draw_boards(axes: Axes, drawn: Sequence[_Board], n: int) -> None:
    """Draw a line a level: ticks where there are few specifications, shades where many."""
    places, names, heads, y = [], [], [], 0.0
    for board in drawn:
        heads.append((y, board.choice))
        for name, member in zip(board.levels, board.member, strict=True):
            y += 1
            places.append(y)
            names.append(name)
            if n > _LINES_UP_TO:
                share = _binned(member)
                axes.imshow(
                    share[None, :],
                    extent=(-0.5, n - 0.5, y + 0.4, y - 0.4),
                    cmap="Greys",
                    vmin=0,
                    vmax=1,
                    aspect="auto",
                    interpolation="nearest",
                )
            else:
                axes.plot(np.flatnonzero(member), np.full(member.sum(), y), "|", color=INK, ms=5)
        y += 1
    for head, choice in heads:
        axes.annotate(
            choice,
            (0, head),
            xycoords=("axes fraction", "data"),
            xytext=(2, 0),
            textcoords="offset points",
            va="center",
            fontsize=_SMALL,
            fontweight="bold",
        )
    axes.set_yticks(places, names, fontsize=_SMALL - 0.5)
    axes.set(xlim=(-0.5 - n * 0.01, n - 0.5 + n * 0.01), ylim=(max(y, 1) - 0.3, -0.7))
    axes.set_xlabel("Specifications, in the order of their estimates", fontsize=_SMALL)
    axes.grid(visible=False)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _edges(n: int) -> npt.NDArray[np.int64]:
    return np.linspace(0, n, min(_BINS, n) + 1).astype(np.int64)


def _binned(values: npt.NDArray[np.generic]) -> Floats:
    """Return means over stretches of the order; of flags, the share that is set."""
    edges, numbers = _edges(len(values)), values.astype(float)
    there = np.isfinite(numbers)
    sums = np.add.reduceat(np.where(there, numbers, 0.0), edges[:-1])
    counts = np.add.reduceat(there.astype(float), edges[:-1])
    means: Floats = sums / np.where(counts > 0, counts, np.nan)
    return means


def shapley_plot(result: ShapleyDecomposition, labels: Mapping[str, str] | None = None) -> Figure:
    """Draw the share of each choice in the variance of the estimate, the largest on top."""
    shares = result.shares.sort_values()
    words = labels or {}
    names = [f"{words.get(str(n), n)}  {share:.0%}" for n, share in shares.items()]
    alone = (result.alone / result.variance).reindex(shares.index)
    figure, axes = sheet(figsize=(_WIDTH, 0.3 * len(shares) + 1.1))
    axes.barh(names, shares, color=BLUE, height=0.6, label="Shapley share")
    axes.plot(alone, names, "D", color=ORANGE, ms=5, ls="none", label="known alone")
    axes.tick_params(labelsize=_SMALL)
    axes.set_xlim(left=0, right=1.08 * max(shares.max(), np.nanmax(alone)))
    axes.set_xlabel("Share of the variance of the estimate", fontsize=_SMALL)
    axes.legend(loc="lower right", fontsize=_SMALL)
    axes.grid(axis="y", visible=False)
    return figure


def joint_plot(result: JointTest) -> Figure:
    """Draw the three statistics under reassigned treatment, and as observed."""
    words = {"median": "Median estimate", "share": "Share significant", "stouffer": "Stouffer's z"}
    figure, axes = sheet(3, 1, figsize=(_WIDTH, 5.4))
    for axis, (name, word) in zip(axes, words.items(), strict=True):
        null, seen = result.null[name].to_numpy(float), float(result.observed[name])
        axis.hist(null, bins=40, color=BLUE, alpha=0.5)
        axis.axvline(seen, color=ORANGE, lw=2)
        if name != "share":
            axis.axvline(-seen, color=ORANGE, lw=1.5, ls=":")
        axis.set_title(f"{word}: p = {result.pvalues[name]:.3f}", fontsize=9.5)
        axis.set_ylabel("Curves", fontsize=_SMALL)
        axis.tick_params(labelsize=_SMALL)
    figure.tight_layout()
    return figure


@dataclass(frozen=True)
class _Explorer:
    """A specification curve that a page's reader can filter, point at and walk along.

    The data stand in the page as JSON; ``ftz-curve.js`` draws them.  Without scripts, and
    in print, nothing of it shows: the still of the same curve stands beside it.

    Attributes
    ----------
    data : mapping
        What the script reads.
    title : str
        Names the figure to a screen reader.
    """

    data: Mapping[str, object]
    title: str

    def __repr__(self) -> str:
        return f"{self.title}: {self.data['n']} specifications to explore in a page"

    def _repr_html_(self) -> str:
        text = json.dumps(self.data, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
        for sign in "<>&":  # so that no level can end the element
            text = text.replace(sign, f"\\u{ord(sign):04x}")
        return (
            f'<div class="ftz-curve" data-title="{escape(self.title)}" hidden>'
            f'<script type="application/json">{text}</script></div>'
        )


def explorer(
    results: pd.DataFrame,
    choices: Sequence[str],
    *,
    labels: Mapping[str, str] | None = None,
    level: float = 0.05,
    title: str = "Specification curve",
) -> _Explorer:
    """Prepare the curve for the page.

    Parameters
    ----------
    results, choices, labels, level
        As :func:`specification_curve`.
    title : str
        What the figure shows, in words.
    """
    ordered = _ordered(results)
    data: dict[str, object] = {
        "n": len(ordered),
        "level": level,
        "estimate": _short(ordered["estimate"]),
        "lower": _short(ordered["lower"]),
        "upper": _short(ordered["upper"]),
        "p": _short(ordered["p_value"], 4),
        "boards": [_packed(board) for board in _boards(ordered, choices, labels or {})],
    }
    return _Explorer(data, title)


def _short(column: pd.Series, digits: int = 6) -> list[float | None]:
    """Return numbers with so many significant digits; a missing one is null."""
    return [float(f"{x:.{digits}g}") if np.isfinite(x) else None for x in column.astype(float)]


def _packed(board: _Board) -> dict[str, object]:
    """Return a board as numbers: the level of each specification, or its set of levels in bits."""
    if board.many:
        weights = 1 << np.arange(len(board.levels), dtype=np.int64)
        codes = weights @ board.member.astype(np.int64)
    else:
        codes = board.member.argmax(axis=0)
    return {
        "choice": board.choice,
        "levels": list(board.levels),
        "many": board.many,
        "codes": codes.tolist(),
    }
