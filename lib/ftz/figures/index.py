"""Figures of the index chapter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ftz.figures.style import BLUE, GREY, INK, PALETTE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ftz.index import IndexTree


def tree_figure(tree: IndexTree) -> Figure:
    """Draw the three levels of a tree of indicators as nested bars of one length a leaf."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.2, 6.4))
    top = 0.0
    for colour, first in zip(PALETTE, tree.children(""), strict=False):
        leaves = tree.leaves(first)
        node = tree.nodes.loc[first]
        axes.barh(top + len(leaves) / 2, 1, height=len(leaves) - 0.3, color=colour, alpha=0.9)
        label = f"{node['name_en']} {node['name_zh']}" if len(leaves) > 2 else node["name_en"]
        axes.text(
            0.5,
            top + len(leaves) / 2,
            label,
            ha="center",
            va="center",
            color="white",
            fontsize=9.5 if len(leaves) > 2 else 8,
        )
        within = top
        for second in tree.children(first):
            size = len(tree.leaves(second))
            axes.barh(
                within + size / 2, 1.6, left=1.05, height=size - 0.3, color=colour, alpha=0.25
            )
            axes.text(
                1.1,
                within + size / 2,
                tree.nodes.loc[second, "name_en"],
                va="center",
                color=INK,
                fontsize=9.5 if size > 1 else 8,
            )
            axes.text(
                2.6,
                within + size / 2,
                str(size),
                ha="right",
                va="center",
                color=INK,
                fontsize=9.5 if size > 1 else 8,
            )
            within += size
        top += len(leaves)
    axes.set(ylim=(top + 0.3, -0.3), xlim=(0, 2.65))
    axes.axis("off")
    plt.close(figure)
    return figure


def shift_path(weights: pd.DataFrame) -> Figure:
    """Draw weights against the shift: index of shifts, one column an indicator."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    for name, style in zip(weights.columns, ("-", "--", ":", "-."), strict=False):
        axes.plot(weights.index, weights[name], style, lw=2, label=name)
    axes.set(xscale="log", xlabel="Shift added before the logarithm", ylabel="Entropy weight")
    axes.legend()
    plt.close(figure)
    return figure


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
    import matplotlib.pyplot as plt

    ordered = ranks.sort_values(baseline)
    figure, axes = plt.subplots(figsize=(7.0, 4.4))
    places = range(len(ordered))
    axes.hlines(places, ordered.min(axis=1), ordered.max(axis=1), color=GREY, lw=5, alpha=0.5)
    axes.plot(ordered[baseline], places, "o", color=BLUE)
    axes.set_yticks(places, [(names or {}).get(unit, unit) for unit in ordered.index])
    axes.set(ylim=(len(ordered) - 0.4, -0.6), xlabel="Rank (1 is best)")
    axes.set_xticks(range(1, len(ordered) + 1, 2))
    plt.close(figure)
    return figure
