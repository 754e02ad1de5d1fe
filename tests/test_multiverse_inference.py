"""The multiverse on the page: joint test, Shapley shares, printed digits, curve, explorer."""

from __future__ import annotations

import json
import re
from itertools import permutations, product
from math import factorial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import specgrid
from conftest import ROOT
from ftz._kernel import regress_each
from ftz._projection import span_of
from ftz.errors import EstimationError
from ftz.panel import Panel
from printproof.errors import RecordError
from specgrid import figures as figures
from specgrid import joint, shapley
from specgrid._grid import Specification
from specgrid._results import UNEXPLAINED
from study import published, replication, reproducing
from study.replication import witness_study
from userpanel import UserPanel

STATIC = ROOT / "book" / "_static"


# ---------------------------------------------------------------- simulated studies


def null_study(rng: np.random.Generator, second: float = 2019.0) -> UserPanel:
    """Return a panel without any effect: three cities treated, errors that carry over."""
    cities, years = 9, 8
    noise = rng.normal(size=(3, cities, years))
    for t in range(1, years):
        noise[:, :, t] += 0.8 * noise[:, :, t - 1]
    city, year = np.divmod(np.arange(cities * years), years)
    frame = pd.DataFrame(noise.reshape(3, -1).T, columns=["y", "a", "b"])
    frame = frame.assign(city=[f"city {i:02d}" for i in city], year=2013 + year)
    frame["start"] = np.where(city < 2, 2017.0, np.where(city < 3, second, np.nan))
    frame["D"] = (frame["year"] >= frame["start"]).astype(int)
    return UserPanel(frame, "city", "year", "y", "D", "start", ("a", "b"), kind="simulated")


def basis(frame, controls):
    """Return an orthonormal basis of unit effects, period effects and controls."""
    return span_of(Panel(frame=frame, controls=controls)).dense()


def quick_engine(study, specifications, treatments):
    """Estimate each specification by projection: the algebra of ftz.inference, no cells."""
    found = np.empty((2, len(specifications), treatments.shape[1]))
    codes = pd.factorize(study.frame["city"])[0]
    bases: dict[tuple[str, ...], np.ndarray] = {}
    for i, specification in enumerate(specifications):
        kept = study.frame["year"].between(*specification.window).to_numpy()
        assert kept.all() and not specification.sample
        names = specification.controls
        if names not in bases:
            bases[names] = basis(study.frame, names)
        outcome = study.frame[[specification.outcome]].to_numpy(float)
        slopes, errors, _ = regress_each(outcome, treatments, bases[names], codes)
        found[:, i] = slopes, slopes / errors
    return found[0], found[1]


@pytest.fixture(scope="module")
def study() -> UserPanel:
    return null_study(np.random.default_rng(3))


@pytest.fixture(scope="module")
def small_grid(study) -> list:
    return list(specgrid.grid(study, {"controls": "subsets", "adoption": ["launch", "next_year"]}))


# ---------------------------------------------------------------- joint test


def test_the_three_statistics_of_a_curve_by_hand():
    estimates = np.array([[1.0, -1.0], [2.0, -2.0], [4.0, 3.0]])
    tstats = np.array([[2.5, -3.0], [1.0, -2.2], [2.0, 2.0]])
    table = joint._curve_statistics(estimates, tstats)
    assert table["median"].tolist() == [2.0, -1.0]
    # the second curve's dominant direction is down: its positive t of 2 does not count
    np.testing.assert_allclose(table["share"], [2 / 3, 2 / 3])
    np.testing.assert_allclose(table["stouffer"], [5.5 / np.sqrt(3), -3.2 / np.sqrt(3)])


def test_a_missing_estimate_leaves_its_curve_and_no_other():
    estimates = np.array([[1.0, np.nan, np.nan], [3.0, 3.0, np.nan]])
    table = joint._curve_statistics(estimates, estimates)
    assert table["median"].tolist()[:2] == [2.0, 3.0]
    assert table["share"].tolist()[:2] == [0.5, 1.0]
    assert table.iloc[2].isna().all()


