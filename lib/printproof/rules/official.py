"""Which city-years can be in a sample whose minima and maxima are printed.

Official figures are bounds with slack, not truth: first-published and revised figures
differ, and so do resident and registered populations.  Each check says how far the
figures would have to be wrong before its conclusion fell.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ftz import register
from ftz.errors import RecordError
from ftz.paths import data_dir
from printproof.exact import cell, decimal, number
from printproof.rules.moments import whole_ends
from printproof.statement import CONSISTENT, UNDECIDED, Branch, Check, Statement
from printproof.study import Study

if TYPE_CHECKING:
    import pandas as pd

#: What pages say of these functions (see ``bookworks.lineage``).
__lineage__ = {"*": {"files": ["data/official/*.csv"]}}

#: Slack around an official figure; a share of it, or an amount where it can cross zero.
SLACK = {"fe": Fraction(6, 100), "pgdp": Fraction(6, 100), "lnstru": Fraction(5, 100)}
ABSOLUTE = {"lnstru"}


@dataclass(frozen=True)
class Range:
    """An official range of one control for one city-year."""

    variable: str
    low: Fraction
    high: Fraction

    def widened(self, slack: Fraction) -> tuple[Fraction, Fraction]:
        """Return the ends with so many times the stated slack."""
        amount = slack * SLACK[self.variable]
        if self.variable in ABSOLUTE:
            return self.low - amount, self.high + amount
        return self.low * (1 - amount), self.high * (1 + amount)


@cache
def _ranges(folder: Path) -> Mapping[str, list[Range]]:
    found: dict[str, list[Range]] = {}
    with (folder / "ranges.csv").open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            entry = Range(row["variable"], Fraction(row["low"]), Fraction(row["high"]))
            found.setdefault(row["city"], []).append(entry)
    return found


@cache
def _yearly(folder: Path) -> Mapping[tuple[str, int], Fraction]:
    with (folder / "pgdp_by_year.csv").open(encoding="utf-8", newline="") as h:
        return {(r["city"], int(r["year"])): Fraction(r["pgdp"]) for r in csv.DictReader(h)}


def ranges(city: str, year: int) -> list[Range]:
    """Return the official ranges of a city-year; product per head is yearly where known."""
    folder = data_dir() / "official"
    exact = _yearly(folder).get((city, year))
    return [
        Range("pgdp", exact, exact) if r.variable == "pgdp" and exact is not None else r
        for r in _ranges(folder)[city]
    ]


def _limits(study: Study, table: str, variable: str) -> tuple[str, str] | None:
    ends = [study.where(table, variable, end).get("value") for end in ("min", "max")]
    return (ends[0], ends[1]) if ends[0] and ends[1] else None


def _statements(
    study: Study, table: str, city: str, year: int, slack: Fraction
) -> tuple[Statement, ...]:
    statements = []
    for r in ranges(city, year):
        limits = _limits(study, table, r.variable)
        if limits is None:
            continue
        low, high = r.widened(slack)
        name = f"{r.variable} of {city} in {year}, with slack"
        statements.append(
            Statement(number(low), "at most", cell(limits[1]), f"{name}, under the maximum")
        )
        statements.append(
            Statement(cell(limits[0]), "at most", number(high), f"{name}, over the minimum")
        )
    return tuple(statements)


def admissible(study: Study, table: str, city: str, year: int, slack: Fraction | int = 1) -> bool:
    """Say whether a city-year fits under the printed ends with so many times the slack."""
    found = _statements(study, table, city, year, Fraction(slack))
    return all(s.possible(study.record) for s in found)


def least_slack(study: Study, table: str, city: str, year: int) -> Fraction:
    """Return the smallest multiple of the stated slack that admits a city-year."""
    needed = [Fraction(0)]
    for r in ranges(city, year):
        limits = _limits(study, table, r.variable)
        if limits is None:
            continue
        low, high = cell(limits[0]).span(study.record).low, cell(limits[1]).span(study.record).high
        if low is None or high is None:
            raise RecordError(f"{table}: the printed extremes of {r.variable} have no end")
        stated = SLACK[r.variable]
        scale = (Fraction(1), Fraction(1)) if r.variable in ABSOLUTE else (r.low, r.high)
        needed.append((r.low - high) / (scale[0] * stated))
        needed.append((low - r.high) / (scale[1] * stated))
    return max(needed)


def city_years(study: Study) -> pd.DataFrame:
    """Return every city-year with the slack that it needs to be in the sample.

    Returns
    -------
    pandas.DataFrame
        ``city``, ``year``, ``treated`` and ``slack``: the smallest multiple of the
        stated slack that admits the row, 0 where none is needed.
    """
    import pandas as pd

    declared = study.get("official")
    first, last = (study.count(study.id(declared[k])) for k in ("first", "last"))
    frame = pd.DataFrame(
        [
            (city, year)
            for city in register.study_cities()
            for year in range(int(first or 0), int(last or 0) + 1)
        ],
        columns=["city", "year"],
    )
    frame["treated"] = register.treatment(frame).astype(bool)
    frame["slack"] = [
        float(least_slack(study, declared["moments"], c, y))
        for c, y in zip(frame["city"], frame["year"], strict=True)
    ]
    return frame


def cohorts_at(frame: pd.DataFrame, slack: float) -> list[int]:
    """Return the adoption years of treated rows that a multiple of the slack admits."""
    rows = frame[frame["treated"] & (frame["slack"] <= slack)]
    return sorted({int(register.cohorts([c])[c] or 0) for c in rows["city"]})


def rows(study: Study) -> Iterator[Check]:
    """Decide for each city whether it can be in the sample, and what that leaves."""
    declared = study.get("official")
    if not declared:
        return
    frame = city_years(study)
    for city in register.study_cities():
        yield _city(study, declared["moments"], city, frame)
    yield _enough(study, declared, frame)
    yield _treated(study, declared, frame)
    yield _cohorts(study, declared, frame)


def _city(study: Study, table: str, city: str, frame: pd.DataFrame) -> Check:
    years = frame.loc[frame["city"] == city, "year"]
    branches = [
        Branch(f"{city} in {year}", _statements(study, table, city, year, Fraction(1)))
        for year in years
    ]
    part = frame[frame["city"] == city]
    nearest = part.sort_values("slack", kind="stable").iloc[0]
    count = int((part["slack"] <= 1).sum())
    if count:
        remark = f"{count} of its {len(part)} years can be in the sample."
    else:
        remark = (
            f"The nearest year is {int(nearest['year'])}, which needs "
            f"{nearest['slack']:.1f} times the stated slack."
        )
    title = f"some year of {city} is in the sample"
    return study.decide("official ranges", title, branches, strength="convention", remark=remark)


def _sample(study: Study, declared: Mapping[str, str]) -> str:
    return study.id(declared["n"])


def _enough(study: Study, declared: Mapping[str, str], frame: pd.DataFrame) -> Check:
    fits = int((frame["slack"] <= 1).sum())
    wanted = Statement(
        cell(_sample(study, declared)),
        "at most",
        number(fits),
        "rows of the sample, and city-years that official figures admit",
    )
    title = "enough city-years for the sample"
    return study.decide("official ranges", title, [Branch("", (wanted,))])


def _treated(study: Study, declared: Mapping[str, str], frame: pd.DataFrame) -> Check:
    part = frame[frame["treated"] & (frame["slack"] <= 1)]
    strict = frame[frame["treated"] & (frame["slack"] == 0)]
    n, mean = cell(_sample(study, declared)), cell(study.id(declared["treated_mean"]))
    wanted = Statement(
        n * mean, "at most", number(len(part)), "treated rows of the sample, and those admitted"
    )
    low, high = whole_ends(n * mean, study)
    counts = range(low, high + 1)
    spelled = "; ".join(
        f"{c} {min(y)}-{max(y)}" for c, y in part.groupby("city")["year"].agg(list).items()
    )
    without = sorted(set(frame.loc[frame["treated"], "city"]) - set(part["city"]))
    remark = (
        f"Of {int(frame['treated'].sum())} treated city-years {len(part)} can be in the sample "
        f"({spelled}), {len(strict)} of them without any slack; the treatment's mean counts "
        f"{' or '.join(map(str, counts))}. No treated row can come from {', '.join(without)}."
    )
    title = "the treated rows that can be in the sample"
    return study.decide("official ranges", title, [Branch("", (wanted,))], remark=remark)


def _cohorts(study: Study, declared: Mapping[str, str], frame: pd.DataFrame) -> Check:
    """Count adoption years among the treated rows that can be in the sample."""
    every = cohorts_at(frame, float("inf"))
    strict, stated = cohorts_at(frame, 0), cohorts_at(frame, 1)
    treated = frame[frame["treated"]].assign(
        cohort=lambda rows: rows["city"].map(lambda city: register.cohorts([city])[city])
    )
    needs = treated.groupby("cohort")["slack"].min()
    table = declared["moments"]
    cells = tuple(i for v in SLACK for i in (_limits(study, table, v) or ()) if i is not None)
    text = (
        f"The policy has the adoption years {', '.join(map(str, every))}. Without slack the sample "
        f"can hold treated rows of {', '.join(map(str, strict))}; with the stated slack of "
        f"{', '.join(map(str, stated))}. "
        + " ".join(
            f"{cohort:.0f} enters from {decimal(Fraction(need), up=True, digits=3)} times the "
            "stated slack."
            for cohort, need in needs.items()
            if need > 0
        )
    )
    title = "more than one adoption year among the treated rows"
    verdict = CONSISTENT if len(strict) > 1 else UNDECIDED if len(stated) > 1 else "impossible"
    says = "two adoption years, and those that can be in the sample"
    branch = Branch("", (Statement(number(2), "at most", number(len(stated)), says),))
    return Check(
        study.paper,
        "official ranges",
        cells,
        verdict,
        text,
        (branch,),
        title,
        strength="convention",
    )
