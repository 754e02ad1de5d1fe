"""What a thesis hands in: the report of a panel, what its spec chooses, proposed roles."""

from __future__ import annotations

import os
import re
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import userpanel
from ftz import Panel, did
from ftz.errors import EstimationError
from ftz.figures import did as did_figures
from helpers import SPEC
from study import cli
from userpanel import _estimates as estimates
from userpanel import report as reports
from userpanel._how import ENTERS, HOW, WITH_ERRORS, caution, outside
from userpanel._periods import described, frequency
from userpanel._reading import read_sheet
from userpanel._template import propose
from userpanel._writing import Exhibit, latex, tex


def study_of(frame: pd.DataFrame | None = None, spec: str = SPEC) -> userpanel.UserPanel:
    frame = userpanel.simulate() if frame is None else frame
    sheet = userpanel.Sheet(frame.astype(object), range(2, len(frame) + 2), "panel.csv")
    problems, study = userpanel.check_sheet(sheet, userpanel.parse_spec(spec))
    assert study is not None, [str(p) for p in problems]
    return study


def exhibits(study: userpanel.UserPanel, step: str) -> tuple[dict[str, Exhibit], dict[str, str]]:
    run = reports._Run(study)
    found = run.ask(step, lambda: list(reports.STEPS[step](run)))
    return {e.name: e for e in found or []}, run.refused


