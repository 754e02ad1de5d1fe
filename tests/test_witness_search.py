"""The search: gradients, sharp ends against closed forms, another paper, anchors, readings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import printproof
from ftz import did
from ftz.errors import EstimationError, PanelError
from helpers import numerical
from printproof.errors import RecordError, SearchError
from printproof.witness import (
    Coefficient,
    Correlation,
    Design,
    Model,
    Problem,
    RSquared,
    Target,
    Variable,
    coverage,
    declared,
)
from printproof.witness import _workers as workers
from printproof.witness._moments import ERRORS
from study import replication
from study.paths import data_dir
from study.witness import _conventions, _estimands, _fixed_covariates, _problem, example
from study.witness import _ranges as ranges
from study.witness.__main__ import main
from study.witness._sample import Sample

FOLDER = data_dir() / "witness"


@pytest.fixture(scope="module")
def small():
    """A small panel as values, with its design."""
    rng = np.random.default_rng(4)
    sample = declared.PanelIndex.balanced(5, 4)
    values = {"one": np.ones(20), "x": rng.standard_normal(20), "d": rng.random(20)}
    values["y"] = values["x"] + values["d"] + rng.standard_normal(20)
    return sample, values


# --- gradients and known values ------------------------------------------------------------------


@pytest.mark.parametrize("errors", ERRORS)
@pytest.mark.parametrize("transformed", [False, True])
def test_gradients_of_standard_errors(small, errors, transformed):
    sample, values = small
    design = sample.design
    if transformed:
        design = _conventions.random_effects(sample.units, sample.periods, 2.0)
    x = np.column_stack([values["one"], values["x"], values["d"]])
    fit = design.regress(values["y"], x, errors)
    by_y = numerical(lambda v: design.regress(v, x, errors).error[1], values["y"])
    by_x = numerical(lambda v: design.regress(values["y"], v, errors).error[1], x)
    np.testing.assert_allclose(fit.error_by_outcome[1], by_y, atol=2e-8)
    np.testing.assert_allclose(fit.error_by_regressors[1], by_x, atol=2e-8)


def test_standard_errors_are_those_of_the_book(small):
    sample, values = small
    frame = pd.DataFrame({"city": sample.units, "year": sample.periods, **values})
    x = np.column_stack([values["one"], values["d"], values["x"]])
    ours = sample.design.regress(values["y"], x).error[1]
    theirs = did.twfe(frame, "y", "d", ["x"]).std_errors["d"]
    assert ours == pytest.approx(theirs, rel=1e-10)


def test_other_errors_are_those_of_statsmodels(small):
    import statsmodels.api as sm

    sample, values = small
    units, periods = np.eye(5)[sample.units][:, 1:], np.eye(4)[sample.periods][:, 1:]
    x = np.column_stack([values["one"], values["d"], values["x"], units, periods])
    short = x[:, :3]
    for ours, theirs in (("classical", "nonrobust"), ("robust", "HC1"), ("jackknife", "HC3")):
        wanted = sm.OLS(values["y"], x).fit(cov_type=theirs).bse[1:3]
        found = sample.design.regress(values["y"], short, ours).error[1:3]
        np.testing.assert_allclose(found, wanted, rtol=1e-9)


@pytest.mark.parametrize("kind", ["se", "statistic", "coef", "r2", "correlation", "subset"])
def test_gradients_of_quantities(small, kind):
    sample, values = small
    model = Model("m", "y", ("one", "x", "d"), sample.design)
    keep = np.flatnonzero(sample.units != 2)
    part = declared._design(sample.units[keep], sample.periods[keep], sample.effects)
    quantity = {
        "r2": RSquared("q", model),
        "correlation": Correlation("q", "x", "y"),
        "subset": Coefficient("q", replace(model, design=part, rows=keep), "x"),
    }.get(kind) or Coefficient("q", model, "x", kind)
    _, gradient = quantity.evaluate(values)
    for name in ("x", "y", "d"):
        if name not in gradient:
            continue
        wanted = numerical(lambda v, n=name: quantity.evaluate(values | {n: v})[0], values[name])
        np.testing.assert_allclose(gradient[name], wanted, atol=5e-7)


def test_r2_is_that_of_dummies(small):
    import statsmodels.api as sm

    sample, values = small
    model = Model("m", "y", ("one", "x", "d"), sample.design)
    effects = np.column_stack(
        [np.ones(20), np.eye(5)[sample.units][:, 1:], np.eye(4)[sample.periods][:, 1:]]
    )
    full = np.column_stack([effects, values["x"], values["d"]])
    short, long = (sm.OLS(values["y"], m).fit().ssr for m in (effects, full))
    assert RSquared("q", model).evaluate(values)[0] == pytest.approx(1 - long / short)


# --- sharp ends against closed forms -------------------------------------------------------------


def test_the_largest_value_under_a_mean_and_a_spread_is_samuelsons():
    """With mean and sd printed, no value exceeds mean + sd (n-1)/sqrt(n)."""
    n, mean, sd, half = 12, 2.0, 1.0, 5e-4
    box = Variable("x", np.full(n, -20.0), np.full(n, 20.0))
    first = Variable.given("first", np.eye(n)[0])
    targets = (Target("m", "mean", "x", "", mean, half), Target("s", "sd", "x", "", sd, half))
    problem = Problem((box, first, Variable.given("one", np.ones(n))), (), targets)
    # the slope on a dummy of the first row, over a constant: x_1 less the mean of the others
    model = Model("q", "x", ("one", "first"), declared._design(np.arange(n), np.zeros(n), ()))
    quantity = Coefficient("x1 less the others", model, "first")
    starts = [problem.find(np.random.default_rng(i)) for i in range(3)]
    found = problem.ranges([quantity], starts, max_iterations=400)[0]
    reach = (sd + half) * (n - 1) / np.sqrt(n) * n / (n - 1)
    assert found.high == pytest.approx(reach, rel=5e-3)
    assert found.low == pytest.approx(-reach, rel=5e-3)
    assert found.high <= reach * (1 + 1e-9)


def test_a_printed_statistic_and_coefficient_force_the_error(small):
    """An error that follows from two printed numbers is forced up to their rounding."""
    sample, values = small
    frame = pd.DataFrame(values)
    tables = declared.print_tables(
        frame, replace(sample, errors="classical"), {"(1)": ("y", ["x"])}
    )
    paper, problem = declared.forget("p", tables)
    model = problem.models[0]
    found = [problem.find(np.random.default_rng(i)) for i in range(3)]
    got = problem.ranges([Coefficient("se", model, "x", "se")], found)[0]
    b, z = (
        paper.record.get(paper.where("table2", "x", "(1)")[s]).interval
        for s in ("coef", "statistic")
    )
    ratio = b / z
    assert float(ratio.low) - 1e-9 <= got.low <= got.high <= float(ratio.high) + 1e-9


def test_every_end_is_attained_by_a_panel_that_meets_the_print(small):
    sample, values = small
    tables = declared.print_tables(pd.DataFrame(values), sample, {"(1)": ("y", ["x"])})
    _, problem = declared.forget("p", tables)
    start = problem.find(np.random.default_rng(0))
    value, reached = problem.bound(Correlation("r", "x", "y"), start, 1)
    assert reached.feasible
    assert value == pytest.approx(np.corrcoef(reached.values["x"], reached.values["y"])[0, 1])
    for name in ("x", "y"):
        assert reached.values[name].mean() == pytest.approx(values[name].mean(), abs=1.01e-3)
        assert reached.values[name].std(ddof=1) == pytest.approx(
            values[name].std(ddof=1), abs=1.01e-3
        )


# --- the study ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped():
    return pd.read_csv(FOLDER / "panel.csv")


def test_the_shipped_witness_meets_the_problem(shipped):
    problem = _problem.problem()
    found = problem.find(np.random.default_rng(0), start=_problem.values(shipped))
    assert found.feasible and found.steps == 0
    assert len(problem.targets) == 12 + 50


def test_smooth_quantities_agree_with_those_of_the_panel(shipped):
    problem, rows = _problem.problem(), Sample.printed().on
    values = _problem.values(shipped)
    smooth = _estimands.smooth(problem, rows["city"].to_numpy(), rows["year"].to_numpy())
    panel = _estimands.of_panel(shipped)
    for quantity in smooth:
        found = quantity.evaluate(values)[0]
        if quantity.name in panel:
            assert found == pytest.approx(panel[quantity.name], rel=1e-7, abs=1e-9)
    assert {q.name for q in smooth} & set(panel) > {"fit: column (5)", "other errors: HC1"}


@pytest.mark.slow
def test_a_range_of_the_file_is_reproduced():
    stored = pd.read_csv(FOLDER / "ranges.csv").set_index("quantity")
    found = ranges.run(workers=1, progress=False, only=[41]).set_index("quantity")
    for name, row in found.iterrows():
        assert row["low"] == pytest.approx(stored.loc[name, "low"], rel=0.02, abs=0.02)
        assert row["high"] == pytest.approx(stored.loc[name, "high"], rel=0.02, abs=0.02)


def test_a_hurried_search_finds_less_than_the_file_and_holds_the_witness(shipped, tmp_path):
    stored = pd.read_csv(FOLDER / "ranges.csv").set_index("quantity")
    path = tmp_path / "ranges.csv"
    found = ranges.run(path, only=[40, 41], n_starts=1, steps=3, workers=1, progress=False)
    assert pd.read_csv(path)["quantity"].tolist() == found["quantity"].tolist()
    panel = _estimands.of_panel(shipped)
    for row in found.itertuples():
        width = stored.loc[row.quantity, "high"] - stored.loc[row.quantity, "low"]
        assert row.low <= panel[row.quantity] + 1e-6 and panel[row.quantity] - 1e-6 <= row.high
        assert row.low >= stored.loc[row.quantity, "low"] - 0.01 * width
        assert row.high <= stored.loc[row.quantity, "high"] + 0.01 * width


def test_ranges_hold_the_shipped_witness(shipped):
    stored = pd.read_csv(FOLDER / "ranges.csv").set_index("quantity")
    panel = _estimands.of_panel(shipped)
    shared = [n for n in stored.index if n in panel]
    assert len(shared) > 30
    for name in shared:
        assert stored.loc[name, "low"] <= panel[name] + 1e-6
        assert stored.loc[name, "high"] >= panel[name] - 1e-6


# --- readings ------------------------------------------------------------------------------------


def test_readings_on_file_are_those_of_the_code():
    stored = pd.read_csv(FOLDER / "readings.csv")
    assert list(stored["reading"]) == [r.name for r in _conventions.conventions()]
    for row in stored.itertuples():
        wanted = (
            "possible"
            if row.met
            else "impossible"
            if _conventions.excluded(row.reading)
            else "undecided"
        )
        assert row.verdict == wanted
    assert stored.set_index("reading").loc["clustered, n/(n-k)", "met"]


def test_what_is_excluded_by_proof_is_never_found():
    stored = pd.read_csv(FOLDER / "readings.csv")
    for row in stored.itertuples():
        if _conventions.excluded(row.reading):
            assert not row.met


def test_a_hurried_search_meets_no_reading_that_the_file_does_not(tmp_path):
    stored = pd.read_csv(FOLDER / "readings.csv").set_index("reading")
    path = tmp_path / "readings.csv"
    found = _conventions.run(path, starts=1, steps=5, workers=1, progress=False)
    assert pd.read_csv(path)["reading"].tolist() == list(stored.index)
    for row in found.itertuples():
        if row.met:  # only clustered errors, for which the start is the shipped witness
            assert stored.loc[row.reading, "met"]
        assert (row.verdict == "impossible") == (stored.loc[row.reading, "verdict"] == "impossible")
    assert found["met"].any()


def test_a_robust_reading_is_met():
    (robust,) = [r for r in _conventions.conventions() if r.name == "HC1"]
    found = _conventions.search(robust, starts=3)
    assert found.met and found.worst <= 1


def test_the_transformation_of_random_effects_is_the_known_one():
    """With a balanced panel theta is one less the root of 1/(1 + T ratio)."""
    sample = declared.PanelIndex.balanced(3, 4)
    transform = _conventions.random_effects(sample.units, sample.periods, 2.0).transform
    theta = 1 - 1 / 3
    assert transform[0, 0] == pytest.approx(1 - theta / 4)
    assert transform[0, 1] == pytest.approx(-theta / 4) and transform[0, 4] == 0


# --- another paper -------------------------------------------------------------------------------


def test_the_example_is_what_the_command_writes():
    assert (data_dir() / "examples" / "grunfeld.yml").read_text("utf-8") == example._text()


def test_the_example_is_audited_without_a_contradiction():
    from printproof.reading import read_file

    ledger = printproof.audit(read_file(data_dir() / "examples" / "grunfeld.yml"))
    assert len(ledger) > 8 and ledger.counts["impossible"] == 0


def test_witnesses_of_the_example_meet_its_tables():
    _, problem = declared.read_declared(data_dir() / "examples" / "grunfeld.yml")["grunfeld"]
    found = problem.find(np.random.default_rng(0))
    assert found.feasible
    frame = pd.DataFrame({v: found.values[v] for v in ("invest", "value", "capital")})
    printed = declared.print_tables(
        frame, declared.PanelIndex.balanced(example.UNITS, example.PERIODS), example.COLUMNS
    )
    wanted = example._tables()
    assert printed["table2"] == wanted["table2"]
    assert printed["table1"] == wanted["table1"]


def test_coverage_on_file_is_complete():
    stored = pd.read_csv(FOLDER / "coverage.csv")
    assert stored["study"].nunique() >= 200
    assert stored["inside"].all()
    assert ((stored["low"] <= stored["truth"]) & (stored["truth"] <= stored["high"])).all()
    assert stored.groupby("study").size().eq(6).all()


@pytest.mark.nightly
def test_coverage_anew():
    found = coverage.run([500, 501, 502], workers=1, progress=False)
    assert found["inside"].all()


def test_more_steps_never_narrow_a_range():
    few, more = (coverage._one(7, starts=1, steps=steps) for steps in (3, 30))
    assert few["quantity"].tolist() == more["quantity"].tolist() and len(few) == 6
    assert (few["truth"] == more["truth"]).all()
    assert (more["low"] <= few["low"] + 1e-9).all() and (few["high"] <= more["high"] + 1e-9).all()
    assert (more["high"] - more["low"]).sum() > (few["high"] - few["low"]).sum()


@pytest.mark.nightly
def test_the_command_writes_what_the_studies_found(tmp_path, capsys):
    out = tmp_path / "new"
    assert main(["--coverage", "1", "--out", str(out), "--workers", "1", "--quiet"]) == 0
    assert "6 of 6 true values inside" in capsys.readouterr().out
    again = pd.read_csv(out / "coverage.csv")
    stored = pd.read_csv(FOLDER / "coverage.csv")
    pd.testing.assert_series_equal(again["truth"], stored.loc[:5, "truth"], rtol=1e-5)


@pytest.mark.nightly
def test_coverage_of_the_file_is_reproduced():
    stored = pd.read_csv(FOLDER / "coverage.csv")
    found = coverage._one(0)
    part = stored[stored["study"] == 0].reset_index(drop=True)
    np.testing.assert_allclose(found["truth"], part["truth"], rtol=1e-5)
    assert found["inside"].all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"witness": {}}, "witness.sample must say"),
        ({"witness": {"sample": {"units": [1, 2], "periods": [1]}}}, "different lengths"),
        ({"witness": {"sample": {"n": 5}, "known": {"d": [0, 1]}}}, "has 2 values"),
    ],
)
def test_a_bad_declaration_is_named(change, message, tmp_path):
    tables = example._tables() | change
    path = tmp_path / "p.yml"
    path.write_text(yaml.safe_dump({"p": tables}), "utf-8")
    with pytest.raises(RecordError, match=message):
        declared.read_declared(path)


def test_a_column_without_an_outcome_is_named():
    tables = example._tables()
    del tables["table2"]["(1)"]["outcome"]
    with pytest.raises(RecordError, match="names no outcome"):
        declared.forget("p", tables)


def test_bounds_that_exclude_a_printed_end_are_named():
    box = Variable("x", np.zeros(4), np.ones(4))
    problem = Problem((box,), (), (), {"x": ((2.0, 2.1), (3.0, 3.1))})
    with pytest.raises(SearchError, match="no row can hold"):
        problem.find(np.random.default_rng(0))


# --- anchors -------------------------------------------------------------------------------------


def given(shipped, *names):
    rows = shipped[shipped["matched"] == 1]
    return rows[["city", "year", *names]]


@pytest.mark.parametrize("names", [replication.CONTROLS, ("fe", "pgdp", "lnstru")])
def test_anchored_witnesses_keep_the_anchors_and_meet_the_tables(shipped, tmp_path, names):
    path = tmp_path / "anchors.csv"
    given(shipped, *names).sample(frac=1, random_state=0).to_csv(path, index=False)
    frame = _fixed_covariates.build(_fixed_covariates.read(path), seed=1)
    wanted = given(shipped, *names).reset_index(drop=True)
    pd.testing.assert_frame_equal(frame[["city", "year", *names]], wanted)
    numbers = (
        replication.table("table2", frame)
        | replication.table("table4", frame)
        | replication.table("table5", frame)
    )
    compared = replication.compare(numbers)
    missed = set(compared.index[compared["verdict"] != "reproduced"])
    assert missed == {replication.cell("table5", "IL", "(8)", s) for s in ("coef", "statistic")}
    assert not np.allclose(frame["lnHQD"], shipped.loc[shipped["matched"] == 1, "lnHQD"])


def test_the_command_writes_the_anchored_witness(shipped, tmp_path, capsys):
    path, out = tmp_path / "anchors.csv", tmp_path / "out"
    given(shipped, *replication.CONTROLS).to_csv(path, index=False)
    assert main(["--anchors", str(path), "--seed", "1", "--out", str(out)]) == 0
    assert "controls as given, outcomes constructed" in capsys.readouterr().out
    frame = pd.read_csv(out / "panel.csv")
    assert set(replication.CONTROLS) < set(frame.columns) and len(frame) == 85
    assert main(["--anchors", str(tmp_path / "none.csv")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_jobs_are_answered_in_their_order_on_any_number_of_processes():
    jobs = [(7, 2), (9, 4), (5, 5), (1, 3)]
    alone = workers.spread(divmod, jobs, workers=1, progress=False)
    assert alone == workers.spread(divmod, jobs, workers=2, progress=False)
    assert alone == [(3, 1), (2, 1), (1, 0), (0, 1)]
    with pytest.raises(ZeroDivisionError):
        workers.spread(divmod, [*jobs, (1, 0)], workers=2, progress=False)


def test_anchors_that_contradict_table_2_are_named(shipped, tmp_path):
    wrong = given(shipped, "fe", "pgdp").copy()
    wrong.iloc[5, 3] = 9.9
    path = tmp_path / "anchors.csv"
    wrong.to_csv(path, index=False)
    with pytest.raises(EstimationError, match=r"table2/pgdp/max/value prints 7\.375"):
        _fixed_covariates.build(_fixed_covariates.read(path))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda f: f.drop(columns="year"), "no column year"),
        (lambda f: f.assign(gdp=1), "unknown column gdp"),
        (lambda f: f[["city", "year"]], "at least one of"),
        (lambda f: f.replace({"Handan": "Paris"}), "'Paris' is no study city"),
        (lambda f: f.assign(year=1999), "row 2, column year"),
        (lambda f: pd.concat([f, f.tail(1)]), "row 87: this city-year stands twice"),
        (lambda f: f.assign(fe=f["fe"].astype(object).where(f.index != f.index[2], "x")), "row 4"),
    ],
)
def test_a_bad_anchor_file_is_named(shipped, tmp_path, edit, message):
    path = tmp_path / "anchors.csv"
    edit(given(shipped, "fe")).to_csv(path, index=False)
    with pytest.raises(PanelError, match=message):
        _fixed_covariates.read(path)


def test_a_missing_anchor_file_is_named(tmp_path):
    with pytest.raises(PanelError, match="cannot be read"):
        _fixed_covariates.read(Path(tmp_path / "none.csv"))


def test_the_two_way_design_of_a_declaration_is_the_books():
    sample = declared.PanelIndex.balanced(4, 3)
    wanted = Design.two_way(sample.units, sample.periods)
    np.testing.assert_allclose(
        sample.design.effects @ sample.design.effects.T, wanted.effects @ wanted.effects.T
    )
