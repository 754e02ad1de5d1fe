"""A reader's own panel: what is read, what is refused and in which words, what becomes a book."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

import userpanel
from conftest import ROOT
from ftz import did
from helpers import SPEC
from study import cli, replication
from userpanel import _template as template
from userpanel import book, figures
from userpanel._how import HOW

EXAMPLES = ROOT / "data" / "examples"


@pytest.fixture
def panel() -> pd.DataFrame:
    return userpanel.simulate().astype({"zone_year": float})


def write(folder: Path, panel: pd.DataFrame | str | bytes, spec: str = SPEC) -> list[str]:
    """Write a panel and a spec; return the arguments of `ftz check`."""
    target = folder / "panel.csv"
    if isinstance(panel, pd.DataFrame):
        panel.to_csv(target, index=False)
    else:
        target.write_bytes(panel if isinstance(panel, bytes) else panel.encode())
    (folder / "spec.yml").write_text(spec, encoding="utf-8")
    return [str(target), "--spec", str(folder / "spec.yml")]


# --- a good panel -----------------------------------------------------------------------


def test_the_example_that_ships_is_the_template():
    assert (EXAMPLES / "spec.yml").read_text("utf-8") == userpanel.spec_text()
    shipped = pd.read_csv(EXAMPLES / "panel.csv")
    made = userpanel.simulate().astype({"zone_year": "float"})
    pd.testing.assert_frame_equal(shipped, made, check_dtype=False)


def test_a_study_has_what_the_spec_names():
    study = userpanel.read_panel(EXAMPLES / "panel.csv", EXAMPLES / "spec.yml")
    assert study.kind == "simulated"
    assert len(study.frame) == template.UNITS * len(template.PERIODS)
    assert study.cohorts == {start: 3 for start in template.COHORTS}
    assert set(study.frame[study.treatment]) == {0, 1}
    on = study.frame[study.time] >= study.frame[study.cohort]
    assert (on == (study.frame[study.treatment] == 1)).all()
    assert study.label("quality") == "log of quality"


def test_the_simulated_effect_is_found():
    study = userpanel.read_panel(EXAMPLES / "panel.csv", EXAMPLES / "spec.yml")
    interval = did.twfe(study.panel).conf_int().loc[study.treatment]
    assert interval["lower"] < template.EFFECT < interval["upper"]


@pytest.mark.parametrize("ending", ["parquet", "xlsx", "dta"])
def test_every_format_gives_the_same_study(tmp_path, panel, ending):
    arguments = write(tmp_path, panel)
    first = userpanel.read_panel(arguments[0], tmp_path / "spec.yml")
    typed = panel.assign(zone_year=panel["zone_year"].astype(float))
    target = tmp_path / f"panel.{ending}"
    if ending == "parquet":
        typed.to_parquet(target)
    elif ending == "xlsx":
        typed.to_excel(target, index=False)
    else:
        typed.to_stata(target, write_index=False, version=118)
    assert userpanel.read_panel(target, tmp_path / "spec.yml").digest == first.digest


def test_rows_may_stand_in_any_order(tmp_path, panel):
    straight = userpanel.read_panel(write(tmp_path, panel)[0], tmp_path / "spec.yml").digest
    mixed = panel.sample(frac=1, random_state=1)
    assert userpanel.read_panel(write(tmp_path, mixed)[0], tmp_path / "spec.yml").digest == straight


def test_the_digest_sees_one_digit(tmp_path, panel):
    first = userpanel.read_panel(write(tmp_path, panel)[0], tmp_path / "spec.yml").digest
    panel.loc[5, "quality"] += 1e-4
    assert userpanel.read_panel(write(tmp_path, panel)[0], tmp_path / "spec.yml").digest != first


def test_treatment_alone_gives_the_cohorts(tmp_path, panel):
    on = (panel["year"] >= panel["zone_year"].astype(float)).astype(int)
    spec = SPEC.replace("cohort: zone_year", "treatment: zone")
    write(tmp_path, panel.assign(zone=on).drop(columns="zone_year"), spec)
    study = userpanel.read_panel(tmp_path / "panel.csv", tmp_path / "spec.yml")
    assert study.cohorts == {start: 3 for start in template.COHORTS}


def test_derived_columns_are_what_they_say(tmp_path, panel):
    spec = SPEC.replace("[income, openness]", "[grew, start, before]") + (
        "derived:\n  grew: {from: income, do: growth}\n  start: {from: income, do: first-log}\n"
        "  before: {from: income, do: lag}\n"
    )
    write(tmp_path, panel, spec)
    problems, study = userpanel.check(tmp_path / "panel.csv", tmp_path / "spec.yml")
    assert study is not None
    assert not any(p.fatal for p in problems)
    assert "24 rows have no earlier period" in str(problems)
    city = panel[panel["city"] == "City 03"].set_index("year")["income"]
    row = study.frame.query("city == 'City 03' and year == 2015").iloc[0]
    assert row["grew"] == pytest.approx(np.log(city[2015] / city[2014]), abs=1e-12)
    assert row["start"] == pytest.approx(np.log(city[2012]), abs=1e-12)
    assert row["before"] == city[2014]


def test_who_adopts_after_the_window_never_does_in_it(tmp_path, panel):
    write(tmp_path, panel, SPEC + "window: [2012, 2018]\n")
    study = userpanel.read_panel(tmp_path / "panel.csv", tmp_path / "spec.yml")
    assert study.cohorts == {2015: 3, 2017: 3}


def test_a_row_without_a_value_can_be_dropped(tmp_path, panel):
    panel.loc[3, "income"] = np.nan
    write(tmp_path, panel, SPEC + "missing: drop\n")
    problems, study = userpanel.check(tmp_path / "panel.csv", tmp_path / "spec.yml")
    assert study is not None and len(study.frame) == len(panel) - 1
    assert any("1 rows lack a value" in str(p) and not p.fatal for p in problems)


def test_the_witness_is_a_study_of_the_same_shape():
    study = replication.witness_study(matched=True)
    assert len(study.frame) == 85
    assert did.twfe(study.panel).att == pytest.approx(0.4, abs=0.5)


def test_every_named_column_reads_in_a_message_in_words(tmp_path, panel):
    arguments = write(tmp_path, panel, SPEC.replace("income", "incomes"))
    problems, _ = userpanel.check(arguments[0], tmp_path / "spec.yml")
    assert "is it 'income'?" in str(problems[0])


# --- broken panels and specs: one clear message each, exit code 2, nothing written ----------


def edited(column: str, row: int, value: object):
    def edit(panel: pd.DataFrame) -> pd.DataFrame:
        panel[column] = panel[column].astype(object)
        panel.loc[row, column] = value
        return panel

    return edit


def same(panel: pd.DataFrame) -> pd.DataFrame:
    return panel


def everywhere(column: str, value: object):
    return lambda panel: panel.assign(**{column: value})


BROKEN = {
    "text in a number": (edited("income", 4, "n/k"), SPEC, "row 6: 'n/k' is not a number"),
    "thousands separator": (edited("income", 4, "1,234.5"), SPEC, "'1,234.5' is not a number"),
    "a formula": (edited("income", 4, "=1+1"), SPEC, "'=1+1' is not a number"),
    "infinite": (edited("quality", 0, "inf"), SPEC, "row 2: the number is infinite"),
    "no value": (edited("quality", 7, ""), SPEC, "row 9: no value; fill it"),
    "no unit": (edited("city", 7, ""), SPEC, "row 9: no unit is named"),
    "half a year": (
        edited("year", 7, "2014.5"),
        SPEC,
        "2014.5 is no whole number, and the period of this row alone",
    ),
    "no year": (edited("year", 7, ""), SPEC, "row 9: no period"),
    "a row twice": (lambda p: pd.concat([p, p.iloc[[3]]]), SPEC, "City 01, 2015 stands twice"),
    "two dates": (edited("zone_year", 12, 2016), SPEC, "more than one first treated period"),
    "zero for never": (
        lambda p: p.assign(
            zone_year=p["zone_year"].astype(object).where(p["zone_year"].notna(), 0)
        ),
        SPEC,
        "write `never: [0]`",
    ),
    "nobody treated": (everywhere("zone_year", ""), SPEC, "no row is treated"),
    "everybody treated": (everywhere("zone_year", 2000), SPEC, "every row is treated"),
    "three units": (
        lambda p: p[p["city"].isin(["City 01", "City 02", "City 03"])],
        SPEC,
        "3 units",
    ),
    "two periods": (lambda p: p[p["year"] < 2014], SPEC, "2 periods"),
    "nothing but a header": (lambda p: p.head(0), SPEC, "there are no rows"),
    "an empty file": (lambda p: b"", SPEC, "the file is empty"),
    "no text at all": (lambda p: b"\xff\xfe\x00\x81", SPEC, "is not UTF-8"),
    "a comma too many": (
        lambda p: p.to_csv(index=False).replace("City 01,2013", "City, 01,2013"),
        SPEC,
        "row 3: 10 fields, where the header has 9",
    ),
    "an open quote": (lambda p: 'city,year\n"City 01,2013\n', SPEC, "cannot be read as csv"),
    "a column twice": (
        lambda p: p.to_csv(index=False).replace("openness", "income"),
        SPEC,
        "the column stands twice",
    ),
    "constant covariate": (everywhere("openness", 1), SPEC, "same value in every row"),
    "a missing column": (lambda p: p.drop(columns="openness"), SPEC, "the file has none"),
    "not 0 and 1": (
        lambda p: p.assign(zone=2),
        SPEC.replace("cohort: zone_year", "treatment: zone"),
        "2 is neither 0 nor 1",
    ),
    "switches off": (
        lambda p: p.assign(zone=((p["city"] == "City 01") & (p["year"] == 2015)).astype(int)),
        SPEC.replace("cohort: zone_year", "treatment: zone"),
        "treatment of City 01 switches off in 2016",
    ),
    "date against treatment": (
        lambda p: p.assign(zone=0),
        SPEC + "treatment: zone\n",
        "although zone_year says",
    ),
    "negative weight": (lambda p: p.assign(w=-1), SPEC + "weights: w\n", "not positive"),
    "two clusters": (
        lambda p: p.assign(region=p["year"].astype(str)),
        SPEC + "cluster: region\n",
        "lies in several clusters",
    ),
    "logarithm of nothing": (
        edited("income", 4, 0),
        SPEC.replace("[income,", "[log_income,")
        + "derived: {log_income: {from: income, do: log}}\n",
        "0 has no logarithm",
    ),
    "an empty window": (same, SPEC + "window: [1990, 1999]\n", "no row lies in the window"),
    "a window backwards": (same, SPEC + "window: [2020, 2013]\n", "2020 is not before 2013"),
    "unknown key": (same, SPEC + "covariate: [income]\n", "is it 'covariates'?"),
    "no outcome": (same, SPEC.replace("outcome: quality\n", ""), "outcome: is missing"),
    "no treatment": (same, SPEC.replace("cohort: zone_year\n", ""), "neither cohort nor"),
    "covariates as text": (
        same,
        SPEC.replace("[income, openness]", "income"),
        "'income' is no list of columns",
    ),
    "outcome as control": (same, SPEC.replace("openness]", "quality]"), "is the outcome already"),
    "unknown transform": (
        same,
        SPEC + "derived: {x: {from: income, do: sqrt}}\n",
        "cannot do 'sqrt'",
    ),
    "label of nothing": (same, SPEC + "labels: {incme: x}\n", "is it 'income'?"),
    "no YAML": (same, "unit: [city\n", "no YAML"),
    "a key twice": (same, SPEC + "unit: town\n", "stands twice"),
    "a list": (same, "- city\n- year\n", "holds no mapping"),
    "an empty spec": (same, "", "is empty"),
    "code in the spec": (
        same,
        SPEC + "title: !!python/object/apply:os.system ['touch planted']\n",
        "no YAML",
    ),
    "a bomb": (same, SPEC + "labels: {a: &a [x], b: *a}\n", "anchors and aliases are not read"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_panel_gets_a_clear_message(name, tmp_path, panel, monkeypatch, capsys):
    edit, spec, said = BROKEN[name]
    arguments = write(tmp_path, edit(panel), spec)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for command in (["check", *arguments], ["book", *arguments]):
        assert cli.main(command) == 2
        out, error = capsys.readouterr()
        assert said in " ".join(error.split())
        assert "Traceback" not in out + error
    assert sorted(tmp_path.rglob("*")) == before


def test_all_problems_are_told_at_once(tmp_path, panel, capsys):
    panel = edited("quality", 3, "")(edited("income", 4, "n/k")(panel))
    assert cli.main(["check", *write(tmp_path, panel)]) == 2
    error = capsys.readouterr().err
    assert "row 6: 'n/k' is not a number" in error
    assert "row 5: no value" in error
    assert "2 problems" in error


def test_many_bad_rows_are_counted(tmp_path, panel, capsys):
    assert cli.main(["check", *write(tmp_path, panel.assign(income="x"))]) == 2
    assert "and 235 more rows like these" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["panel.txt", "nothing.csv", "."])
def test_a_file_that_is_none(name, tmp_path, panel, capsys):
    write(tmp_path, panel)
    (tmp_path / "panel.txt").write_text("x")
    spec = str(tmp_path / "spec.yml")
    assert cli.main(["check", str(tmp_path / name), "--spec", spec]) == 2
    assert "wrong" in capsys.readouterr().err


def test_a_template_is_not_written_over_a_file(tmp_path, capsys):
    assert cli.main(["new-panel", str(tmp_path)]) == 0
    kept = (tmp_path / "panel.csv").read_bytes()
    assert kept.count(b"\n") == 2
    assert cli.main(["new-panel", str(tmp_path), "--full"]) == 2
    assert (tmp_path / "panel.csv").read_bytes() == kept
    assert cli.main(["new-panel", str(tmp_path), "--full", "--force"]) == 0
    assert (
        cli.main(["check", str(tmp_path / "panel.csv"), "--spec", str(tmp_path / "spec.yml")]) == 0
    )


def test_make_names_the_missing_spec():
    run = subprocess.run(
        ["make", "-n", "book", "PANEL=panel.csv", "SPEC=my spec.yml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"panel.csv" --spec "my spec.yml"' in run.stdout


# --- figures, and the sources of a book ------------------------------------------------------


@pytest.mark.parametrize("many", [1, 4])
def test_adoption_is_drawn_for_few_units_and_for_many(many):
    starts = {f"unit {i}": (2014.0 + i % 3 if i % 2 else None) for i in range(20 * many)}
    axes = figures.adoption(starts, list(range(2010, 2020))).axes[0]
    assert bool(axes.get_legend()) == (many > 1)  # bars of counts have one, lines have none


def test_paths_are_drawn():
    study = userpanel.read_panel(EXAMPLES / "panel.csv", EXAMPLES / "spec.yml")
    paths = figures.outcome_paths(study.frame, study.outcome, study.cohort, study.time, "y")
    labels = [text.get_text() for text in paths.axes[0].get_legend().get_texts()]
    assert labels == ["never", *map(str, template.COHORTS)]


def test_the_sources_hold_what_fits_the_study(tmp_path, panel):
    write(tmp_path, panel)
    target = tmp_path / "source"
    study = book.assemble(tmp_path / "panel.csv", tmp_path / "spec.yml", target)
    mechanisms = (target / "notebooks" / "mechanisms.md").read_text("utf-8")
    assert "the spec names no mediator" in mechanisms and "own.mediate" not in mechanisms
    matching = (target / "notebooks" / "matching.md").read_text("utf-8")
    assert "userpanel.matches" in matching and study.digest in matching
    assert "@@" not in mechanisms + matching and "needs-" not in mechanisms + matching


# --- the book -----------------------------------------------------------------------------


def test_sections_follow_the_study(tmp_path, panel):
    one_date = panel.assign(zone_year=panel["zone_year"].where(panel["zone_year"].isna(), 2016))
    write(tmp_path, one_date)
    lacking = userpanel.missing(userpanel.read_panel(tmp_path / "panel.csv", tmp_path / "spec.yml"))
    assert "all treated units adopt in 2016" in lacking["bacon"]
    assert lacking["mediator"] == "the spec names no mediator"
    assert "staggered" not in lacking


def test_cells_are_kept_by_their_tags():
    lacking = {"mediator": "why"}
    assert book._fits(["needs-parts"], lacking)
    assert not book._fits(["needs-mediator", "remove-cell"], lacking)
    assert book._fits(["lacks-mediator"], lacking)
    assert not book._fits(["lacks-parts"], lacking)


def test_chapters_name_sections_that_exist():
    for name in book.CHAPTERS:
        text = (ROOT / "notebooks" / "own" / f"{name}.md").read_text("utf-8")
        named = {word for kind in ("needs-", "lacks-") for word in _tags(text, kind)}
        assert named <= set(userpanel.SECTIONS), name
        reasons = set(book._REASON.findall(text))
        assert reasons <= set(userpanel.SECTIONS), name
        assert set(book._HOW.findall(text)) <= set(HOW), name


def _tags(text: str, kind: str) -> set[str]:
    import jupytext

    cells = jupytext.reads(text, fmt="md:myst").cells
    tags = [tag for cell in cells for tag in cell.metadata.get("tags", [])]
    return {tag.removeprefix(kind) for tag in tags if tag.startswith(kind)}


def test_markdown_in_a_title_is_shown_as_it_is():
    from markdown_it import MarkdownIt
    from myst_parser.parsers.mdit import create_md_parser  # noqa: F401  (the parser of the book)

    nasty = "*a* `b` {c}`d` [e](f) <script> $g$ | ~h~ #i \\j"
    shown = MarkdownIt().render(book._plain_markdown(nasty))
    assert BeautifulSoup(shown, "html.parser").get_text().strip() == nasty


NASTY = "<script>alert(1)</script>"
BAD_NAMES = (NASTY, "=HYPERLINK(1)", "%system ls", "$x^2$")


@pytest.fixture(scope="module")
def nasty_book(tmp_path_factory) -> Path:
    """Build the book of a panel with one date, few columns and names that want to be code."""
    folder = tmp_path_factory.mktemp("nasty panel")
    panel = userpanel.simulate()
    names = {
        "City 01": NASTY,
        "City 02": "=HYPERLINK(1)",
        "City 03": "%system ls",
        "City 04": "$x^2$",
    }
    start = panel["zone_year"].astype(float)
    columns = {
        "quality": "y <img src=x onerror=alert(2)>",
        "income": "{glue}`x`",
        "openness": "$a_b$",
    }
    panel = panel.assign(
        city=panel["city"].replace(names), zone_year=start.where(start.isna(), 2016)
    ).rename(columns=columns)
    spec = f"""\