def test_student_t_becomes_the_normal_deviate_of_the_same_p_value():
    tstats = np.array([[2.3], [-40.0]])
    table = joint._curve_statistics(tstats, tstats, df=7)
    expected = stats.norm.isf(stats.t(7).sf(np.array([2.3, 40.0])))
    np.testing.assert_allclose(table["stouffer"], (expected[0] - expected[1]) / np.sqrt(2))
    assert np.isfinite(joint._curve_statistics(tstats * 1e6, tstats * 1e6, df=500)).all(axis=None)


@pytest.mark.parametrize("exact", [True, False])
def test_p_values_count_the_observed_curve_once(exact):
    null = np.array([5.0, -5.0, 1.0, 0.5])
    curves = np.r_[5.0, null][None, :]
    result = joint._rank_curves(curves, curves, exact=exact, n_assignments=4)
    # as large as 5 in size: two of the four, the observed one among them if all are there
    assert result.pvalues["median"] == pytest.approx(2 / 4 if exact else 3 / 5)
    assert result.smallest_p == (1 / 4 if exact else 1 / 5)


def test_reassigned_paths_are_all_distinct_orders_once():
    paths = ["never", "2015", "never", "2019", "2019"]
    givers, count, exact = joint._reassigned_paths(paths, draws=1, seed=0, enumerate_up_to=100)
    handed = {tuple(paths[i] for i in row) for row in givers}
    assert exact and count == 30 == len(givers) == len(handed)
    assert tuple(paths) in handed
    assert handed == set(permutations(paths))


def test_drawn_paths_are_the_same_for_the_same_seed_only():
    paths = list(range(9))
    first, again, other = (
        joint._reassigned_paths(paths, draws=20, seed=seed, enumerate_up_to=10)[0]
        for seed in (1, 1, 2)
    )
    assert (first == again).all() and (first != other).any()
    assert (np.sort(first, axis=1) == np.arange(9)).all()


def test_one_reassignment_serves_all_specifications(study):
    """A city that gets another's path gets it under every coding of the adoption year."""
    treatments, count, exact = joint._treatments(
        study, ["launch", "next_year"], "units", 1, 0, 10_000
    )
    assert exact and count == factorial(9) // (factorial(6) * 2)
    launch, later = (treatments[c].reshape(9, 8, -1).sum(axis=1) for c in ("launch", "next_year"))
    np.testing.assert_array_equal(later, np.maximum(launch - 1, 0))
    np.testing.assert_array_equal(treatments["launch"][:, 0], study.frame["D"])


def test_the_observed_curve_is_that_of_the_table(study, small_grid):
    table = specgrid.evaluate(study, small_grid)
    result = joint.joint_test(study, small_grid, seed=1)
    np.testing.assert_allclose(result.estimates, table["estimate"], rtol=1e-10)
    np.testing.assert_allclose(result.tstats, table["statistic"], rtol=1e-10)
    assert result.exact and result.n_specifications == len(small_grid)
    assert result.n_assignments == len(result.null) + result.n_degenerate


def test_the_engine_of_the_library_and_plain_projection_agree(study, small_grid, monkeypatch):
    ours = joint.joint_test(study, small_grid, seed=1)
    monkeypatch.setattr(joint, "estimate_many", quick_engine)
    plain = joint.joint_test(study, small_grid, seed=1)
    pd.testing.assert_frame_equal(ours.null, plain.null, rtol=1e-8)
    pd.testing.assert_series_equal(ours.pvalues, plain.pvalues)


def test_draws_depend_on_the_seed_alone(study, small_grid):
    results = [
        joint.joint_test(study, small_grid, seed=seed, draws=40, enumerate_up_to=1)
        for seed in (1, 1, 2)
    ]
    pd.testing.assert_frame_equal(results[0].null, results[1].null)
    assert not results[0].null.equals(results[2].null)
    assert not results[0].exact and results[0].seed == 1


