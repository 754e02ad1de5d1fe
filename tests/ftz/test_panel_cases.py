"""Panels on which estimators gave a wrong answer once, each with the right one."""

from __future__ import annotations

from inspect import signature
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import userpanel
from ftz import Panel, did, index, inference, matching, mediation, random_effects
from ftz.errors import EstimationError

DATA = Path(__file__).parent.parent / "known_answers"


def sim(n=40, T=8, t0=2001, starts=(2004, 2006), seed=0):
    """Two cohorts and never-treated units; effects that grow by 0.3 a period."""
    rng = np.random.default_rng(seed)
    u, t = np.repeat(np.arange(n), T), np.tile(np.arange(t0, t0 + T), n)
    g, k = np.full(n, np.nan), n // 4
    g[:k], g[k : 2 * k] = starts
    G = g[u]
    on = (t >= G).astype(float)
    x = rng.normal(size=n * T)
    y = rng.normal(size=n)[u] + 0.1 * (t - t0)
    y = y + on * (1 + 0.3 * (t - np.where(np.isnan(G), t, G))) + rng.normal(0, 0.3, n * T) + 0.2 * x
    names = {"city": [f"c{i:03d}" for i in u], "st": [f"s{i // 4}" for i in u]}
    return pd.DataFrame({**names, "year": t, "y": y, "g": G, "d": on, "x": x})


@pytest.fixture(scope="module")
def frame():
    return sim()


def quarter(year: float) -> object:
    return (
        np.nan if np.isnan(year) else f"{2001 + int(year - 2001) // 4}Q{int(year - 2001) % 4 + 1}"
    )


def known(name: str) -> pd.DataFrame:
    return pd.read_csv(DATA / f"did_data_{name}.csv")


# ------------------------------------------------------------------- time and cohorts

ESTIMATORS = ("callaway_santanna", "sun_abraham", "imputation", "stacked", "two_way")


def test_periods_may_be_negative(frame):
    shifted = frame.assign(year=frame.year - 2005, g=frame.g - 2005)
    for name in ESTIMATORS:
        one, two = (did.ESTIMATORS[name](f, "y", "g") for f in (frame, shifted))
        assert two.att == pytest.approx(one.att, abs=1e-12)
    assert did.callaway_santanna(shifted, "y", "g").att == pytest.approx(1.307, abs=5e-4)


@pytest.mark.parametrize("kind", ["text", "datetime", "period", "decimal", "number", "arrow"])
def test_quarters_are_ranks(frame, kind):
    texts = frame.assign(year=frame.year.map(quarter), g=frame.g.map(quarter))
    how = {
        "text": lambda c: c,
        "datetime": lambda c: pd.PeriodIndex(c, freq="Q").to_timestamp(),
        "period": lambda c: pd.Series(pd.PeriodIndex(c, freq="Q"), c.index),
        "decimal": lambda c: c.map(lambda q: int(q[:4]) + (int(q[5]) - 1) / 4, na_action="ignore"),
        "number": lambda c: c.map(lambda q: int(q[:4] + q[5]), na_action="ignore"),
        "arrow": lambda c: pd.Series(pd.PeriodIndex(c, freq="Q").to_timestamp(), c.index).astype(
            "timestamp[ns][pyarrow]"
        ),
    }[kind]
    coded = texts.assign(year=how(texts.year), g=how(texts.g))
    assert did.event_study(coded, "y", "g").params[1] == pytest.approx(0.87, abs=5e-3)
    one, two = (did.sun_abraham(f, "y", "g") for f in (frame, coded))
    assert (two.att, two.std_error) == pytest.approx((one.att, one.std_error))
    assert did.bacon(coded, "y", "g").estimate == pytest.approx(did.twfe(frame, "y", "d").att)


