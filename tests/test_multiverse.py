"""The multiverse: the grid, its rows against the estimators one by one, the tables as bytes."""

from __future__ import annotations

import dataclasses
import itertools
import json
import random
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import specgrid as mv
from ftz import did, inference
from ftz.errors import EstimationError, FtzError
from specgrid import _store as store
from specgrid._estimate import estimate, estimate_many
from specgrid._grid import STAGGERED, Grid, Specification
from specgrid._samples import COHORT, TREATMENT, sample_of, with_indices
from specgrid._scheduling import batches
from specgrid._store import read
from study import published, replication
from study.replication import witness_study
from userpanel import UserPanel

SUBSETS = {"controls": "subsets"}


@pytest.fixture(scope="module")
def study() -> UserPanel:
    return witness_study()


@pytest.fixture(scope="module")
def whole(study) -> Grid:
    return mv.grid(study)


def simulated(seed=0, units=12, periods=8, controls=2, gaps=0.0, cluster="") -> UserPanel:
    """Return a panel with three dates of adoption that no register knows."""
    rng = np.random.default_rng(seed)
    rows = list(itertools.product([f"u{i:02d}" for i in range(units)], range(2000, 2000 + periods)))
    frame = pd.DataFrame(rows, columns=["u", "t"])
    starts = {f"u{i:02d}": [np.nan, 2003.0, 2005.0, np.nan][i % 4] for i in range(units)}
    frame["g"] = frame["u"].map(starts)
    frame["d"] = (frame["t"] >= frame["g"]).astype(int)
    names = [f"x{j}" for j in range(controls)]
    frame[["y", *names]] = rng.normal(size=(len(frame), 1 + controls)).cumsum(axis=0)
    frame["region"] = frame["u"].str[-1].map(lambda d: "north" if d < "3" else f"south {d}")
    frame = frame[rng.random(len(frame)) >= gaps].reset_index(drop=True)
    return UserPanel(
        frame=frame,
        unit="u",
        time="t",
        outcome="y",
        treatment="d",
        cohort="g",
        controls=tuple(names),
        match_on=tuple(names),
        cluster=cluster or "u",
        kind="simulated",
    )


# ------------------------------------------------------------------------- specifications


