"""Which city-years can be in a sample whose minima and maxima are printed.

Official figures are bounds with slack, not truth: first-published and revised figures
differ, and so do resident and registered populations.  Each check says how far the
figures would have to be wrong before its conclusion fell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from printproof._constraint import CONSISTENT, UNDECIDED, Case, Check, Constraint
from printproof._exact import cell, decimal, number
from printproof._study import Study
from printproof.errors import RecordError
from printproof.rules._moments import whole_ends

if TYPE_CHECKING:
    import pandas as pd


def _limits(study: Study, table: str, variable: str) -> tuple[str, str] | None:
    ends = [study.where(table, variable, end).get("value") for end in ("min", "max")]
    return (ends[0], ends[1]) if ends[0] and ends[1] else None


def _constraints(
    study: Study, table: str, city: str, year: int, slack: Fraction
) -> tuple[Constraint, ...]:
    constraints = []
    for r in study.official.ranges[city, year]:
        limits = _limits(study, table, r.variable)
        if limits is None:
            continue
        low, high = r.widened(slack)
        name = f"{r.variable} of {city} in {year}, with slack"
        constraints.append(
            Constraint(number(low), "at most", cell(limits[1]), f"{name}, under the maximum")
        )
        constraints.append(
            Constraint(cell(limits[0]), "at most", number(high), f"{name}, over the minimum")
        )
    return tuple(constraints)


def least_slack(study: Study, table: str, city: str, year: int) -> Fraction:
    """Return the smallest multiple of the stated slack that admits a city-year."""
    needed = [Fraction(0)]
    for r in study.official.ranges[city, year]:
        limits = _limits(study, table, r.variable)
        if limits is None:
            continue
        low, high = cell(limits[0]).span(study.record).low, cell(limits[1]).span(study.record).high
        if low is None or high is None:
            raise RecordError(f"{table}: the printed extremes of {r.variable} have no end")
        scale = (Fraction(1), Fraction(1)) if r.absolute else (r.low, r.high)
        needed.append((r.low - high) / (scale[0] * r.slack))
        needed.append((low - r.high) / (scale[1] * r.slack))
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
            for city in study.official.starts
            for year in range(int(first or 0), int(last or 0) + 1)
        ],
        columns=["city", "year"],
    )
    start = frame["city"].map(study.official.starts).astype(float)
    frame["treated"] = frame["year"] >= start  # never is NaN
    frame["slack"] = [
        float(least_slack(study, declared["moments"], c, y))
        for c, y in zip(frame["city"], frame["year"], strict=True)
    ]
    return frame


def _cohorts_at(frame: pd.DataFrame, slack: float) -> list[int]:
    """Return the adoption years of treated rows that a multiple of the slack admits."""
    treated = _cohort(frame)
    return sorted({int(year) for year in treated.loc[treated["slack"] <= slack, "cohort"]})


def _cohort(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the treated rows with the year of their city's adoption."""
    treated = frame[frame["treated"]]
    return treated.assign(cohort=treated.groupby("city")["year"].transform("min"))


def rows(study: Study) -> Iterator[Check]:
    """Decide for each city whether it can be in the sample, and what that leaves."""
    declared = study.get("official")
    if not declared or not study.official.starts:
        return
    frame = city_years(study)
    for city in study.official.starts:
        yield _city(study, declared["moments"], city, frame)
    yield _enough(study, declared, frame)
    yield _treated(study, declared, frame)
    yield _cohorts(study, declared, frame)


def _city(study: Study, table: str, city: str, frame: pd.DataFrame) -> Check:
    years = frame.loc[frame["city"] == city, "year"]
    cases = [
        Case(f"{city} in {year}", _constraints(study, table, city, year, Fraction(1)))
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
    return study.decide("official ranges", title, cases, strength="convention", remark=remark)


def _sample(study: Study, declared: Mapping[str, str]) -> str:
    return study.id(declared["n"])


def _enough(study: Study, declared: Mapping[str, str], frame: pd.DataFrame) -> Check:
    fits = int((frame["slack"] <= 1).sum())
    wanted = Constraint(
        cell(_sample(study, declared)),
        "at most",
        number(fits),
        "rows of the sample, and city-years that official figures admit",
    )
    title = "enough city-years for the sample"
    return study.decide("official ranges", title, [Case("", (wanted,))])


def _treated(study: Study, declared: Mapping[str, str], frame: pd.DataFrame) -> Check:
    part = frame[frame["treated"] & (frame["slack"] <= 1)]
    strict = frame[frame["treated"] & (frame["slack"] == 0)]
    n, mean = cell(_sample(study, declared)), cell(study.id(declared["treated_mean"]))
    wanted = Constraint(
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
    return study.decide("official ranges", title, [Case("", (wanted,))], remark=remark)


def _cohorts(study: Study, declared: Mapping[str, str], frame: pd.DataFrame) -> Check:
    """Count adoption years among the treated rows that can be in the sample."""
    every = _cohorts_at(frame, float("inf"))
    strict, stated = _cohorts_at(frame, 0), _cohorts_at(frame, 1)
    needs = _cohort(frame).groupby("cohort")["slack"].min()
    table = declared["moments"]
    cells = tuple(
        i
        for v in study.official.variables
        for i in (_limits(study, table, v) or ())
        if i is not None
    )
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
    case = Case("", (Constraint(number(2), "at most", number(len(stated)), says),))
    return Check(
        study.paper,
        "official ranges",
        cells,
        verdict,
        text,
        (case,),
        title,
        strength="convention",
    )
