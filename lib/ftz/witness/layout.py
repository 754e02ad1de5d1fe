"""Which city-years make up the witness, and between which bounds its cells lie.

The matched sample's printed ranges, held against official statistics, leave no room
for Beijing, for Tianjin after 2013 or for Tangshan after 2016, so the 85 rows are
cities of Hebei and the 11 treated ones come from Shijiazhuang, Langfang and Baoding
in 2019-2022.  Which 85 of the 104 remaining rows they are is not printed: the choice
in :data:`LEFT_OUT` is ours, the early years of the region's least open cities and one
treated row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ftz import register
from ftz.paths import data_dir

YEARS = tuple(range(2013, 2023))
#: Controls whose official ranges are known.
OFFICIAL = ("fe", "pgdp", "lnstru")
#: Slack around official figures: a share of the largest figure for ``fe`` and
#: ``pgdp``, an absolute amount for ``lnstru``, which crosses zero.
SLACK = {"fe": 0.06, "pgdp": 0.06}
SLACK_LNSTRU = 0.05
#: Cities whose covariates can lie on the printed support, with the last year that can.
_LAST_YEAR = {"Beijing": 2012, "Tianjin": 2012, "Tangshan": 2016}
#: Rows left out although official ranges would admit them: our choice, not printed.
LEFT_OUT = (
    {("Langfang", 2022)}
    | {("Hengshui", year) for year in range(2013, 2020)}
    | {("Chengde", year) for year in range(2013, 2019)}
    | {("Zhangjiakou", year) for year in range(2013, 2018)}
)
#: The treated row that marks the lower end of the support and the control that
#: marks the upper end.
LOWEST_TREATED = ("Baoding", 2019)
HIGHEST_CONTROL = ("Langfang", 2018)
#: Bounds of the covariates of off-support rows where no official range is known.
OFF_SUPPORT_BOUNDS = {
    "fe": (0.3, 1.3),
    "pgdp": (2.0, 20.0),
    "lnstru": (-0.7, 1.8),
    "fdi": (-4.0, 5.0),
    "urba": (0.40, 0.90),
}


@dataclass(frozen=True)
class Layout:
    """The 130 rows of the witness, in the order of the file.

    Attributes
    ----------
    rows : pandas.DataFrame
        ``city``, ``year``, ``FTZ`` (0/1) and ``matched`` (0/1).
    """

    rows: pd.DataFrame

    @property
    def on(self) -> pd.DataFrame:
        """The matched rows, renumbered."""
        return self.rows[self.rows["matched"] == 1].reset_index(drop=True)

    @property
    def off(self) -> pd.DataFrame:
        """The other rows, renumbered."""
        return self.rows[self.rows["matched"] == 0].reset_index(drop=True)


def layout() -> Layout:
    """Return the study's rows with the paper's treatment coding and our sample."""
    frame = pd.DataFrame(
        [(city, year) for city in register.study_cities() for year in YEARS],
        columns=["city", "year"],
    )
    frame["FTZ"] = np.asarray(register.treatment(frame), dtype=int)
    frame["matched"] = [
        int(year <= _LAST_YEAR.get(city, YEARS[-1]) and (city, year) not in LEFT_OUT)
        for city, year in zip(frame["city"], frame["year"], strict=True)
    ]
    return Layout(frame)


def position(rows: pd.DataFrame, city: str, year: int) -> int:
    """Return the position of a city-year."""
    return int(np.flatnonzero((rows["city"] == city) & (rows["year"] == year))[0])


def official_bounds(
    rows: pd.DataFrame, variable: str, slack_share: float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the official range of a control for each row, widened by the slack."""
    ranges = pd.read_csv(data_dir() / "official" / "ranges.csv")
    ranges = ranges[ranges["variable"] == variable].set_index("city")
    low = ranges["low"].reindex(rows["city"]).to_numpy(float)
    high = ranges["high"].reindex(rows["city"]).to_numpy(float)
    if variable == "pgdp":
        yearly = pd.read_csv(data_dir() / "official" / "pgdp_by_year.csv")
        known = yearly.set_index(["city", "year"])["pgdp"]
        exact = known.reindex(pd.MultiIndex.from_frame(rows[["city", "year"]])).to_numpy(float)
        low, high = np.where(np.isnan(exact), low, exact), np.where(np.isnan(exact), high, exact)
    if variable == "lnstru":
        slack = np.full(len(rows), SLACK_LNSTRU)
    else:
        slack = SLACK[variable] * np.maximum(np.abs(low), np.abs(high))
    return low - slack_share * slack, high + slack_share * slack
