"""Figures of problems, proposals and what they rest on."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ftz.figures.style import BLUE, GREY, INK, ORANGE, SKY

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Fill, edge and hatch of a square; they differ in lightness and pattern, not in hue alone.
_LOOKS = {
    "rise reproduced": (BLUE, BLUE, ""),
    "no effect told from zero": (SKY, INK, ""),
    "not reproduced": ("#FBD9C4", ORANGE, ""),
    "impossible as printed": ("white", ORANGE, "xxx"),
    "only other studies": ("white", GREY, "///"),
    "no estimate": ("white", INK, ""),
}
#: Statuses whose square is dark enough for white digits.
_DARK = {"rise reproduced"}
_MARKS = {"for": ("^", BLUE), "against": ("v", ORANGE), "neither": ("o", "white")}
_LETTERS = 30


def status_matrix(counts: pd.DataFrame) -> Figure:
    """Draw how many proposals answer each group of problems, by what they rest on.

    Parameters
    ----------
    counts : pandas.DataFrame
        From :func:`ftz.evidence.by_group`: one row a group, one column a status.
    """
    import matplotlib.pyplot as plt
    from matplotlib.patches import Rectangle

    figure, axes = plt.subplots(figsize=(5.6, 0.48 * len(counts) + 1.1))
    for x, (status, column) in enumerate(counts.items()):
        fill, edge, hatch = _LOOKS[str(status)]
        for y, count in enumerate(column):
            if count == 0:
                continue
            square = Rectangle(
                (x - 0.4, y - 0.36), 0.8, 0.72, facecolor=fill, edgecolor=edge, hatch=hatch, lw=1.2
            )
            axes.add_patch(square)
            _number(axes, x, y, int(count), dark=status in _DARK)
    labels = [textwrap.fill(str(name), 11) for name in counts.columns]
    axes.set_xticks(range(counts.shape[1]), labels)
    axes.set_yticks(range(counts.shape[0]), counts.index)
    axes.set(xlim=(-0.6, counts.shape[1] - 0.4), ylim=(counts.shape[0] - 0.4, -0.6))
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.grid(visible=False)
    plt.close(figure)
    return figure


def _number(axes: Axes, x: int, y: int, count: int, *, dark: bool) -> None:
    """Write a count; a white ground keeps it legible on a hatch."""
    ground = None if dark else {"facecolor": "white", "edgecolor": "none", "pad": 1.2}
    colour = "white" if dark else INK
    axes.text(x, y, str(count), ha="center", va="center", color=colour, weight="bold", bbox=ground)


def position_grid(held: pd.DataFrame, names: Mapping[str, str]) -> Figure:
    """Draw who is for and who is against, one row a question, one column a paper.

    A triangle that points up is *for*, one that points down *against*, an open circle
    *neither*; a paper that holds both has both, side by side.

    Parameters
    ----------
    held : pandas.DataFrame
        From :func:`ftz.evidence.positions`.
    names : mapping
        Paper key to its short name, in the order of the columns.
    """
    import matplotlib.pyplot as plt

    questions = list(dict.fromkeys(held["question"]))
    figure, axes = plt.subplots(figsize=(6.4, 0.55 * len(questions) + 1.0))
    papers = list(names)
    for (question, paper), part in held.groupby(["question", "paper"], sort=False):
        directions = list(dict.fromkeys(part["direction"]))
        for place, direction in enumerate(directions):
            marker, colour = _MARKS[direction]
            shift = 0.28 * (place - (len(directions) - 1) / 2)
            axes.plot(
                papers.index(str(paper)) + shift,
                questions.index(str(question)),
                marker,
                ms=11,
                mfc=colour,
                mec=INK,
                mew=1,
            )
    axes.set_xticks(range(len(papers)), [textwrap.fill(names[paper], 9) for paper in papers])
    axes.set_yticks(range(len(questions)), [textwrap.fill(q, _LETTERS) for q in questions])
    axes.set(xlim=(-0.6, len(papers) - 0.4), ylim=(len(questions) - 0.4, -0.6))
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    plt.close(figure)
    return figure
