"""Figures of the index chapters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from ftz.figures._ink import ink_on
from ftz.figures.style import BLUE, GREEN, GREY, INK, ORANGE, PALETTE, sheet

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ftz.index import IndexTree
    from ftz.index._effects import WeighedEffects
    from ftz.index._sensitivity import FactorialResult, SobolResult, UncertaintyResult


# --- the tree -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Outline:
    """A tree of indicators that a reader can unfold on a page, and read as text elsewhere.

    Attributes
    ----------
    tree : IndexTree
    notes : mapping
        Node to a few words set beside it (a weight, say).
    """

    tree: IndexTree
    notes: Mapping[str, str]

    def _label(self, name: str) -> str:
        node = self.tree.node(name)
        sign = {1: "+", -1: "−"}[node.direction] if not self.tree.children(name) else ""
        words = [sign, node.name_en, node.name_zh]
        if sign:
            words.append(f"({node.unit})")
        if self.notes.get(name):
            words.append(f"— {self.notes[name]}")
        return " ".join(w for w in words if w)

    def __repr__(self) -> str:
        lines = []

        def descend(name: str, depth: int) -> None:
            for child in self.tree.children(name):
                lines.append("  " * depth + self._label(child))
                descend(child, depth + 1)

        descend("", 0)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        def descend(name: str) -> str:
            below = self.tree.children(name)
            if not below:
                return f"<li>{escape(self._label(name))}</li>"
            inside = "".join(descend(child) for child in below)
            size = len(self.tree.leaves(name))
            head = f"{escape(self._label(name))} <small>({size})</small>"
            return f"<li><details><summary>{head}</summary><ul>{inside}</ul></details></li>"

        inside = "".join(descend(child) for child in self.tree.children(""))
        return f'<div class="ftz-outline"><ul>{inside}</ul></div>'


def outline(tree: IndexTree, notes: Mapping[str, str] | None = None) -> _Outline:
    """Return the tree as an outline to unfold: signs, names in both languages, units."""
    return _Outline(tree, notes or {})


def tree_figure(tree: IndexTree) -> Figure:
    """Draw the levels above the indicators as nested bars of one length a leaf."""
    figure, axes = sheet(figsize=(5.0, 7.4))
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1)
    top = 0.0
    for colour, first in zip(PALETTE, tree.children(""), strict=False):
        leaves = tree.leaves(first)
        node = tree.node(first)
        wide = len(leaves) > 2
        label = f"{node.name_en} {node.name_zh}" if wide else node.name_en
        _box(axes, (0, 1), top, len(leaves), colour, 0.9)
        middle = top + len(leaves) / 2
        axes.text(
            0.5,
            middle,
            label,
            ha="center",
            va="center",
            color=ink_on(colour),
            fontsize=9.5 if wide else 8,
        )
        within = top
        for second in tree.children(first):
            size = len(tree.leaves(second))
            _box(axes, (1.05, 1.6), within, size, colour, 0.25)
            look: dict[str, Any] = {
                "va": "center_baseline",
                "color": INK,
                "fontsize": 9.5 if size > 1 else 7.5,
            }
            axes.text(1.1, within + size / 2, tree.node(second).name_en, **look)
            axes.text(2.6, within + size / 2, str(size), ha="right", **look)
            within += size
        top += len(leaves)
    axes.set(ylim=(top + 0.3, -0.3), xlim=(0, 2.65))
    axes.axis("off")
    return figure


def _box(
    axes: Axes, place: tuple[float, float], top: float, size: int, colour: str, alpha: float
) -> None:
    left, width = place
    axes.barh(top + size / 2, width, left=left, height=size - 0.3, color=colour, alpha=alpha)


# --- weights and ranks --------------------------------------------------------------------------


def shift_path(weights: pd.DataFrame) -> Figure:
    """Draw weights against the shift: index of shifts, one column an indicator."""
    figure, axes = sheet()
    for name, style in zip(weights.columns, ("-", "--", ":", "-."), strict=False):
        axes.plot(weights.index, weights[name], style, lw=2, label=name)
    axes.set(xscale="log", xlabel="Shift added before the logarithm", ylabel="Entropy weight")
    axes.legend()
    return figure


def weights_by_method(weights: pd.DataFrame, names: Mapping[str, str] | None = None) -> Figure:
    """Draw what each method gives the first-level nodes: nodes by methods, stacked to one."""
    figure, axes = sheet(figsize=(6.2, 3.4))
    _stack(axes, weights.T, names or {})
    axes.set(xlim=(0, 1), xlabel="Weight in the index")
    axes.legend(ncols=3, bbox_to_anchor=(0.5, 1.02), loc="lower center")
    return figure


def _stack(axes: Axes, parts: pd.DataFrame, names: Mapping[str, str]) -> None:
    """Lay the columns end to end, one bar a row, the first row on top."""
    left = np.zeros(len(parts))
    for colour, (name, part) in zip(PALETTE, parts.items(), strict=False):
        label = names.get(str(name), str(name))
        axes.barh(parts.index, part, left=left, color=colour, label=label)
        left += part.to_numpy()
    axes.invert_yaxis()


def rank_ranges(
    ranks: pd.DataFrame, baseline: str, names: Mapping[str, str] | None = None
) -> Figure:
    """Draw for each unit the range of its ranks over specifications.

    Parameters
    ----------
    ranks : pandas.DataFrame
        Units by specifications; 1 is best.
    baseline : str
        The specification that orders the units and is drawn as a point.
    """
    ordered = ranks.sort_values(baseline)
    figure, axes = sheet(figsize=(6.2, 4.4))
    places = range(len(ordered))
    axes.hlines(places, ordered.min(axis=1), ordered.max(axis=1), color=GREY, lw=5, alpha=0.5)
    axes.plot(ordered[baseline], places, "o", color=BLUE)
    axes.set_yticks(places, [(names or {}).get(unit, unit) for unit in ordered.index])
    axes.set(ylim=(len(ordered) - 0.4, -0.6), xlabel="Rank (1 is best)")
    axes.set_xticks(range(1, len(ordered) + 1, 2))
    return figure


def rank_shifts(ranks: pd.DataFrame) -> Figure:
    """Draw each unit's rank from method to method: units by methods, 1 is best."""
    figure, axes = sheet(figsize=(6.2, 4.6))
    steps = range(ranks.shape[1])
    moved = ranks.max(axis=1) - ranks.min(axis=1)
    bold = set(moved.nlargest(2).index)
    colours = iter((ORANGE, BLUE))
    for unit, row in ranks.iterrows():
        loud = unit in bold
        colour = next(colours) if loud else GREY
        axes.plot(steps, row, "o-", color=colour, lw=2.6 if loud else 1.2, alpha=1 if loud else 0.6)
        axes.text(-0.08, row.iloc[0], str(unit), ha="right", va="center", color=INK, fontsize=9)
        axes.text(len(steps) - 0.92, row.iloc[-1], str(unit), va="center", color=INK, fontsize=9)
    axes.set_xticks(steps, ranks.columns, fontsize=8.5)
    axes.set(ylim=(len(ranks) + 0.6, 0.4), xlim=(-1.4, len(steps) + 0.4), ylabel="Rank")
    axes.set_yticks(range(1, len(ranks) + 1, 2))
    axes.grid(visible=False)
    return figure