def test_a_specification_has_one_form():
    one = Specification(outcome="y", window=(2000, 2005), controls=("b", "a"), sample=("v", "u"))
    two = Specification(outcome="y", window=[2000, 2005], controls=["a", "b"], sample=["u", "v"])
    assert one == two
    assert one.key == two.key
    assert hash(one) == hash(two)
    other = dataclasses.replace(one, adoption="next_year")
    assert other.key != one.key


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"estimator": "magic"}, "estimator 'magic' is unknown"),
        ({"error_type": "analytic"}, "twfe has no error_type 'analytic'"),
        ({"k": 2}, "k = 2 do not go together"),
        ({"matching": "caliper"}, "caliper = None do not go together"),
        ({"support": "minmax"}, "a support rule needs a matching"),
        ({"matching": "weights"}, "not offered"),
        (
            {"estimator": "dechaisemartin_dhaultfoeuille", "error_type": "clustered"},
            "1 controls is not offered",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(wrong, told):
    with pytest.raises(FtzError, match=told):
        Specification(**{"outcome": "y", "window": (0, 9), "controls": ("x",)} | wrong)


def test_the_witness_has_thousands_of_sensible_specifications(whole):
    assert len(whole) > 5_000
    assert len({s.key for s in whole}) == len(whole)
    assert [s.order for s in whole] == sorted(s.order for s in whole)
    for s in whole.sample(500, seed=3):
        assert (s.k is None) == (s.matching not in ("k_nearest", "k_nearest_in_caliper"))
        assert s.matching != "none" or s.support == "none"
    levels = whole.choices
    assert len(levels["controls"]) == 2**5
    assert len(levels["sample"]) == 2**3
    assert {"lnHQD", "index:entropy", "vitality"} <= set(levels["outcome"])
    assert set(levels["adoption"]) == {"launch", "next_year", "half_year"}


def test_a_grid_does_not_depend_on_the_order_of_its_blocks(study):
    blocks = [{"outcome": ["vitality"], **SUBSETS}, {"estimator": ["imputation"]}, SUBSETS]
    one, two = (mv.grid(study, {"blocks": b}) for b in (blocks, blocks[::-1]))
    assert one == two
    assert one.digest == two.digest
    assert len(one) == 32 + 1 + 32


def test_a_sample_is_part_of_the_grid_in_its_order(whole):
    drawn = whole.sample(40, seed=1)
    assert drawn == whole.sample(40, seed=1)
    assert drawn != whole.sample(40, seed=2)
    places = [whole.specifications.index(s) for s in drawn]
    assert places == sorted(places)
    assert whole.sample(10**6, seed=1) is whole


def test_a_panel_outside_the_register_has_no_half_years():
    own = simulated()
    levels = mv.grid(own).choices
    assert set(levels["adoption"]) == {"launch", "next_year"}
    assert "without u01" in levels["sample"]
    asked = dataclasses.replace(own, questioned=("u02", "u07", "elsewhere"))
    assert mv.grid(asked).choices["sample"] == [
        "all", "without u02", "without u07", "without u02, u07"
    ]  # fmt: skip
    assert levels["outcome"] == ["y"]
    text = Specification(outcome="y", window=(2000, 2007), adoption="half_year")
    with pytest.raises(
        FtzError, match="no coding 'half_year' of its adoption years; use launch, next_year"
    ):
        estimate(own, text)


# ------------------------------------------------------------------------- YAML


def test_choices_restrict_and_extend(study, whole, tmp_path):
    path = tmp_path / "choices.yml"
    path.write_text("only:\n  outcome: [lnHQD]\n  estimator: [twfe]\n  matching: [none]\n")
    wanted = ("lnHQD", "twfe", "none")
    kept = {s for s in whole if (s.outcome, s.estimator, s.matching) == wanted}
    assert set(mv.grid(study, path)) == kept
    path.write_text(
        "also:\n- window: [[2014, 2020]]\n  sample: [none, Tangshan, [Beijing, Tangshan]]\n"
    )
    more = mv.grid(study, path)
    assert len(more) == len(whole) + 3
    path.write_text("controls: [none, all, [fe, pgdp]]\nerror_type: [CR1, CR3]\n")
    block = mv.grid(study, path)
    assert {s.controls for s in block} == {(), tuple(sorted(study.controls)), ("fe", "pgdp")}
    assert len(block) == 6


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("outcome: [HQD]", "outcome: unknown level 'HQD'; use lnHQD"),
        ("estimater: [twfe]", "unknown choice 'estimater'; the choices are estimator"),
        ("only: {support: [optimal]}", "only, support: unknown level 'optimal'; use none, minmax"),
        ("controls: [[fe, gdp]]", "controls: the study has no 'gdp'; it has fe"),
        ("sample: [Shanghai]", "sample: the study has no 'Shanghai'"),
        ("window: [[2013, 2030]]", r"does not lie within \[2013, 2022\]"),
        ("window: [2013, 2020]", "2013 is no pair of periods"),
        ("k: [0]", "0 is no whole number from 1"),
        ("caliper: [-1]", "-1 is no positive number"),
        ("caliper: .66", "0.66 is no list of levels"),
        ("blocks: 3", "blocks: write a list of mappings"),
        ("blocks: []\nonly: {}", "blocks cannot stand here"),
        ("only: {}\nouctome: []", "ouctome cannot stand here"),
        ("estimator: [imputation]\nmatching: [caliper]", "no sensible combination is left"),
        ("- twfe", "holds no mapping"),
        ("a: [", "no YAML text"),
    ],
)
def test_bad_choices_name_key_and_remedy(study, tmp_path, text, told):
    path = tmp_path / "choices.yml"
    path.write_text(text)
    with pytest.raises(FtzError, match=told) as caught:
        mv.grid(study, path)
    assert "choices.yml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_of_choices_is_named(study, tmp_path):
    with pytest.raises(FtzError, match=r"none\.yml: cannot be read"):
        mv.grid(study, tmp_path / "none.yml")


