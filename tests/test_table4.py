"""Candidate commands on panels of the study's shape."""

import numpy as np
import pandas as pd
import pytest

from ftz.errors import EstimationError
from study import table4
from study.figures import table4 as draw


def by_name(part):
    return next(c for c in table4.COMMANDS if part in c.name)


def test_panels_have_the_study_s_shape():
    frame = table4.simulate(np.random.default_rng(0), 13, 3)
    assert len(frame) == 85
    assert frame["FTZ"].sum() == 11
    assert (frame["city"].value_counts() == 10).sum() >= 3
    assert frame["year"].nunique() == 10
    assert len(table4.simulate(np.random.default_rng(0), 20, 0, 130)) == 130


def test_more_cities_than_the_rows_can_hold_are_refused():
    with pytest.raises(EstimationError, match="ask for more rows"):
        table4.simulate(np.random.default_rng(0), cities=60)


def test_one_command_returns_table_4_and_other_commands_do_not():
    frame = table4.one_command()
    assert by_name("xtreg, re").printed_numbers(frame) == (50, 50)
    # Column (1) has a theta of its own, which an independent package returns too.
    coefficients, statistics = by_name("RandomEffects").columns(frame)
    mine = by_name("xtreg, re").columns(frame)
    assert coefficients[0] == pytest.approx(mine[0][0], rel=1e-9, nan_ok=True)
    assert statistics[0] == pytest.approx(mine[1][0], rel=1e-9, nan_ok=True)
    assert np.isnan(statistics[1:]).all()  # and refuses the others
    assert by_name("both, clustered").printed_numbers(frame)[0] < 10


@pytest.mark.parametrize("command", table4.COMMANDS, ids=lambda c: c.name)
def test_every_candidate_runs(command):
    frame = table4.simulate(np.random.default_rng(1))
    coefficients, statistics = command.columns(frame)
    assert coefficients.shape == statistics.shape == (5, 7)
    assert np.isfinite(statistics[0, [0, 1, 6]]).all()


def test_plain_numpy_is_statsmodels():
    frame = table4.simulate(np.random.default_rng(2))
    coefficients, statistics = table4._formulas(frame, cities=False)
    for k, name in enumerate(("OLS, year dummies (stats", "robust", "dummies, clustered")):
        theirs = by_name(name).columns(frame)
        assert coefficients == pytest.approx(theirs[0], rel=1e-8, nan_ok=True)
        assert statistics[k] == pytest.approx(theirs[1], rel=1e-8, nan_ok=True)


def test_the_classical_formula_always_meets_and_the_others_never():
    found = table4.chance(12, seed=3)
    assert (found.filter(like="classical") == 15).all(axis=None)
    assert (found.drop(columns=found.filter(like="classical").columns) < 15).all(axis=None)


def test_three_whole_cities_leave_eleven_one_degree_of_freedom():
    eleven = table4.pattern(6, seed=1, cities=11, whole=3)
    assert eleven["between"] == 1
    assert eleven["all15"] >= eleven["only_first"]
    none = table4.pattern(3, seed=1, cities=11, whole=0)
    assert none["between"] == 0
    assert none["only_first"] < eleven["only_first"]


def test_theta_falls_with_the_cities_and_is_drawn():
    found = table4.by_cities((12, 24), 2, seed=1)
    few, many = (found[found["cities"] == n] for n in (12, 24))
    assert (few["between"] == 0).all() and (few["theta"] == 0).all()
    assert (many["between"] > 0).all()
    assert len(draw.trap(found).axes) == 2
    counts = pd.DataFrame({"(1) to (2)": [0, 3]}, index=[0, 1])
    assert draw.relations_met(counts, pd.Series({"(1) to (2)": 3})).axes


def test_scores_of_another_program(tmp_path):
    rows = []
    frame = table4.simulate(np.random.default_rng(4))
    coefficients, statistics = table4._formulas(frame, cities=False)
    for j in range(5):
        for term in (*table4.TERMS[: j + 2], "const"):
            k = table4.TERMS.index(term)
            rows.append(("lm", 0, j + 1, term, coefficients[j, k], statistics[0, j, k]))
    names = ["command", "panel", "column", "term", "coef", "statistic"]
    long = pd.DataFrame(rows, columns=names)
    refused = long[long["column"] < 2].assign(command="plm")
    found = table4._outside(pd.concat([long, refused]))
    assert found.loc["lm", "all15"] == 1
    assert found.loc["plm", "refused"] == 1
    long.to_csv(tmp_path / "r.csv", index=False)
    assert table4._main(["--score", str(tmp_path / "r.csv"), "--out", str(tmp_path)]) == 0
    assert table4._main(["--panels", "1", "--export", str(tmp_path / "p.csv")]) == 0
    assert len(pd.read_csv(tmp_path / "p.csv")) == 85
    assert pd.read_csv(tmp_path / "outside.csv")["command"].tolist() == ["lm"]


def test_verdicts_follow_from_the_shares():
    found = table4.measured().set_index("command")
    shown = table4.judged(found).set_index("command")["verdict"]
    assert shown["xtreg, re with i.year (Stata)"] == "returns (2) to (5) and departs in (1)"
    assert shown["RandomEffects, year dummies (linearmodels)"].startswith("refuses")
    assert shown["plm, random, swar (R)"].startswith("refuses")
    assert shown["OLS, year dummies (statsmodels)"].endswith("and prints t")
    assert shown["PanelOLS, both, clustered"] == "met on no panel"
    # The full table in R is the one in Python: least squares is least squares.
    assert found.loc["lm, year dummies (R)", "all15"] == 1
