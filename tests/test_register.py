"""The register of zones and the coding of treatment."""

from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from printproof.errors import RecordError
from study import register
from study.register import Coding

HEBEI = {"Shijiazhuang", "Tangshan", "Baoding", "Langfang"}


def test_twenty_two_zones_each_with_a_city():
    zones = register.load_register()
    assert len(zones.zones) == 22
    assert set(zones.cities["zone"]) == set(zones.zones["zone"])
    assert zones.zones["launch"].min() == pd.Timestamp("2013-09-29")
    assert zones.zones.set_index("zone").loc["Tianjin", "launch"] == pd.Timestamp("2015-04-21")


def test_the_papers_coding():
    found = register.PAPER.cohorts(register.study_cities())
    treated = {city: year for city, year in found.items() if year}
    assert treated == {"Tianjin": 2015, "Beijing": 2020} | dict.fromkeys(HEBEI, 2019)
    assert len(found) == 13


@pytest.mark.parametrize(
    ("coding", "changes"),
    [
        (Coding(baoding_treated=False), {"Baoding": None}),
        (Coding(beijing_from_daxing=True), {"Beijing": 2019}),
        (
            Coding(late_opening="next_year"),
            {"Tianjin": 2016, "Beijing": 2021} | dict.fromkeys(HEBEI, 2020),
        ),
        (Coding(late_opening="half_year"), {"Beijing": 2021} | dict.fromkeys(HEBEI, 2020)),
    ],
)
def test_each_switch_changes_what_it_names(coding, changes):
    base = register.PAPER.cohorts(register.study_cities())
    assert coding.cohorts(register.study_cities()) == base | changes


def test_the_half_year_rule_tells_spring_from_autumn():
    rule = Coding(late_opening="half_year")
    assert rule.first_year(pd.Timestamp("2015-04-21")) == 2015
    assert rule.first_year(pd.Timestamp("2015-06-30")) == 2015
    assert rule.first_year(pd.Timestamp("2015-07-01")) == 2016


def test_treatment_switches_on_and_stays():
    frame = pd.DataFrame(
        [(c, y) for c in ("Tianjin", "Handan") for y in range(2013, 2018)], columns=["city", "year"]
    )
    assert register.PAPER.treatment(frame).tolist() == [0, 0, 1, 1, 1, 0, 0, 0, 0, 0]


codings = st.builds(Coding, baoding_treated=st.booleans(), beijing_from_daxing=st.booleans())


@given(codings, st.permutations(list(register.study_cities())))
def test_later_rules_start_later_whatever_the_other_switches(coding, cities):
    years = [
        replace(coding, late_opening=rule).cohorts(cities)
        for rule in ("opening_year", "half_year", "next_year")
    ]
    assert all(list(found) == cities for found in years)
    for opening, half, following in zip(*(found.values() for found in years), strict=True):
        assert (opening is None) == (half is None) == (following is None)
        if opening is not None:
            assert opening <= half <= following == opening + 1


@given(codings, st.randoms(use_true_random=False))
def test_treatment_is_the_cohort_in_any_order_of_rows(coding, random):
    rows = [(c, y) for c in register.study_cities() for y in range(2013, 2023)]
    random.shuffle(rows)
    first = coding.cohorts(register.study_cities())
    found = coding.treatment(pd.DataFrame(rows, columns=["city", "year"]))
    assert found.tolist() == [int(first[c] is not None and y >= first[c]) for c, y in rows]


def test_a_missing_year_is_not_an_untreated_one():
    frame = pd.DataFrame({"city": ["Tianjin", "Tianjin"], "year": [2015, None]})
    with pytest.raises(RecordError, match="column year: missing value"):
        register.PAPER.treatment(frame)


def test_cities_outside_the_study_are_known_from_the_register():
    assert register.PAPER.cohorts(["Shanghai", "Ningbo"][:1]) == {"Shanghai": 2013}


def test_unknown_city_and_rule():
    with pytest.raises(RecordError, match="did you mean Baoding"):
        register.PAPER.cohorts(["Baodin"])
    with pytest.raises(RecordError, match=r"did you mean Baoding\?"):
        register.PAPER.cohorts(["保定"])
    with pytest.raises(RecordError, match="must be one of"):
        Coding(late_opening="sometime")
    for switch in ("baoding_treated", "beijing_from_daxing"):
        with pytest.raises(RecordError, match=f"{switch} is 'no'"):
            Coding(**{switch: "no"})


ZONES = "zone,batch,launch,areas,area_km2,seen,source\n"
CITIES = "zone,city\nA,X\n"


@pytest.mark.parametrize(
    ("zones", "cities", "message"),
    [
        (ZONES + "A,1,soon,,,page,\n", CITIES, r"zones\.csv, row 2, column launch"),
        (ZONES + "B,1,2015-01-01,,,page,\n", CITIES, r"zone_cities\.csv, row 2, column zone"),
        (ZONES + "A,one,2015-01-01,,,page,\n", CITIES, "row 2, column batch"),
        (ZONES + "A,1,2015-01-01,,big,page,\n", CITIES, "row 2, column area_km2"),
        (ZONES + "A,1,2015-01-01,,-5,page,\n", CITIES, "row 2, column area_km2"),
        (ZONES + "A,1,2015-01-01,,inf,page,\n", CITIES, "row 2, column area_km2"),
        (ZONES + "A,1,2015-01-01,,,heard,\n", CITIES, "row 2, column seen"),
        (ZONES + "\nA,1,soon,,,page,\n", CITIES, "row 3, column launch"),
        (ZONES + "A,1,2015-01-01,,,page\n", CITIES, "row 2: 6 fields, expected 7"),
        (ZONES + "9,A,1,2015-01-01,,,page,\n", CITIES, "row 2: 8 fields, expected 7"),
        (ZONES + "A,1,2015-01-01,,,page,\n", CITIES + "A,X\n", "row 3, column city"),
        (ZONES + "A,1,2015-01-01,,,page,\n", "zone,city\nA,\n", "row 2, column city"),
        (
            ZONES + "A,1,2015-01-01,,,page,\nB,1,2015-01-01,,,page,\n",
            CITIES,
            r"zones\.csv, row 3, column zone: 'B'; expected a zone with a city",
        ),
        (ZONES, CITIES, r"zones\.csv: there are no rows"),
        ("", CITIES, r"zones\.csv: the columns must be"),
        (ZONES + "A,1,2015-01-01,,,page,\n" * 2, CITIES, "row 3, column zone: 'A'; expected each"),
        ("zone,launch\n", CITIES, r"zones\.csv: the columns must be zone, batch"),
        (None, CITIES, r"zones\.csv: cannot be read"),
    ],
)
def test_malformed_register(tmp_path, monkeypatch, zones, cities, message):
    folder = tmp_path / "register"
    folder.mkdir()
    if zones is not None:
        (folder / "zones.csv").write_text(zones, "utf-8")
    (folder / "zone_cities.csv").write_text(cities, "utf-8")
    monkeypatch.setenv("FTZ_DATA", str(tmp_path))
    with pytest.raises(RecordError, match=message):
        register.load_register()


def test_areas_are_whole_names():
    areas = register.load_register().zones.set_index("zone")["areas"]
    assert len(areas["Hebei"].split("; ")) == 4 and len(areas["Tianjin"].split("; ")) == 3
    for names in areas:
        assert names.count("(") == names.count(")")
        assert all(name.count("(") == name.count(")") for name in names.split("; "))