@pytest.mark.parametrize("studies", [40, pytest.param(150, marks=pytest.mark.nightly)])
def test_joint_p_values_are_uniform_when_nothing_happened(small_grid, studies, monkeypatch):
    """Over paths the test is exact under persistent errors; over cells it rejects too often."""
    monkeypatch.setattr(joint, "estimate_many", quick_engine)
    rng = np.random.default_rng(11)
    over_paths, over_cells = [], []
    for _ in range(studies):
        study = null_study(rng, second=2017.0)
        options = {"seed": rng, "draws": 39}
        over_paths.append(joint.joint_test(study, small_grid, **options).pvalues)
        over_cells.append(
            joint.joint_test(study, small_grid, scheme="observations", **options).pvalues
        )
    paths, cells = pd.DataFrame(over_paths), pd.DataFrame(over_cells)
    # p values sit on a lattice of 1/84: spread them over its steps before the test
    for name in ("median", "stouffer"):
        smooth = paths[name] - rng.uniform(0, 1 / 84, len(paths))
        assert stats.kstest(smooth, "uniform").pvalue > 0.01, name
    # shares tie, which can only make their test more careful
    for level in (0.05, 0.1, 0.2):
        bound = stats.binom(len(paths), level).ppf(0.999) / len(paths)
        assert (paths <= level + 1e-12).mean().max() <= bound
    assert (cells["median"] <= 0.05).mean() > 0.15


def test_the_joint_test_refuses_what_it_cannot_recompute(study):
    matched = Specification(outcome="y", window=(2013, 2020), matching="caliper", caliper=0.5)
    plain = Specification(outcome="y", window=(2013, 2020))
    assert joint.eligible([matched, plain]) == [plain]
    with pytest.raises(EstimationError, match=r"eligible\(grid\)"):
        joint.joint_test(study, [plain, matched], seed=1)
    with pytest.raises(EstimationError, match="no specification"):
        joint.joint_test(study, [], seed=1)
    with pytest.raises(EstimationError, match="unknown scheme"):
        joint.joint_test(study, [plain], seed=1, scheme="rows")
    with pytest.raises(EstimationError, match="at least 1"):
        joint.joint_test(study, [plain], seed=1, draws=0)


def test_a_joint_test_reads_well(study, small_grid):
    result = joint.joint_test(study, small_grid, seed=1)
    assert "8 specifications jointly, all 252 reassigned units" in repr(result)
    assert "Stouffer" in result._repr_html_()
    with pytest.raises(AttributeError):
        result.level = 0.1


# ---------------------------------------------------------------- Shapley


def by_orders(frame: pd.DataFrame, choices: list[str]) -> dict[str, float]:
    """Average what a choice adds over all orders in which choices can be learnt."""

    def worth(chosen: tuple[str, ...]) -> float:
        if not chosen:
            return 0.0
        means = frame.groupby(list(chosen), dropna=False)["estimate"].transform("mean")
        return float(means.var(ddof=0))

    orders = list(permutations(choices))
    total = dict.fromkeys(choices, 0.0)
    for order in orders:
        for place, choice in enumerate(order):
            total[choice] += worth(order[: place + 1]) - worth(order[:place])
    return {choice: value / len(orders) for choice, value in total.items()}


def unbalanced(seed: int) -> pd.DataFrame:
    """Return a grid in which half of the combinations do not exist."""
    rng = np.random.default_rng(seed)
    full = pd.DataFrame(
        list(product("ab", [1, 2, 3], [None, "x"], [0.5, np.nan])), columns=list("pqrs")
    )
    kept = full[rng.random(len(full)) < 0.5].reset_index(drop=True)
    return kept.assign(estimate=rng.normal(size=len(kept)))


@pytest.mark.parametrize("seed", range(5))
def test_shapley_values_are_averages_over_all_orders(seed):
    frame = unbalanced(seed)
    result = shapley.shapley(frame, list("pqrs"))
    expected = by_orders(frame, list("pqrs"))
    for choice, value in expected.items():
        assert result.effects[choice] == pytest.approx(value, abs=1e-12)


