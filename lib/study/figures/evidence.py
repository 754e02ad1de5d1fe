"""Figures of problems, proposals and positions."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ftz.figures.style import BLUE, INK, ORANGE, sheet

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_MARKS = {"for": ("^", BLUE), "against": ("v", ORANGE), "neither": ("o", "white")}
_LETTERS = 30


def field_grid(fields: pd.DataFrame, names: Mapping[str, str]) -> Figure:
    """Draw in which fields each paper names problems and makes proposals.

    A ring is a problem, a disc a proposal, a disc in a ring both; neither says how many.

    Parameters
    ----------
    fields : pandas.DataFrame
        From :func:`study.evidence.fields_of_papers`.
    names : mapping
        Paper key to its short name, in the order of the columns.
    """
    rows, papers = list(dict.fromkeys(fields["mechanism"])), list(names)
    figure, axes = sheet(figsize=(6.0, 0.38 * len(rows) + 0.9))
    for what, size, fill in (("problems", 15, "none"), ("proposals", 8, BLUE)):
        shown = fields[fields[what]]
        x, y = shown["paper"].map(papers.index), shown["mechanism"].map(rows.index)
        label = f"{what} of the field"
        axes.plot(x, y, "o", ms=size, mfc=fill, mec=INK, mew=1.2, ls="", label=label)
    axes.set_xticks(range(len(papers)), [textwrap.fill(names[paper], 9) for paper in papers])
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlim=(-0.6, len(papers) - 0.4), ylim=(len(rows) - 0.4, -0.6))
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.legend(loc="upper center", bbox_to_anchor=(0.45, 0.0), ncols=2, frameon=False)
    return figure


def position_grid(held: pd.DataFrame, names: Mapping[str, str]) -> Figure:
    """Draw who is for and who is against, one row a question, one column a paper.

    A triangle that points up is *for*, one that points down *against*, an open circle
    *neither*; a paper that holds both has both, side by side.

    Parameters
    ----------
    held : pandas.DataFrame
        From :func:`study.evidence.positions`.
    names : mapping
        Paper key to its short name, in the order of the columns.
    """
    questions = list(dict.fromkeys(held["question"]))
    figure, axes = sheet(figsize=(6.4, 0.48 * len(questions) + 1.0))
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
    return figure
