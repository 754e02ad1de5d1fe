"""The witness of the leading reading, read by a stranger: numpy and fractions alone.

Only the last part calls the library.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

DATA = Path(__file__).parents[1] / "data"
CONTROLS = ["fe", "lnstru", "urba", "fdi", "pgdp"]
SUB_INDICES = {"9": "vitality", "10": "merchantable", "11": "innovation", "12": "synergism"}
with open(DATA / "published" / "yan_ye_wang.csv", encoding="utf-8") as file:
    PRINTED = {
        (line["table"], line["row"], line["column"], line["statistic"]): line["printed"]
        for line in csv.DictReader(file)
    }
FRAME = pd.read_csv(DATA / "witness" / "panel-one-command.csv")
MATCHED = FRAME[FRAME["matched"] == 1]


def same(number, *cell):
    """Whether a number lies in the rounding interval of a printed one."""
    text = PRINTED[cell]
    places = len(text.partition(".")[2])
    return abs(Fraction(float(number)) - Fraction(text)) <= Fraction(1, 2 * 10**places)


def least_squares(x, y):
    """Coefficients, z with RSS/(n - K), and the residual sum of squares."""
    b = np.linalg.solve(x.T @ x, x.T @ y)
    rss = ((y - x @ b) ** 2).sum()
    se = np.sqrt(rss / (len(y) - x.shape[1]) * np.diag(np.linalg.inv(x.T @ x)))
    return b, b / se


def command(outcome, names):
    """``xtreg outcome names i.year, re``: coefficients, z and theta by row."""
    years = MATCHED["year"].to_numpy()[:, None] == np.arange(2014, 2023)
    x = np.column_stack([MATCHED[names], years, np.ones(len(MATCHED))]).astype(float)
    y = MATCHED[outcome].to_numpy()
    city = np.unique(MATCHED["city"], return_inverse=True)[1]
    size = np.bincount(city)
    mean = (np.arange(len(size))[:, None] == city) / size[:, None]
    x_mean, y_mean = mean @ x, mean @ y

    def rest(a, b):
        e = b - a @ np.linalg.lstsq(a, b, rcond=None)[0]
        return e @ e, np.linalg.matrix_rank(a)

    within, rank = rest(x - x_mean[city], y - y_mean[city])
    noise = within / (len(y) - len(size) - rank)
    between, rank = rest(x_mean, y_mean)
    left = len(size) - rank
    extra = max(0.0, between / left - noise * (1 / size).mean()) if left else 0.0
    theta = 1 - np.sqrt(noise / (noise + size * extra))[city]
    b, z = least_squares(x - theta[:, None] * x_mean[city], y - theta * y_mean[city])
    named = [*names, *years[0].astype(str), "const"]
    return dict(zip(named, b, strict=True)), dict(zip(named, z, strict=True)), theta


def test_every_cell_of_table_2():
    variables = [v for t, v, column, _ in PRINTED if t == "table2" and column == "mean"]
    assert len(variables) == 12 and len(MATCHED) == 85
    for name in variables:
        x = MATCHED[name]
        cells = {"n": 85, "mean": x.mean(), "sd": x.std(), "min": x.min(), "max": x.max()}
        for column, value in cells.items():
            assert same(value, "table2", name, column, "value"), (name, column)


def test_one_command_returns_the_fifty_numbers_of_table_4():
    seen = 0
    for k in range(1, 6):
        names = ["FTZ", *CONTROLS[:k]]
        b, z, theta = command("lnHQD", names)
        assert (theta > 0).all() if k == 1 else (theta == 0).all()
        for name in [*names, "const"]:
            assert same(b[name], "table4", name, f"({k})", "coef"), (name, k)
            assert same(z[name], "table4", name, f"({k})", "statistic"), (name, k)
            seen += 2
    assert seen == 50


def test_table_5_as_far_as_it_is_met_and_what_is_not():
    for column, outcome in SUB_INDICES.items():
        b, z, theta = command(outcome, ["FTZ", *CONTROLS])
        assert (theta == 0).all()
        assert same(b["FTZ"], "table5", "FTZ", f"({column})", "coef")
        assert same(z["FTZ"], "table5", "FTZ", f"({column})", "statistic")
    b, z, _ = command("IL", ["FTZ", *CONTROLS])
    assert same(b["FTZ"], "table5", "FTZ", "(7)", "coef")
    assert not same(z["FTZ"], "table5", "FTZ", "(7)", "statistic")
    # total = direct + a * b on this panel, as on every one; the print breaks it
    direct, total = (command("lnHQD", ["FTZ", *CONTROLS, *more])[0] for more in (["IL"], []))
    assert total["FTZ"] == pytest.approx(direct["FTZ"] + b["FTZ"] * direct["IL"], abs=1e-9)
    printed = {
        c: float(PRINTED["table5", r, c, "coef"]) for r, c in (("FTZ", "(7)"), ("FTZ", "(8)"))
    }
    by_linkage = printed["(7)"] * float(PRINTED["table5", "IL", "(8)", "coef"])
    assert abs(0.191 - printed["(8)"] - by_linkage) > 0.5


def test_the_three_effects_of_table_1():
    x, treated = FRAME[CONTROLS].to_numpy(), FRAME["FTZ"].to_numpy(float)
    x = np.column_stack([np.ones(len(x)), (x - x.mean(axis=0)) / x.std(axis=0)])
    b = np.zeros(6)
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ b))
        b += np.linalg.solve((x.T * (p * (1 - p))) @ x, x.T @ (treated - p))
    index = x @ b
    low, high = index[treated == 1].min(), index[treated == 0].max()
    low = max(low, index[treated == 0].min())
    high = min(high, index[treated == 1].max())
    on = (index >= low) & (index <= high)
    assert (on == (FRAME["matched"] == 1)).all()
    y = FRAME["lnHQD"].to_numpy()
    one, none = np.flatnonzero(on & (treated == 1)), np.flatnonzero(on & (treated == 0))
    distance = np.abs(index[one][:, None] - index[none])
    near = distance <= np.sort(distance, axis=1)[:, 3:4]
    inside = distance <= 0.66
    used = {"k_nearest": near, "caliper": inside, "k_nearest_in_caliper": near & inside}
    for method, who in used.items():
        some = who.any(axis=1)
        other = (who[some] @ y[none]) / who[some].sum(axis=1)
        assert same((y[one][some] - other).mean(), "table1", method, "ATT", "coef"), method


def test_rows_are_those_that_the_sample_admits_inside_official_ranges():
    assert len(FRAME) == 130 and not FRAME.duplicated(["city", "year"]).any()
    assert not MATCHED["city"].isin(["Beijing", "Tianjin"]).any()
    assert not ((MATCHED["city"] == "Tangshan") & (MATCHED["year"] > 2016)).any()
    zone = MATCHED["city"].isin(["Baoding", "Shijiazhuang", "Langfang"]) & (MATCHED["year"] >= 2019)
    assert (zone == (MATCHED["FTZ"] == 1)).all() and zone.sum() == 11


# --- the library's own parts ----------------------------------------------------------------------


def test_the_check_says_the_same_and_the_manifest_describes_the_file():
    import hashlib
    import json

    from study import witness
    from study.panel import load_witness
    from study.witness import _sample

    frame = load_witness("one command").frame
    checked = witness.check(frame, "one command")
    met = checked[checked["asked"]]
    assert (met["verdict"] == "reproduced").all() and len(met) == 3 + 60 + 55 + 15
    about = json.loads((DATA / "witness" / "manifest-one-command.json").read_text("utf-8"))
    content = (DATA / "witness" / "panel-one-command.csv").read_bytes()
    assert about["sha256"] == hashlib.sha256(content).hexdigest()
    assert len(about["not_asked"]) == 3
    within = about["within_city_effect"]
    low, _, high = within["members_of_the_reading"]
    assert low < within["coefficient"] < high and abs(within["coefficient"] - 0.191) > 0.01
    for variable in _sample.OFFICIAL:
        low, high = _sample.official_bounds(frame[["city", "year"]], variable)
        # the printed minimum of income lies just below the slack
        outside = ~frame[variable].between(low - 1e-3, high + 1e-3)
        assert outside.sum() == 0, variable
    # read as two-way effects it is another table
    other = witness.check(frame)
    assert (other.loc[other["table"] == "table4", "verdict"] != "reproduced").sum() > 20


def test_an_unknown_reading_is_named():
    from ftz.errors import EstimationError, PanelError
    from study import witness
    from study.panel import load_witness

    with pytest.raises(PanelError, match="no witness of the reading 'other'"):
        load_witness("other")
    with pytest.raises(EstimationError, match="no reading 'other'"):
        witness.check(FRAME, "other")


def test_gradients_of_the_ratio_that_the_command_estimates():
    from study.witness import _one_command as one_command
    from study.witness import _within_city as within_city

    grown = within_city.as_grown(MATCHED.reset_index(drop=True), "one command", 1.0)
    ratio = one_command.VarianceRatio(grown.plan, 1)
    value, by = ratio.evaluate(grown.values)
    assert value == pytest.approx(within_city._estimated(grown.frame), rel=1e-9)
    for name in ("lnHQD", "fe"):
        for row in (3, 50):
            moved = dict(grown.values) | {name: grown.values[name].copy()}
            moved[name][row] += 1e-6
            slope = (ratio.evaluate(moved)[0] - value) / 1e-6
            assert by[name][row] == pytest.approx(slope, rel=1e-3, abs=1e-4)
    nothing = one_command.VarianceRatio(grown.plan, 5).evaluate(grown.values)
    assert np.isnan(nothing[0]) and not nothing[1]


def test_newton_meets_equations_that_hold_each_other_up():
    from printproof.witness import Block, Equation, newton

    block = Block(np.full(3, 0.5), np.zeros(3), np.ones(3))

    def equations(values):
        x = values["x"]
        yield Equation((x @ x - 0.5) / 1e-3, {"x": 2 * x / 1e-3})
        yield Equation((x.sum() - 1.0) / 1e-3, {"x": np.ones(3) / 1e-3})

    found = newton({"x": replace(block, start=np.array([0.2, 0.5, 0.8]))}, equations)
    assert found.converged and found.values["x"].sum() == pytest.approx(1.0, abs=1e-4)
    lost = newton({"x": block}, lambda v: [Equation(v["x"].sum() - 9.0, {"x": np.ones(3)})])
    assert not lost.converged


def test_contrasts_are_the_weights_of_the_matching():
    from study import replication
    from study.witness import _one_command as one_command

    fitted = replication.score(FRAME)
    on = FRAME["matched"] == 1
    weights = one_command.contrasts(fitted.linear_index[on].to_numpy(), MATCHED["FTZ"].to_numpy())
    numbers = replication.table("table1", FRAME)
    for method, w in weights.items():
        name = replication.cell("table1", method, "ATT", "coef")
        assert w @ MATCHED["lnHQD"] == pytest.approx(numbers[name], abs=1e-12)


def test_a_number_without_a_parent_says_so():
    from ftz.errors import EstimationError
    from study.witness import _one_command as one_command

    with pytest.raises(EstimationError, match="no panel of the one command from number 0"):
        one_command.parent(1, 0)


# The shipped panel meets every equation of the search, which gives each part a known answer.


@dataclass(frozen=True)
class Settled:
    """The shipped panel as a parent, with its other rows and the logit over all of them."""

    grown: object
    off: dict
    targets: object
    logit: np.ndarray

    @property
    def values(self):
        from study.witness import _stages as stages

        others = {stages._off(name): x for name, x in self.off.items()}
        return self.grown.values | others | {"logit": self.logit}


@pytest.fixture(scope="module")
def settled():
    from ftz import matching
    from study import published, replication
    from study.witness import _stages as stages
    from study.witness import _within_city as within_city

    grown = within_city.as_grown(MATCHED.reset_index(drop=True), "one command", 1.0)
    targets = stages._Targets(published.load(replication.PAPER))
    scaled = FRAME.assign(
        **{v: (FRAME[v] - targets.moment(v, "mean")) / targets.moment(v, "sd") for v in CONTROLS}
    )
    logit = matching.propensity_score(scaled, "FTZ", CONTROLS).params
    off = {v: FRAME.loc[FRAME["matched"] == 0, v].to_numpy() for v in CONTROLS}
    ratio = within_city._estimated(grown.frame)
    return Settled(
        replace(grown, ratio=ratio), off, targets, logit[["const", *CONTROLS]].to_numpy()
    )


def ends_of_support(settled):
    from study.witness import _one_command as one_command

    index = one_command._scaled(settled.targets, settled.grown.values) @ settled.logit[1:]
    treated = settled.grown.plan.on["FTZ"].to_numpy() == 1
    top = np.argsort(np.where(treated, index, -np.inf))[-one_command._TOP :]
    return top, int(np.where(treated, -np.inf, index).argmax()), np.flatnonzero(~treated)


def test_equations_of_tables_2_and_4_and_what_follows_from_what(settled):
    from study.witness import _one_command as one_command

    whole = list(one_command._tables(settled.targets, settled.grown)(settled.values))
    # ends (1) and (5) with z, slopes and constants of the others, means and spreads of six
    assert len(whole) == 2 * 3 + 4 + 5 + 6 + 2 * 7 + 12
    assert max(abs(e.value) for e in whole) < 1
    short = one_command._tables(settled.targets, settled.grown, outcome_only=True)
    assert len(list(short(settled.values))) == (3 + 1) + (7 + 1) + 2
    raised = settled.values | {"lnHQD": settled.values["lnHQD"] + 0.01}
    after = list(one_command._tables(settled.targets, settled.grown)(raised))
    # a hundredth on every row is twenty half units of the mean and the constant, nothing of a slope
    moved = {place: after[place].value - whole[place].value for place in (0, 1, -12, -11)}
    assert moved == pytest.approx({0: 20, 1: 0, -12: 20, -11: 0}, abs=1e-6)


def test_the_ratio_is_held_and_variances_that_are_cut_off_stay_so(settled):
    from study.witness import _one_command as one_command

    grown = settled.grown
    (only,) = one_command._ratios(grown.plan, grown.ratio)(settled.values)
    assert only.value == pytest.approx(0, abs=1e-6)
    (twice,) = one_command._ratios(grown.plan, 2 * grown.ratio)(settled.values)
    assert twice.value == pytest.approx(-0.5 / one_command._RATIO_SCALE)
    # levels of the cities that no regressor explains make the variance of column (2) positive
    city = np.unique(grown.plan.on["city"], return_inverse=True)[1]
    apart = settled.values | {"lnHQD": settled.values["lnHQD"] + 3.0 * (city % 3)}
    left = one_command.VarianceRatio(grown.plan, 2).evaluate(apart)[0]
    found = list(one_command._ratios(grown.plan, grown.ratio)(apart))
    assert len(found) == (1 if np.isnan(left) else 2)


def test_the_three_effects_as_equations(settled):
    from study.witness import _one_command as one_command

    index = one_command._scaled(settled.targets, settled.values) @ settled.logit[1:]
    weights = one_command.contrasts(index, settled.grown.plan.on["FTZ"].to_numpy())
    equations = one_command._effects(settled.targets, weights)
    assert all(abs(e.value) < 1 for e in equations(settled.values))
    raised = settled.values["lnHQD"] + 0.01 * settled.grown.plan.on["FTZ"].to_numpy()
    moved = equations(settled.values | {"lnHQD": raised})
    shift = [b.value - a.value for a, b in zip(equations(settled.values), moved, strict=True)]
    np.testing.assert_allclose(shift, 20, atol=1e-6)  # a hundredth is twenty half units


def test_the_top_of_the_support_is_sparse_and_its_gradients_are_right(settled):
    from study.witness import _one_command as one_command

    top, highest, controls = ends_of_support(settled)
    others = controls[controls != highest]
    equations = one_command._sparse_top(settled.targets, list(top), highest, others)
    assert all(abs(e.value) < 0.1 for e in equations(settled.values))
    shrunk = settled.values | {"logit": settled.logit * 0.5}
    found = list(equations(shrunk))
    assert found and all(e.value < 0 for e in found)
    for name, row in (("logit", 4), ("fdi", top[0])):
        moved = dict(shrunk) | {name: shrunk[name].copy()}
        moved[name][row] += 1e-6
        by = [(b.value - a.value) / 1e-6 for a, b in zip(found, equations(moved), strict=True)]
        told = [e.gradient[name][row] for e in found]
        np.testing.assert_allclose(by, told, rtol=1e-4, atol=1e-3)


def test_table_1_is_met_again_in_the_outcome_alone(settled):
    from study.witness import _one_command as one_command
    from study.witness import _stages as stages

    rng = np.random.default_rng(0)
    blocks = one_command._blocks(settled.targets, settled.grown, settled.logit, rng)
    assert (blocks["fe"].lower <= blocks["fe"].upper).all()
    again = one_command._from(blocks, settled.values)
    assert (again["fe"].start == settled.values["fe"]).all()
    found = one_command._outcome(settled.targets, settled.grown, blocks, settled.values)
    assert found.converged
    y = np.round(found.values["lnHQD"], stages.DECIMALS)
    assert np.abs(y - settled.values["lnHQD"]).max() < 0.05


def test_linkage_alone_meets_what_is_asked_of_it(settled):
    from study.witness import _one_command as one_command

    found = one_command._linkage(settled.targets, settled.grown, np.random.default_rng(5))
    assert found.converged
    x = np.column_stack([MATCHED[["FTZ", *CONTROLS]], pd.get_dummies(MATCHED["year"])]).astype(
        float
    )
    assert same(np.linalg.lstsq(x, found.values["IL"], rcond=None)[0][0], "table5", "FTZ", "(7)",
                "coef")  # fmt: skip


def test_the_last_stages_write_the_shipped_bytes(settled, monkeypatch):
    """From the shipped controls and outcome, the rest of the file follows."""
    from study.witness import _files
    from study.witness import _one_command as one_command

    monkeypatch.setattr(one_command, "parent", lambda *of: settled.grown)
    monkeypatch.setattr(
        one_command, "_supported", lambda *given: (settled.grown, dict(settled.off), {"support": 7})
    )
    built = one_command.build()
    content = (DATA / "witness" / "panel-one-command.csv").read_bytes()
    assert _files.panel_bytes(built.frame) == content
    assert built.reading == "one command" and {"support", "linkage"} < set(built.iterations)


def test_the_other_rows_and_table_1_from_a_start_that_is_near(settled, monkeypatch):
    """Set out from the shipped rows, the two middle stages stay near and meet Table 1."""
    from study import published, replication
    from study.witness import _one_command as one_command
    from study.witness import _stages as stages

    monkeypatch.setattr(one_command, "_direction", lambda rng: settled.logit[1:])
    near = lambda targets, rows, name, low, high, rng: settled.off[name]  # noqa: E731
    monkeypatch.setattr(one_command.stages, "_start", near)
    record = published.load(replication.PAPER)
    grown, off, steps = one_command._supported(record, settled.grown, 0)
    frame = stages._assemble(grown.plan, {n: grown.values[n] for n in ("lnHQD", *CONTROLS)},
                             off | {"lnHQD": np.zeros(45)})  # fmt: skip
    for cell, value in replication.table("table1", frame).items():
        if cell.endswith("coef"):
            assert record.get(cell).reproduced_by(value), cell
    assert set(steps) == {"support", "matching", "outcome"}
    assert max(np.abs(grown.values[v] - settled.values[v]).max() for v in CONTROLS) < 1


@pytest.mark.slow
def test_one_command_rebuilds_the_bytes(tmp_path, capsys):
    from study.witness.__main__ import main

    assert main(["--reading", "one command", "--out", str(tmp_path)]) == 0
    assert "table1: 3 of 3" in capsys.readouterr().out
    for name in ("panel-one-command.csv", "manifest-one-command.json"):
        assert (tmp_path / name).read_bytes() == (DATA / "witness" / name).read_bytes()