def test_in_a_sum_each_choice_has_the_variance_of_its_part():
    x, z, w = (g.ravel() for g in np.meshgrid([0, 1], [0, 1, 5], [2, 7], indexing="ij"))
    frame = pd.DataFrame({"x": x, "z": z, "w": w, "estimate": 3.0 * x + z**2 - 0.5 * w})
    result = shapley.shapley(frame, ["x", "z", "w"])
    for name, part in (("x", 3.0 * x), ("z", z**2.0), ("w", -0.5 * w)):
        assert result.effects[name] == pytest.approx(np.var(part), rel=1e-12)
        assert result.alone[name] == pytest.approx(result.last[name], rel=1e-9)


def test_a_pure_interaction_is_shared_equally():
    x, z = (g.ravel() for g in np.meshgrid([-1, 1], [-1, 1]))
    result = shapley.shapley(pd.DataFrame({"x": x, "z": z, "estimate": x * z + 7.0}), ["x", "z"])
    np.testing.assert_allclose(result.shares, [0.5, 0.5], atol=1e-12)
    np.testing.assert_allclose(result.alone, 0, atol=1e-12)


def test_a_choice_without_influence_gets_nothing_and_twins_get_the_same():
    frame = unbalanced(1).assign(twin=lambda f: f["q"] * 10, constant="c")
    result = shapley.shapley(frame, ["p", "q", "r", "s", "twin", "constant"])
    assert result.effects["constant"] == pytest.approx(0, abs=1e-14)
    assert result.effects["q"] == pytest.approx(result.effects["twin"], abs=1e-14)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1e-6, 1.0, 1e6]), st.floats(-1e3, 1e3))
def test_shares_sum_to_one_whatever_the_grid(seed, scale, shift):
    frame = unbalanced(seed % 1000 + 10).sample(frac=1, random_state=seed)
    frame["estimate"] = frame["estimate"] * scale + shift * scale
    for choices in (list("pqrs"), ["p"], ["q", "s"]):
        result = shapley.shapley(frame, choices)
        assert abs(result.shares.sum() - 1) < 1e-12
        assert (result.effects >= -1e-12 * result.variance).all()


def test_what_the_choices_do_not_tell_apart_is_said():
    frame = pd.DataFrame({"x": [0, 0, 1, 1], "estimate": [0.0, 2.0, 4.0, 6.0]})
    result = shapley.shapley(frame, ["x"])
    assert result.shares["x"] == pytest.approx(4 / 5)
    assert result.shares[UNEXPLAINED] == pytest.approx(1 / 5)
    assert UNEXPLAINED in repr(result)


def test_shapley_refuses_in_words(study, small_grid):
    frame = unbalanced(2)
    for call, words in (
        ((frame, ["nope"]), "no column nope"),
        ((frame, []), "name each choice once"),
        ((frame, ["p", "p"]), "name each choice once"),
        ((frame.assign(estimate=1.0), ["p"]), "nothing to divide"),
        ((frame.assign(estimate=np.nan), ["p"]), "two are needed"),
    ):
        with pytest.raises(EstimationError, match=words):
            shapley.shapley(*call)
    many = frame.assign(**{f"c{i}": 1 for i in range(17)})
    with pytest.raises(EstimationError, match="at most 16"):
        shapley.shapley(many, [f"c{i}" for i in range(17)])


def test_sets_unfold_into_one_choice_a_member():
    frame = pd.DataFrame(
        {"controls": ["none", "fe + urba", "urba"], "sample": ["all", "without A, B", "without B"]}
    )
    assert shapley.unfolded(frame, "controls").to_dict("list") == {
        "with fe": [0, 1, 0],
        "with urba": [0, 1, 1],
    }
    assert shapley.unfolded(frame, "sample").columns.tolist() == ["without A", "without B"]
    with pytest.raises(EstimationError, match="controls or sample"):
        shapley.unfolded(frame, "window")


# ---------------------------------------------------------------- digits


CELL = replication.cell("table4", "FTZ", "(2)", "coef")  # printed 0.191 with z 13.32