# --- the report as files ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def panel_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("panel")
    userpanel.write_template(folder, rows=None)
    frame = pd.read_csv(folder / "panel.csv").rename(columns={"city": "城市_&%"})
    frame.to_csv(folder / "panel.csv", index=False)
    text = (folder / "spec.yml").read_text("utf-8").replace("unit: city", 'unit: "城市_&%"')
    (folder / "spec.yml").write_text(text + "draws: 99\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def made(panel_files):
    arguments = [str(panel_files / "panel.csv"), str(panel_files / "spec.yml")]
    assert cli.main(["report", *arguments, "--out", str(panel_files / "out")]) == 0
    return panel_files / "out"


def test_a_report_has_every_format(made):
    for table in (made / "tables").glob("*.csv"):
        assert table.with_suffix(".tex").read_text("utf-8").count(r"\midrule") == 1
    assert (made / "figures" / "event-study.png").exists()
    for figure in (made / "figures").glob("*.svg"):
        assert figure.with_suffix(".pdf").read_bytes()[:4] == b"%PDF"
        assert figure.with_suffix(".png").read_bytes()[1:4] == b"PNG"
    assert (made / "summary.pdf").read_bytes()[:4] == b"%PDF"
    names = zipfile.ZipFile(made / "out.zip").namelist()
    assert {"summary.html", "tables.docx", "tables/estimators.csv", "spec.yml"} <= set(names)
    assert not list(made.parent.glob("out.*"))


def test_a_report_says_what_it_rests_on(made):
    page = (made / "summary.html").read_text("utf-8")
    assert "calls this panel simulated" in page and "How to cite" in page and "seed 2024" in page
    assert page.count("How to read this") == page.count("<section")
    assert "9 of 24 clusters are treated" in page and "treated from 2015" in page
    assert "src=&quot;http" not in page and "<script" not in page
    assert "callaway_santanna_2021" in (made / "references.bib").read_text("utf-8")


def test_word_tables_have_three_rules(made):
    from docx import Document

    document = Document(str(made / "tables.docx"))
    assert len(document.tables) == len(list((made / "tables").glob("*.csv")))
    rules = document.tables[0]._tbl.xpath(".//w:tcBorders/*")
    assert {r.tag.rsplit("}", 1)[1] for r in rules} == {"top", "bottom"}


def test_numbers_of_a_report_are_those_of_the_estimators(made):
    frame = userpanel.simulate().astype({"zone_year": float})
    table = pd.read_csv(made / "tables" / "estimators.csv").set_index("estimator")
    wanted = did.callaway_santanna(frame, "quality", "zone_year")
    here = table.loc["Callaway-Sant'Anna", ["estimate", "std_error"]].tolist()
    assert here == pytest.approx([wanted.att, wanted.std_error])
    cells = pd.read_csv(made / "tables" / "att-gt.csv")
    row = cells[(cells["cohort"] == 2015) & (cells["period"] == 2016)].iloc[0]
    wide = frame.pivot(index="city", columns="year", values="quality")
    start = frame.groupby("city")["zone_year"].first()
    change = wide[2016] - wide[2014]
    by_hand = change[start == 2015].mean() - change[start.isna()].mean()
    assert row["estimate"] == pytest.approx(by_hand)
    flow = pd.read_csv(made / "tables" / "sample.csv")
    assert flow.loc[0, ["rows", "units"]].tolist() == [240, 24]


def test_the_same_seed_gives_the_same_bytes(made, panel_files, monkeypatch):
    monkeypatch.setattr("userpanel._writing.FORMATS", ())
    monkeypatch.setattr(reports, "_write", lambda *_: None)
    again = panel_files / "again"
    reports.report(panel_files / "panel.csv", panel_files / "spec.yml", again)
    for table in (made / "tables").glob("*.csv"):
        assert table.read_bytes() == (again / "tables" / table.name).read_bytes(), table.name


def test_nothing_but_a_report_is_replaced(made, panel_files, tmp_path, monkeypatch):
    arguments = panel_files / "panel.csv", panel_files / "spec.yml"
    (tmp_path / "thesis.doc").write_text("years of work")
    with pytest.raises(userpanel.ProblemsError, match="holds no report"):
        reports.report(*arguments, tmp_path)
    before = {p: p.stat().st_mtime_ns for p in made.rglob("*")}

    def stopped(run):
        raise KeyboardInterrupt

    monkeypatch.setattr(reports, "STEPS", {"sample": stopped})
    with pytest.raises(KeyboardInterrupt):
        reports.report(*arguments, made)
    assert {p: p.stat().st_mtime_ns for p in made.rglob("*")} == before

    def broken(run):
        raise ZeroDivisionError("by nothing")
        yield

    monkeypatch.setattr(reports, "STEPS", {"broken": broken})
    monkeypatch.setattr(reports, "_write", lambda study, *more: None)
    other = panel_files / "other"
    reports.report(*arguments, other)
    assert "broken,failed in an unforeseen way" in (other / "tables/left-out.csv").read_text()
    assert not (panel_files / "other.part").exists() and not (panel_files / "other.old").exists()


def test_where_random_effects_would_silently_pool_check_and_report_say_so(tmp_path, capsys):
    whole = userpanel.simulate()
    few = whole[whole["city"].isin(sorted(whole["city"].unique())[:12])]
    gaps = few.sample(90, random_state=1).sort_values(["city", "year"])
    said = "would set the variance of the effects to zero"
    tables = exhibits(study_of(gaps), "two-way fixed effects")[0]
    assert sum(said in note for note in tables["two-way"].notes) == 1
    assert study_of(few).silent_pooling == study_of(whole).silent_pooling == ()
    gaps.to_csv(tmp_path / "panel.csv", index=False)
    (tmp_path / "spec.yml").write_text(SPEC, encoding="utf-8")
    arguments = [str(tmp_path / "panel.csv"), "--spec", str(tmp_path / "spec.yml")]
    assert cli.main(["check", *arguments]) == 0
    assert said in "".join(capsys.readouterr())


def test_latex_reads_no_markup_in_a_name():
    table = pd.DataFrame({"a_b": [r"\input{x} 5%"], "n": [1.5]})
    text = latex(Exhibit("x", "$t$", "", table=table))
    assert r"\textbackslash{}input\{x\} 5\%" in text and r"a\_b" in text and r"\$t\$" in text
    assert tex("~") == r"\textasciitilde{}"


# --- what has no answer --------------------------------------------------------------------------


def test_a_refusal_is_a_line_with_its_reason(monkeypatch):
    monkeypatch.setitem(estimates.MOST_ROWS, "sun_abraham", 100)
    monkeypatch.setitem(estimates.MOST_ROWS, "matching", 100)
    study = study_of()
    found, _ = exhibits(study, "estimators")
    table = found["estimators"].table.set_index("estimator")
    assert table.loc["sun abraham", "reason"] == "left out at 240 rows; it is computed up to 100"
    _, refused = exhibits(study, "matching")
    assert "left out at 240 rows" in refused["matching"]


def test_all_treated_in_the_end_is_said():
    frame = userpanel.simulate().dropna(subset="zone_year")
    sheet = userpanel.Sheet(frame.astype(object), range(2, len(frame) + 2), "panel.csv")
    problems, _ = userpanel.check_sheet(sheet, userpanel.parse_spec(SPEC))
    assert "controls are those not treated yet" in str(problems)
    found, _ = exhibits(study_of(frame), "estimators")
    assert any("not treated yet" in note for note in found["estimators"].notes)
    assert "nobody" in found["estimators"].table.set_index("estimator").loc["sun abraham", "reason"]


def test_periods_stand_as_the_file_writes_them():
    def quarter(y):
        return None if pd.isna(y) else f"{2001 + (int(y) - 2012) // 4}Q{(int(y) - 2012) % 4 + 1}"

    frame = userpanel.simulate()
    frame = frame.assign(year=frame.year.map(quarter), zone_year=frame.zone_year.map(quarter))
    found, _ = exhibits(study_of(frame), "sample")
    assert found["cohorts"].table["first treated"].tolist() == [
        "2001Q4",
        "2002Q2",
        "2002Q4",
        "never",
    ]
    assert found["cohorts"].table["treated rows"].tolist() == [21, 15, 9, 0]


def test_the_flow_counts_what_was_dropped():
    frame = userpanel.simulate().astype({"zone_year": float})
    frame.loc[3, "income"] = np.nan
    frame.loc[frame["city"] == "City 02", "zone_year"] = 2012
    found, _ = exhibits(study_of(frame, SPEC + "missing: drop\nwindow: [2012, 2020]\n"), "sample")
    table = found["sample"].table
    assert table["rows"].tolist() == [240, 239, 215, 206]
    assert table["rows left out"].tolist() == [0, 1, 24, 9]
    assert "no before" in table["step"].iloc[-1]
    assert found["cohorts"].table["first treated"].iloc[0] == "from the start (2012)"


# --- what a spec chooses --------------------------------------------------------------------------

WRONG = {
    "estimand: grouped": "is it 'group'?",
    "method: drr": "is it 'dr'?",
    "anticipation: -1": "not a whole number from 0 to 50",
    "level: 95": "write 0.95",
    "seed: x": "not a whole number",
    "draws: 9": "from 99 to 100000",
    "event_window: [0, 5]": "leaves no coefficient",
    "event_windw: [-2, 5]": "is it 'event_window'?",
    "matching: by_year": "no mapping",
    "matching: {schema: by_year}": "is it 'scheme'?",
    "matching: {scheme: byyear}": "is it 'by_year'?",
    "matching: {kernel: gauss}": "is it 'gaussian'?",
    "matching: {caliper: wide}": "not a number",
    "staggered_covariates: [quality]": "is the outcome already",
    "labels: {a: &-a x, b: *-a}": "anchors and aliases",
}


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_choice_is_told_with_the_near_one(line):
    with pytest.raises(userpanel.ProblemsError) as caught:
        userpanel.parse_spec(SPEC + line)
    assert WRONG[line] in str(caught.value)


def test_a_spec_is_no_pipe_and_neither_large_nor_deep(tmp_path):
    with pytest.raises(
        userpanel.ProblemsError, match=r"^file the spec, row 1: more than 20 levels"
    ):
        userpanel.parse_spec("labels: " + "[" * 90_000)
    os.mkfifo(tmp_path / "spec.yml")
    with pytest.raises(userpanel.ProblemsError, match="is no file"):
        userpanel.read_spec(tmp_path / "spec.yml")
    (tmp_path / "large.yml").write_text("# " + "x" * 300_000)
    with pytest.raises(userpanel.ProblemsError, match="larger than"):
        userpanel.read_spec(tmp_path / "large.yml")


def test_choices_reach_the_estimators():
    frame = userpanel.simulate().astype({"zone_year": float})
    spec = SPEC + (
        "staggered_covariates: [income]\nmethod: reg\nestimand: dynamic\nanticipation: 1\n"
        "control_group: not_yet\nevent_window: [-3, 2]\nlevel: 0.9\n"
    )
    study = study_of(frame, spec)
    side = estimates.staggered(study)
    wanted = did.callaway_santanna(
        frame,
        "quality",
        "zone_year",
        ["income"],
        method="reg",
        aggregate="dynamic",
        control_group="not_yet",
        anticipation=1,
    )
    assert side.results["callaway_santanna"].att == pytest.approx(wanted.att)
    assert side.results["callaway_santanna"].event_study.reference == -2
    assert any("before adoption" in note for note in wanted.notes)
    assert (
        "controls" in side.refusals["dechaisemartin_dhaultfoeuille"]
        or "anticipation" in (side.refusals["dechaisemartin_dhaultfoeuille"])
    )
    assert estimates.event_study(study).event_times == [-3, -2, -1, 0, 1, 2]
    with pytest.raises(EstimationError, match="unknown method"):
        did.callaway_santanna(frame, "quality", "zone_year", method="x")


def test_anticipating_rows_are_left_out_of_our_own():
    frame = userpanel.simulate().astype({"zone_year": float})
    early = (frame["year"] - frame["zone_year"]) == -1
    panel = Panel(frame=frame, outcome="quality", cohort="zone_year")
    without = did.twfe(panel.with_(frame=frame[~early]))
    assert did.two_way(panel, anticipation=1).att == pytest.approx(without.att)
    stack = did.stacked(panel, anticipation=1)
    assert stack.att == pytest.approx(did.stacked(panel.with_(frame=frame[~early])).att)


@pytest.mark.parametrize("scheme", ["by_year", "baseline"])
def test_matching_by_the_scheme_of_the_spec(scheme):
    study = study_of(None, SPEC + f"matching: {{scheme: {scheme}, k: 2, kernel: gaussian}}\n")
    found, refused = exhibits(study, "matching")
    assert found["matched-did"].table["matching"].tolist()[0] == "2 nearest"
    assert f"matches {scheme}" in refused["balance"]
    assert ("matching" in found) == (scheme == "by_year")
    assert "gaussian kernel" in found["matched-did"].table["matching"].tolist()


def test_weights_are_those_of_least_squares():
    frame = userpanel.simulate().astype({"zone_year": float})
    frame["w"] = 1.0 + frame.groupby("city").ngroup() % 3
    panel = Panel(frame=frame, outcome="quality", cohort="zone_year", weights="w")
    dummies = pd.get_dummies(frame[["city", "year"]].astype(str), dtype=float)
    design = np.column_stack([panel.d, dummies])
    root = np.sqrt(frame["w"].to_numpy())
    slopes = np.linalg.lstsq(design * root[:, None], panel.y * root, rcond=None)[0]
    fit = did.twfe(panel)
    assert fit.att == pytest.approx(slopes[0]) and "weighted by w" in fit.title
    assert fit.residuals.to_numpy() == pytest.approx(panel.y - design @ slopes)
    again = did.twfe(panel.with_(frame=frame.assign(w=7 * frame["w"])))
    assert again.std_errors.iloc[0] == pytest.approx(fit.std_errors.iloc[0])
    wide = frame.pivot(index="city", columns="year", values="quality")
    by_city = frame.groupby("city")[["zone_year", "w"]].first()
    change, start, w = wide[2016] - wide[2014], by_city["zone_year"], by_city["w"]
    one, none = start == 2015, start.isna()
    gap = np.average(change[one], weights=w[one]) - np.average(change[none], weights=w[none])
    cells = did.callaway_santanna(panel).by_cell.set_index(["cohort", "period"])
    assert cells.loc[(2015, 2016), "estimate"] == pytest.approx(gap)
    with pytest.raises(EstimationError, match="without weights"):
        did.dechaisemartin_dhaultfoeuille(panel)
    with pytest.raises(EstimationError, match="without weights"):
        did.synthetic(panel)
    frame["state"] = frame.groupby("city").ngroup() // 2
    clustered = did.stacked(panel.with_(frame=frame, cluster="state"))
    assert clustered.att == pytest.approx(did.stacked(panel).att)
    assert clustered.std_error != did.stacked(panel).std_error


def test_weights_of_a_spec_reach_the_table():
    frame = userpanel.simulate().assign(w=lambda f: 1.0 + f.groupby("city").ngroup() % 3)
    study = study_of(frame, SPEC + "weights: w\n")
    found, _ = exhibits(study, "two-way fixed effects")
    assert "rows are weighted by w" in found["two-way"].notes
    plain = replace(study, weights=None)
    both = [did.twfe(s.panel).att for s in (study, plain)]
    assert both[0] != both[1] and did.twfe(study.unweighted).att == both[1]


#: A path through the choices on which R's `lm(..., weights=)` and `sandwich::vcovCL(type = "HC1")`
#: gave the numbers below, on the simulated panel: weights, clusters, anticipation, window, level.
CHOSEN = (
    SPEC.replace(", openness]", "]")
    + "weights: w\ncluster: st\nanticipation: 1\nevent_window: [-3, 2]\nlevel: 0.9\ndraws: 99\n"
    + "sub_outcomes: [innovation]\nmatching: {scheme: by_year, k: 2}\ncontrol_group: not_yet\n"
)


@pytest.fixture(scope="module")
def chosen() -> userpanel.UserPanel:
    number = userpanel.simulate()["city"].str[-2:].astype(int)
    return study_of(userpanel.simulate().assign(w=1 + number % 3, st=(number - 1) // 2), CHOSEN)


def test_chosen_paths_give_the_numbers_of_r(chosen):
    stata = [1, np.sqrt(12 / 11 * 230 / 231)]  # from the book's CR1 to that of R and Stata
    found = exhibits(chosen, "two-way fixed effects")[0]["two-way"].table
    line = found.set_index(["column", "term"]).loc[("(2)", "treated")]
    assert (line[["estimate", "std_error"]] * stata).tolist() == pytest.approx(
        [0.176571838511, 0.0119262563861], rel=1e-9
    )
    assert line["nobs"] == 231 and "lower 90%" in line.index
    part = exhibits(chosen, "channels")[0]["parts"].table
    assert (part.iloc[0][["estimate", "std_error"]] * stata).tolist() == pytest.approx(
        [0.159644310517, 0.0413044867388], rel=1e-9
    )
    event = estimates.event_study(chosen)
    steps = [-3, -1, 0, 1, 2]
    assert event.params[steps].tolist() == pytest.approx(
        [-0.012332398070, 0.007513291584, 0.161717669819, 0.178021934511, 0.166298834574], rel=1e-8
    )
    whole = np.sqrt(12 / 11 * 239 / 240)
    assert (whole * event.std_errors[steps]).tolist() == pytest.approx(
        [0.01869744932, 0.01697344124, 0.01783190003, 0.02456639609, 0.01725964006], rel=1e-8
    )


@pytest.mark.parametrize(
    ("estimand", "control_group", "att", "error"),
    [  # csdid 0.4.3 on the same panel: est_method="reg", xformla="quality~income"
        ("simple", "never", 0.12570903816110, 0.02628422422210),
        ("simple", "not_yet", 0.12228399983717, 0.02676620635075),
        ("dynamic", "not_yet", 0.11930605710112, 0.02812682567430),
    ],
)
def test_chosen_paths_give_the_numbers_of_csdid(estimand, control_group, att, error):
    more = f"method: reg\nestimand: {estimand}\ncontrol_group: {control_group}\n"
    side = estimates.staggered(study_of(None, SPEC + "staggered_covariates: [income]\n" + more))
    found = side.results["callaway_santanna"]
    assert (found.att, found.std_error) == pytest.approx((att, error), rel=1e-10)


def test_what_a_choice_does_not_enter_is_said(chosen):
    for key, (_, silent) in ENTERS.items():
        assert (
            all(part in userpanel.KEYS for part in key.split(", ")) and silent.keys() <= HOW.keys()
        )
    for name in ("standard-errors", "diagnostics", "matching", "multiverse"):
        assert any("weights" in text for text in outside(chosen, name)), name
    assert any("Sun-Abraham" in text for text in outside(chosen, "estimators"))
    assert not any(outside(study_of(), name) for name in HOW)
    found = exhibits(chosen, "matching")[0]
    assert {"lower", "upper"} <= set(found["matching"].table.columns)
    assert any("enter matching" in note for note in found["matching"].notes)
    early = chosen.frame["year"] - chosen.frame[chosen.cohort] == -1
    served = estimates.matches(chosen)["2 nearest"].weights
    assert not set(served.index) & set(chosen.frame.index[early])
    whole = did.twfe(chosen.panel.with_(controls=(), weights=None))
    assert estimates.bacon(chosen).estimate == pytest.approx(whole.att)


def test_figures_show_the_level_and_the_cells(chosen):
    one = estimates.event_study(chosen)
    bars = did_figures.event_studies_plot({"one": one}, 0.9).axes[0].collections[0].get_segments()
    lower = one.conf_int(0.9)["lower"].drop(one.reference)
    assert [bar[0][1] for bar in bars] == pytest.approx(lower.tolist())
    assert did_figures.event_studies_plot({}).axes[0].get_legend() is None
    cells = userpanel.cells(chosen)
    axes = did_figures.cells_plot(cells).axes[0]
    drawn = axes.images[0].get_array()
    assert drawn.shape == (3, 10) and drawn.count() == len(cells)
    wide = reports._laid_out(cells)
    assert list(wide["period"]) == [str(y) for y in range(2012, 2022)]
    assert list(wide.columns[1:]) == [f"treated from {y}" for y in (2015, 2017, 2019)]
    assert (wide == "base").to_numpy().sum() == 3
    assert reports._laid_out(cells.assign(cohort=range(len(cells)))) is None


# --- panels of other shapes -----------------------------------------------------------------------


def test_where_all_adopt_stacks_take_who_adopts_after_the_window():
    frame = userpanel.simulate()
    frame["zone_year"] = frame["zone_year"].astype(float).fillna(2021)
    with_window = {"window": (-2, 2)}
    study = study_of(frame, SPEC + "event_window: [-2, 2]\n")
    side = estimates.staggered(study)
    alone = did.stacked(study.panel.with_(controls=()), **with_window)
    assert side.results["stacked"].att == alone.att
    assert set(side.refusals) == {"sun_abraham"}


def test_a_gap_before_the_first_treated_row_is_remarked_and_explains_a_refusal():
    frame = userpanel.simulate().astype({"zone_year": float})
    frame["on"] = (frame["year"] >= frame["zone_year"]).astype(int)
    one = frame.loc[frame["zone_year"] == 2017, "city"].iloc[0]
    frame = frame[(frame["city"] != one) | (frame["year"] != 2017)]
    spec = userpanel.parse_spec(SPEC.replace("cohort: zone_year", 'treatment: "on"'))
    sheet = userpanel.Sheet(frame.astype(object), range(2, len(frame) + 2), "panel.csv")
    problems, study = userpanel.check_sheet(sheet, spec)
    assert "1 units have no row just before their first treated one" in str(problems)
    assert study is not None and study.label(study.treatment) == "on"
    side = estimates.staggered(study)
    assert "1 cohort(s) have no row in the last year" in side.refusals["sun_abraham"]


def test_a_caution_names_the_side_that_is_small():
    frame = userpanel.simulate()
    few = study_of(frame)
    assert "9 of 24 clusters are treated" in caution(few)[0]
    start = frame["zone_year"].astype(float)
    some = frame["city"].isin(sorted(frame.loc[start.isna(), "city"].unique())[:11])
    many = study_of(frame.assign(zone_year=start.mask(some, 2019.0)))
    assert "4 of 24 clusters are untreated" in caution(many)[0]
    assert "9 of 9 clusters are treated" in caution(study_of(frame[start.notna()]))[0]
    found, _ = exhibits(few, "two-way fixed effects")
    assert set(found) <= set(HOW)
    assert all(caution(few)[0] in e.notes for n, e in found.items() if n in WITH_ERRORS)


def test_pages_of_the_summary_are_whole(made):
    pages = re.findall(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+)", (made / "summary.pdf").read_bytes())
    assert pages and {(round(float(w)), round(float(h))) for w, h in pages} == {(595, 842)}


# --- proposed roles -------------------------------------------------------------------------------


def test_roles_are_proposed_with_reasons_and_never_written_over(tmp_path, capsys):
    frame = userpanel.simulate().rename(columns={"city": "城市", "year": "年份", "quality": "质量"})
    frame = frame[["城市", "年份", "质量", "zone_year", "income"]].fillna({"zone_year": 0})
    frame.to_excel(tmp_path / "面板.xlsx", index=False)
    assert cli.main(["new-panel", str(tmp_path / "面板.xlsx")]) == 0
    text = (tmp_path / "面板.yml").read_text("utf-8")
    assert text.count("# proposed because") == 5 and "CHECK THIS FIRST" in text
    spec = userpanel.parse_spec(text)
    assert (spec.unit, spec.time, spec.outcome, spec.cohort) == (
        "城市",
        "年份",
        "质量",
        "zone_year",
    )
    assert spec.never == (0.0,) and "#   income" in text
    assert userpanel.read_panel(tmp_path / "面板.xlsx", tmp_path / "面板.yml").cohorts == {
        2015: 3,
        2017: 3,
        2019: 3,
    }
    assert cli.main(["new-panel", str(tmp_path / "面板.xlsx")]) == 2
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "面板.yml").read_text("utf-8") == text


def test_a_treatment_is_proposed_where_no_cohort_is_seen(tmp_path):
    frame = userpanel.simulate().astype({"zone_year": float})
    frame["zone"] = (frame["year"] >= frame["zone_year"]).astype(int)
    frame.drop(columns="zone_year").to_csv(tmp_path / "p.csv", index=False)
    assert userpanel.parse_spec(propose(tmp_path / "p.csv")).treatment == "zone"


def _shapes() -> dict[str, tuple[pd.DataFrame, dict[str, object]]]:
    """Files as others keep them, and the parts that a person would give their columns."""
    frame = (
        userpanel.simulate().astype({"zone_year": float}).drop(columns=["innovation", "vitality"])
    )
    numbers = frame.assign(city=frame["city"].str[-2:].astype(int))
    on = (frame["year"] >= frame["zone_year"]).astype(int)
    last = ((frame["year"] == 2021) & (numbers["city"] % 4 == 1)).astype(int)
    dummies = numbers.assign(zone_year=last, south_2021=last, post=on)
    quarter = [f"{2010 + (y - 2012) // 4}Q{(y - 2012) % 4 + 1}" for y in frame["year"]]
    start = frame["zone_year"].map({2015: "2010Q4", 2017: "2011Q2", 2019: "2011Q4"}).fillna("")
    odd = numbers[numbers["year"] % 2 == 0].assign(zone_year=lambda d: d["zone_year"] + 1)
    return {
        "numbers for units, before the year": (numbers, {"cohort": "zone_year", "never": ()}),
        "dummies of a region in the last year": (dummies, {"treatment": "post"}),
        "quarters": (frame.assign(year=quarter, zone_year=start), {"cohort": "zone_year"}),
        "every second year, never is 9999": (
            odd.fillna({"zone_year": 9999}),
            {"cohort": "zone_year", "never": (9999.0,)},
        ),
    }


@pytest.mark.parametrize("shape", _shapes())
def test_parts_are_proposed_as_a_person_would_give_them(shape, tmp_path):
    frame, wanted = _shapes()[shape]
    frame.sort_values("income").to_csv(tmp_path / "p.csv", index=False)
    spec = userpanel.parse_spec(propose(tmp_path / "p.csv"))
    assert (spec.unit, spec.time, spec.outcome) == ("city", "year", "quality")
    assert {key: getattr(spec, key) for key in wanted} == wanted


def _dated(kind: str) -> tuple[pd.DataFrame, str]:
    frame = userpanel.simulate().drop(columns=["innovation", "vitality", "openness"])
    when = {2012 + i: p for i, p in enumerate(pd.period_range("2010-01", periods=10, freq=kind))}
    at_end = {year: period.end_time.normalize() for year, period in when.items()}
    at_start = {year: period.start_time for year, period in when.items()}
    day = at_end if kind == "M" else at_start
    frame["year"], frame["zone_year"] = frame["year"].map(day), frame["zone_year"].map(day)
    return frame, str(when[2015])


@pytest.mark.parametrize(
    ("kind", "ending", "words"),
    [
        ("Q", ".dta", "10 quarters, from 2010Q1 to 2012Q2"),
        ("M", ".dta", "10 months, from 2010-01 to 2010-10"),
        ("M", ".xlsx", "10 months, from 2010-01 to 2010-10"),
        ("2Y", ".csv", "10 years (one in 2), from 2010 to 2028"),
    ],
)
def test_dates_are_periods_of_the_right_kind(kind, ending, words, tmp_path):
    frame, third = _dated(kind)
    path = tmp_path / f"p{ending}"
    if ending == ".dta":
        stata = {"Q": "tq", "M": "tm"}[kind]
        frame.to_stata(path, convert_dates={"year": stata, "zone_year": stata}, write_index=False)
    else:
        getattr(frame, {".xlsx": "to_excel", ".csv": "to_csv"}[ending])(path, index=False)
    text = propose(path)
    assert f"because it holds {words}" in text and 'cohort: "zone_year"' in text
    _, study = userpanel.check_sheet(read_sheet(path), userpanel.parse_spec(text))
    assert study is not None and list(study.cohorts.values()) == [3, 3, 3]
    assert study.period(min(study.cohorts)) == third
    plain = did.twfe(study_of(spec=SPEC[: SPEC.index("covariates")]).panel)
    assert did.twfe(study.panel).att == pytest.approx(plain.att)


def test_kinds_of_periods():
    assert described(np.array([1.0, 2, 3])) == "3 numbers, from 1 to 3, of which the order counts"
    days = np.array([2010.0, 2010.01, 2010.5])
    assert described(days) == "3 dates, from 2010-01 to 2010-07" and frequency(days) == ("", 0)


def test_a_spec_stands_after_the_panel_or_behind_its_option(tmp_path, capsys):
    userpanel.write_template(tmp_path)
    panel, spec = str(tmp_path / "panel.csv"), str(tmp_path / "spec.yml")
    for command in (["check"], ["report", "--out", str(tmp_path / "out")]):
        told = []
        for more in ([panel, spec], [panel, "--spec", spec], ["--spec", spec, panel]):
            assert cli.main([*command, *more]) == 2
            told.append(capsys.readouterr().err)
        assert "1 units" in told[0] and len(set(told)) == 1
        assert cli.main([*command, panel]) == 2
        assert f"no spec: write `ftz {command[0]} {panel} SPEC.yml`" in capsys.readouterr().err


def test_a_file_that_is_no_panel_gets_no_proposal(tmp_path):
    pd.DataFrame({"a": [1.5, 2.5], "b": ["x", "y"]}).to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(userpanel.ProblemsError, match="tell the rows apart"):
        propose(tmp_path / "p.csv")


def test_check_does_not_estimate_on_a_large_panel(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(userpanel, "TRIED_UP_TO", 100)
    userpanel.write_template(tmp_path, rows=None)
    assert (
        cli.main(["check", str(tmp_path / "panel.csv"), "--spec", str(tmp_path / "spec.yml")]) == 0
    )
    assert "not tried on more than 100 rows" in capsys.readouterr().out
