"""Figures of the prose chapters that are drawn from coded arguments."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

from ftz.figures._ink import ink_on
from ftz.figures.style import BLUE, GREY, INK, sheet

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Inches between the centres of boxes, their size, and the letters that fit on a line.
_STEP_X, _STEP_Y = 1.66, 1.1
_BOX_X, _BOX_Y = 1.54, 0.84
_LETTERS = 18
#: How far arrows between two places bend, as a share of their length.
_BEND = 0.14


def framework_diagram(nodes: pd.DataFrame, edges: pd.DataFrame) -> Figure:
    """Draw a layered framework: layers from top to bottom, arrows along the edges.

    Parameters
    ----------
    nodes : pandas.DataFrame
        Indexed by identifier, with ``label``, ``label_zh``, ``column`` (layer) and
        ``row`` (place in the layer).
    edges : pandas.DataFrame
        ``from`` and ``to``; an arrow has one head, also inside a layer.  Where ``ours`` is
        true the arrow is broken: no sentence of the paper says it.
    """
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    wide, deep = _STEP_X * (nodes["row"].max() + 1), _STEP_Y * (nodes["column"].max() + 1)
    figure, axes = sheet(figsize=(wide, deep))
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
            start, end = (x0 + side, y0), (x1 - side, y1)
        else:
            start, end = (x0, y0 - _BOX_Y / 2), (x1, y1 + _BOX_Y / 2)
        arrow = FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=12, color=GREY, lw=1.2, shrinkA=0
        )
        arrow.set_linestyle("--" if edge.get("ours") else "-")
        axes.add_patch(arrow)
    axes.set(xlim=(-_STEP_X / 2, wide - _STEP_X / 2), ylim=(-deep + _STEP_Y / 2, _STEP_Y / 2))
    axes.axis("off")
    return figure


def zone_grid(zones: pd.DataFrame, tiles: pd.DataFrame) -> Figure:
    """Draw a square a province, with the year its zone opened; the earlier, the darker.

    Parameters
    ----------
    zones : pandas.DataFrame
        ``zone`` (a province) and ``launch``, as in :attr:`study.register._Register.zones`.
    tiles : pandas.DataFrame
        From :func:`study.policy.province_tiles`.
    """
    import matplotlib as mpl
    from matplotlib.patches import Rectangle

    years = zones.set_index("zone")["launch"].dt.year.to_dict()
    waves = sorted(set(years.values()))
    shades = {year: 0.95 - 0.75 * place / len(waves) for place, year in enumerate(waves)}
    wide, deep = tiles["column"].max() + 1, tiles["row"].max() + 1
    figure, axes = sheet(figsize=(0.84 * wide, 0.58 * deep))
    for province, x, y in zip(tiles.index, tiles["column"], tiles["row"], strict=True):
        year = years.get(province)
        face = mpl.colormaps["Blues"](shades[year]) if year else "white"
        ink = ink_on(face)
        style = "-" if year else ":"
        axes.add_patch(Rectangle((x, y), 0.94, 0.94, fc=face, ec=GREY, ls=style))
        label = textwrap.fill(str(province), 12, break_long_words=False) + (
            f"\n{year}" if year else ""
        )
        axes.text(x + 0.47, y + 0.47, label, ha="center", va="center", color=ink, fontsize=8.2)
    axes.set(xlim=(-0.05, wide), ylim=(deep, -0.05))
    axes.axis("off")
    return figure


def trend_pairs(trends: pd.DataFrame) -> Figure:
    """Draw pairs of printed numbers, one small panel a pair.

    ``trends`` is from :func:`study.policy.trends`.
    """
    pairs = list(trends.groupby("title", sort=False))
    figure, grid = sheet(math.ceil(len(pairs) / 2), 2, figsize=(6.2, 0.9 * len(pairs)))
    ends = {  # panels in one unit share a scale, so that their bars compare
        unit: 1.22 * max(float(number.value) for number in group["printed"])
        for unit, group in trends.groupby("unit")
    }
    for axes, (title, pair) in zip(grid.flat, pairs, strict=False):
        values = [float(number.value) for number in pair["printed"]]
        axes.barh(pair["label"], values, color=[GREY, BLUE], height=0.6)
        for place, number in enumerate(pair["printed"]):
            axes.text(values[place], place, f" {number.text}", va="center", color=INK)
        axes.set_title(title, fontsize=9.5)
        axes.set_xlabel(pair["unit"].iloc[0], fontsize=9)
        axes.set_xlim(0, ends[pair["unit"].iloc[0]])
        axes.invert_yaxis()
        axes.set_xticks([])
        axes.grid(visible=False)
    for axes in grid.flat[len(pairs) :]:
        axes.axis("off")
    figure.tight_layout()
    return figure


def flow_networks(networks: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw directed networks side by side; an arrow is as wide as its flow is large.

    Parameters
    ----------
    networks : mapping of str to pandas.DataFrame
        Title to a square matrix: the flow from the row's place to the column's, which is
        also written beside its arrow.
    """
    figure, panels = sheet(1, len(networks), figsize=(6.6, 3.2))
    for axes, (title, flows) in zip(panels, networks.items(), strict=True):
        _network(axes, flows)
        axes.set_title(title, fontsize=10)
    figure.tight_layout()
    return figure


def _network(axes: Axes, flows: pd.DataFrame) -> None:
    """Draw one network with its places on a circle, the first on top."""
    from matplotlib.patches import FancyArrowPatch

    turn = 2 * math.pi / len(flows)
    spots = {
        place: (1.15 * math.sin(turn * i), 1.15 * math.cos(turn * i))
        for i, place in enumerate(flows.index)
    }
    for source in flows.index:
        for target in flows.columns:
            flow = float(flows.loc[source, target])
            if source == target or flow == 0:
                continue
            (x0, y0), (x1, y1) = spots[source], spots[target]
            level = abs(x1 - x0) / math.hypot(x1 - x0, y1 - y0)
            gap = 17 + 17 * level**4  # names are wider than high: a level arrow stops earlier
            axes.add_patch(
                FancyArrowPatch(
                    spots[source],
                    spots[target],
                    connectionstyle=f"arc3,rad={_BEND}",
                    arrowstyle="-|>",
                    mutation_scale=9 + 1.5 * flow,
                    lw=0.6 * flow,
                    color=BLUE,
                    shrinkA=gap,
                    shrinkB=gap,
                )
            )
            far = _BEND / 2 + 0.13  # beyond the middle of the bent arrow, on its outer side
            beside = (x0 + x1) / 2 + far * (y1 - y0), (y0 + y1) / 2 - far * (x1 - x0)
            axes.text(*beside, f"{flow:g}", ha="center", va="center", color=INK, fontsize=9)
    for place, (x, y) in spots.items():
        axes.text(
            x,
            y,
            place,
            ha="center",
            va="center",
            color=INK,
            bbox={"boxstyle": "round,pad=0.35", "fc": "#EAF2F8", "ec": BLUE},
        )
    axes.set(xlim=(-1.6, 1.6), ylim=(-1.15, 1.5), aspect="equal")
    axes.axis("off")
