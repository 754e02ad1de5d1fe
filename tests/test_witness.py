"""The witness: its gradients, its solver, and every printed cell it is asked to meet."""

import hashlib
import importlib
import json
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from ftz import did
from ftz.errors import EstimationError
from helpers import numerical
from printproof.witness import Block, Design, Equation, solve
from study import published, register, replication, witness
from study.paths import data_dir
from study.witness import _sample
from study.witness.__main__ import main

FOLDER = data_dir() / "witness"
build_module = importlib.import_module("study.witness._stages")


@pytest.fixture(scope="module")
def shipped():
    return pd.read_csv(FOLDER / "panel.csv")


@pytest.fixture(scope="module")
def checked(shipped):
    return witness.check(shipped)


# --- what the witness promises -----------------------------------------------------------------


def test_every_slope_and_statistic_of_table4(checked):
    """Twenty slopes with their statistics, and five constants with theirs."""
    table4 = checked[checked["table"] == "table4"]
    slopes = table4[~table4["row"].isin(["const", "N"])]
    assert len(slopes) == 40 and len(table4) == 40 + 10 + 5
    assert (table4["verdict"] == published.REPRODUCED).all()


def test_every_cell_of_table2(checked):
    table2 = checked[checked["table"] == "table2"]
    assert len(table2) == 12 * 5
    assert (table2["verdict"] == published.REPRODUCED).all()


def test_sub_index_columns_of_table5(checked):
    columns = checked[
        (checked["table"] == "table5") & checked["column"].isin(["(9)", "(10)", "(11)", "(12)"])
    ]
    assert len(columns) == 8 + 4  # coefficients, statistics and N
    assert (columns["verdict"] == published.REPRODUCED).all()


def test_everything_asked_is_met_and_the_rest_is_named(checked):
    """136 printed cells are met; eight are not asked, for reasons the manifest gives."""
    asked = checked[checked["asked"]]
    assert len(asked) == 3 + 60 + 55 + 18
    assert (asked["verdict"] == published.REPRODUCED).all()
    assert len(checked) - len(asked) == 8
    assert len(witness._files.NOT_ASKED["two-way"]) == 2


def test_the_cells_held_against_the_panel_are_the_record(checked):
    """Nothing printed in Tables 1, 2, 4 and 5 of the measuring paper is left out."""
    record = published.load(replication.PAPER)
    printed = {p.id for p in record if p.table in {"table1", "table2", "table4", "table5"}}
    assert printed == set(checked.index)


def test_changing_one_number_of_the_panel_breaks_a_cell(shipped):
    damaged = shipped.copy()
    row = damaged.index[damaged["matched"] == 1][40]
    damaged.loc[row, "lnHQD"] += 0.05
    compared = witness.check(damaged)
    assert (compared.loc[compared["asked"], "verdict"] != published.REPRODUCED).any()


def test_common_support_is_the_matched_sample(shipped):
    on = replication.MATCHING.on_support(shipped, replication.score(shipped))
    assert on.sum() == 85
    assert (on.astype(int) == shipped["matched"]).all()


def test_treatment_follows_the_register(shipped):
    assert (register.PAPER.treatment(shipped) == shipped["FTZ"]).all()
    matched = shipped[shipped["matched"] == 1]
    assert matched["FTZ"].sum() == 11
    assert set(matched.loc[matched["FTZ"] == 1, "city"]) == {"Shijiazhuang", "Langfang", "Baoding"}


def test_controls_lie_in_the_official_ranges_with_slack(shipped):
    for variable in _sample.OFFICIAL:
        low, high = _sample.official_bounds(shipped[["city", "year"]], variable)
        # the printed extremes are pinned, and the least product per head lies just below the slack
        inside = shipped[variable].between(low - 1e-6, high + 1e-6)
        assert inside.sum() >= 129


def test_event_study_says_what_the_text_says(shipped):
    matched = shipped[shipped["matched"] == 1].copy()
    matched["cohort"] = matched["city"].map(register.PAPER.cohorts(matched["city"].unique()))
    matched["cohort"] = matched["cohort"].astype(float)
    study = did.event_study(matched, "lnHQD", "cohort", replication.CONTROLS)
    assert (study.pre["p_value"] > 0.1).all()
    assert (study.post["estimate"] > 0).all() and (study.post["p_value"] < 0.05).all()


def test_manifest_describes_the_file(shipped, checked):
    about = json.loads((FOLDER / "manifest.json").read_text("utf-8"))
    assert about["sha256"] == hashlib.sha256((FOLDER / "panel.csv").read_bytes()).hexdigest()
    assert about["seed"] == build_module.SEED
    met = checked[checked["asked"]].groupby("table").size()
    assert about["printed_cells_met"] == {t: f"{n} of {n}" for t, n in met.items()}


def test_one_command_rebuilds_the_bytes_and_says_whether_they_would_change(
    tmp_path, capsys, monkeypatch
):
    command = importlib.import_module("study.witness.__main__")
    monkeypatch.setattr(command, "build", cache(command.build))
    assert main(["--out", str(tmp_path)]) == 0
    assert "table2: 60 of 60 printed cells reproduced" in capsys.readouterr().out
    for name in ("panel.csv", "manifest.json"):
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()
    assert main(["--check"]) == 0
    assert "the file is what this command writes" in capsys.readouterr().out
    text = (FOLDER / "panel.csv").read_text("utf-8")
    (tmp_path / "panel.csv").write_text(text + "\n", encoding="utf-8")
    assert main(["--check", "--out", str(tmp_path)]) == 1
    assert "the file would change" in capsys.readouterr().out