def test_a_path_hits_a_cell_by_rounding_alone():
    frame = pd.DataFrame(
        {
            "estimate": [0.19049, 0.1905, 0.191, 0.1915, 0.19151, np.nan],
            "statistic": [13.32, 13.32, 13.3249, 13.3251, 13.32, 13.32],
        }
    )
    record = published.load("yan_ye_wang")
    result = reproducing.specifications(frame, record, [CELL])
    hit = result.hits["table4 FTZ (2)"]["prints_statistic"]
    assert hit.index.tolist() == [1, 2, 3] and hit.index[hit].tolist() == [1, 2]
    row = result.table.loc["table4 FTZ (2)"]
    assert (result.n, row["hits"], row["both"]) == (5, 3, 2)
    assert row["share"] == 3 / 5 and row["share_both"] == 2 / 5
    assert row["near"] == pytest.approx(1 / 21)  # all five lie within ten units
    assert "0.191" in repr(result) and "<table" in result._repr_html_()


@given(st.floats(0.15, 0.25))
def test_hits_agree_with_the_record_s_own_rule(number):
    record = published.load("yan_ye_wang")
    frame = pd.DataFrame({"estimate": [number], "statistic": [0.0]})
    hits = reproducing.specifications(frame, record, [CELL]).table["hits"].iloc[0]
    assert bool(hits) is record.get(CELL).reproduced_by(number)


def test_digits_refuses_in_words():
    record, frame = published.load("yan_ye_wang"), pd.DataFrame({"estimate": [0.1]})
    with pytest.raises(RecordError, match="ends in /coef"):
        reproducing.specifications(frame, record, [CELL.replace("coef", "statistic")])
    with pytest.raises(EstimationError, match="no column statistic"):
        reproducing.specifications(frame, record, [CELL])
    with pytest.raises(EstimationError, match="no specification has an estimate"):
        reproducing.specifications(frame.assign(estimate=np.nan), record, [CELL])
    with pytest.raises(EstimationError, match="no column k"):
        reproducing.follows(frame, {"k": 4})


def test_the_paper_s_own_paths_print_its_tables_on_the_witness():
    study = witness_study()
    paths = reproducing.paper_paths("2013-2022")
    everything = [
        {"matching": ["caliper"], "caliper": [0.66], "controls": "subsets"},
        {
            "estimator": ["matching_att"],
            "matching": ["k_nearest", "caliper", "k_nearest_in_caliper"],
            "k": [4],
            "caliper": [0.66],
        },
    ]
    results = specgrid.evaluate(study, specgrid.grid(study, {"blocks": everything}))
    found = reproducing.specifications(results, published.load("yan_ye_wang"), list(paths))
    assert len(paths) == 8 and found.reached_by(paths).all()
    assert (found.table.loc[found.table.index.str.startswith("table4"), "both"] >= 1).all()
    wrong = {cell: {**path, "sample": "without Baoding"} for cell, path in paths.items()}
    assert not found.reached_by(wrong).any()
    with pytest.raises(EstimationError, match="no path is given"):
        found.reached_by({})


# ---------------------------------------------------------------- figures


CHOICES = ["sample", "adoption", "window", "controls", "k"]


def results_of(n: int, seed: int = 1) -> pd.DataFrame:
    """Return made-up results in the shape of the table."""
    rng = np.random.default_rng(seed)
    estimate, error = rng.normal(0.1, 0.1, n), rng.uniform(0.02, 0.1, n)
    sets = ["none", "fe", "fe + urba", "urba"]
    return pd.DataFrame(
        {
            "estimate": np.where(np.arange(n) == 3, np.nan, estimate),
            "lower": estimate - 2 * error,
            "upper": np.where(np.arange(n) == 5, np.nan, estimate + 2 * error),
            "p_value": 2 * stats.norm.sf(np.abs(estimate / error)),
            "sample": rng.choice(["all", "without Beijing", "without Beijing, Tianjin"], n),
            "adoption": rng.choice(["launch", "</script><b>&'\""], n),
            "window": "2013-2022",
            "controls": rng.choice(sets, n),
            "k": rng.choice([np.nan, 4.0, 12.0], n),
        }
    )


