"""Official figures of the thirteen cities, and open facts beside the printed numbers."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path

from printproof import OfficialFigures, OfficialRange
from study import register
from study.indicators import load_tree
from study.paths import data_dir

#: What pages say of these functions (see ``bookworks._lineage``).
__lineage__ = {
    "_facts": {"files": ["data/register/*.csv", "data/index/tree.csv"]},
    "*": {"files": ["data/official/*.csv"]},
}

#: Slack around an official figure; a share of it, or an amount where it can cross zero.
SLACK = {"fe": Fraction(6, 100), "pgdp": Fraction(6, 100), "lnstru": Fraction(5, 100)}
_ABSOLUTE = {"lnstru"}
#: Years of the study.
_YEARS = range(2013, 2023)


@cache
def _read(folder: Path) -> Mapping[tuple[str, int], tuple[OfficialRange, ...]]:
    with (folder / "pgdp_by_year.csv").open(encoding="utf-8", newline="") as handle:
        rows = csv.DictReader(handle)
        exact = {(r["city"], int(r["year"])): Fraction(r["pgdp"]) for r in rows}
    known: dict[tuple[str, int], tuple[OfficialRange, ...]] = {}
    with (folder / "ranges.csv").open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            name = row["variable"]
            for year in _YEARS:
                at = row["city"], year
                low, high = Fraction(row["low"]), Fraction(row["high"])
                if name == "pgdp" and at in exact:
                    low = high = exact[at]
                entry = OfficialRange(name, low, high, SLACK[name], name in _ABSOLUTE)
                known[at] = (*known.get(at, ()), entry)
    return known


def ranges(city: str, year: int) -> tuple[OfficialRange, ...]:
    """Return the official ranges of a city-year; product per head is yearly where known."""
    return _read(data_dir() / "official")[city, year]


def _figures() -> OfficialFigures:
    """Return what official figures say of the thirteen cities, as the audit takes it."""
    starts = register.PAPER.cohorts(register.study_cities())
    return OfficialFigures(starts, tuple(SLACK), _read(data_dir() / "official"))


def _facts() -> dict[str, int]:
    """Return the open facts that formulas of ``checks.yml`` may name beside printed cells.

    ``@register/zones by YEAR``, ``@register/treated city-years`` (of the study's cities and
    years, coded as the paper codes them) and ``@tree/level 1`` to ``3`` (indicators of the
    index).
    """
    launched = register.load_register().zones["launch"].dt.year
    first, last = int(launched.min()), int(launched.max())
    counts = {
        f"@register/zones by {year}": int((launched <= year).sum())
        for year in range(first, last + 1)
    }
    starts = register.PAPER.cohorts(register.study_cities()).values()
    counts["@register/treated city-years"] = sum(
        s is not None and y >= s for s in starts for y in _YEARS
    )
    return counts | {f"@tree/level {level}": n for level, n in load_tree().counts.items()}
