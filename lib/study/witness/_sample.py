"""Which city-years make up the witness, and between which bounds its cells lie.

The matched sample's printed ranges, held against official statistics, leave no room
for Beijing, for Tianjin or for Tangshan after 2016 (:func:`admitted`), so the 85 rows are
cities of Hebei and the 11 treated ones come from Shijiazhuang, Langfang and Baoding
in 2019-2022.  Which 85 of the 104 remaining rows they are is not printed: the choice
in :data:`LEFT_OUT` is ours, the early years of the region's least open cities and one
treated row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from study import cities, official, register
from study.paths import data_dir

YEARS = tuple(range(2013, 2023))
#: Controls whose official ranges are known.
OFFICIAL = ("fe", "pgdp", "lnstru")
#: Slack around official figures; a share of the largest figure for ``fe`` and
#: ``pgdp``, an absolute amount for ``lnstru``, which crosses zero; the audit's.
SLACK = {variable: float(slack) for variable, slack in official.SLACK.items()}
#: Rows left out although official ranges would admit them; our choice, not printed.
LEFT_OUT = (
    {("Langfang", 2022)}
    | {("Hengshui", year) for year in range(2013, 2020)}
    | {("Chengde", year) for year in range(2013, 2019)}
    | {("Zhangjiakou", year) for year in range(2013, 2018)}
)
Row = tuple[str, int]
#: The treated row that marks the lower end of the support and the control that
#: marks the upper end.
LOWEST_TREATED: Row = ("Baoding", 2019)
HIGHEST_CONTROL: Row = ("Langfang", 2018)
#: Extremes of Table 2 and the rows that official statistics make their natural place.
EXTREMES = {
    "fe": (("Baoding", 2013), ("Langfang", 2021)),
    "pgdp": (("Xingtai", 2013), ("Tangshan", 2016)),
    "lnstru": (("Baoding", 2013), ("Shijiazhuang", 2022)),
}
#: Bounds of the covariates of off-support rows where no official range is known.
OFF_SUPPORT_BOUNDS = {
    "fe": (0.3, 1.3),
    "pgdp": (2.0, 20.0),
    "lnstru": (-0.7, 1.8),
    "fdi": (-4.0, 5.0),
    "urba": (0.40, 0.90),
}


@dataclass(frozen=True)
class Sample:
    """The 130 rows of the witness, in the order of the file.

    Attributes
    ----------
    rows : pandas.DataFrame
        ``city``, ``year``, ``FTZ`` (0/1) and ``matched`` (0/1).
    lowest_treated, highest_control : tuple
        The rows that mark the two ends of the common support.
    """

    rows: pd.DataFrame
    lowest_treated: Row = LOWEST_TREATED
    highest_control: Row = HIGHEST_CONTROL

    @property
    def extremes(self) -> dict[str, tuple[Row, Row]]:
        """The rows that hold the printed minimum and maximum of a control."""
        return EXTREMES | {"fdi": (self.lowest_treated, self.highest_control)}

    @cached_property  # asked for in every step of a search
    def on(self) -> pd.DataFrame:
        """The matched rows, renumbered."""
        return self.rows[self.rows["matched"] == 1].reset_index(drop=True)

    @cached_property
    def off(self) -> pd.DataFrame:
        """The other rows, renumbered."""
        return self.rows[self.rows["matched"] == 0].reset_index(drop=True)

    @classmethod
    def printed(cls) -> Sample:
        """Return the study's rows with the paper's treatment coding and our sample."""
        frame = pd.DataFrame(
            [(city, year) for city in register.study_cities() for year in YEARS],
            columns=["city", "year"],
        )
        frame["FTZ"] = np.asarray(register.PAPER.treatment(frame), dtype=int)
        frame["matched"] = [
            int(row in admitted() and row not in LEFT_OUT)
            for row in zip(frame["city"], frame["year"], strict=True)
        ]
        return cls(frame)


@cache
def admitted() -> frozenset[Row]:
    """Return the city-years that the printed ranges admit: see :func:`study.cities.sample`."""
    rows = cities.sample()
    rows = rows[rows["admitted"]]
    return frozenset(zip(rows["city"], rows["year"].astype(int), strict=True))


_MATCHED, _TREATED_MATCHED = 85, 11


def heaviest(base: Sample, rows: pd.DataFrame, weight: NDArray[np.float64]) -> Sample:
    """Return the sample of the heaviest of some rows: eleven treated, seventy-four others."""
    order = rows.iloc[np.argsort(-weight)]
    treated = order["FTZ"] == 1
    others = order[~treated].index[: _MATCHED - _TREATED_MATCHED]
    kept = base.rows.index.isin([*order[treated].index[:_TREATED_MATCHED], *others])
    return replace(base, rows=base.rows.assign(matched=kept.astype(int)))


def random_sample(rng: np.random.Generator) -> Sample:
    """Draw another sample that the printed ranges admit, and other ends of the support.

    Eleven treated rows and seventy-four controls are drawn from :func:`admitted`; which
    control is the most like a zone city, and which treated row the least, is drawn too.
    """
    base = Sample.printed()
    held = {row for ends in EXTREMES.values() for row in ends}
    place = list(zip(base.rows["city"], base.rows["year"], strict=True))
    weight = rng.random(len(place)) + [9.0 * (row in held) for row in place]
    inside = np.array([row in admitted() for row in place])
    plan = heaviest(base, base.rows[inside], weight[inside])
    chosen = plan.rows.assign(weight=weight)[plan.rows["matched"] == 1]
    chosen = chosen.sort_values("weight", ascending=False)
    treated = chosen["FTZ"] == 1
    open_cities = ["Langfang", "Shijiazhuang", "Qinhuangdao", "Cangzhou", "Baoding"]
    ends = (treated, ~treated & chosen["city"].isin(open_cities))
    lowest, highest = (
        _draw(list(chosen.loc[some, ["city", "year"]].itertuples(index=False, name=None)), rng)
        for some in ends
    )
    return Sample(plan.rows, lowest, highest)


def _draw(rows: list[Row], rng: np.random.Generator) -> Row:
    return rows[int(rng.integers(len(rows)))]


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
        slack = np.full(len(rows), SLACK["lnstru"])
    else:
        slack = SLACK[variable] * np.maximum(np.abs(low), np.abs(high))
    return low - slack_share * slack, high + slack_share * slack