# ------------------------------------------------------------------------- rows


def twfe(study, specification):
    """Estimate by the library's ordinary function."""
    frame = sample_of(with_indices(study), specification).frame
    arguments = (frame, specification.outcome, TREATMENT, list(specification.controls))
    return did.twfe(*arguments, unit=study.unit, time=study.time)


def reference(study, specification):
    """Estimate by the library's ordinary functions, with the family of standard errors."""
    frame = sample_of(with_indices(study), specification).frame
    arguments = (frame, specification.outcome, TREATMENT, list(specification.controls))
    keys = {"unit": study.unit, "time": study.time}
    fit = did.twfe(*arguments, **keys)
    family = did.standard_errors(*arguments, cluster=study.cluster, **keys)
    return fit, family.table


def close(found, wanted):
    return found == pytest.approx(wanted, rel=1e-10, abs=1e-10)


def test_fast_rows_are_those_of_twfe(study, whole):
    plain = Grid(tuple(s for s in whole if s.estimator == "twfe" and s.error_type == "CR1"))
    table = mv.evaluate(study, plain.sample(20, seed=5)).set_index("key")
    compared = 0
    for specification in plain.sample(20, seed=5):
        row = table.loc[specification.key]
        if row["status"] != "ok":
            with pytest.raises(EstimationError) as caught:
                twfe(study, specification)
            assert row["status"] == str(caught.value)
            continue
        compared += 1
        fit = twfe(study, specification)
        line = fit.summary.loc[TREATMENT]
        for name in ("estimate", "std_error", "statistic", "p_value", "lower", "upper"):
            assert close(row[name], line[name]), (name, specification)
        assert (row["nobs"], row["n_units"], row["n_clusters"]) == (
            fit.nobs,
            fit.n_units,
            fit.n_clusters,
        )
    assert compared > 12


@pytest.mark.parametrize("kind", ["CR1", "CR2", "CR3", "classical", "HC1"])
def test_every_standard_error_is_that_of_the_family(study, kind):
    specification = Specification(
        outcome="lnHQD", window=(2013, 2022), controls=("fe", "urba"), error_type=kind
    )
    row, (_, family) = estimate(study, specification), reference(study, specification)
    for name in ("std_error", "statistic", "p_value", "lower", "upper"):
        assert close(row[name], family.loc[kind, name]), name
    assert row["df"] == pytest.approx(family.loc[kind, "df"]) or np.isinf(family.loc[kind, "df"])
    assert (
        row["estimate"]
        == estimate(study, dataclasses.replace(specification, error_type="CR1"))["estimate"]
    )


def test_the_wild_bootstrap_gives_its_p_value(study):
    base = {"outcome": "vitality", "window": (2013, 2022), "controls": ("fdi",)}
    row = estimate(study, Specification(**base, error_type="wild"))
    found = inference.wild_cluster_bootstrap(study.frame, "vitality", "FTZ", ["fdi"])
    assert row["p_value"] == found.p_value
    assert close(row["std_error"], found.std_error)
    assert np.isnan(row["lower"])


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    units=st.integers(6, 14),
    gaps=st.sampled_from([0.0, 0.15, 0.3]),
    clustered=st.booleans(),
)
@example(seed=5, units=11, gaps=0.3, clustered=False)  # a unit of one row
def test_fast_rows_are_right_on_any_panel(seed, units, gaps, clustered):
    own = simulated(seed, units, 6, 3, gaps, "region" if clustered else "u")
    for controls in ((), ("x1",), ("x0", "x1", "x2")):
        specification = Specification(outcome="y", window=(2000, 2005), controls=controls)
        row = estimate(own, specification)
        try:
            fit, family = reference(own, specification)
        except EstimationError as error:
            assert row["status"] == str(error)
            continue
        assert row["status"] == "ok"
        assert close(row["estimate"], fit.att)
        assert close(row["std_error"], family.loc["CR1", "std_error"])
        assert row["nobs"] == fit.nobs
        if not clustered:
            assert close(row["std_error"], fit.std_errors[TREATMENT])


