"""The audit: verdicts on the five papers, exact arithmetic, honest tables."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import printproof
from printproof import Span, cell, number, rules
from printproof import _exact as exact
from printproof import operating_characteristics as trials
from printproof._constraint import Case, Constraint, decide, related
from printproof.errors import RecordError
from printproof.printed import Record
from printproof.reading import read_file
from study import cli

PAPER = "yan_ye_wang"


@pytest.fixture(scope="module")
def study(ledger):
    return ledger.study(PAPER)


def impossible(ledger, **wanted):
    return [c.title for c in ledger.select(verdict="impossible", **wanted)]


# --- what a careful referee finds by hand -------------------------------------------------------

FOUND = {
    ("yan_ye_wang", "statistic"): 3,  # every t of Table 1
    ("yan_ye_wang", "stars"): 1,  # *** beside 2.25
    ("yan_ye_wang", "domain"): 1,  # a negative amount
    ("yan_ye_wang", "repeated numbers"): 1,  # one t, two standard errors
    ("yan_ye_wang", "classical errors"): 2,  # Table 4, and the mediator's column
    ("yan_ye_wang", "mediation"): 1,
    ("yan_ye_wang", "words"): 2,  # a sign that changes; a column that is not printed
    ("yan_ye_wang", "official ranges"): 1,  # Beijing
    ("qian_wang_2023", "shares"): 2,  # batch 2; digital services
}


def test_the_ledger_holds_the_findings_and_no_others(ledger):
    found: dict = {}
    for check in ledger.select(verdict="impossible"):
        key = check.paper, check.rule
        found[key] = found.get(key, 0) + 1
    assert found == FOUND


def test_every_check_names_cells_that_stand_in_the_record(ledger):
    for check in ledger:
        record = ledger.study(check.paper).record
        for identifier in check.cells:
            assert record.get(identifier).paper == check.paper
        assert check.reasoning.endswith((".", "?"))
        assert check.title


def test_stars_of_column_8_are_the_only_ones_that_no_distribution_bears(ledger):
    (check,) = ledger.select(paper=PAPER, rule="stars", verdict="impossible")
    assert f"{PAPER}/table5/FTZ/(8)/coef" in check.cells
    undecided = ledger.select(paper=PAPER, rule="stars", verdict="undecided")
    assert {c.cells[0].split("/")[3] for c in undecided} <= {"(4)", "(5)", "(8)", "(11)", "(12)"}


def test_a_statistic_that_fits_its_stars_is_consistent(study):
    printed = study.record.get(f"{PAPER}/table5/FTZ/(8)/statistic")
    changed = replace(study, record=study.record.replace(replace(printed, text="3.55")))
    assert not impossible(printproof.audit([changed]), rule="stars")


def test_the_path_coefficient_that_the_other_three_force(ledger):
    (check,) = ledger.select(rule="mediation")
    low, high = (0.1905 - 0.1045) / 0.7075, (0.1915 - 0.1035) / 0.7065
    assert f"[{low:.5f}"[:8] in check.reasoning
    assert abs(high - 0.124558) < 1e-6 and "0.124558" in check.reasoning


def test_eleven_treated_rows_and_the_divisor_n_minus_1(ledger):
    (check,) = ledger.select(rule="0/1 variable")
    assert check.verdict == "consistent"
    assert "Possible: a count of 11 and divisor 84." in check.reasoning


# --- official ranges -----------------------------------------------------------------------------


def admits(study, city, year, slack):
    found = rules._official._constraints(study, "table2", city, year, Fraction(slack))
    return all(constraint.possible(study.record) for constraint in found)


def test_official_ranges_say_who_can_be_in_the_sample(study):
    frame = rules.city_years(study)
    assert len(frame) == 130 and int(frame["treated"].sum()) == 27
    assert (frame.loc[frame["city"] == "Beijing", "slack"] > 10).all()
    tianjin = frame[frame["city"] == "Tianjin"].set_index("year")["slack"]
    assert tianjin[2013] == 0 and tianjin[2014] > 0
    assert rules._official._cohorts_at(frame, 0) == [2019]
    assert rules._official._cohorts_at(frame, 1) == [2015, 2019]


def test_the_least_slack_is_exactly_where_a_row_enters(study):
    for city, year in (("Tianjin", 2015), ("Tangshan", 2018), ("Beijing", 2013)):
        needed = rules.least_slack(study, "table2", city, year)
        assert needed > 0
        assert admits(study, city, year, needed)
        assert not admits(study, city, year, needed * Fraction(999, 1000))


# --- exact arithmetic ---------------------------------------------------------------------------

fractions = st.fractions(-50, 50, max_denominator=997)


@st.composite
def spans(draw):
    a, b = sorted((draw(fractions), draw(fractions)))
    share = draw(st.fractions(0, 1, max_denominator=50))
    return Span(a, b), a + share * (b - a)


def inside(x, span):
    return span.low <= x <= span.high


@settings(max_examples=200, deadline=None)
@given(spans(), spans())
def test_interval_arithmetic_holds_what_numbers_inside_do(one, other):
    (a, x), (b, y) = one, other
    assert inside(x + y, a + b)
    assert inside(x - y, a - b)
    assert inside(x * y, a * b)
    assert inside(x * x, a.square())
    assert inside(abs(x), a.magnitude())
    if not b.low <= 0 <= b.high:
        assert inside(x / y, a / b)


@settings(max_examples=200, deadline=None)
@given(spans(), spans())
def test_relations_are_possible_where_some_numbers_obey_them(one, other):
    (a, x), (b, y) = one, other
    if x == y:
        assert related(a, "equals", b)
    if x <= y:
        assert related(a, "at most", b)
    if x < y:
        assert related(a, "less than", b)
    if x.denominator == 1:
        assert related(a, "is whole", None)


def test_dividing_by_an_interval_around_zero_is_refused():
    with pytest.raises(RecordError, match="contains zero"):
        Span(Fraction(1), Fraction(2)) / Span(Fraction(-1), Fraction(1))


def test_rounding_of_ends_is_outwards():
    third = Fraction(1, 3)
    assert exact.decimal(third, up=False, digits=3) == "0.333"
    assert exact.decimal(third, up=True, digits=3) == "0.334"


def test_an_about_has_no_interval_and_leaves_a_check_undecided(ledger):
    record = ledger.study("qian_wang_2023").record
    about = next(p.id for p in record if p.kind == "about")
    constraint = Constraint(cell(about), "at most", number(3))
    check = decide(record, "p", "r", "t", [Case("", (constraint,))])
    assert check.verdict == "undecided" and "no interval" in check.reasoning


# --- the algebra of nested columns ----------------------------------------------------------------


def ols(y, x):
    inverse = np.linalg.inv(x.T @ x)
    b = inverse @ x.T @ y
    e = y - x @ b
    s2 = e @ e / (len(y) - x.shape[1])
    return b, np.sqrt(s2 * np.diag(inverse))


def test_the_standard_error_identity_holds_in_every_regression():
    rng = np.random.default_rng(3)
    for _ in range(20):
        x = np.column_stack([np.ones(40), rng.standard_normal((40, 4))])
        x[:, 4] += x[:, 1]
        y = x @ rng.standard_normal(5) + rng.standard_normal(40)
        (b_short, se_short), (b_long, se_long) = ols(y, x[:, :4]), ols(y, x)
        t2, df = (b_long[4] / se_long[4]) ** 2, 35
        ratio = (1 + t2 / df) * df / (df + 1)
        implied = se_short**2 / ratio + (b_short - b_long[:4]) ** 2 / t2
        np.testing.assert_allclose(implied, se_long[:4] ** 2, rtol=1e-10)


def test_the_rule_writes_that_identity(study):
    constraint = rules.classical_step(
        study.where("table4", "FTZ", "(1)"),
        study.where("table4", "FTZ", "(2)"),
        study.where("table4", "lnstru", "(2)"),
        60,
    )
    b1, z1, b2, t = 0.205, 13.05, 0.191, 3.49
    ratio = (1 + t**2 / 60) * 60 / 61
    wanted = (b1 / z1) ** 2 / ratio + (b1 - b2) ** 2 / t**2
    span = constraint.left.span(study.record)
    assert float(span.low) < wanted < float(span.high)


def test_the_classical_reading_fails_for_every_count_of_effects(study):
    (group,) = rules.column_groups(study)
    cases = rules._columns._classical_cases(study, group)
    assert len(cases) == 23  # 22 are declared as the most
    assert all(b.failing(study.record) is not None for b in cases)
    table = rules.classical_table(study, group, 22)
    assert set(table["step"]) == {"(1) to (2)", "(2) to (3)", "(3) to (4)", "(4) to (5)"}
    assert (table.loc[table["verdict"] == "consistent", "miss"] == 1).all()


# --- honest tables, altered digits ---------------------------------------------------------------


@pytest.mark.parametrize("declared", [False, True], ids=["nothing declared", "all declared"])
@pytest.mark.parametrize("shape", trials.SHAPES)
def test_no_rule_calls_honest_tables_impossible(shape, declared):
    for seed in (1, 2):
        found = printproof.audit([trials._honest_study(shape, seed, declared=declared)])
        assert not found.findings
        assert len(found) or shape == "no statistic beside the effect"


@pytest.mark.nightly
@pytest.mark.parametrize("shape", trials.SHAPES)
def test_no_rule_calls_three_hundred_honest_tables_of_a_shape_impossible(shape):
    for seed in range(10_000, 10_300):
        for declared in (False, True):
            found = printproof.audit([trials._honest_study(shape, seed, declared=declared)])
            assert not found.findings, (seed, found.findings[0])


def test_there_are_thirty_shapes_and_each_draws_something_else():
    assert len(trials.SHAPES) >= 30
    first, other = (
        [p.text for p in trials._honest_study("odds ratios", seed).record] for seed in (1, 2)
    )
    assert first != other and first == [
        p.text for p in trials._honest_study("odds ratios", 1).record
    ]


@pytest.mark.slow
def test_false_positives_are_counted_by_shape():
    table = trials.false_positives(1)
    assert set(table["shape"]) <= set(trials.SHAPES) and (table["impossible"] == 0).all()
    undecided = table.groupby("declared")["undecided"].sum()
    assert undecided[False] > undecided[True]


@pytest.mark.slow
def test_single_altered_digits_are_noticed():
    found = trials.power(8)
    rate = found.groupby("rule")[["by_rule", "by_any"]].mean()
    assert (rate["by_any"] >= rate["by_rule"]).all()
    for rule in ("shares", "parts and totals", "sample size", "0/1 variable"):
        assert rate.loc[rule, "by_rule"] >= 0.8
    for rule in ("mediation", "statistic", "overall fit", "interval"):
        assert rate.loc[rule, "by_rule"] > 0.3


# --- another record ------------------------------------------------------------------------------


def test_a_file_in_the_shape_of_the_print_is_audited(tmp_path):
    tables = {
        "declare": {"scale": "linear"},
        "table1": {
            "columns": ["att", "stars", "se", "t"],
            "rows": {
                "good": ["0.163", "***", "0.034", "4.80"],
                "bad": ["0.200", "***", "0.100", "3.00"],
            },
        },
        "batches": [{"batch": "1", "direct": "7", "indirect": "12", "pct": ["37", "63"]}],
        "text": {"direct": "7"},
    }
    path = tmp_path / "paper.yml"
    path.write_text(yaml.safe_dump({"some_paper": tables}), "utf-8")
    ledger = printproof.audit(read_file(path))
    by_rule = {(c.rule, c.verdict) for c in ledger}
    assert ("statistic", "consistent") in by_rule and ("statistic", "impossible") in by_rule
    assert ("shares", "consistent") in by_rule and ("parts and totals", "consistent") in by_rule


def test_nested_columns_and_a_mediator_are_recognised():
    study = trials._honest_study("one sample, classical errors", 5)
    (group,) = study.get("nested")
    assert group == {"table": "table4", "columns": ["(1)", "(2)", "(3)"]}
    assert {"nested", "mediation", "variables", "relations", "counts"} <= study.inferred
    (entry,) = study.get("mediation")
    assert entry["total"] == "table4/treat/(3)" and entry["path"] == "table5/m/(5)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected papers"),
        ("- 1\n", "expected papers"),
        ("p: {table1: {columns: [att, se], rows: {a: ['0.1']}}}", "expected 2 entries"),
        ("p: {text: {growth: 0.10}}", "in quotes"),
        ("p: {note: {author: somebody}}", "no table or number"),
        ("p: {table4: {'(1)': {x: ['0.1', '****', '2']}}}", "stars|number"),
        ("p: {table1: {columns: [mean], rows: {a: ['1']}}, checks: {nonsense: 1}}", "no section"),
        ("p: [", "cannot be read"),
    ],
)
def test_a_bad_file_gets_one_clear_error(tmp_path, text, message, capsys):
    path = tmp_path / "bad.yml"
    path.write_text(text, "utf-8")
    assert cli.main(["audit", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("ftz audit: ") and error.count("\n") == 1
    assert re.search(message, error)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"left": "a +", "right": "1"}, "is not a formula"),
        ({"left": "b", "right": "1"}, "names no cell"),
        ({"left": "__import__('os')", "right": "1"}, "holds more than"),
        ({"left": "1"}, "needs left and right"),
        ({"left": "1", "relation": "near", "right": "1"}, "no relation"),
        ({"left": "a", "right": "1", "cells": {"a": "text/x/y/value"}}, "no cell"),
    ],
)
def test_a_bad_relation_is_refused(study, entry, message):
    broken = replace(study, declared={"relations": [entry]})
    with pytest.raises(RecordError, match=message):
        printproof.audit([broken])


# --- the command ----------------------------------------------------------------------------------


def test_json_lines_have_the_keys_that_are_promised(capsys):
    assert cli.main(["audit", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) > 100
    for line in lines:
        assert {"paper", "cells", "rule", "verdict", "reasoning"} <= line.keys()
        assert line["verdict"] in {"consistent", "impossible", "undecided"}
        assert isinstance(line["cells"], list)


def test_an_unknown_rule_is_named(capsys):
    assert cli.main(["audit", "--rule", "magic"]) == 2
    assert "no rule 'magic'" in capsys.readouterr().err


def test_an_empty_record_makes_an_empty_ledger():
    assert len(printproof.audit([printproof.Study("p", Record([]))])) == 0
