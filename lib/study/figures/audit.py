"""Figures of the audit: verdicts, misses of the classical reading, who can be in the sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ftz.figures._ink import ink_on
from ftz.figures.style import BLUE, GREEN, GREY, INK, ORANGE, PALETTE, YELLOW, sheet

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_COLOURS = {"impossible": ORANGE, "undecided": YELLOW, "consistent": BLUE}
_DASHES = ("-", "--", "-.", ":", (0, (7, 1, 1, 1, 1, 1)), (0, (4, 4)), (0, (1, 4)))
_HATCHES = {"impossible": "", "undecided": "///", "consistent": ""}


def verdicts(counts: pd.DataFrame) -> Figure:
    """Draw one bar a rule, divided by verdict.

    Parameters
    ----------
    counts : pandas.DataFrame
        Indexed by rule, one column a verdict.
    """
    figure, axes = sheet(figsize=(6.2, 0.9 + 0.33 * len(counts)))
    left = np.zeros(len(counts))
    for verdict in [v for v in _COLOURS if v in counts]:
        axes.barh(
            counts.index,
            counts[verdict],
            left=left,
            color=_COLOURS[verdict],
            hatch=_HATCHES[verdict],
            edgecolor="white",
            label=verdict,
        )
        left += counts[verdict].to_numpy()
    axes.invert_yaxis()
    axes.set_xlabel("checks")
    axes.grid(axis="y", visible=False)
    axes.legend(loc="lower right")
    return figure


def misses(table: pd.DataFrame, most: int | None = None) -> Figure:
    """Draw by which factor the implied classical error misses the printed one.

    Parameters
    ----------
    table : pandas.DataFrame
        ``absorbed``, ``step``, ``coefficient``, ``miss`` (1 where intervals meet).
    most : int, optional
        A number of absorbed effects to mark by a vertical line.
    """
    steps = list(dict.fromkeys(table["step"]))
    figure, panels = sheet(1, len(steps), figsize=(6.2, 3.2), sharey=True, constrained_layout=True)
    names = list(dict.fromkeys(table["coefficient"]))
    for axes, step in zip(panels, steps, strict=True):
        part = table[table["step"] == step]
        for name, lines in part.groupby("coefficient", sort=False):
            axes.plot(
                lines["absorbed"],
                lines["miss"],
                color=PALETTE[names.index(name) % len(PALETTE)],
                ls=_DASHES[names.index(name) % len(_DASHES)],
                label=name,
            )
        axes.axhline(1, color=INK, lw=0.8)
        axes.set_title(step, fontsize=10)
        axes.set_xlabel("absorbed effects", fontsize=10)
        if most is not None:
            axes.axvline(most, color=GREY, lw=1, ls=":")
    panels[0].set_ylabel("implied / printed error")
    handles, labels = panels[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def slack_tiles(frame: pd.DataFrame) -> Figure:
    """Draw one tile a city-year, shaded by the slack that it needs to be in the sample.

    ``frame`` is from :func:`printproof.rules.city_years`.
    """
    from matplotlib.colors import BoundaryNorm, ListedColormap

    cities = list(dict.fromkeys(frame["city"]))
    years = sorted(frame["year"].unique())
    grid = frame.pivot(index="city", columns="year", values="slack").loc[cities, years]
    edges = [-1, 1e-9, 0.5, 1, 2, 1e9]
    colours = ListedColormap(["#DCEAF4", "#F3E3B3", "#EBC46A", "#E08A4A", "#B5491B"])
    figure, axes = sheet(figsize=(6.2, 4.6))
    norm = BoundaryNorm(edges, 5)
    image = axes.imshow(grid, cmap=colours, norm=norm, aspect="auto")
    treated = frame.loc[frame["treated"], ["city", "year", "slack"]]
    for city, year, slack in treated.itertuples(index=False, name=None):
        axes.text(
            years.index(year),
            cities.index(city),
            "zone",
            ha="center",
            va="center",
            fontsize=9,
            color=ink_on(colours(norm(slack))),
        )
    axes.set_xticks(range(len(years)), years)
    axes.set_yticks(range(len(cities)), cities)
    axes.grid(visible=False)
    bar = figure.colorbar(image, ax=axes, ticks=[-0.5, 0.25, 0.75, 1.5, 100], pad=0.02)
    bar.set_ticks([-0.5, 0.25, 0.75, 1.5, 5e8], labels=["none", "<0.5", "<1", "<2", "more"])
    bar.set_label("times the stated slack")
    return figure


def power(rates: pd.DataFrame) -> Figure:
    """Draw how often a single altered digit is noticed, by rule.

    Parameters
    ----------
    rates : pandas.DataFrame
        Indexed by rule: ``by_rule`` and ``by_any``, shares.
    """
    rates = rates.sort_values("by_rule")
    places = np.arange(len(rates))
    figure, axes = sheet(figsize=(6.2, 0.9 + 0.33 * len(rates)))
    axes.barh(places, rates["by_any"], height=0.7, color="#C9D8E3", label="by any rule")
    axes.barh(places, rates["by_rule"], height=0.4, color=BLUE, label="by the rule itself")
    axes.set_yticks(places, rates.index)
    axes.set(xlim=(0, 1), xlabel="share of altered digits noticed")
    axes.grid(axis="y", visible=False)
    axes.legend(ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))
    return figure


def cohort_steps(needs: Mapping[int, float], stated: float = 1.0) -> Figure:
    """Draw from which slack each adoption year can have treated rows in the sample."""
    figure, axes = sheet(figsize=(6.2, 1.2 + 0.6 * len(needs)))
    right = max(2.0, 1.15 * max(needs.values()))
    for place, need in enumerate(needs[year] for year in sorted(needs)):
        axes.plot([need, right], [place, place], color=GREEN, lw=7, solid_capstyle="butt")
        axes.plot([0, need], [place, place], color=GREY, lw=2, ls=":")
    axes.axvline(stated, color=ORANGE, lw=1.5)
    axes.text(stated, len(needs) - 0.45, " stated slack", color=ORANGE, va="bottom")
    names = [f"zone of {year}\nfrom {needs[year]:.2g}" for year in sorted(needs)]
    axes.set_yticks(range(len(needs)), names)
    axes.set(xlim=(0, right), ylim=(-0.6, len(needs) - 0.1), xlabel="times the stated slack")
    return figure
