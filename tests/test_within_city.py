"""The within-city effect: panels read by a stranger's code, and the bound they may not pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ftz.errors import EstimationError
from printproof.errors import SearchError
from printproof.witness import _aims
from printproof.witness import nested as nested_aims
from study.paths import data_dir
from study.witness import _within_city as within_city
from study.witness.__main__ import main

CONTROLS = ["fe", "lnstru", "urba", "fdi", "pgdp"]
TABLE = pd.read_csv(data_dir() / "witness" / "within-city.csv", dtype={"panel": "Int64"})
PANELS = dict(
    iter(pd.read_csv(data_dir() / "witness" / "within-city-panels.csv.gz").groupby("panel"))
)
STORED = TABLE[TABLE["panel"].notna()].set_index("panel")
PRINTED = pd.read_csv(data_dir() / "published" / "yan_ye_wang.csv", dtype=str).set_index(
    ["table", "row", "column", "statistic"]
)["printed"]


# --- a stranger's code: numpy only, no estimator of the library ---------------------------------


def text(number, like):
    return f"{number:.{len(like.split('.')[1])}f}"


def printed(table, row, column, statistic):
    return PRINTED.loc[(table, row, column, statistic)]


def dummies(values, drop=0):
    return np.column_stack([values == v for v in sorted(set(values))[drop:]]).astype(float)


def design(frame, k):
    years = dummies(frame["year"].to_numpy(), drop=1)
    return np.column_stack([frame[["FTZ", *CONTROLS[:k]]], years, np.ones(len(frame))])


def ols(x, y):
    b = np.linalg.lstsq(x, y, rcond=None)[0]
    e = y - x @ b
    return b, b / np.sqrt(e @ e / (len(y) - x.shape[1]) * np.diag(np.linalg.inv(x.T @ x)))


def demeaned(frame, values, ratio):
    units = dummies(frame["city"].to_numpy())
    size = units.sum(axis=0)
    theta = 1 - 1 / np.sqrt(1 + size * ratio)
    return values - (units * (theta / size)) @ (units.T @ values)


def components(frame, k):
    """Return the command's ratio of variances and its degrees of freedom between cities."""
    x, y, cities = design(frame, k), frame["lnHQD"].to_numpy(), frame["city"].to_numpy()
    units = dummies(cities)
    x_mean, y_mean = (np.linalg.lstsq(units, v, rcond=None)[0] for v in (x, y))

    def rest(a, b):
        e = b - a @ np.linalg.lstsq(a, b, rcond=None)[0]
        return e @ e, np.linalg.matrix_rank(a)

    within, rank = rest(x - units @ x_mean, y - units @ y_mean)
    noise = within / (len(y) - len(x_mean) - rank)
    between, rank = rest(x_mean, y_mean)
    left = len(x_mean) - rank
    harmonic = len(x_mean) / (1 / units.sum(axis=0)).sum()
    return (max(0.0, between / left - noise / harmonic) / noise if left else 0.0), left


@pytest.mark.parametrize("number", PANELS)
def test_a_stranger_reads_every_printed_digit(number):
    frame, about = PANELS[number], STORED.loc[number]
    assert len(frame) == 85 and not frame.duplicated(["city", "year"]).any()
    for name in ["lnHQD", "FTZ", *CONTROLS]:
        x = frame[name]
        for column, value in zip(
            ("mean", "sd", "min", "max"), (x.mean(), x.std(), x.min(), x.max()), strict=True
        ):
            like = printed("table2", name, column, "value")
            assert text(value, like) == like, (name, column)
    ratios = [about["ratio"], 0.0, 0.0, 0.0, 0.0]
    if about["reading"] == "one command":
        ratios, left = zip(*(components(frame, k) for k in range(1, 6)), strict=True)
        assert ratios[0] > 0 and not any(ratios[1:]) and left[2:] == (0, 0, 0)
        np.testing.assert_allclose(ratios[0], about["ratio"], rtol=1e-3)  # of rounded rows
    for k, ratio in enumerate(ratios, start=1):
        x, y = design(frame, k), frame["lnHQD"].to_numpy()
        b, z = ols(demeaned(frame, x, ratio), demeaned(frame, y, ratio))
        places = {name: i for i, name in enumerate(["FTZ", *CONTROLS[:k]])} | {"const": -1}
        for name, i in places.items():
            for statistic, value in (("coef", b[i]), ("statistic", z[i])):
                like = printed("table4", name, f"({k})", statistic)
                assert text(value, like) == like, (name, k, statistic)