def test_every_second_year_is_one_step(frame):
    odd = frame[frame.year % 2 == 1]
    numbered = odd.assign(year=(odd.year - 1999) // 2, g=np.ceil((odd.g - 1999) / 2))
    one, two = (did.sun_abraham(f, "y", "g") for f in (odd, numbered))
    assert (one.att, one.std_error) == pytest.approx((two.att, two.std_error), abs=1e-12)
    assert (one.att, one.std_error) == pytest.approx((1.1444, 0.1302), abs=5e-5)
    study = did.event_study(odd, "y", "g")
    assert (study.std_errors.isna()).sum() == 1  # one reference period


def test_a_code_for_never_is_declared_or_refused(frame):
    coded = frame.assign(year=frame.year - 2000, g=(frame.g - 2000).fillna(0))
    calls = (did.event_study, did.bacon, did.compare, *map(did.ESTIMATORS.get, ESTIMATORS))
    for call in calls:
        with pytest.raises(EstimationError, match=r"never=\(0,\)"):
            call(coded, "y", "g")
    for name in ESTIMATORS:
        declared = did.ESTIMATORS[name](coded, "y", "g", never=[0])
        assert declared.att == pytest.approx(did.ESTIMATORS[name](frame, "y", "g").att)
    assert "always" not in did.bacon(coded, "y", "g", never=[0]).summary.index.str.cat()
    after = did.callaway_santanna(frame.assign(g=frame.g.fillna(np.inf)), "y", "g")
    assert after.att == did.callaway_santanna(frame, "y", "g").att


def test_units_treated_throughout_follow_one_rule():
    frame = sim(starts=(2001, 2006))
    without = frame[~(frame.g <= 2001)]
    study = did.event_study(frame, "y", "g")
    assert study.params[2] == pytest.approx(did.event_study(without, "y", "g").params[2])
    for result in (study, did.sun_abraham(frame, "y", "g"), did.two_way(frame, "y", "g")):
        assert "10 city treated from the first year on left out" in repr(result)
        assert "left out" in result._repr_html_()


def test_all_treated_in_the_end_compares_with_not_yet(frame):
    treated = frame[frame.g.notna()]
    result = did.callaway_santanna(treated, "y", "g")
    assert result.att == did.callaway_santanna(treated, "y", "g", control_group="not_yet").att
    assert "not treated yet" in repr(result)
    with pytest.raises(EstimationError, match="never treated"):
        did.callaway_santanna(treated, "y", "g", control_group="never")


# ------------------------------------------------------------------- standard errors


@pytest.mark.parametrize(
    ("name", "outcome", "unit", "error"),
    [("mpdta", "lemp", "county", 0.0121), ("ehec", "dins", "stfips", 0.0078)],
)
def test_the_mean_of_switchers_knows_that_horizons_share_them(name, outcome, unit, error):
    data = known(name).assign(g=lambda f: f["first_treat" if name == "mpdta" else "yexp2"])
    data["g"] = data.g.where(data.g > 0)
    result = did.dechaisemartin_dhaultfoeuille(data, outcome, "g", unit=unit)
    other = did.callaway_santanna(data, outcome, "g", control_group="not_yet", unit=unit)
    assert (result.att, result.std_error) == pytest.approx((other.att, other.std_error), rel=1e-9)
    assert result.std_error == pytest.approx(error, abs=5e-5)


def test_the_mean_of_switchers_is_what_drawing_units_gives(frame):
    result = did.dechaisemartin_dhaultfoeuille(frame, "y", "g")
    rng, paths, draws = np.random.default_rng(0), [f for _, f in frame.groupby("city")], []
    for _ in range(60):
        chosen = [paths[i].assign(city=j) for j, i in enumerate(rng.integers(40, size=40))]
        again = did.callaway_santanna(pd.concat(chosen), "y", "g", control_group="not_yet")
        draws.append(again.att)
    assert result.std_error == pytest.approx(np.std(draws, ddof=1), rel=0.35)


def test_synthetic_did_has_no_error_where_placebos_have_too_few_controls():
    data = known("prop99")
    treated = sorted(data.state.unique())[:21]
    data["g"] = np.where(data.state.isin(treated), 1989.0, np.nan)
    result = did.synthetic(data, "packs", "g", unit="state", draws=10)
    assert np.isnan(result.std_error) and not result.summary.loc["ATT", "stars"]
    assert "no standard error" in repr(result) and "18" in repr(result)


def test_errors_that_xtreg_prints():
    """fixest and pyfixest print .01327 for mpdta; R's HonestDiD .0240, .0672 for ehec."""
    data = known("mpdta")
    data["d"] = ((data.first_treat > 0) & (data.year >= data.first_treat)).astype(float)
    table = did.standard_errors(data, "lemp", "d", unit="county").table
    assert table.loc["CR1N", "std_error"] == pytest.approx(0.01327, abs=5e-6)
    assert table.loc["CR1", "std_error"] == pytest.approx(0.01482, abs=5e-6)
    assert "Stata" not in " ".join(did.FAMILY.values())
    fit = did.twfe(data, "lemp", "d", unit="county", errors="CR1N")
    assert fit.std_errors["d"] == pytest.approx(table.loc["CR1N", "std_error"])
    data = known("ehec").query("year < 2016 and yexp2 != 2015")
    data["g"] = data.yexp2.where(data.yexp2 == 2014)
    study = did.event_study(data, "dins", "g", unit="stfips", errors="CR1N")
    bounds = did.relative_magnitudes(study, (0.5,)).table
    assert bounds.loc[0.5, ["lower", "upper"]].tolist() == pytest.approx([0.0240, 0.0672], abs=3e-4)


def test_nested_effects_against_pyfixest_off_the_default_path(frame):
    """Clusters above the units, an unbalanced panel and a control."""
    pf = pytest.importorskip("pyfixest")
    some = frame.sample(frac=0.8, random_state=1)
    for cluster in ("st", "city"):
        fit = pf.feols("y ~ d + x | city + year", some, vcov={"CRV1": cluster})
        table = did.standard_errors(some, "y", "d", ["x"], cluster=cluster).table
        assert table.loc["CR1N", "std_error"] == pytest.approx(fit.se()["d"], rel=1e-6)


def test_singletons_carry_no_information():
    data = known("mpdta")
    data["d"] = ((data.first_treat > 0) & (data.year >= data.first_treat)).astype(float)
    lonely = pd.DataFrame({"county": range(10**6, 10**6 + 1500), "d": 0.0})
    lonely = lonely.assign(year=2003 + lonely.index % 5, lemp=np.sin(lonely.index))
    both = pd.concat([data, lonely])
    one, two = (did.twfe(f, "lemp", "d", unit="county") for f in (data, both))
    assert two.std_errors["d"] == pytest.approx(one.std_errors["d"], rel=1e-9)
    assert two.nobs == 2500 and "1500 rows alone" in repr(two)
    assert len(two.residuals) == len(both) and (two.residuals.iloc[2500:] == 0).all()
    family = did.standard_errors(both, "lemp", "d", unit="county")
    assert family.table.loc["CR1", "std_error"] == pytest.approx(0.01482, abs=5e-6)
    assert "1500 rows alone" in repr(family)


def test_ipw_on_kept_rows_knows_that_all_of_them_made_the_score():
    """Multiply weights by keep, stack the equations of score and means: one sandwich."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 2))
    d = (rng.uniform(size=400) < 1 / (1 + np.exp(-0.8 * x[:, 0]))).astype(float)
    data = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "d": d})
    y = pd.Series(x[:, 0] + d * (1 + x[:, 1]) + rng.normal(size=400))
    fit = matching.propensity_score(data, "d", ["a", "b"])
    keep = fit.score.between(0.2, 0.6)
    p, z, k = fit.score.to_numpy(), fit.design, keep.to_numpy(float)
    for estimand in ("att", "ate"):
        result = matching.ipw(y, fit, estimand=estimand, keep=keep)
        one = k * (d if estimand == "att" else d / p)
        zero = k * (1 - d) / (1 - p) * (p if estimand == "att" else 1)
        m1, m0 = one @ y / one.sum(), zero @ y / zero.sum()
        moments = np.column_stack([(d - p)[:, None] * z, one * (y - m1), zero * (y - m0)])
        slope = p * (1 - p)
        bread = np.zeros((5, 5))
        bread[:3, :3] = -(z * slope[:, None]).T @ z
        dp1 = 0 * p if estimand == "att" else -k * d / p**2 * slope
        dp0 = k * (1 - d) / (1 - p) ** 2 * slope
        bread[3, :3], bread[4, :3] = (dp1 * (y - m1)) @ z, (dp0 * (y - m0)) @ z
        bread[3, 3], bread[4, 4] = -one.sum(), -zero.sum()
        inverse = np.linalg.inv(bread)
        covariance = inverse @ (moments.T @ moments) @ inverse.T
        contrast = np.array([0, 0, 0, 1, -1])
        assert result.estimate == pytest.approx(m1 - m0)
        assert result.std_error == pytest.approx(np.sqrt(contrast @ covariance @ contrast))
        assert result.nobs == keep.sum()


def test_a_score_of_one_is_no_weight():
    rng = np.random.default_rng(0)
    a = np.r_[rng.normal(size=200), 60.0]
    d = np.r_[(rng.uniform(size=200) < 1 / (1 + np.exp(-2 * a[:200]))).astype(float), 1.0]
    data = pd.DataFrame({"a": a, "b": np.r_[rng.normal(size=200), 0.0], "d": d})
    y = pd.Series(0.1 * np.clip(a, -3, 3) + d + rng.normal(size=201))
    fit = matching.propensity_score(data, "d", ["a"])
    assert fit.score.iloc[-1] == 1.0
    inside = matching.ipw(y, fit)
    assert np.isfinite(inside.estimate) and inside.std_error > 0
    robust = matching.doubly_robust(y, data, ["b"], fit)
    assert np.isfinite(robust.estimate) and robust.std_error > 0
    pairs = matching.match(fit.score, fit.treated, k=1)
    error = matching.att(y, pairs, se="abadie_imbens_2016", fit=fit, neighbours=2).std_error
    assert error > 0
    for call in (
        lambda: matching.ipw(y, fit, estimand="ate"),
        lambda: matching.doubly_robust(y, data, ["b"], fit, estimand="ate"),
    ):
        with pytest.raises(EstimationError, match="exactly 0 or 1"):
            call()


def test_a_caliper_keeps_treated_with_fewer_than_k():
    data = pd.DataFrame({"s": [0.0, 1.0, 0.1, 0.9, 1.1]})
    treated = pd.Series([1, 1, 0, 0, 0])
    pairs = matching.match_covariates(data, treated, ["s"], metric="euclidean", k=2, caliper=0.5)
    assert pairs.n_treated == 2 and (pairs.weights.toarray() > 0).sum(axis=1).tolist() == [1, 2]
    assert "R's Matching drops" in matching.match_covariates.__doc__


# ------------------------------------------------------- missing, odd and badly named columns

CALLS = {
    "twfe": lambda f: did.twfe(f, "y", "d"),
    "standard_errors": lambda f: did.standard_errors(f, "y", "d"),
    "twfe_weights": lambda f: did.twfe_weights(f, "d"),
    "constant": lambda f: did.constant(f, "y", "d"),
    "event_study": lambda f: did.event_study(f, "y", "g"),
    "bacon": lambda f: did.bacon(f, "y", "g"),
    "compare": lambda f: did.compare(f, "y", "g"),
    "switchers": lambda f: did.switchers(f, "y", "d"),
    **{n: lambda f, e=did.ESTIMATORS[n]: e(f, "y", "g") for n in did.ESTIMATORS},
    "placebo": lambda f: inference.placebo(f, "y", "d", seed=0),
    "bootstrap": lambda f: inference.wild_cluster_bootstrap(f, "y", "d", seed=0),
    "jackknife": lambda f: inference.leave_one_cluster_out(f, "y", "d"),
    "conley_taber": lambda f: inference.conley_taber(f, "y", "d", seed=0),
    "mediate": lambda f: mediation.mediate(f, "y", "d", "x"),
    "sensitivity": lambda f: mediation.sensitivity(f, "y", "d", "x"),
    "robustness": lambda f: mediation.robustness(f, "y", "d", "x"),
    "indirect": lambda f: mediation.bootstrap_indirect(f, "y", "d", "x", seed=0, draws=3),
}


@pytest.mark.parametrize("name", CALLS)
def test_one_check_in_one_wording(frame, name):
    for column in ("city", "year"):
        holed = frame.astype({column: object})
        holed.loc[3, column] = None
        with pytest.raises(EstimationError, match=f"missing or infinite values in {column}: drop"):
            CALLS[name](holed)
    with pytest.raises(EstimationError, match="in more than one row"):
        CALLS[name](pd.concat([frame, frame.iloc[[5]]]))


@pytest.mark.parametrize("name", ["y", "u", "t", "first", "d", "start", "since", "x0", "c"])
def test_a_control_may_have_any_name(frame, name):
    plain = frame.rename(columns={"y": "outcome", "d": "on"})
    other = plain.rename(columns={"x": name})
    for estimator in ESTIMATORS:
        one = did.ESTIMATORS[estimator](plain, "outcome", "g", ["x"])
        two = did.ESTIMATORS[estimator](other, "outcome", "g", [name])
        assert (two.att, two.std_error) == (one.att, one.std_error)


@pytest.mark.parametrize("dtype", ["Int64", "int64[pyarrow]", "category", "Float32", object])
def test_dtypes_do_not_matter(frame, dtype):
    wanted = did.callaway_santanna(frame, "y", "g").att
    assert did.callaway_santanna(frame.astype({"g": dtype}), "y", "g").att == wanted
    odd = frame.assign(d=frame.d.astype("boolean"), y=frame.y.astype("double[pyarrow]"))
    odd = odd.astype({"city": "category", "year": "Int16"})
    assert did.twfe(odd, "y", "d").att == pytest.approx(did.twfe(frame, "y", "d").att)


def test_what_no_estimator_can_use_is_named(frame):
    with pytest.raises(EstimationError, match="x stands twice"):
        did.twfe(frame, "y", "d", ["x", "x"])
    with pytest.raises(EstimationError, match="d: text, where numbers are needed"):
        did.twfe(frame.assign(d=frame.d.astype(str)), "y", "d")
    with pytest.raises(EstimationError, match="'spring' is no period"):
        did.twfe(frame.assign(year="spring"), "y", "d")
    few = frame[frame.city.isin(["c000", "c025"]) & frame.year.isin([2003, 2004])]
    for call in (
        lambda: did.twfe(few, "y", "d"),
        lambda: did.event_study(few, "y", "g"),
        lambda: did.standard_errors(few, "y", "d"),
    ):
        with pytest.raises(EstimationError, match="4 observations cannot carry 4 parameters"):
            call()


def test_a_panel_names_its_columns_once(frame):
    panel = Panel(frame=frame, outcome="y", treatment="d", controls=("x",), cohort="g")
    assert did.twfe(panel).att == did.twfe(frame, "y", "d", ["x"]).att
    assert did.twfe(panel.with_(controls=())).att == did.twfe(frame, "y", "d").att
    one = inference.placebo(panel, scheme="units", seed=1, draws=19)
    two = inference.placebo(frame, "y", "d", ["x"], scheme="units", seed=1, draws=19)
    assert one.p_value == two.p_value and one.title == two.title
    assert did.sun_abraham(panel).att == did.sun_abraham(frame, "y", "g", ["x"]).att
    few, same = (
        inference.conley_taber(panel, seed=1),
        inference.conley_taber(frame, "y", "d", ["x"], seed=1),
    )
    assert few.p_value == same.p_value
    bare = panel.with_(controls=())
    several = inference.romano_wolf(bare, ["y", "x"], seed=1, draws=19)
    assert list(several.table.index) == ["y", "x"]


def test_a_part_is_said_once(frame):
    panel = Panel(frame=frame, outcome="y", treatment="d")
    assert did.twfe(panel, controls=["x"]).att == did.twfe(frame, "y", "d", ["x"]).att
    for named in (("y", "d", ["x"], "u"), ("y",)):
        with pytest.raises(TypeError, match="outcome, treatment, controls after the panel, once"):
            did.twfe(frame, *named, outcome="y")


def test_an_indicator_that_is_constant_up_to_the_last_bit_is_constant():
    population = np.linspace(1, 3, 12)
    flat = (0.1 * population + 0.2 * population) / population
    assert np.ptp(flat) > 0
    table = pd.DataFrame({"flat": flat, "real": population})
    with pytest.raises(EstimationError, match="flat is constant"):
        index.normalise(table)
    with pytest.raises(EstimationError, match="flat is constant"):
        index.data_weights(table, "sd")
    assert index.entropy_weights(table)["flat"] == 0


def test_aggregates_of_holes_and_of_equal_rows():
    table = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, np.nan]})
    even = pd.Series({"a": 1.0, "b": 1.0})
    for method in ("arithmetic", "topsis", "copeland"):
        with pytest.raises(EstimationError, match="b has missing"):
            index.aggregate(table, even, method)
        with pytest.raises(EstimationError, match="weight of b is missing"):
            index.aggregate(table.fillna(1), even.where(even.index == "a"), method)
        equal = index.aggregate(pd.DataFrame({"a": [1.0] * 3, "b": [2.0] * 3}), even, method)
        assert method == "arithmetic" or equal.tolist() == [0.5] * 3


def test_notes_of_wrapped_libraries_name_no_parameter_of_theirs():
    data = known("mpdta").assign(g=lambda f: f.first_treat.where(f.first_treat > 0))
    data["size"] = data.county % 7.0
    data["twice"] = 2 * data["size"]
    results = did.compare(data, "lemp", "g", ["size", "twice"], unit="county")
    told = repr(results) + results._repr_html_()
    assert "rank-deficient" in told and "rank_deficient_action" not in told


# ------------------------------------------------------------------- a reader's own panel

SPEC = "unit: city\ntime: year\noutcome: y\ncohort: g\n"


def study_of(tmp_path, frame, more=""):
    (tmp_path / "panel.csv").write_text(frame.to_csv(index=False), "utf-8")
    (tmp_path / "spec.yml").write_text(SPEC + more, "utf-8")
    return userpanel.check(tmp_path / "panel.csv", tmp_path / "spec.yml")


def test_own_quarters(tmp_path, frame):
    texts = frame.assign(year=frame.year.map(quarter), g=frame.g.map(quarter))
    problems, study = study_of(tmp_path, texts)
    assert study is not None and study.period_labels[1] == "2001Q1"
    assert any("numbered 1 to 8: 1 is 2001Q1" in str(p) for p in problems)
    _, years = study_of(tmp_path, frame)
    assert userpanel.event_study(study).params.equals(userpanel.event_study(years).params)
    dates = pd.PeriodIndex(texts.year, freq="Q").to_timestamp()
    texts.assign(year=dates).to_parquet(tmp_path / "panel.parquet")
    problems, typed = userpanel.check(tmp_path / "panel.parquet", tmp_path / "spec.yml")
    assert typed is not None and userpanel.event_study(typed).params.equals(
        userpanel.event_study(years).params
    )


def test_own_never(tmp_path, frame):
    coded = frame.assign(year=frame.year - 2000, g=(frame.g - 2000).fillna(0))
    problems, study = study_of(tmp_path, coded)
    assert study is None and "write `never: [0]`" in str(problems[0])
    _, study = study_of(tmp_path, coded, "never: [0]\n")
    assert userpanel.event_study(study).params[1] == pytest.approx(0.87, abs=5e-3)


def test_own_controls_not_yet_treated(tmp_path, frame):
    _, study = study_of(tmp_path, frame[frame.g.notna()])
    table = userpanel.staggered(study)
    assert "callaway_santanna" in table.results and "not treated yet" in repr(table)
    _, study = study_of(tmp_path, frame, "control_group: not_yet\n")
    wanted = did.callaway_santanna(frame, "y", "g", control_group="not_yet").att
    assert userpanel.staggered(study).results["callaway_santanna"].att == pytest.approx(wanted)
    problems, _ = study_of(tmp_path, frame, "control_group: all\n")
    assert "never or not_yet" in str(problems[0])


def test_own_clusters(tmp_path, frame):
    _, study = study_of(tmp_path, frame, "cluster: st\n")
    wanted = did.standard_errors(frame, "y", "d", cluster="st").table.loc["CR1", "std_error"]
    assert did.twfe(study.panel).std_errors.iloc[0] == pytest.approx(wanted)
    assert userpanel.event_study(study).nobs == len(frame)
    problems, study = study_of(
        tmp_path, frame.assign(st=frame.st.where(frame.st != "s3")), "cluster: st\n"
    )
    assert study is None and "no cluster is named" in str(problems[0])


def test_own_names_longer_than_eighty_characters(tmp_path, frame):
    _, study = study_of(
        tmp_path, frame.assign(city="The very long name of a city " * 4 + frame.city)
    )
    assert len(study.units) == 40


def test_own_panel_of_many_units(tmp_path):
    """Seven hundred units have more assignments than a float can count."""
    _, study = study_of(tmp_path, sim(700))
    with pytest.raises(EstimationError, match=r"assignments, more than"):
        userpanel.SECTIONS["enumerated"](study)
    drawn = inference.placebo(study.panel, scheme="units", draws=19, seed=0)
    assert "e+313" in repr(drawn)


def test_memory_grows_with_rows_only():
    """Rows times units would be 250 million numbers, two gigabytes."""
    import tracemalloc

    frame = sim(5_000, 10)
    tracemalloc.start()
    did.standard_errors(frame, "y", "d", ["x"])
    inference.placebo(frame, "y", "d", scheme="units", seed=0, draws=9)
    inference.leave_one_cluster_out(frame, "y", "d")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 400e6


LACKING = {
    "outcome": ("cohort", "treatment"),
    "treatment": ("outcome",),
    "cohort": ("outcome", "treatment"),
}
NEEDS = {
    "outcome": [did.twfe, did.event_study, did.callaway_santanna, did.sun_abraham, did.bacon,
                did.standard_errors, did.two_way, did.stacked, did.imputation],
    "treatment": [did.twfe, did.standard_errors],
    "cohort": [did.event_study, did.callaway_santanna, did.stacked, did.bacon],
}  # fmt: skip


@pytest.mark.parametrize(("role", "estimator"), [(r, e) for r in NEEDS for e in NEEDS[r]])
def test_a_role_that_an_estimator_needs_is_asked_for(role, estimator):
    columns = {"outcome": "y", "treatment": "d", "cohort": "g"}
    frame = pd.DataFrame(
        [(f"u{i}", t, i % 3 + 0.1 * t * i, int(i > 2 and t > 2), 3 if i > 2 else None)
         for i in range(6) for t in range(1, 6)],
        columns=["u", "t", "y", "d", "g"],
    )  # fmt: skip
    panel = Panel(frame=frame, unit="u", time="t", **{r: columns[r] for r in LACKING[role]})
    with pytest.raises(EstimationError, match=f"the panel names no {role}"):
        estimator(panel)


@pytest.mark.parametrize("factor", [1e200, 1e-200])
def test_numbers_that_cannot_be_squared_are_refused(factor):
    frame = pd.DataFrame({"u": [1, 1, 2, 2], "t": [1, 2, 1, 2], "y": [1.0, 2.0, 4.0, 3.0]})
    with pytest.raises(EstimationError, match="y: too large or small to square; rescale it"):
        Panel(frame=frame.assign(y=frame.y * factor), outcome="y", unit="u", time="t")


def test_complex_numbers_are_no_outcome():
    frame = pd.DataFrame({"u": [1, 1, 2, 2], "t": [1, 2, 1, 2], "y": [1j, 2.0, 4.0, 3.0]})
    with pytest.raises(EstimationError, match="y: text, where numbers are needed"):
        Panel(frame=frame, outcome="y", unit="u", time="t")


@pytest.mark.parametrize("part", ["weights", "controls"])
def test_weights_and_controls_are_used_or_refused_and_never_left_out_silently(part):
    frame = userpanel.simulate().astype({"zone_year": float})
    city = frame.groupby("city").ngroup()
    on = frame["year"] >= frame["zone_year"].fillna(9999)
    plain = Panel.of(
        frame.assign(w=1.0 + city % 3, size=1.0 + city % 3, on=on.astype(float)),
        outcome="quality",
        treatment="on",
        cohort="zone_year",
    )
    more = plain.with_(**{part: {"weights": "w", "controls": ["income"]}[part]})
    rooms = (did, inference, mediation, random_effects)
    called = {
        name: call
        for room in rooms
        for name, call in vars(room).items()
        if hasattr(call, "__wrapped__") and not name.startswith("_")
    }
    given = {"mediator": "innovation", "seed": 0, "draws": 19, "size": "size"}
    given["outcomes"] = ["quality", "linkage"]
    used = set()
    for name, call in called.items():
        options = {k: given[k] for k in signature(call).parameters if k in given}
        try:
            result = call(more, **options)
        except EstimationError as error:
            assert f"{name} is offered without {part}" in str(error), name
        else:
            used.add(name)
            assert str(result) != str(call(plain, **options)), name
    assert {"twfe", "event_study", "callaway_santanna", "imputation", "mediate"} <= used
    never = {"weights": {"placebo", "standard_errors"}, "controls": {"switchers"}}[part]
    assert never | {"bacon", "synthetic"} <= called.keys() - used