def test_the_papers_path_prints_the_papers_digits(study):
    """Table 4 of Yan, Ye and Wang: rows matched within the caliper, five nested columns."""
    record = published.load(replication.PAPER)
    for step in range(1, 6):
        specification = Specification(
            outcome="lnHQD",
            window=(2013, 2022),
            controls=replication.CONTROLS[:step],
            matching="caliper",
            caliper=replication.MATCHING.caliper,
            support=replication.MATCHING.support,
        )
        row = estimate(study, specification)
        for name, column in (("coef", "estimate"), ("statistic", "statistic")):
            printed = record.get(replication.cell("table4", "FTZ", f"({step})", name))
            assert printed.verdict(row[column]) == "reproduced"
        assert row["nobs"] == 85


def test_matching_rows_are_those_of_table_1(study):
    wanted = replication.table("table1", study.frame)
    chosen = {
        "k_nearest": {"k": 4},
        "caliper": {"caliper": 0.66},
        "k_nearest_in_caliper": {"k": 4, "caliper": 0.66},
    }
    for method, settings_ in chosen.items():
        specification = Specification(
            estimator="matching_att",
            outcome="lnHQD",
            window=(2013, 2022),
            controls=replication.CONTROLS,
            matching=method,
            support="minmax",
            error_type="analytic",
            **settings_,
        )
        row = estimate(study, specification)
        assert row["estimate"] == pytest.approx(
            wanted[replication.cell("table1", method, "ATT", "coef")], abs=1e-8
        )
        assert row["std_error"] == pytest.approx(
            wanted[replication.cell("table1", method, "ATT", "se")], abs=1e-8
        )


def test_staggered_rows_are_those_of_their_functions(study):
    found = mv.grid(study, {"estimator": list(STAGGERED), "controls": ["none"]})
    table = mv.evaluate(study, found).set_index("estimator")
    for name in table.index:
        fit = did.ESTIMATORS[name](study.frame, "lnHQD", study.cohort)
        assert close(table.loc[name, "estimate"], fit.att)
        assert close(table.loc[name, "std_error"], fit.std_error)


def test_adoption_codings_move_the_treatment(study):
    def first(coding):
        specification = Specification(outcome="lnHQD", window=(2013, 2022), adoption=coding)
        return sample_of(study, specification).frame.groupby("city")[COHORT].first()

    launch, half, daxing = first("launch"), first("half_year"), first("daxing")
    assert (first("next_year") - launch).dropna().eq(1).all()
    assert half["Tianjin"] == launch["Tianjin"] == 2015  # opened in April
    assert half["Tangshan"] == launch["Tangshan"] + 1 == 2020  # opened on 30 August 2019
    assert daxing["Beijing"] == launch["Beijing"] - 1 == 2019
    assert np.isnan(first("baoding_untreated")["Baoding"])


def test_the_composed_index_weighs_the_parts(study):
    frame, parts = with_indices(study).frame, list(study.sub_outcomes)
    assert np.allclose(frame["index:equal"], frame[parts].mean(axis=1))
    for name in ("index:entropy", "index:pca"):
        inside = frame[name].between(frame[parts].min(axis=1), frame[parts].max(axis=1))
        assert inside.all()