# --- what is in the index -----------------------------------------------------------------------


def correlation_map(correlations: pd.DataFrame, tree: IndexTree) -> Figure:
    """Draw a matrix of correlations between indicators with the first-level nodes marked.

    Parameters
    ----------
    correlations : pandas.DataFrame
        Indicators by indicators, in the tree's order.
    """
    import seaborn as sns

    figure, axes = sheet(figsize=(6.2, 6.2))
    sns.heatmap(
        correlations,
        cmap="RdBu_r",
        vmin=-1,
        vmax=1,
        square=True,
        ax=axes,
        cbar_kws={"shrink": 0.8, "label": "Correlation"},
    )
    ends, middles, names = [], [], []
    start = 0
    for node in tree.children(""):
        size = len(tree.leaves(node))
        middles.append(start + size / 2)
        names.append(tree.node(node).name_en)
        start += size
        ends.append(start)
    for end in ends[:-1]:
        axes.axhline(end, color="white", lw=1.5)
        axes.axvline(end, color="white", lw=1.5)
    axes.set_yticks(middles, names, fontsize=8.5)
    axes.set_xticks(middles, names, rotation=90, fontsize=8.5)
    axes.grid(visible=False)
    return figure


def contribution_bars(
    contributions: pd.DataFrame, names: Mapping[str, str] | None = None
) -> Figure:
    """Draw what each first-level node adds to the index: units by nodes, best unit on top."""
    total = contributions.sum(axis=1).sort_values(ascending=False)
    ordered = contributions.loc[total.index]
    figure, axes = sheet(figsize=(6.2, 4.6))
    _stack(axes, ordered, names or {})
    axes.set(xlabel="Points of the index")
    axes.legend(ncols=3, bbox_to_anchor=(0.5, 1.01), loc="lower center")
    return figure


