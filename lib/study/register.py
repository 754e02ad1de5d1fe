"""The register of pilot free trade zones and the coding of treatment.

Who is treated from which year is a choice in three places, each a named switch of
:class:`Coding`.  The defaults are the choices of Yan, Ye and Wang.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from printproof.errors import RecordError
from study._rows import one_of, read_rows, refuse

if TYPE_CHECKING:
    from userpanel import UserPanel

#: What pages say of these functions (see ``bookworks._lineage``).
__lineage__ = {
    "with_codings": {"role": "helper"},
    "*": {"files": ["data/register/*.csv"]},
}

LateOpening = Literal["opening_year", "next_year", "half_year"]

#: Hebei's zone holds the Daxing airport area, part of which lies in Beijing.
_DAXING_ZONE = "Hebei"


@dataclass(frozen=True)
class Coding:
    """How zones become a treatment variable.

    Attributes
    ----------
    baoding_treated : bool
        Xiong'an's counties belonged to Baoding.  The paper counts Hebei's zone cities.
    beijing_from_daxing : bool
        The Daxing airport area crosses the border, so that Beijing held zone land
        thirteen months before its own zone opened.  The paper starts Beijing with its
        own zone.
    late_opening : {"opening_year", "next_year", "half_year"}
        A city is treated from the year of the opening (the paper's rule), from the
        year after, or from the year after where the zone opened after 30 June.

    Raises
    ------
    RecordError
        If the rule is none of the three, or a switch is neither true nor false.
    """

    baoding_treated: bool = True
    beijing_from_daxing: bool = False
    late_opening: LateOpening = "opening_year"

    def __post_init__(self) -> None:
        for name in ("baoding_treated", "beijing_from_daxing"):
            if not isinstance(getattr(self, name), bool):  # a text such as "no" would count as yes
                raise RecordError(f"{name} is {getattr(self, name)!r}; it must be True or False")
        rules = get_args(LateOpening)
        if self.late_opening not in rules:
            raise RecordError(
                f"late_opening is {self.late_opening!r}; it must be one of {', '.join(rules)}"
            )

    def first_year(self, launch: pd.Timestamp) -> int:
        """Return the first treated year of a zone that opened on ``launch``."""
        late = self.late_opening == "next_year" or (
            self.late_opening == "half_year" and launch.month > 6
        )
        return launch.year + int(late)

    def cohorts(self, cities: Iterable[str]) -> dict[str, int | None]:
        """Return the first treated year of each city, ``None`` where there is none.

        Parameters
        ----------
        cities : iterable of str
            Cities of the study, or cities that hold zone land anywhere in the register.

        Raises
        ------
        RecordError
            If a city is neither in the study nor in the register, naming near matches.
        """
        register = load_register()
        first: dict[str, int] = {}
        launches = register.launches()
        for city, launch in zip(launches["city"], launches["launch"], strict=True):
            year = self.first_year(launch)
            first[city] = min(year, first.get(city, year))
        if not self.baoding_treated:
            first.pop("Baoding", None)
        if self.beijing_from_daxing:
            launch = register.zones.set_index("zone")["launch"][_DAXING_ZONE]
            first["Beijing"] = min(first["Beijing"], self.first_year(launch))
        known = {*first, *register.cities["city"], *study_cities()}
        english = {chinese: name for name, chinese in study_cities().items()}
        years: dict[str, int | None] = {}
        for city in cities:
            if city not in known:
                near = difflib.get_close_matches(str(city), sorted(known), n=3, cutoff=0.5)
                near = [english[city]] if city in english else near
                hint = f"; did you mean {' or '.join(near)}?" if near else ""
                raise RecordError(f"{city!r} is neither a study city nor a zone city{hint}")
            years[city] = first.get(city)
        return years

    def treatment(
        self, frame: pd.DataFrame, *, unit: str = "city", time: str = "year"
    ) -> pd.Series:
        """Return 0/1 treatment status for each row of a city-year frame.

        Raises
        ------
        RecordError
            As :func:`cohorts`; and if a year is missing, which would count as untreated.
        """
        if frame[time].isna().any():
            raise RecordError(f"column {time}: missing value; whether it is treated is not known")
        start = self.cohorts(frame[unit].unique())
        first = frame[unit].map(start).astype(float)
        return (frame[time] >= first).astype(int).rename("FTZ")


#: The paper's own coding.
PAPER = Coding()


@dataclass(frozen=True)
class _Register:
    """The zones to the end of 2023.

    Attributes
    ----------
    zones : pandas.DataFrame
        One row a zone: ``zone``, ``batch``, ``launch`` (date), ``areas``,
        ``area_km2``, ``seen`` (``page`` or ``general``), ``source``.
    cities : pandas.DataFrame
        One row a zone and city: ``zone``, ``city``.
    """

    zones: pd.DataFrame
    cities: pd.DataFrame

    def launches(self) -> pd.DataFrame:
        """Return one row a zone and city with the launch date."""
        return self.cities.merge(self.zones[["zone", "batch", "launch"]], on="zone")


def load_register() -> _Register:
    """Read the register.

    Raises
    ------
    RecordError
        If a file or column is missing, a row has fields too few or too many, a zone or a
        city of a zone stands twice, a batch, date, size or ``seen`` cannot be read, a city
        belongs to no listed zone, or a zone has no city; file, row and column are named.
    """
    file, areas = "register/zones.csv", "register/zone_cities.csv"
    columns = ("zone", "batch", "launch", "areas", "area_km2", "seen", "source")
    zones = read_rows(file, columns, may_be_empty=("areas", "area_km2", "source"))
    if zones.empty:
        raise RecordError(f"{file}: there are no rows")
    cities = read_rows(areas, ("zone", "city"))
    refuse(file, zones, "zone", zones["zone"].duplicated(), "each zone once")
    launch = pd.to_datetime(zones["launch"], format="%Y-%m-%d", errors="coerce")
    refuse(file, zones, "launch", launch.isna(), "a date as 2019-08-30")
    refuse(file, zones, "batch", ~zones["batch"].str.fullmatch(r"[1-9]\d*"), "a whole number")
    area = pd.to_numeric(zones["area_km2"], errors="coerce")
    sized = (area > 0) & (area < float("inf"))
    refuse(file, zones, "area_km2", ~sized & (zones["area_km2"] != ""), "a size or nothing")
    one_of(file, zones, "seen", ("page", "general"))
    refuse(areas, cities, "zone", ~cities["zone"].isin(zones["zone"]), "a zone of zones.csv")
    refuse(areas, cities, "city", cities.duplicated(), "each city of a zone once")
    without = ~zones["zone"].isin(cities["zone"])
    refuse(file, zones, "zone", without, "a zone with a city in zone_cities.csv")
    typed = zones.assign(launch=launch, batch=zones["batch"].astype(int), area_km2=area)
    return _Register(typed, cities)


def _study() -> pd.DataFrame:
    return read_rows("register/study_cities.csv", ("city", "city_zh", "province"))


def study_cities() -> dict[str, str]:
    """Return the thirteen cities of Yan, Ye and Wang, in their order, with their Chinese names."""
    return dict(_study()[["city", "city_zh"]].itertuples(index=False, name=None))


def with_codings(study: UserPanel) -> UserPanel:
    """Return a study with what the other codings make of its adoption years.

    Half years and the two cities on the border need opening dates, so the study stays as it is
    unless the register knows every unit and gives the study's own adoption years.
    """
    try:
        known = PAPER.cohorts(study.units)
    except RecordError:
        return study
    first = study.frame.groupby(study.unit)[study.cohort].first()
    given, expected = first[study.units].to_numpy(float), np.array([*known.values()], dtype=float)
    if not np.array_equal(given, expected, equal_nan=True):  # None is NaN by now
        return study
    switches = {"half_year": Coding(late_opening="half_year")}
    if "Beijing" in known:
        switches["daxing"] = Coding(beijing_from_daxing=True)
    if "Baoding" in known:
        switches["baoding_untreated"] = Coding(baoding_treated=False)
    codings = {name: coding.cohorts(study.units) for name, coding in switches.items()}
    return replace(
        study,
        codings={
            name: {u: float("nan") if s is None else float(s) for u, s in years.items()}
            for name, years in codings.items()
        },
    )