def test_the_panel_follows_the_record(shipped):
    """Another printed number gives another witness: the targets are read, not written in code."""
    record = published.load(replication.PAPER)
    name = replication.cell("table5", "FTZ", "(9)", "coef")
    targets = build_module._Targets(record.replace(replace(record.get(name), text="0.300")))
    matched = shipped[shipped["matched"] == 1]
    values = {c: matched[c].to_numpy(float) for c in replication.CONTROLS}
    plan = _sample.Sample.printed()
    found = build_module._sub_index(targets, plan, "(9)", values, np.random.default_rng(0))
    changed = matched.assign(vitality=found.values["vitality"])
    assert did.twfe(changed, "vitality", "FTZ", replication.CONTROLS).att == pytest.approx(
        0.300, abs=5e-4
    )


# --- gradients ---------------------------------------------------------------------------------


def sample(seed=0):
    rng = np.random.default_rng(seed)
    units = np.repeat([f"u{i}" for i in range(6)], 6)
    periods = np.tile(range(6), 6)
    keep = rng.permutation(36)[:31]
    n = len(keep)
    return units[keep], periods[keep], rng.standard_normal(n), rng.standard_normal((n, 3))


@pytest.mark.parametrize("what", ["value", "statistic"])
@pytest.mark.parametrize("j", [0, 2])
def test_gradients_against_finite_differences(what, j):
    units, periods, y, x = sample()
    design = Design.two_way(units, periods)
    fit = design.regress(y, x)
    by_outcome = numerical(lambda v: getattr(design.regress(v, x), what)[j], y)
    by_regressors = numerical(lambda v: getattr(design.regress(y, v), what)[j], x)
    assert getattr(fit, f"{what}_by_outcome")[j] == pytest.approx(by_outcome, abs=2e-7)
    assert getattr(fit, f"{what}_by_regressors")[j] == pytest.approx(by_regressors, abs=2e-7)


def test_regression_is_the_estimator_of_the_book():
    units, periods, y, x = sample(1)
    frame = pd.DataFrame({"city": units, "year": periods, "y": y, "a": x[:, 0], "b": x[:, 1]})
    ours = Design.two_way(units, periods).regress(y, np.column_stack([np.ones(len(y)), x[:, :2]]))
    book, constant = did.twfe(frame, "y", "a", ["b"]), did.constant(frame, "y", "a", ["b"])
    assert ours.value[1] == pytest.approx(book.params["a"], rel=1e-9)
    assert ours.statistic[2] == pytest.approx(book.tstats["b"], rel=1e-9)
    assert ours.value[0] == pytest.approx(constant.params["const"], rel=1e-9)
    assert ours.statistic[0] == pytest.approx(constant.tstats["const"], rel=1e-9)


def test_moment_gradients():
    x = np.random.default_rng(2).standard_normal(9)
    _, mean_gradient, _, sd_gradient = build_module._mean_and_sd(x)
    assert mean_gradient == pytest.approx(numerical(np.mean, x), abs=1e-8)
    assert sd_gradient == pytest.approx(numerical(lambda v: v.std(ddof=1), x), abs=1e-8)


# --- solver ------------------------------------------------------------------------------------


def test_solver_meets_equations_inside_bounds_and_keeps_pins():
    n = 30
    block = Block(np.full(n, 0.4), np.zeros(n), np.ones(n), {0: 0.0, 1: 1.0})

    def equations(values):
        mean, mean_gradient, sd, sd_gradient = build_module._mean_and_sd(values["x"])
        yield Equation((mean - 0.5) / 5e-4, {"x": mean_gradient / 5e-4})
        yield Equation((sd - 0.3) / 5e-4, {"x": sd_gradient / 5e-4})

    start = Block(
        np.random.default_rng(0).uniform(0.1, 0.9, n), block.lower, block.upper, block.pins
    )
    found = solve({"x": start}, equations)
    x = found.values["x"]
    assert found.converged
    assert x.mean() == pytest.approx(0.5, abs=5e-4) and x.std(ddof=1) == pytest.approx(
        0.3, abs=5e-4
    )
    assert x[0] == 0 and x[1] == 1 and ((x >= 0) & (x <= 1)).all()


def test_solver_says_when_there_is_nothing_to_find():
    block = Block(np.array([0.5, 0.5]), np.zeros(2), np.ones(2))
    found = solve(
        {"x": block},
        lambda v: [Equation(v["x"].sum() - 3.0, {"x": np.ones(2)})],
        max_iterations=200,
    )
    assert not found.converged and found.worst >= 1 - 1e-6


@pytest.mark.slow
def test_a_seed_without_a_witness_says_where_it_stopped(monkeypatch):
    monkeypatch.setattr(build_module, "_SMALLEST_POST", 80.0)
    with pytest.raises(EstimationError, match="stage 'outcome' stopped"):
        build_module.build()
