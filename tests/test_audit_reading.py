"""Another paper's file: what is read, what is declared, what is refused and where."""

from __future__ import annotations

from fractions import Fraction

import pytest

import printproof
from counted import at_most
from printproof._cells import decimal_mark, read_cell
from printproof._constraint import Premise
from printproof._exact import Digits, digit_span
from printproof.errors import RecordError
from printproof.reading import read_file
from study import cli, published

MINE = """
p:
  declare:
    scale: linear
    because: {scale: the note}
    DECLARE
  table1:
    columns: [att, stars, se, t]
    rows:
      k/l: ["0.163", "***", "0.034", "4.80"]
      bad: ["0.200", "***", "0.100", "3.00"]
  table2:
    A: {columns: [n, mean, median], rows: {x: ["40", "1.2", "—"]}}
    B: {columns: [n, mean, median], rows: {x: ["45", "1.3", "1.2"]}}
  table4:
    declare: {"(2)": {sample: other}}
    "(1)": {outcome: y, x: ["0.205***", "(13.05)"], N: "85", effects: yes}
    "(2)": {outcome: y, x: {coef: "-0.1", se: ".05", t: "−2.00", p: "<0.001"}, N: "80"}
"""


def read(tmp_path, text):
    path = tmp_path / "paper.yml"
    path.write_text(text, "utf-8")
    return read_file(path)


def verdicts(tmp_path, declare, rule):
    text = MINE.replace("DECLARE", declare or "weights: unknown")
    return [c for c in printproof.audit(read(tmp_path, text)) if c.rule == rule]


# --- one cell -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "text", "kind"),
    [
        ("0.123***", "0.123", "rounded"),
        ("(0.16)", "0.16", "rounded"),
        ("[−0.16]**", "-0.16", "rounded"),
        (".123", "0.123", "rounded"),
        ("1.2e-05", "0.000012", "rounded"),
        ("1.2e+03", "1200", "about"),
        ("<0.001", "0.001", "under"),
        ("> 5", "5", "over"),
        ("10+", "10", "over"),
        ("1\u2009234\u00a0567", "1234567", "rounded"),
        ("1,234.5", "1234.5", "rounded"),
        ("1,234,567", "1234567", "rounded"),
        ("0.12†", "0.12", "rounded"),
        ("18 %", "18", "rounded"),
        ("1/3", "1/3", "fraction"),
        ("—", "", "empty"),
        ("n/a", "", "empty"),
        ("yes", "", "word"),
    ],
)
def test_a_cell_is_read_as_it_is_printed(raw, text, kind):
    cell = read_cell(raw)
    assert (cell.text, cell.kind) == (text, kind)


def test_marks_around_a_number_are_kept():
    assert read_cell("0.5 *").stars == "*" and read_cell("(0.1)**").bracket == "("
    assert read_cell("0.12†").mark == "†" and read_cell("0.12+", coefficient=True).mark == "+"


@pytest.mark.parametrize("raw", ["0.1.2", "1 23", "0.1****", "x1", "1e9999", "0x1F", "٣", "1-2"])
def test_what_is_no_number_is_refused(raw):
    with pytest.raises(RecordError):
        read_cell(raw)


@pytest.mark.parametrize("raw", ["0,163", "1,234"])
def test_an_ambiguous_comma_is_refused_with_the_remedy(raw):
    with pytest.raises(RecordError, match="declare `decimal"):
        read_cell(raw)
    assert read_cell(raw, ",").text == raw.replace(",", ".")


def test_other_numbers_of_a_paper_settle_what_a_comma_is():
    assert decimal_mark(["0.12", "1,234"]) == "." and read_cell("1,234", ".").text == "1234"
    assert decimal_mark(["1,234"]) is None and decimal_mark(["0.12", "0,5"]) is None
    with pytest.raises(RecordError, match="decimal comma"):
        read_cell("0.163", ",")


# --- rounding -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rounding", "low", "high"),
    [
        ("0.12", "nearest", "0.115", "0.125"),
        ("0.12", "truncated", "0.12", "0.13"),
        ("0.12", "unknown", "0.115", "0.13"),
        ("-0.12", "unknown", "-0.13", "-0.115"),
        ("-0.12", "truncated", "-0.13", "-0.12"),
        ("0.00", "unknown", "-0.01", "0.01"),
        ("0.00", "half_even", "-0.005", "0.005"),
    ],
)
def test_an_interval_holds_what_the_rounding_allows(text, rounding, low, high):
    span = digit_span(text, rounding)
    assert (span.low, span.high) == (Fraction(low), Fraction(high))


def test_the_third_row_of_table_1_rests_on_rounding_and_the_first_two_do_not():
    study = published.study("yan_ye_wang")
    cells = [c for c in printproof.audit([study]) if c.rule == "statistic"]
    assert [c.strength for c in cells] == ["arithmetic", "arithmetic", "convention"]
    wide = study.record.with_rounding("unknown")
    assert isinstance(wide, Digits)
    assert [bool(c.cases[0].failing(wide)) for c in cells] == [True, True, False]


