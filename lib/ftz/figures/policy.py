"""Figures of the prose chapters that are drawn from coded arguments."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from ftz.figures.style import BLUE, GREY, INK, ORANGE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

#: Inches between the centres of boxes, their size, and the letters that fit on a line.
_STEP_X, _STEP_Y = 1.8, 1.45
_BOX_X, _BOX_Y = 1.58, 0.98
_LETTERS = 16


def framework_diagram(nodes: pd.DataFrame, edges: pd.DataFrame) -> Figure:
    """Draw a layered framework: layers from top to bottom, arrows along the edges.

    Parameters
    ----------
    nodes : pandas.DataFrame
        Indexed by identifier, with ``label``, ``label_zh``, ``column`` (layer) and
        ``row`` (place in the layer).
    edges : pandas.DataFrame
        ``from`` and ``to``.  An edge inside a layer is drawn with two heads.
    """
    import matplotlib.pyplot as plt
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    wide, deep = _STEP_X * (nodes["row"].max() + 1), _STEP_Y * (nodes["column"].max() + 1)
    figure, axes = plt.subplots(figsize=(wide, deep))
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1)
    centre = {i: (_STEP_X * n["row"], -_STEP_Y * n["column"]) for i, n in nodes.iterrows()}
    for identifier, node in nodes.iterrows():
        x, y = centre[identifier]
        axes.add_patch(
            FancyBboxPatch(
                (x - _BOX_X / 2, y - _BOX_Y / 2),
                _BOX_X,
                _BOX_Y,
                boxstyle="round,pad=0,rounding_size=0.08",
                fc="#EAF2F8",
                ec=BLUE,
            )
        )
        label = textwrap.fill(node["label"], _LETTERS) + "\n" + node["label_zh"]
        axes.text(x, y, label, ha="center", va="center", color=INK, linespacing=1.15)
    for edge in edges.to_dict("records"):
        (x0, y0), (x1, y1) = centre[edge["from"]], centre[edge["to"]]
        if y0 == y1:
            side = _BOX_X / 2 if x1 > x0 else -_BOX_X / 2
            start, end, style = (x0 + side, y0), (x1 - side, y1), "<|-|>"
        else:
            start, end, style = (x0, y0 - _BOX_Y / 2), (x1, y1 + _BOX_Y / 2), "-|>"
        axes.add_patch(
            FancyArrowPatch(
                start, end, arrowstyle=style, mutation_scale=12, color=GREY, lw=1.2, shrinkA=0
            )
        )
    axes.set(xlim=(-_STEP_X / 2, wide - _STEP_X / 2), ylim=(-deep + _STEP_Y / 2, _STEP_Y / 2))
    axes.axis("off")
    plt.close(figure)
    return figure


def proposal_matrix(proposals: pd.DataFrame, papers: dict[str, str]) -> Figure:
    """Draw how many proposals each paper makes along each mechanism.

    Parameters
    ----------
    proposals : pandas.DataFrame
        With ``paper`` and ``mechanism``.
    papers : dict
        Paper key to its short name, in the order of the rows.
    """
    import matplotlib.pyplot as plt
    import pandas as pd

    counts = pd.crosstab(proposals["paper"], proposals["mechanism"]).loc[list(papers)]
    counts = counts[counts.sum().sort_values(ascending=False, kind="stable").index]
    figure, axes = plt.subplots(figsize=(7.0, 3.6))
    _dots(axes, counts.rename(index=papers), lambda *_: BLUE)
    plt.close(figure)
    return figure


def evidence_matrix(counts: pd.DataFrame, unsupported: tuple[str, ...]) -> Figure:
    """Draw how many proposals along each mechanism have an estimate near them.

    Parameters
    ----------
    counts : pandas.DataFrame
        One row a mechanism, one column a kind of evidence, counts of proposals.
    unsupported : tuple of str
        Columns that hold no estimate that stands; drawn in orange, with a ring, so that
        the difference survives in grey.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.0, 4.0))
    _dots(axes, counts, lambda _, column: ORANGE if column in unsupported else BLUE)
    plt.close(figure)
    return figure


def _dots(axes, counts: pd.DataFrame, colour) -> None:
    """Draw a table of counts as dots whose area grows with the count."""
    for y, (row, values) in enumerate(counts.iterrows()):
        for x, (column, count) in enumerate(values.items()):
            if count == 0:
                continue
            shade = colour(row, column)
            ring = INK if shade == ORANGE else shade
            axes.scatter(x, y, s=260 + 45 * count, color=shade, edgecolors=ring, linewidths=1.4)
            axes.text(x, y, str(count), ha="center", va="center", color="white", weight="bold")
    axes.set_xticks(range(counts.shape[1]), counts.columns)
    axes.set_yticks(range(counts.shape[0]), counts.index)
    axes.set(xlim=(-0.6, counts.shape[1] - 0.4), ylim=(counts.shape[0] - 0.4, -0.6))
    axes.tick_params(length=0)