def test_what_cannot_be_estimated_is_a_row(study):
    nobody = Specification(outcome="lnHQD", window=(2013, 2014))
    unknown = Specification(outcome="GDP", window=(2013, 2022))
    few = Specification(outcome="lnHQD", window=(2013, 2022), sample=tuple(study.units[1:]))
    flat = dataclasses.replace(study, frame=study.frame.assign(lnHQD=1.0))
    table = mv.evaluate(study, [nobody, unknown, few])
    assert len(table) == 3
    assert table["status"].tolist()[1] == "the study has no column GDP"
    assert "does not vary" in table["status"][0]
    assert "one city only" in table["status"][2]
    assert table["estimate"].isna().all()
    constant = estimate(flat, Specification(outcome="lnHQD", window=(2013, 2022)))
    assert constant["status"] == "lnHQD is constant"


def test_a_row_has_the_same_bits_in_every_company(study, whole):
    kinds = ("CR1", "classical", "HC1", "analytic", "clustered")
    quick = [s for s in whole.sample(3_000, seed=9) if s.error_type in kinds]
    quick = [s for s in quick if s.estimator in ("twfe", "matching_att", "sun_abraham")][:120]
    shuffled = random.Random(1).sample(quick, len(quick))
    together = mv.evaluate(study, quick).set_index("key")
    apart = mv.evaluate(study, shuffled).set_index("key").loc[together.index]
    pd.testing.assert_frame_equal(together, apart, check_exact=True)
    for specification in quick[::20]:
        alone = estimate(study, specification)["estimate"]
        kept = together.loc[specification.key, "estimate"]
        assert alone == kept or (np.isnan(alone) and np.isnan(kept))


def test_plain_ols_agrees_with_specification_curve(study):
    """specification_curve 0.3.9 as oracle: with dummies as regressors its OLS is ours."""
    from specification_curve import SpecificationCurve

    dummies = pd.get_dummies(
        study.frame[["city", "year"]].astype(str), drop_first=True, dtype=float
    )
    controls = list(study.controls)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = SpecificationCurve(
            pd.concat([study.frame, dummies], axis=1),
            y_endog="lnHQD",
            x_exog="FTZ",
            controls=controls,
            always_include=list(dummies.columns),
        )
        peer.fit()
    grid = mv.grid(study, {**SUBSETS, "error_type": ["classical"]})
    ours = mv.evaluate(study, grid).set_index("controls")["estimate"]
    compared = set()
    for _, row in peer.df_r.iterrows():
        used = [c for c in row["Specification"] if c in controls]
        name = " + ".join(sorted(used)) or "none"
        assert row["Coefficient"] == pytest.approx(ours[name], abs=1e-10)
        compared.add(name)
    assert len(compared) >= 31


# ------------------------------------------------------------------------- reassignments


def reassigned(study, seed, count):
    """Hand whole adoption paths to other units, ``count`` times."""
    rng = np.random.default_rng(seed)
    starts = study.frame.groupby(study.unit)[study.cohort].first()
    found = []
    for _ in range(count):
        start = dict(zip(starts.index, rng.permutation(starts.to_numpy()), strict=True))
        found.append((study.frame[study.time] >= study.frame[study.unit].map(start)).astype(float))
    return np.column_stack(found)


def test_many_treatments_are_estimated_like_one(study):
    treatments = reassigned(study, 4, 3)
    choices = {
        "sample": ["none", "Beijing"],
        "window": [[2013, 2022], [2014, 2021]],
        "outcome": ["lnHQD", "index:sd"],
        "controls": ["none", ["fe", "fdi"]],
    }
    grid = mv.grid(study, choices)
    estimates, tstats = estimate_many(study, list(grid), treatments)
    assert estimates.shape == tstats.shape == (16, 3)
    for b in range(3):
        frame = study.frame.assign(FTZ=treatments[:, b])
        table = mv.evaluate(dataclasses.replace(study, frame=frame), grid)
        assert np.allclose(estimates[:, b], table["estimate"], atol=1e-10, equal_nan=True)
        assert np.allclose(tstats[:, b], table["statistic"], rtol=1e-8, equal_nan=True)