@pytest.mark.parametrize("number", PANELS)
def test_the_table_says_what_the_panel_holds_and_the_bound_stands(number):
    frame, about = PANELS[number], STORED.loc[number]
    effects = np.column_stack(
        [dummies(frame["city"].to_numpy()), dummies(frame["year"].to_numpy(), drop=1)]
    )
    x = np.column_stack([frame[["FTZ", *CONTROLS]], effects])
    effect = np.linalg.lstsq(x, frame["lnHQD"], rcond=None)[0][0]
    np.testing.assert_allclose(effect, about["effect"], atol=2e-6)

    def rest(a):
        e = frame["FTZ"] - a @ np.linalg.lstsq(a, frame["FTZ"], rcond=None)[0]
        return e @ e

    left = rest(x[:, 1:]) / rest(effects)
    np.testing.assert_allclose(left, about["left"], atol=2e-6)
    assert left >= about["tolerance"]
    plan = within_city.as_grown(frame, about["reading"], 1.0).plan
    low, high = within_city.outer(plan, left)
    assert low <= effect <= high


def test_parents_are_many_and_each_has_its_own_rows():
    members = STORED[(STORED["end"] == "member") & ~STORED["official"]]
    for reading, least in {"pooled": 100, "one command": 100}.items():
        own = members[members["reading"] == reading]
        assert len(own) >= least and own["parent"].is_unique
        rows = {tuple(zip(PANELS[i]["city"], PANELS[i]["year"], strict=True)) for i in own.index}
        assert len(rows) == len(own) == own["effect"].nunique()


def test_the_bound_is_nearly_attained():
    ends = STORED[STORED["end"].isin(["low", "high"]) & ~STORED["official"]]
    assert set(ends["tolerance"]) == set(within_city.TOLERANCES)
    for number, about in ends.iterrows():
        plan = within_city.as_grown(PANELS[number], "pooled", 1.0).plan
        low, high = within_city.outer(plan, about["tolerance"])
        gap = about["effect"] - low if about["end"] == "low" else high - about["effect"]
        assert gap < 0.25 * (high - low) / 2


def test_every_member_sees_a_treated_city_in_the_year_before():
    zone = ["Baoding", "Langfang", "Shijiazhuang"]
    for number in STORED.index[STORED["end"] == "member"]:
        frame = PANELS[number]
        assert set(frame.loc[frame["FTZ"] == 1, "city"]) & set(
            frame.loc[(frame["year"] == 2018) & frame["city"].isin(zone), "city"]
        )


def official_ends():
    """Return the lowest and the highest official value of each control, city by city and year."""
    folder = data_dir() / "official"
    ranges = pd.read_csv(folder / "ranges.csv").set_index(["variable", "city"])[["low", "high"]]
    yearly = pd.read_csv(folder / "pgdp_by_year.csv").set_index(["city", "year"])["pgdp"]
    slack = {"fe": 0.06, "pgdp": 0.06, "lnstru": 0.05}  # as the section on the sample states it
    return ranges, yearly, slack


@pytest.mark.parametrize("number", STORED.index[STORED["official"]])
def test_official_panels_lie_inside_the_official_ranges(number):
    ranges, yearly, slack = official_ends()
    for row in PANELS[number].itertuples():
        for name in ("fe", "pgdp", "lnstru"):
            low, high = ranges.loc[(name, row.city)]
            if name == "pgdp" and (row.city, row.year) in yearly.index:
                low = high = yearly[row.city, row.year]
            room = slack[name] * (1 if name == "lnstru" else max(abs(low), abs(high)))
            # the printed ends may lie a thousandth beyond
            assert low - room - 1.1e-3 <= getattr(row, name) <= high + room + 1.1e-3, (row, name)


def test_official_ranges_do_not_force_the_sign():
    inside = TABLE[TABLE["official"]]
    pushed = inside[inside["end"] != "member"]
    assert inside["parent"].nunique() >= 3
    by = pushed.groupby(["tolerance", "end"])["effect"]
    assert by.min()[0.5, "low"] > 0 > by.min()[0.1, "low"]
    assert by.max()[0.5, "high"] < 0.4


# --- the library's own parts ----------------------------------------------------------------------


def test_a_member_grown_again_is_the_stored_one():
    grown = within_city.grow("pooled", 1, 1)
    stored = PANELS[1].drop(columns="panel").reset_index(drop=True)
    pd.testing.assert_frame_equal(grown.frame, stored, check_dtype=False, atol=1e-9, rtol=0)


def test_aims_keep_the_relations_that_the_middles_break():
    plan = within_city.draw_rows(np.random.default_rng(0))
    problem = within_city.declare(plan, 1.0)
    later = problem.models[1:]
    targets = [t for t in problem.targets if t.of in {m.name for m in later}]
    aim = nested_aims(targets, later, np.random.default_rng(0))
    assert len(aim) == 29 and max(map(abs, aim.values())) < 0.9

    def implied(deviations):
        values = {
            (t.of, t.row, t.kind): t.value + deviations.get(t.name, 0) * t.half for t in targets
        }
        _aims._complete(values, later)
        return max(abs(values[t.of, t.row, t.kind] - t.value) / t.half for t in targets)

    assert implied(aim) < 0.9 < 1 < implied({})
    far = [replace(t, value=2 * t.value) if t.row == "FTZ" else t for t in targets]
    with pytest.raises(SearchError, match="relations of the columns"):
        nested_aims(far, later, np.random.default_rng(0))