def tile_grid(
    values: pd.Series, tiles: pd.DataFrame, label: str, second: Mapping[str, str] | None = None
) -> Figure:
    """Draw one tile a city, roughly where it lies, coloured by a value.

    Parameters
    ----------
    values : pandas.Series
        City to number.
    tiles : pandas.DataFrame
        ``city``, ``row``, ``column``; cities without a value are left white.
    label : str
        What the colour means.
    second : mapping, optional
        City to its name in Chinese.
    """
    import matplotlib as mpl
    from matplotlib.patches import Rectangle

    figure, axes = sheet(figsize=(5.2, 6.6))
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.99)
    scale = mpl.colors.Normalize(values.min(), values.max())
    colours = mpl.colormaps["cividis"]
    for city, row, column in tiles[["city", "row", "column"]].to_numpy().tolist():
        known = city in values.index
        colour = colours(scale(values[city])) if known else "white"
        axes.add_patch(Rectangle((column, row), 0.94, 0.94, facecolor=colour, edgecolor=GREY))
        words = [city, (second or {}).get(city, "")]
        words += [f"{values[city]:.0f}"] if known else []
        axes.text(
            column + 0.47,
            row + 0.47,
            "\n".join(w for w in words if w),
            ha="center",
            va="center",
            color=ink_on(colour),
            fontsize=8.5,
        )
    axes.set(
        xlim=(-0.1, tiles["column"].max() + 1.1), ylim=(tiles["row"].max() + 1.1, -0.1), aspect=1
    )
    axes.axis("off")
    bar = mpl.cm.ScalarMappable(norm=scale, cmap=colours)
    figure.colorbar(bar, ax=axes, location="bottom", shrink=0.7, pad=0.02, label=label)
    return figure


# --- weights against the estimate ---------------------------------------------------------------


def indicator_effects(weighed: WeighedEffects, tree: IndexTree, here: float) -> Figure:
    """Draw the effect on each indicator, in order, coloured by first-level node.

    Parameters
    ----------
    weighed : WeighedEffects
    tree : IndexTree
    here : float
        The effect at the chapter's own weights, drawn as a line.
    """
    ordered = weighed.effects.sort_values()
    figure, axes = sheet(figsize=(6.2, 4.2))
    places = {name: place for place, name in enumerate(ordered.index)}
    for colour, node in zip(PALETTE, tree.children(""), strict=False):
        names = tree.leaves(node)
        at = [places[n] for n in names]
        reach = 1.96 * weighed.std_errors[names]
        axes.vlines(
            at, ordered[names] - reach, ordered[names] + reach, color=colour, lw=1, alpha=0.4
        )
        axes.plot(at, ordered[names], "o", ms=4.5, color=colour, label=tree.node(node).name_en)
    axes.axhline(0, color=INK, lw=1)
    axes.axhline(here, color=GREY, lw=1.2, ls="--")
    axes.annotate("at the chapter's weights", (0, here), xytext=(0, 4), textcoords="offset points")
    axes.set(xlabel="Indicators, from smallest to largest effect", ylabel="Effect (points)")
    axes.set_xticks([])
    axes.legend(ncols=2)
    return figure