title: "*Zones* {NASTY} {{ref}}`x`"
source: '{NASTY} ![x](http://example.org/x.png)'
unit: city
time: year
outcome: "{columns["quality"]}"
cohort: zone_year
covariates: ["{columns["income"]}", "{columns["openness"]}"]
"""
    write(folder, panel, spec)
    return book.build(folder / "panel.csv", folder / "spec.yml", folder / "out", quiet=True)


@pytest.mark.slow
def test_a_panel_is_data_and_never_code(nasty_book):
    pages = list(nasty_book.parent.rglob("*.html"))
    assert len(pages) > len(book.CHAPTERS)
    for page in pages:
        html = page.read_text("utf-8")
        soup = BeautifulSoup(html, "html.parser")
        run = [s for s in soup.find_all("script") if s.get("type") != "application/json"]
        assert "alert(" not in " ".join(script.get_text() for script in run), page
        assert not soup.find_all("img", onerror=True), page
        assert not [i for i in soup.find_all("img") if "example.org" in i.get("src", "")], page
    landing = (nasty_book.parent / "notebooks" / "index.html").read_text("utf-8")
    heading = BeautifulSoup(landing, "html.parser").h1.get_text()
    assert "*Zones*" in heading and "{ref}" in heading


@pytest.mark.slow
def test_what_the_panel_lacks_is_said(nasty_book):
    def words(name: str) -> str:
        html = (nasty_book.parent / "notebooks" / f"{name}.html").read_text("utf-8")
        return " ".join(BeautifulSoup(html, "html.parser").get_text(" ").split())

    assert "all treated units adopt in 2016" in words("difference-in-differences")
    assert "the spec names no mediator" in words("mechanisms")
    assert "Monte Carlo" in words("robustness")
    for name in book.CHAPTERS:
        text = words(name)
        assert "@@" not in text and "As printed" not in text and "witness" not in text.lower(), name


@pytest.mark.slow
def test_no_absolute_path_reaches_the_pages(nasty_book):
    folder = str(nasty_book.parents[3])
    for page in nasty_book.parent.rglob("*.html"):
        assert folder not in page.read_text("utf-8"), page


@pytest.mark.nightly
def test_the_example_becomes_a_book(tmp_path):
    command = [sys.executable, "-m", "study.cli", "book", str(EXAMPLES / "panel.csv")]
    command += ["--spec", str(EXAMPLES / "spec.yml"), "--out", str(tmp_path / "out")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    html = (tmp_path / "out/_build/html/notebooks/mechanisms.html").read_text("utf-8")
    assert "Simulated" in html and "indirect effect" in html
