"""Estimates of other studies: what may be compared, and what the print leaves open."""

import re
import shutil
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftz.errors import EstimationError
from printproof.errors import RecordError
from printproof.printed import Interval, rounding_interval
from study import other_studies
from study.figures import other_studies as figures
from study.paths import data_dir

BIBLIOGRAPHY = Path(__file__).parents[1] / "book" / "references.bib"


@pytest.fixture(scope="module")
def estimates():
    return other_studies.load()


def test_numbers_are_those_of_the_list_of_facts(estimates):
    """The estimates that the project was given, as strings (facts/other_studies.csv)."""
    given = {e.outcome: (e.estimate, e.se, e.low, e.high) for e in estimates}
    assert given["urban air pollutants: own city, neighbours allowed for"] == ("", "", "-17", "-12")
    assert given["urban air pollutants: neighbours left out"] == ("-7", "", "", "")
    assert given["urban PM2.5"] == ("-2.9", "", "", "")
    assert given["Shanghai GDP per capita growth 2014"] == ("", "", "1.2", "1.8")
    assert given["coordinated development index: total effect"] == ("0.031", "0.014", "", "")
    assert len(given) == len(estimates) == 14


def test_every_estimate_is_compared_once_or_said_to_stand_alone(estimates):
    grouped = [e for group in other_studies.comparable(estimates) for e in group.estimates]
    apart = other_studies.alone(estimates)["estimate"].tolist()
    assert sorted(e.label for e in grouped + apart) == sorted(e.label for e in estimates)
    assert all(e.caveat and e.source for e in estimates)


def test_every_study_is_named_as_in_a_text(estimates):
    """Authors and year in brackets, and no identifier of a row; and each has an entry."""
    entries = set(re.findall(r"^@\w+\{([^,]+),", BIBLIOGRAPHY.read_text("utf-8"), re.M))
    assert {e.study for e in estimates} <= entries
    assert all(e.authors.endswith(f"({e.study[-4:]})") for e in estimates)
    assert all("et al." not in e.label and e.study not in e.label for e in estimates)


def test_a_group_has_one_kind_and_one_unit(estimates):
    groups = other_studies.comparable(estimates)
    assert groups
    for group in groups:
        assert len(group.estimates) > 1
        assert {e.kind for e in group.estimates} == {group.kind}
        assert {e.unit for e in group.estimates} <= {group.unit, "log points"}
        for interval, sure in zip(group.intervals, group.confidence, strict=True):
            assert sure is None or (sure.low < interval.low and interval.high < sure.high)


@settings(max_examples=60, deadline=None)
@given(low=st.floats(-3, 3), width=st.floats(0, 2))
def test_percentages_hold_what_numpy_computes(low, width):
    logs = Interval(Decimal(repr(low)), Decimal(repr(low + width)))
    percent = other_studies.percent_of_log_points(logs)
    for b in (low, low + width / 2, low + width):
        slack = 1e-12 * (1 + 100 * np.exp(b))
        assert float(percent.low) - slack <= 100 * np.expm1(b) <= float(percent.high) + slack


def test_small_changes_in_logs_are_percentages():
    assert other_studies.percent_of_log_points(rounding_interval("0")).contains(0)
    percent = other_studies.percent_of_log_points(rounding_interval("0.0100"))
    assert percent.contains(1.005)


def test_units_change_only_with_what_the_study_gives(estimates):
    index = next(e for e in estimates if e.unit == "index points")
    with pytest.raises(EstimationError, match="index points cannot become percent"):
        index.in_unit("percent")
    sign = next(e for e in estimates if e.unit == "sign")
    with pytest.raises(EstimationError, match="no number"):
        sign.in_unit("percent")
    assert index.in_unit("index points") == index.interval


