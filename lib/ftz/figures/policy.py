"""Figures of the prose chapters that are drawn from coded arguments."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from ftz.figures.style import BLUE, GREY, INK, ORANGE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def framework_diagram(nodes: pd.DataFrame, edges: pd.DataFrame) -> Figure:
    """Draw a layered framework: columns of boxes, arrows from left to right.

    Parameters
    ----------
    nodes : pandas.DataFrame
        Indexed by identifier, with ``label``, ``label_zh``, ``column`` and ``row``.
    edges : pandas.DataFrame
        ``from`` and ``to``.
    """
    import matplotlib.pyplot as plt
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    width, height = 0.86, 0.78
    figure, axes = plt.subplots(figsize=(7.4, 4.6))
    centre = {i: (1.28 * n["column"], -n["row"]) for i, n in nodes.iterrows()}
    for identifier, node in nodes.iterrows():
        x, y = centre[identifier]
        axes.add_patch(
            FancyBboxPatch(
                (x - width / 2, y - height / 2),
                width,
                height,
                boxstyle="round,pad=0.02,rounding_size=0.08",
                fc="#EAF2F8",
                ec=BLUE,
            )
        )
        label = textwrap.fill(node["label"], 15) + "\n" + textwrap.fill(node["label_zh"], 7)
        axes.text(x, y, label, ha="center", va="center", fontsize=8.5, color=INK)
    for edge in edges.to_dict("records"):
        (x0, y0), (x1, y1) = centre[edge["from"]], centre[edge["to"]]
        same_column = x0 == x1
        start = (x0, y0 - height / 2) if same_column else (x0 + width / 2 + 0.03, y0)
        end = (x1, y1 + height / 2) if same_column else (x1 - width / 2 - 0.03, y1)
        style = "<|-|>" if same_column else "-|>"
        axes.add_patch(
            FancyArrowPatch(start, end, arrowstyle=style, mutation_scale=11, color=GREY, lw=1.2)
        )
    axes.set(
        xlim=(-0.55, 1.28 * nodes["column"].max() + 0.55), ylim=(-nodes["row"].max() - 0.5, 0.5)
    )
    axes.axis("off")
    plt.close(figure)
    return figure


def proposal_matrix(proposals: pd.DataFrame, papers: dict[str, str]) -> Figure:
    """Draw how many proposals each paper makes along each mechanism.

    Parameters
    ----------
    proposals : pandas.DataFrame
        With ``paper``, ``mechanism`` and ``evidence``.
    papers : dict
        Paper key to its short name, in the order of the rows.

    Notes
    -----
    A dot's number counts proposals; orange dots hold at least one on which some
    estimate of the study bears.
    """
    import matplotlib.pyplot as plt

    mechanisms = proposals["mechanism"].value_counts().index.tolist()
    figure, axes = plt.subplots(figsize=(7.0, 3.8))
    for y, paper in enumerate(papers):
        for x, mechanism in enumerate(mechanisms):
            here = proposals[(proposals["paper"] == paper) & (proposals["mechanism"] == mechanism)]
            if here.empty:
                continue
            colour = ORANGE if (here["evidence"] != "none").any() else BLUE
            axes.scatter(x, y, s=330 + 170 * len(here), color=colour)
            axes.text(
                x, y, str(len(here)), ha="center", va="center", color="white", fontweight="bold"
            )
    axes.set_xticks(range(len(mechanisms)), mechanisms)
    axes.set_yticks(range(len(papers)), list(papers.values()))
    axes.set(xlim=(-0.6, len(mechanisms) - 0.4), ylim=(len(papers) - 0.4, -0.6))
    axes.tick_params(length=0)
    plt.close(figure)
    return figure