# --- premises -------------------------------------------------------------------------------------


def test_an_impossible_needs_every_premise_declared(tmp_path):
    bad = verdicts(tmp_path, "", "statistic")[1]
    assert bad.verdict == "impossible" and bad.premises == (
        Premise("scale", True, "scale: linear"),
    )
    text = MINE.replace("scale: linear", "scale: unknown").replace("DECLARE", "weights: none")
    undeclared = [c for c in printproof.audit(read(tmp_path, text)) if c.rule == "statistic"][1]
    assert undeclared.verdict == "undecided" and undeclared.declare == "`scale: linear`"
    assert "would decide it" in undeclared.reasoning


def test_columns_are_of_one_sample_only_if_declared(tmp_path):
    text = MINE.replace("DECLARE", "tails: two").replace("sample: other", "tails: one")
    (found,) = [c for c in printproof.audit(read(tmp_path, text)) if c.rule == "sample size"]
    assert found.verdict == "undecided" and "sample" in found.declare
    declared = verdicts(tmp_path, 'sample: one\n    counts: ["n", "N"]', "sample size")
    assert not any("table4" in c.title for c in declared)  # column (2) has another name
    (panels,) = declared
    assert panels.verdict == "impossible"


def test_stars_are_judged_by_declared_levels(tmp_path):
    lines = 'stars: {"*": .05, "**": .01}\n    tails: two\n    df: normal'
    with pytest.raises(RecordError, match=r"\*\*\* is printed, but `stars` declares"):
        verdicts(tmp_path, lines, "stars")
    lines = (
        'stars: {"*": .1, "**": .05, "***": .0000000000000000001}\n    tails: two\n    df: normal'
    )
    assert {c.verdict for c in verdicts(tmp_path, lines, "stars")} >= {"impossible"}


def test_nothing_of_the_five_papers_is_declared_without_its_sentence():
    for study in published.studies():
        for level in (study.header.paper, *study.header.tables.values()):
            assert set(level) - {"because"} == set(level.get("because", {}))


def test_a_bound_or_a_zero_error_is_no_obstacle(tmp_path):
    table = '{columns: [coef, se, t], rows: {a: ["0.50", "0.00", "17.90"]}}'
    text = f"p: {{declare: {{scale: linear}}, table1: {table}}}"
    (check,) = [c for c in printproof.audit(read(tmp_path, text)) if c.rule == "statistic"]
    assert check.verdict == "impossible"
    text = text.replace('"0.00", "17.90"', '"-0.10", "-5.00"')
    (check,) = [c for c in printproof.audit(read(tmp_path, text)) if c.rule == "not negative"]
    assert check.verdict == "impossible" and check.strength == "arithmetic"


@pytest.mark.parametrize(
    ("line", "rule", "verdict"),
    [
        ('["0.20", "0.10", "2.00", "30", "0.700", "0.00", "0.40"]', "p value", "impossible"),
        ('["0.20", "0.10", "2.00", "30", "0.055", "0.00", "0.40"]', "p value", "consistent"),
        ('["0.20", "0.10", "2.00", "30", "<0.001", "0.00", "0.40"]', "p value", "impossible"),
        ('["0.20", "0.10", "2.00", "30", "0.055", "0.25", "0.40"]', "interval", "impossible"),
        ('["0.20", "0.10", "2.00", "30", "0.055", "-0.40", "0.80"]', "interval", "impossible"),
        ('["0.20", "0.10", "2.00", "30", "0.055", "0.00", "0.40"]', "interval", "consistent"),
    ],
)
def test_p_values_and_intervals_are_held_against_estimate_and_error(tmp_path, line, rule, verdict):
    header = "{tails: two, scale: linear, level: .95, rounding: nearest}"
    columns = "[coef, se, t, df, p, ci_low, ci_high]"
    text = f"p: {{declare: {header}, table1: {{columns: {columns}, rows: {{a: {line}}}}}}}"
    (check,) = [c for c in printproof.audit(read(tmp_path, text)) if c.rule == rule]
    assert check.verdict == verdict


def test_a_0_1_variable_of_three_hundred_million_rows_takes_no_time(tmp_path):
    row = '["300000000", "0.129", "0.SD", "0.000", "1.000"]'
    text = (
        "p: {declare: {moments: same rows, weights: none, dummies: [d], counts: [n],"
        " rounding: nearest},"
        f" table1: {{columns: [n, mean, sd, min, max], rows: {{d: {row}}}}}}}"
    )
    for sd, verdict in (("335", "consistent"), ("350", "impossible")):
        with at_most(1_000_000):
            ledger = printproof.audit(read(tmp_path, text.replace("SD", sd)))
        (check,) = [c for c in ledger if c.rule == "0/1 variable"]
        assert check.verdict == verdict