def test_implied_correlation_finds_the_one_that_was_put_in(estimates):
    one, two, total = (e for e in estimates if e.kind == "coordination")
    rho = other_studies.implied_correlation(one, two, total)
    errors = [float(e.se) for e in (one, two, total)]
    middle = (errors[2] ** 2 - errors[0] ** 2 - errors[1] ** 2) / (2 * errors[0] * errors[1])
    assert rho.contains(middle)
    assert rho.low >= -1
    assert rho.high <= 1
    bare = next(e for e in estimates if not e.se)
    with pytest.raises(EstimationError, match="need a standard error"):
        other_studies.implied_correlation(one, two, bare)


def exactly(*numbers):
    return [Interval(Decimal(str(n)), Decimal(str(n))) for n in numbers]


def test_caliper_counts_either_side():
    found = other_studies.caliper(exactly(2.0, -2.1, 1.9, 3.0, 0.1), 0.1)
    assert (found.above, found.below, found.known) == ((2, 2), (1, 1), 5)
    assert found.smallest_p == 0.5**5


def test_caliper_keeps_open_what_rounding_keeps_open():
    found = other_studies.caliper([rounding_interval("2.0"), rounding_interval("1.96")], 0.1)
    assert found.above == (0, 2)
    assert found.below == (0, 2)


@pytest.mark.parametrize(("level", "n"), [(0.05, 5), (0.01, 7), (0.5, 1), (0.125, 3)])
def test_fewest_statistics_for_a_caliper(level, n):
    assert other_studies.fewest_for(level) == n
    assert 0.5**n <= level < 0.5 ** (n - 1)


@pytest.mark.parametrize("wrong", [0, 1, -0.1, 2])
def test_shares_are_shares(wrong):
    with pytest.raises(EstimationError):
        other_studies.caliper(exactly(2), wrong)
    with pytest.raises(EstimationError):
        other_studies.fewest_for(wrong)


def test_panels_draw_an_interval_only_where_an_error_is_given(estimates):
    groups = other_studies.comparable(estimates)
    drawn = figures.interval_panels(groups)
    assert len(drawn.axes) == len(groups)
    for axes, group in zip(drawn.axes, groups, strict=True):
        hollow = [line for line in axes.lines if line.get_markerfacecolor() == "white"]
        missing = [e for e in group.estimates if not e.se and not e.low]
        assert len(hollow) == len(missing)
        assert [t.get_text().replace("\n", " ") for t in axes.get_yticklabels()] == [
            e.label for e in group.estimates
        ]


def test_the_published_exceed_the_truth_in_the_picture():
    run = np.random.default_rng(0).normal(1, 1, 5000)
    drawn = figures.selection_histogram(run, run[run > 2], 1.0)
    truth, mean = (line.get_xdata()[0] for line in drawn.axes[0].lines)
    assert mean > 2 > truth


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",output growth,", ",growth,", "row 2, column kind: 'growth'"),
        (",percent,", ",per cent,", "column unit"),
        ("difference-in-differences,DID", "DID,DID", "row 5, column family"),
        ("2.69", "2,69", "row 2: 16 fields, expected 15"),
        ("2.69", "2.69?", "row 2, column estimate"),
        (",1.2,1.8,", ",1.2,,", "row 4, column high: ''; expected both ends"),
        (",,1.2,1.8,", ",2,1.2,1.8,", "row 4, column se: '2'; expected nothing without"),
        ("2.69,,,,", "2.69,,1.2,1.8,", "row 2, column low: '1.2'; expected nothing beside"),
        ("0.004", "0.000", "row 6, column se"),
        ("study,place", "study,region", "the columns must be study, place"),
    ],
)
def test_malformed_list(tmp_path, monkeypatch, old, new, message):
    shutil.copytree(data_dir(), tmp_path / "data")
    path = tmp_path / "data" / "other_studies.csv"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    monkeypatch.setenv("FTZ_DATA", str(tmp_path / "data"))
    with pytest.raises(RecordError, match=message):
        other_studies.load()
