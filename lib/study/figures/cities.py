"""Figures of the thirteen cities: where they lie, and when what happened to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftz.figures.style import BLUE, GREY, INK, ORANGE, SKY, sheet

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import pandas as pd
    from matplotlib.figure import Figure

#: A darker orange than the palette's: white words of this size are read on it (WCAG AA).
_CARRIES, _ZONE, _NONE = "#B84A00", "#CFE3F1", "white"
#: Letters from which a name gets a smaller size.
_LONG = 10


def city_map(
    tiles: pd.DataFrame,
    chinese: Mapping[str, str],
    first: Mapping[str, int | None],
    carriers: Collection[str],
    words: tuple[str, str, str] = ("carry the estimate", "zone, but not in it", "no zone"),
) -> Figure:
    """Draw a tile a city, roughly where it lies, with its names and its first year with a zone.

    Parameters
    ----------
    tiles : pandas.DataFrame
        From :func:`study.indicators.load_tiles`.
    chinese : mapping
        From :func:`study.register.study_cities`.
    first : mapping
        From :meth:`study.register.Coding.cohorts`.
    carriers : collection of str
        Cities that stand out, from :func:`study.cities.carriers`.
    words : tuple of str
        What the three kinds of tile are called below them.
    """
    from matplotlib.patches import Patch, Rectangle

    figure, axes = sheet(figsize=(5.0, 4.5))
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1)
    for city, row, column in tiles[["city", "row", "column"]].itertuples(index=False):
        carries, year = city in carriers, first[city]
        face = _CARRIES if carries else _ZONE if year else _NONE
        line = "-" if year else ":"
        axes.add_patch(Rectangle((column, row), 0.95, 0.93, fc=face, ec=GREY, ls=line))
        name = f"{city}\n{chinese[city]}" + (f" {year}" if year else "")
        middle, ink = (column + 0.475, row + 0.47), "white" if carries else INK
        size = 11 if len(city) < _LONG else 9.6
        axes.text(*middle, name, ha="center", va="center", color=ink, fontsize=size)
    faces = zip(words, (_CARRIES, _ZONE, _NONE), ("-", "-", ":"), strict=True)
    marks = [Patch(fc=face, ec=GREY, ls=line, label=word) for word, face, line in faces]
    axes.legend(handles=marks, loc="lower right", bbox_to_anchor=(1.0, 0.0), fontsize=11)
    axes.set(xlim=(-0.03, tiles["column"].max() + 1), ylim=(tiles["row"].max() + 1, -0.03))
    axes.axis("off")
    return figure


def timeline(
    zones: pd.DataFrame, first: Mapping[str, int | None], carriers: Collection[str], years: range
) -> Figure:
    """Draw the openings of zones, the years of the sample, and each city's years with a zone.

    Parameters
    ----------
    zones : pandas.DataFrame
        :attr:`study.register._Register.zones`.
    first : mapping
        From :meth:`study.register.Coding.cohorts`.
    carriers : collection of str
        Cities that stand out.
    years : range
        The years of the sample.
    """
    treated = sorted((year, city) for city, year in first.items() if year)
    rows = ["zones open in China", "years of the sample", *(city for _, city in treated)]
    figure, axes = sheet(figsize=(6.2, 0.42 * len(rows) + 0.7))
    opened = zones["launch"].dt
    waves = (opened.year + (opened.day_of_year - 1) / 365).value_counts()
    for spot, count in zip(waves.index.astype(float), waves, strict=True):
        axes.scatter(spot, 0, s=40 + 22 * count, color=BLUE, zorder=3)
        axes.text(spot, -0.42, str(count), ha="center", va="bottom", fontsize=9.5)
    axes.barh(1, len(years), left=years[0], color=SKY, height=0.5)
    axes.text(years[0] + 0.1, 1, f"{years[0]} to {years[-1]}", va="center", color=INK)
    for place, (year, city) in enumerate(treated, start=2):
        colour = ORANGE if city in carriers else GREY
        axes.barh(place, years[-1] + 1 - year, left=year, color=colour, height=0.5)
        axes.text(year - 0.1, place, str(year), ha="right", va="center", fontsize=9.5)
    axes.set_yticks(range(len(rows)), rows)
    last = max(years[-1], int(zones["launch"].dt.year.max()))
    axes.set_xticks(range(years[0], last + 1))
    axes.set(xlim=(years[0] - 0.1, last + 1.1), ylim=(len(rows) - 0.5, -0.9))
    axes.grid(visible=False, axis="y")
    return figure