def range_fans(
    ranges: Mapping[str, pd.DataFrame], flips: Mapping[str, float], ylabel: str
) -> Figure:
    """Draw how the range of the effect opens with the freedom of the weights.

    Parameters
    ----------
    ranges : mapping
        What moves to a frame with columns ``low`` and ``high``, indexed by the factor.
    flips : mapping
        What moves to the factor at which the sign turns (infinity: never).
    ylabel : str
    """
    figure, axes = sheet(figsize=(6.2, 4.2))
    for colour, (name, frame) in zip((ORANGE, BLUE, GREEN), ranges.items(), strict=False):
        axes.fill_between(frame.index, frame["low"], frame["high"], color=colour, alpha=0.18)
        axes.plot(frame.index, frame["low"], color=colour, lw=2, label=name)
        axes.plot(frame.index, frame["high"], color=colour, lw=2)
        if np.isfinite(flips[name]) and flips[name] <= frame.index.max():
            axes.plot(flips[name], 0, "o", color=colour, mec="white", ms=8, zorder=3)
    axes.axhline(0, color=INK, lw=1)
    axes.set(xlabel="Factor by which a share may differ from the chapter's weights", ylabel=ylabel)
    axes.legend(title="What may move", ncols=3, bbox_to_anchor=(0.5, 1.0), loc="lower center")
    return figure


# --- sensitivity --------------------------------------------------------------------------------


def sensitivity_bars(table: FactorialResult, sampled: SobolResult) -> Figure:
    """Draw exact Sobol indices as bars, sampled ones with intervals, and PAWN beside them."""
    exact = table.sobol.sort_values("total")
    estimated, pawn = sampled.table.loc[exact.index], table.pawn.loc[exact.index]
    places = np.arange(len(exact))
    figure, (left, right) = sheet(1, 2, figsize=(6.6, 3.9), sharey=True, width_ratios=[3, 2])
    for kind, colour, shift in (("total", BLUE, 0.2), ("first", ORANGE, -0.2)):
        left.barh(
            places + shift, exact[kind], height=0.38, color=colour, alpha=0.45, label=f"{kind}"
        )
        left.hlines(
            places + shift, estimated[f"{kind}_low"], estimated[f"{kind}_high"], color=colour, lw=2
        )
        left.plot(estimated[kind], places + shift, "o", ms=4, color=colour)
    left.set_yticks(places, exact.index)
    left.set(xlabel="Sobol index of the effect")
    left.legend(loc="lower right")
    right.barh(places, pawn["largest"], color=GREEN, alpha=0.35, label="largest")
    right.plot(pawn["median"], places, "|", ms=14, mew=2.5, color=GREEN, label="median")
    right.set(xlabel="PAWN distance")
    right.legend(loc="lower right")
    return figure


def effect_spread(
    result: UncertaintyResult, factor: str, here: float | None = None, xlabel: str = "Effect"
) -> Figure:
    """Draw the effects of all replications, one curve an option of a factor."""
    figure, axes = sheet(figsize=(6.2, 3.8))
    bins = np.linspace(result.effects.min(), result.effects.max(), 60)
    options = list(dict.fromkeys(result.choices[factor]))
    parts = [result.effects[(result.choices[factor] == o).to_numpy()] for o in options]
    order = np.argsort([p.median() for p in parts])
    axes.hist(
        [parts[k] for k in order],
        bins=list(bins),
        stacked=True,
        color=[PALETTE[k % len(PALETTE)] for k in range(len(parts))],
        label=[options[k] for k in order],
    )
    axes.axvline(0, color=INK, lw=1)
    if here is not None:
        axes.axvline(here, color=INK, lw=1.4, ls="--")
    axes.set(xlabel=xlabel, ylabel="Replications")
    axes.legend(title=factor)
    return figure


def weight_paths(weights: pd.DataFrame, pooled: pd.Series, names: Sequence[str]) -> Figure:
    """Draw weights computed anew in each period, and the pooled ones as dashed lines."""
    figure, axes = sheet(figsize=(6.2, 3.4))
    for colour, column, name in zip(PALETTE, weights.columns, names, strict=False):
        axes.plot(weights.index, weights[column], "o-", color=colour, lw=2, label=name)
        axes.axhline(pooled[column], color=colour, lw=1.2, ls="--")
    axes.set(xlabel="Year", ylabel="Entropy weight")
    axes.legend()
    return figure
