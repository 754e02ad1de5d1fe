"""The thirteen cities: which areas of zones lie in them, and which carry the estimate."""

from __future__ import annotations

import pandas as pd

from printproof import cell, rules
from study import published, register
from study.paths import data_dir

#: What pages say of these functions (see ``bookworks._lineage``).
__lineage__ = {"*": {"files": ["data/register/*.csv"]}}


def areas(city: str) -> pd.DataFrame:
    """Return the named areas of zones that lie in a city.

    Returns
    -------
    pandas.DataFrame
        ``zone``, ``area``, ``launch``; an area across a border stands under both its cities,
        and a zone whose areas the register does not name gives no row.
    """
    known, rows = register.load_register(), []
    for zone, named, launch in known.zones[["zone", "areas", "launch"]].itertuples(index=False):
        alone = known.cities.loc[known.cities["zone"] == zone, "city"].tolist() == [city]
        for part in filter(None, named.split("; ")):
            area, _, place = part.partition(" (in ")
            if city in place or (alone and not place):
                rows.append((zone, area, launch))
    return pd.DataFrame(rows, columns=["zone", "area", "launch"])


def sample() -> pd.DataFrame:
    """Return each city-year with what official figures say of it as a row of Yan, Ye and Wang.

    Returns
    -------
    pandas.DataFrame
        The columns of :func:`printproof.rules.city_years`, and ``admitted``: the row
        needs no slack, and no published urban share of its city is above the printed maximum.
    """
    study = published.study("yan_ye_wang")
    rows = rules.city_years(study)
    shares = pd.read_csv(data_dir() / "official" / "urban_share.csv").groupby("place")["share"]
    printed = cell(study.where("table2", "urba", "max")["value"]).span(study.record).high
    urban = rows["city"].map(shares.min() > float(printed or 1)).eq(True)
    return rows.assign(admitted=(rows["slack"] == 0) & ~urban)


def carriers(rows: pd.DataFrame) -> list[str]:
    """Return the cities with a treated row in the sample, official figures taken as they stand.

    ``rows`` is from :func:`sample`.
    """
    return list(dict.fromkeys(rows.loc[rows["treated"] & (rows["slack"] == 0), "city"]))