def test_reassignment_refuses_what_it_cannot_do(study):
    observed = study.frame[[study.treatment]].to_numpy(float)
    base = {"outcome": "lnHQD", "window": (2013, 2022)}
    matched = Specification(**base, matching="caliper", caliper=0.66)
    with pytest.raises(EstimationError, match="keep to twfe with CR1, without matching"):
        estimate_many(study, [matched], observed)
    with pytest.raises(EstimationError, match="keep to twfe with CR1"):
        estimate_many(study, [Specification(**base, error_type="CR2")], observed)
    with pytest.raises(EstimationError, match="the study has 130 rows"):
        estimate_many(study, [Specification(**base)], observed[:5])
    never = estimate_many(study, [Specification(**base)], 0 * observed)
    assert np.isnan(never).all()


# ------------------------------------------------------------------------- tables


@pytest.fixture(scope="module")
def small(study) -> Grid:
    choices = {
        "blocks": [
            {**SUBSETS, "sample": ["none", "Baoding"]},
            {"estimator": ["sun_abraham"]},
            {"window": [[2013, 2014]]},
        ]
    }
    return mv.grid(study, choices)


@pytest.fixture(scope="module")
def undisturbed(study, small, tmp_path_factory) -> bytes:
    out = tmp_path_factory.mktemp("undisturbed")
    mv.run(study, small, out, workers=1, progress=False)
    return (out / store.TABLE).read_bytes()