def test_boards_show_levels_that_vary_and_members_of_sets():
    ordered = results_of(60).sort_values("estimate")
    found = {b.choice: b for b in figures._boards(ordered, CHOICES, {"sample": "left out"})}
    assert list(found) == ["left out", "adoption", "controls", "k"]
    assert found["left out"].levels == ("Beijing", "Tianjin") and found["left out"].many
    assert found["k"].levels == ("none", "4", "12")
    assert (found["k"].member.sum(axis=0) == 1).all()
    urba = found["controls"].member[found["controls"].levels.index("urba")]
    assert urba.tolist() == ordered["controls"].str.contains("urba").tolist()


@pytest.mark.parametrize("n", [40, 700])
def test_the_still_draws_each_estimate_once(n, study, small_grid):
    results = results_of(n)
    band = joint.joint_test(study, small_grid, seed=1)
    marked = pd.Series(results.index == 7, index=results.index)
    figure = figures.specification_curve(results, CHOICES, joint=band, marked=marked)
    top, bottom = figure.axes
    points = sum(len(line.get_xdata()) for line in top.lines if line.get_marker() in ("x", "o"))
    assert points == n - 1 + 1  # one row has no estimate, one is ringed
    names = [text.get_text() for text in bottom.get_yticklabels()]
    assert names[:5] == ["below 0.05", "Beijing", "Tianjin", "</script><b>&'\"", "launch"]
    assert names[5:] == ["fe", "urba", "none", "4", "12"]
    assert figure.get_size_inches()[0] <= 5  # shrunk to a telephone it stays legible


def test_the_other_figures_name_what_they_show(study, small_grid):
    result = shapley.shapley(unbalanced(1), list("pqrs"))
    ticks = [
        t.get_text() for t in figures.shapley_plot(result, {"p": "first"}).axes[0].get_yticklabels()
    ]
    assert any(t.startswith("first") and t.endswith("%") for t in ticks) and len(ticks) == 4
    titles = [
        a.get_title() or a.get_title(loc="left")
        for a in figures.joint_plot(joint.joint_test(study, small_grid, seed=1)).axes
    ]
    assert [t.split(":")[0] for t in titles] == [
        "Median estimate",
        "Share significant",
        "Stouffer's z",
    ]


def test_the_explorer_carries_its_data_and_nothing_that_acts():
    html = figures.explorer(results_of(300), CHOICES, title='A "curve" & <more>')._repr_html_()
    head, _, rest = html.partition('<script type="application/json">')
    text, _, tail = rest.partition("</script>")
    assert (
        head == '<div class="ftz-curve" data-title="A &quot;curve&quot; &amp; &lt;more&gt;" hidden>'
    )
    assert tail == "</div>" and not re.search("[<>&]", text)
    data = json.loads(text)
    assert data["n"] == 299 == len(data["estimate"]) == len(data["boards"][0]["codes"])
    assert data["estimate"] == sorted(data["estimate"]) and None in data["upper"]
    assert "</script><b>&'\"" in data["boards"][1]["levels"]


def test_the_script_asks_nobody_and_writes_no_markup():
    script = (STATIC / "ftz-curve.js").read_text("utf-8")
    for forbidden in ("http:", "https:", "innerHTML", "eval(", "fetch(", "XMLHttpRequest"):
        assert forbidden not in script


# ---------------------------------------------------------------- in a browser