def test_rows_are_drawn_so_that_the_command_is_trapped():
    plan = within_city.draw_rows(np.random.default_rng(3), trapped=True)
    shares = pd.crosstab(plan.on["city"], plan.on["year"], normalize="index").to_numpy()
    assert len(shares) - np.linalg.matrix_rank(shares) == 3
    assert len(plan.on) == 85 and plan.on["FTZ"].sum() == 11


def test_a_push_moves_the_effect_and_keeps_the_print():
    start = within_city.as_grown(PANELS[1], "pooled", STORED.loc[1, "ratio"])
    moved = within_city.push(start, "high", 0.75)
    asked = within_city.estimands(moved.plan)
    assert within_city.meets(moved)
    assert asked["explained"].evaluate(moved.values)[0] <= 0.25
    assert asked["effect"].evaluate(moved.values)[0] > STORED.loc[1, "effect"] + 0.03


def test_a_push_inside_the_official_ranges_stays_there():
    first = STORED.index[STORED["official"] & (STORED["end"] == "member")][0]
    start = within_city.as_grown(PANELS[first], "pooled", STORED.loc[first, "ratio"])
    assert within_city.meets(start, official=True)
    moved = within_city.push(start, "low", 0.5, official=True)
    assert within_city.meets(moved, official=True)
    effect = within_city.estimands(moved.plan)["effect"].evaluate(moved.values)[0]
    assert effect < STORED.loc[first, "effect"] - 0.03


def test_jobs_are_members_then_pushes():
    wanted = within_city.jobs(3, 2, 1)
    pushed = [job for job in wanted if job.end != "member"]
    assert wanted[:3] == [within_city.Job("pooled", i) for i in range(3)]
    assert wanted[6] == within_city.Job("pooled", 0, official=True) and pushed == wanted[7:]
    assert len(pushed) == (2 + 1) * len(within_city.TOLERANCES) * len(within_city.ENDS)
    assert len({job.path for job in wanted}) == len(wanted)


def test_a_run_goes_on_where_it_stopped(tmp_path):
    options = {"starts": 0, "inside": 0, "workers": 1, "progress": False}
    first = within_city.run(2, 1, tmp_path / "work", tmp_path, **options)
    member = tmp_path / "work" / within_city.Job("pooled", 0).path
    before, when = pd.read_csv(first), member.stat().st_mtime_ns
    (tmp_path / "work" / within_city.Job("pooled", 1).path).write_bytes(b"")  # as not found
    again = within_city.run(2, 1, tmp_path / "work", tmp_path, **options)
    assert member.stat().st_mtime_ns == when
    found = before[(before["reading"] != "pooled") | (before["parent"] != 1)]
    pd.testing.assert_frame_equal(
        pd.read_csv(again).drop(columns="panel"),
        found.drop(columns="panel").reset_index(drop=True),
    )
    with pytest.raises(EstimationError, match="another ensemble"):
        within_city.run(2, 2, tmp_path / "work", tmp_path, **options)


def test_the_sign_is_forced_from_some_tolerance_on():
    plan = within_city.draw_rows(np.random.default_rng(0))
    share = within_city.forced_above(plan)
    assert within_city.outer(plan, share)[0] == pytest.approx(0, abs=1e-9)
    assert within_city.outer(plan, share + 0.1)[0] > 0 > within_city.outer(plan, share - 0.1)[0]


def test_the_worst_choice_of_rows_leaves_nothing_to_bound():
    rows = within_city.Sample.printed().rows
    inside = within_city.admissible(rows)
    zone = rows["city"].isin(["Baoding", "Langfang", "Shijiazhuang"])
    early = rows.index[inside & zone & (rows["year"] < 2019)]
    last = rows.index[inside & (rows["FTZ"] == 1)][-1:]
    matched = inside & ~rows.index.isin([*early, *last])
    assert matched.sum() == 85 and (matched & (rows["FTZ"] == 1)).sum() == 11
    plan = within_city.Sample(rows.assign(matched=matched.astype(int)))
    treated = plan.on["FTZ"].to_numpy(float)
    assert within_city._net(plan, ["city", "year"], treated) == pytest.approx(0, abs=1e-9)


def test_the_command_hands_its_options_on(tmp_path, monkeypatch, capsys):
    asked = {}

    def run(members, seed, folder, out, **options):
        asked.update(members=members, seed=seed, folder=folder.name, out=out, **options)
        return out / within_city.FILES[0]

    monkeypatch.setattr(within_city, "run", run)
    options = ["--within-city", "7", "--out", str(tmp_path), "--workers", "1", "--quiet"]
    assert main(options) == 0
    assert asked == {
        "members": 7,
        "seed": 1,
        "folder": "within-city-1",
        "out": tmp_path,
        "workers": 1,
        "progress": False,
    }
    assert all(name in capsys.readouterr().out for name in within_city.FILES[:1])