TWICE = "p:\n  table1: {columns: [mean], rows: {a: ['1']}}\n  table1: {}\n"
MERGED = "p:\n  table2_panelA: {a: '1'}\n  table2_panelB: {b: '1'}\n"
SKEW = "p:\n  table1: {columns: [mean, skew], rows: {a: ['1', '2']}}\n"
HEADS = "p:\n  table1: {columns: [n, n], rows: {a: ['1', '2']}}\n"


def test_a_regressor_may_bear_the_name_of_a_heading(tmp_path):
    text = "p: {table4: {'(1)': {outcome: y, b: ['0.1', '2.0'], effect: ['0.2', '3.0']}}}"
    (study,) = read(tmp_path, text)
    assert study.paper == "p" and study.regressors("table4", "(1)") == ["b", "effect"]


def test_a_file_may_hold_one_paper_without_its_name(tmp_path):
    (study,) = read(tmp_path, "table1: {columns: [mean], rows: {a: ['1.5']}}")
    assert study.paper == "paper" and len(study.record) == 1


def test_a_dagger_beside_a_coefficient_keeps_it_from_the_rule_of_stars(tmp_path):
    rows = '{a: ["0.20", "+", "1.70"], b: ["0.30", "***", "9.00"], c: ["0.10", "", "9.00"]}'
    text = f'p: {{table1: {{"(1)": {rows}}}}}'
    checks = [c for c in printproof.audit(read(tmp_path, text)) if c.rule == "stars"]
    assert [c.cells[0].split("/")[2] for c in checks] == ["b", "c"]
    assert [c.verdict for c in checks] == ["consistent", "undecided"]
    assert "`df: normal`" in checks[1].declare


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        (
            "p:\n  table1: {columns: [mean], rows: {a: ['1']}}\n  table1: {}\n",
            "3:3",
            "stands twice",
        ),
        (MERGED, "3:3", "are both table2"),
        (
            "p:\n  table1: {columns: [mean, skew], rows: {a: ['1', '2']}}\n",
            "2:28",
            "not understood",
        ),
        ("p:\n  declare: {star: 1}\n  text: {a: '1'}\n", "2:13", "no section or key"),
        ("p:\n  declare: {tails: three}\n  text: {a: '1'}\n", "2:13", "none of one, two"),
        ("p:\n  declare: {stars: {'*': .01, '**': .1}}\n  text: {a: '1'}\n", "2:13", "falling"),
        ("p:\n  text: {a: 0x10}\n", "2:13", "must stand in quotes"),
        ("p:\n  text: {a: 'x1'}\n", "2:10", "is not a printed number"),
        ("p:\n  text: {a: '0,163'}\n", "2:10", "declare `decimal"),
        ("p:\n  table4: {'(1)': {x: ['1', '2', '3', '4', '5']}}\n", "2:20", "no coefficient"),
        ("p:\n  table4: {'(1)': {x: {coef: '1', vif: '2'}}}\n", "2:35", "is none of coef"),
        ("p:\n  table4: {declare: {df: 0}, '(1)': {x: ['1', '2']}}\n", "2:22", "whole number"),
        (
            "p:\n  table1: {columns: [n, n], rows: {a: ['1', '2']}}\n",
            "2:12",
            "heading stands twice",
        ),
        ("p:\n  a: [{b: '1', c: '2'}, {b: '1', c: '3'}]\n", "2:34", "stands twice"),
        ("p:\n  table4: {parentheses: sd, '(1)': {x: ['1', '2']}}\n", "2:12", "parentheses are"),
    ],
)
def test_what_is_not_understood_is_refused_where_it_stands(tmp_path, capsys, text, place, message):
    path = tmp_path / "bad.yml"
    path.write_text(text, "utf-8")
    assert cli.main(["audit", str(path)]) == 2
    error = capsys.readouterr().err
    assert f"bad.yml:{place}: " in error and message in error and error.count("\n") == 1


def test_declarations_for_what_is_not_there_are_refused(tmp_path):
    text = "p: {declare: {tables: {table9: {df: normal}}}, text: {a: '1'}}"
    with pytest.raises(RecordError, match="no table of the paper: 'table9'"):
        read(tmp_path, text)
    text = text.replace("table9: {df: normal}", "text: {columns: {b: {df: 3}}}")
    with pytest.raises(RecordError, match="no column: 'b'"):
        read(tmp_path, text)


# --- every cell is accounted for ------------------------------------------------------------------


def test_every_cell_is_accounted_for(tmp_path, capsys):
    path = tmp_path / "paper.yml"
    path.write_text(MINE.replace("DECLARE", "tails: two"), "utf-8")
    assert cli.main(["audit", str(path), "--echo"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == (
        "21 printed cells: 12 used, 7 not used by any rule, 1 words, 1 empty, 0 not understood"
    )
    assert "p/table2 A/x/median/value: — (no number)" in said
    assert "p/table1/k/l/ATT/coef: 0.163*** (rounded): statistic, stars" in said
    assert "p/table4/x/(2)/p: 0.001 (under): not negative, p value" in said