def test_processes_write_the_same_bytes(study, small, undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr("specgrid._scheduling._MOST", 9)
    found = mv.run(study, small, tmp_path, workers=2, progress=False)
    assert (tmp_path / store.TABLE).read_bytes() == undisturbed
    assert found["key"].tolist() == [s.key for s in small]
    assert len(list((tmp_path / "parts").glob("part-*.parquet"))) > 5
    pd.testing.assert_frame_equal(found, mv.evaluate(study, small), check_exact=True)


def test_a_run_again_computes_nothing(study, small, undisturbed, tmp_path, monkeypatch):
    mv.run(study, small, tmp_path, workers=1, progress=False)

    def never(*_):
        raise AssertionError("a finished batch was computed again")

    monkeypatch.setattr("specgrid._scheduling.work_on", never)
    mv.run(study, small, tmp_path, workers=1, progress=False)
    assert (tmp_path / store.TABLE).read_bytes() == undisturbed


def test_a_larger_grid_computes_what_is_new(study, small, undisturbed, tmp_path, monkeypatch):
    mv.run(study, small.sample(20, seed=1), tmp_path, workers=1, progress=False)
    from specgrid import _scheduling as module

    computed, work_on = [], module.work_on
    monkeypatch.setattr(module, "work_on", lambda s, b: computed.extend(b) or work_on(s, b))
    mv.run(study, small, tmp_path, workers=1, progress=False)
    assert set(computed) == set(small) - set(small.sample(20, seed=1))
    assert (tmp_path / store.TABLE).read_bytes() == undisturbed


def test_a_stopped_run_goes_on(study, small, undisturbed, tmp_path, monkeypatch):
    from specgrid import _scheduling as module

    monkeypatch.setattr(module, "_MOST", 9)
    done, work_on = [], module.work_on

    def breaks(study, batch):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(batch)
        return work_on(study, batch)

    monkeypatch.setattr(module, "work_on", breaks)
    with pytest.raises(KeyboardInterrupt):
        mv.run(study, small, tmp_path, workers=1, progress=False)
    assert not (tmp_path / store.TABLE).exists()
    assert len(list((tmp_path / "parts").iterdir())) == 3
    monkeypatch.setattr(module, "work_on", work_on)
    mv.run(study, small, tmp_path, workers=1, progress=False)
    assert (tmp_path / store.TABLE).read_bytes() == undisturbed


def test_a_torn_part_is_done_again(study, small, undisturbed, tmp_path):
    mv.run(study, small, tmp_path, workers=1, progress=False)
    part = next((tmp_path / "parts").glob("part-*.parquet"))
    part.write_bytes(part.read_bytes()[:100])
    (tmp_path / store.TABLE).unlink()
    mv.run(study, small, tmp_path, workers=1, progress=False)
    assert (tmp_path / store.TABLE).read_bytes() == undisturbed


def test_another_study_or_library_is_refused(study, small, tmp_path, monkeypatch):
    mv.run(study, small.sample(3, seed=1), tmp_path, workers=1, progress=False)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    other = dataclasses.replace(study, frame=study.frame.assign(lnHQD=study.frame["lnHQD"] + 1e-9))
    with pytest.raises(FtzError, match="holds results of another study"):
        mv.run(other, small, tmp_path, workers=1, progress=False)
    monkeypatch.setattr(store, "library_hash", lambda: "0123456789abcdef")
    with pytest.raises(FtzError, match="holds results of another library"):
        mv.run(study, small, tmp_path, workers=1, progress=False)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_folder_with_other_files_is_refused(study, small, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(FtzError, match="holds other files"):
        mv.run(study, small, tmp_path, progress=False)
    with pytest.raises(FtzError, match="workers must be at least 1"):
        mv.run(study, small, tmp_path / "new", workers=0)


def test_the_table_has_its_schema_and_the_whole_specification(study, small, tmp_path):
    import pyarrow.parquet as pq

    mv.run(study, small, tmp_path, workers=1, progress=False)
    table = pq.read_table(tmp_path / store.TABLE)
    told = json.loads(table.schema.metadata[b"ftz"])
    assert told == {
        "format": store.FORMAT,
        "study": study.digest,
        "library": store.library_hash(),
        "grid": small.digest,
    }
    assert table.schema.names == ["key", "study", *mv.CHOICES, *mv.RESULTS, "specification"]
    texts = table.column("specification").to_pylist()
    assert texts == [specification.text for specification in small]
    frame = read(tmp_path)
    assert frame.attrs["grid"] == small.digest
    assert (frame["status"] == "ok").sum() == len(small) - 1


def test_reading_what_is_no_table_says_so(tmp_path):
    with pytest.raises(FtzError, match="run the multiverse first"):
        read(tmp_path)
    (tmp_path / store.TABLE).write_text("no parquet")
    with pytest.raises(FtzError, match="cannot be read"):
        read(tmp_path)
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(FtzError, match="no table of the multiverse"):
        read(tmp_path / "other.parquet")


def test_batches_keep_the_order(whole):
    drawn = whole.sample(2_000, seed=1)
    cut = batches(drawn.specifications)
    assert tuple(itertools.chain.from_iterable(cut)) == drawn.specifications
    assert 10 < len(cut) < 1_000


def test_the_command_counts_and_writes(tmp_path, capsys):
    from study.cli import main

    choices = tmp_path / "c.yml"
    choices.write_text("controls: subsets\n")
    out = tmp_path / "out"
    arguments = [
        "multiverse",
        "--choices",
        str(choices),
        "--out",
        str(out),
        "--workers",
        "1",
        "--quiet",
    ]
    assert main([*arguments, "--limit", "5", "--permutations", "20"]) == 0
    printed = capsys.readouterr()
    assert "5 of 5 specifications have an estimate" in printed.out
    assert "5 specifications jointly" in printed.out
    assert printed.err == ""
    assert len(read(out)) == 5
    choices.write_text("controls: [fee]\n")
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert "the study has no 'fee'" in printed.err
    assert main(["multiverse", "--panel", "p.csv"]) == 2
    assert main(["multiverse", "--limit", "0"]) == 2