CHROMIUM = Path("/usr") / "bin" / "chromium"


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip("no chromium here")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def curve_page(browser, tmp_path):
    """Return what opens a page with a curve of n specifications, and the errors it gave."""
    errors: list[str] = []

    def opened(n: int, width: int = 800):
        body = figures.explorer(results_of(n), CHOICES, title="Made-up curve")._repr_html_()
        links = "<link rel=stylesheet href=ftz-curve.css><script src=ftz-curve.js></script>"
        head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        text = (
            f'<!doctype html><html lang="en"><head>{head}{links}</head><body>{body}</body></html>'
        )
        (tmp_path / "page.html").write_text(text, "utf-8")
        for name in ("ftz-curve.css", "ftz-curve.js"):
            (tmp_path / name).write_bytes((STATIC / name).read_bytes())
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.on("console", lambda message: errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto((tmp_path / "page.html").as_uri())
        return page

    yield opened
    assert not errors


@pytest.mark.slow
def test_filtering_changes_what_is_counted_and_said(curve_page):
    page, results = curve_page(120), results_of(120)
    known = results[results["estimate"].notna()]
    status = page.locator("[role=status]")
    assert status.inner_text().startswith("119 of 119 specifications shown; median estimate ")
    page.get_by_label("launch").uncheck()
    kept = known[known["adoption"] != "launch"]
    assert status.inner_text().startswith(f"{len(kept)} of 119")
    assert f"median estimate {kept['estimate'].median():.3f}" in status.inner_text()
    page.get_by_label("fe").select_option("yes")
    kept = kept[kept["controls"].str.contains("fe")]
    assert status.inner_text().startswith(f"{len(kept)} of 119")
    positive = ((kept["p_value"] < 0.05) & (kept["estimate"] > 0)).mean()
    assert f"{np.floor(100 * positive + 0.5):.0f}% positive" in status.inner_text()
    page.get_by_role("button", name="Show all").click()
    assert status.inner_text().startswith("119 of 119")
    for level in ("none", "4", "12"):
        page.get_by_label(level, exact=True).uncheck()
    assert status.inner_text().startswith("None of 119")


@pytest.mark.slow
def test_focus_keys_and_pointer_show_a_specification(curve_page):
    page = curve_page(120)
    plot, spec = page.get_by_role("slider"), page.locator(".ftz-curve-spec")
    page.keyboard.press("Tab")
    assert plot.evaluate("e => e === document.activeElement")
    page.keyboard.press("Home")
    assert spec.inner_text().startswith("Specification 1 of 119: estimate ")
    page.keyboard.press("ArrowRight")
    assert spec.inner_text().startswith("Specification 2 of 119")
    assert plot.get_attribute("aria-valuenow") == "2"
    assert plot.get_attribute("aria-valuetext") == spec.inner_text()
    page.keyboard.press("End")
    lowest = results_of(120)["estimate"].max()
    assert f"estimate {lowest:.3f}" in spec.inner_text()
    box = page.locator(".ftz-curve canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    place = int(re.match(r"Specification (\d+) of", spec.inner_text()).group(1))
    assert 30 < place < 80
    assert "controls: " in spec.inner_text()


@pytest.mark.slow
@pytest.mark.parametrize("n", [120, 10_000])
def test_the_curve_fits_a_telephone_and_follows_each_step(curve_page, n):
    page = curve_page(n, width=360)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator(".ftz-curve canvas").bounding_box()["width"] > 250
    drawn = "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v > 0)"
    page.wait_for_function(f"({drawn})(document.querySelector('canvas'))")
    script = """async () => {
      const plot = document.querySelector('[role=slider]');
      for (let i = 0; i < 20; i += 1) {
        plot.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}));
        await new Promise(requestAnimationFrame);
      }
      return plot.getAttribute('aria-valuenow');
    }"""
    first = int(page.get_attribute("[role=slider]", "aria-valuenow"))
    assert page.evaluate(script) == str(first + 20)  # each step is shown before the next


@pytest.mark.slow
def test_without_scripts_and_on_paper_the_still_alone_is_seen(browser, curve_page):
    page = curve_page(60)
    assert page.locator(".ftz-curve").is_visible()
    page.emulate_media(media="print")
    assert not page.locator(".ftz-curve").is_visible()
    silent = browser.new_context(java_script_enabled=False).new_page()
    silent.goto(page.url)
    assert not silent.locator(".ftz-curve").is_visible()
