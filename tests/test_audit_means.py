"""Means of whole answers, percentages, differences of groups, cross-tables, p: known answers."""

from __future__ import annotations

import copy
import json
import time
from collections import Counter
from itertools import combinations_with_replacement

import numpy as np
import pytest
from scipy import stats

import printproof
from printproof import checker
from printproof.reading import study as read
from study import cli

PLAIN = {"moments": "same rows", "weights": "none", "rounding": "nearest", "counts": ["n", "N"]}


def audit(tables, **declare):
    """Audit tables with plain moments and what else is declared; prove each impossible."""
    lines = {k: v for k, v in {**PLAIN, **declare}.items() if v is not None}
    found = printproof.audit([read("p", {"declare": lines, **tables})])
    record = printproof.plain(found.study("p"))
    for check in found.findings:
        proof = printproof.certificate(check, found.study("p"))
        assert checker.verify(json.dumps(proof), record)
        if proof["premises"]:
            with pytest.raises(checker.CertificateError):
                checker.verify(copy.deepcopy(proof) | {"premises": []}, record)
    return found


def grid(columns, rows, **more):
    lines = rows if isinstance(rows, dict) else {f"x{i}": list(r) for i, r in enumerate(rows)}
    return {"table1": {"columns": columns, "rows": lines, **more}}


def of(found, rule):
    return [check.verdict for check in found.select(rule=rule)]


BAD, GOOD, OPEN = "impossible", "consistent", "undecided"


# --- GRIM, GRIMMER, DEBIT -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("means", "n", "items", "verdicts"),
    [  # the examples of the R package scrutiny
        (["5.27"], 43, 1, [BAD]),
        (["8.97", "2.61", "7.26", "3.64", "9.26", "10.46", "7.39"], 28, 1,
         [BAD, GOOD, BAD, GOOD, BAD, GOOD, GOOD]),
        (["5.90", "5.71", "3.50", "3.82", "4.61", "5.24"], 40, 1,
         [GOOD, BAD, GOOD, GOOD, BAD, BAD]),
        (["5.90", "5.71", "3.50", "3.82", "4.61", "5.24"], 40, 3, [GOOD] * 6),
        (["6.92", "3.48"], 30, 1, [BAD, BAD]),
        (["1.59", "2.61"], 30, 2, [BAD, BAD]),
        (["4.04", "4.50"], 30, 3, [GOOD, GOOD]),
    ],
)  # fmt: skip
def test_grim_gives_the_known_answers(means, n, items, verdicts):
    table = grid(["n", "mean"], [(str(n), mean) for mean in means])
    found = audit(table, items={f"x{i}": items for i in range(len(means))})
    assert of(found, "granularity") == verdicts
    assert not audit(table).select(rule="granularity")  # nobody says that answers are whole


def test_debit_gives_the_known_answers():
    """Table 1 of Heathers and Brown (2019), as scrutiny's pigs3."""
    rows = [("0.53", "0.50"), ("0.44", "0.50"), ("0.77", "0.42"), ("0.19", "0.35"),
            ("0.34", "0.47"), ("0.93", "0.25"), ("0.12", "0.33")]  # fmt: skip
    table = grid(["n", "mean", "sd"], [("1683", *row) for row in rows])
    names = [f"x{i}" for i in range(7)]
    assert of(audit(table, dummies=names), "0/1 variable") == [GOOD] * 3 + [BAD] + [GOOD] * 3
    assert set(of(audit(table, dummies=names, rounding=None), "0/1 variable")) == {GOOD, BAD}


@pytest.mark.parametrize(
    ("rounding", "verdicts"),
    [("nearest", [BAD, GOOD]), ("half_even", [BAD, GOOD]), ("truncated", [GOOD, BAD]),
     ("unknown", [OPEN, GOOD]), (None, [OPEN, GOOD])],
)  # fmt: skip
def test_grim_honours_what_is_declared_about_rounding(rounding, verdicts):
    """Eight thirds print as 2.67 if rounded and as 2.66 if cut off."""
    table = grid(["n", "mean"], [("3", "2.66"), ("3", "2.67")])
    found = audit(table, items={"x0": 1, "x1": 1}, rounding=rounding)
    assert of(found, "granularity") == verdicts


@pytest.mark.parametrize(("n", "items"), [(5, 1), (4, 2)])
def test_every_attainable_pair_is_consistent_and_most_others_are_not(n, items):
    """Try all samples of answers from -1 to 2 (sums of them, with items), by brute force."""
    sums = range(-items, 2 * items + 1)
    attained = set()
    for sample in combinations_with_replacement(sums, n):
        x = np.array(sample) / items
        attained |= {(f"{x.mean():.2f}", f"{x.std(ddof=k):.2f}") for k in (0, 1)}
    means = sorted({mean for mean, _ in attained})[:5]
    every = [(m, f"{s / 100:.2f}") for m in means for s in range(0, 200, 17)]
    every += sorted(attained)[:: max(1, len(attained) // 25)]
    rows = [(str(n), *pair) for pair in every]
    found = audit_only(
        grid(["n", "mean", "sd"], rows), items={f"x{i}": items for i in range(len(rows))}
    )
    verdicts = of(found, "granularity")
    told = Counter(zip([pair in attained for pair in every], verdicts, strict=True))
    assert told[True, BAD] == 0 and told[True, GOOD] > 20
    assert told[False, BAD] > 0.7 * (told[False, BAD] + told[False, GOOD])


def audit_only(tables, **declare):
    """Audit without proving each verdict once more: the audit has done so."""
    return printproof.audit([read("p", {"declare": {**PLAIN, **declare}, **tables})])


def test_whole_numbers_do_not_vary_less_than_their_mean_allows():
    rows = [("10", "2.50", "0.51"), ("10", "2.50", "0.53"), ("10", "2.50", "0.40")]
    found = audit(grid(["n", "mean", "sd"], rows), items={"x0": 1, "x1": 1, "x2": 1})
    assert of(found, "granularity") == [BAD, GOOD, BAD]
    assert "least variance" in found.findings[-1].reasoning


def test_three_hundred_million_answers_take_no_time():
    rows = [("300000000", "2.6666666667", "1.24721913"), ("300000000", "2.667", "1.247"),
            ("300000000", "2.6666666651", "1.24721913")]  # fmt: skip
    start = time.process_time()
    found = audit(grid(["n", "mean", "sd"], rows), items={"x0": 1, "x1": 40, "x2": 1})
    assert of(found, "granularity")[::2] == [GOOD, BAD] and time.process_time() - start < 2


def test_items_must_be_whole_numbers():
    with pytest.raises(printproof.reading.RecordError, match="a whole number for each variable"):
        audit(grid(["n", "mean"], [("3", "2.67")]), items={"x0": 0})


# --- percentages ----------------------------------------------------------------------------------


def test_percentages_give_the_known_answers():
    """The percentages of scrutiny's vignette on GRIM, and the same per mille."""
    rows = [("438", "32.5"), ("455", "35.6"), ("501", "21.7"), ("516", "39.3")]
    table = grid(["n", "rate"], rows)
    assert of(audit(table, percents=["rate"]), "percentage") == [BAD, GOOD, BAD, GOOD]
    thousandths = [(n, f"{10 * float(v):.0f}") for n, v in rows]
    found = audit(grid(["n", "rate"], thousandths), permilles=["rate"])
    assert of(found, "percentage") == [BAD, GOOD, BAD, GOOD]
    found = audit(table, percents=["rate"], weights="survey")
    assert set(of(found, "percentage")) == {GOOD, OPEN}
    assert "`weights: none`" in found.select(rule="percentage", verdict=OPEN)[0].declare


def test_a_percentage_has_its_n_under_its_column_or_beside_its_mean():
    below = {"a": {"female": "33.4", "married": "50.0", "N": "3"},
             "b": {"female": "33.3", "married": "101", "N": "3"}}  # fmt: skip
    found = audit({"table1": below}, percents=["female", "married"])
    assert of(found, "percentage") == [BAD, BAD, GOOD, BAD]
    moments = grid(["n", "mean", "sd"], {"female": ["3", "33.4", "47.1"]})
    assert of(audit(moments, percents=["female"]), "percentage") == [BAD]


def test_what_a_paper_declares_holds_for_its_later_tables_too():
    later = {"columns": ["n", "rate"], "rows": {"x": ["3", "33.4"]}}
    found = audit({**grid(["n", "mean"], [("3", "2.67")]), "table2": later}, percents=["rate"])
    assert of(found, "percentage") == [BAD]


def test_a_percentage_of_a_bound_or_without_n_is_passed_over():
    rows = [("438", "<32.5"), ("-", "32.5")]
    found = audit(grid(["n", "rate"], rows), percents=["rate"])
    assert not of(found, "percentage")


# --- differences of group means -------------------------------------------------------------------

GROUPS = ["us", "japan"]
HEADS = [f"{g} {c}" for g in GROUPS for c in ("n", "mean", "sd")]
CARS = ["249", "20.14458", "6.41470", "79", "30.48101", "6.10771"]
ENTRY = {"table": "table1", "first": "table1 us", "second": "table1 japan"}


def cars(printed, **declare):
    """Audit the miles per gallon of NIST's handbook (AUTO83B), with these tests beside."""
    table = grid([*HEADS, *printed], {"mpg": [*CARS, *printed.values()]},
                 declare={"groups": GROUPS})  # fmt: skip
    return audit(table, **{"differences": [ENTRY], "scale": "linear", "tails": "two"} | declare)


WELCH = stats.ttest_ind_from_stats(20.14458, 6.41470, 249, 30.48101, 6.10771, 79, equal_var=False)


@pytest.mark.parametrize(
    ("printed", "variances", "verdicts"),
    [
        ({"difference": "-10.33643", "t": "-12.62059"}, "pooled", [GOOD]),  # as NIST prints it
        ({"difference": "-10.33643", "t": "-12.62059"}, "welch", [BAD]),
        ({"difference": "-10.33643", "t": f"{WELCH.statistic:.5f}"}, "welch", [GOOD]),
        ({"difference": "-10.33643", "t": "-12.62059"}, None, [GOOD]),  # one of the two fits
        ({"difference": "-10.33643", "t": "-11.62"}, None, [OPEN]),
        ({"difference": "-10.34", "se": "0.82"}, "pooled", [GOOD]),
        ({"difference": "-10.34", "se": "0.80"}, "pooled", [BAD]),
        ({"t": "12.9"}, "welch", [GOOD]),
        ({"difference": "-10.34", "p": "0.000"}, "welch", [GOOD]),
        ({"difference": "-10.34", "p": "0.020"}, "welch", [BAD]),
        ({"difference": "-10.34", "p": "0.020"}, "pooled", [BAD]),
    ],
)
def test_the_error_of_a_difference_gives_the_known_answers(printed, variances, verdicts):
    found = cars(printed, variances=variances)
    assert of(found, "difference error") == verdicts
    assert set(of(found, "difference")) <= {GOOD}
    if verdicts == [OPEN]:
        assert "`variances: welch`" in found.select(rule="difference error")[0].declare


def test_a_difference_is_that_of_its_means_if_that_is_declared():
    assert of(cars({"difference": "-10.33"}), "difference") == [BAD]
    found = cars({"difference": "-10.33"}, differences=None)
    assert of(found, "difference") == [OPEN]
    line = "differences: [{table: table1, first: table1 us, second: table1 japan}]"
    assert found.select(rule="difference")[0].declare == f"`{line}`"


def test_moments_of_groups_side_by_side_are_tables_of_their_own():
    found = cars({"difference": "-10.34"}, items={"mpg": 1})
    assert of(found, "granularity") == [GOOD, GOOD] and not found.study("p").words
    table = grid(HEADS, {"mpg": CARS}, declare={"groups": GROUPS, "rounding": "truncated"})
    study = audit(table).study("p")
    assert study.header.get("rounding", "table1 us") == "truncated"


def test_differences_between_panels_are_declared_by_name():
    columns = ["n", "mean", "sd"]
    panels = {
        "A": {"columns": columns, "rows": {"x": ["40", "1.20", "0.50"]}},
        "B": {"columns": columns, "rows": {"x": ["45", "1.30", "0.60"]}},
        "C": {"columns": ["diff", "se"], "rows": {"x": ["-0.10", "0.15"], "y": ["1", "2"]}},
    }
    entry = {"table": "table1 C", "first": "table1 A", "second": "table1 B"}
    found = audit({"table1": panels}, differences=[entry], variances="welch")
    assert of(found, "difference") == [GOOD] and of(found, "difference error") == [BAD]


# --- cross-tables ---------------------------------------------------------------------------------

CROSS = {"a": ["1", "2", "3"], "b": ["4", "5", "9"], "Total": ["5", "8", "12"]}


def test_rows_and_columns_of_a_cross_table_add_up():
    columns = ["male", "female", "total"]
    rule = "parts and totals"
    table = grid(columns, CROSS)
    found = audit(table, counts=columns, totals=["table1"])
    assert Counter(of(found, rule)) == {GOOD: 4, BAD: 2}
    told = audit(table, counts=columns).select(rule=rule, verdict=OPEN)
    assert len(told) == 2 and all(c.declare == "`totals: [table1]`" for c in told)
    told = audit(table, totals=["table1"]).select(rule=rule, verdict=OPEN)
    assert [c.declare for c in told] == ["`counts: [female]`", "`counts: [male, female, total]`"]


def test_rounded_parts_and_rates_need_not_add_up():
    rows = {"a": ["1.4", "10"], "b": ["1.4", "30"], "total": ["2.9", "20"]}
    found = audit(grid(["gdp", "rate"], rows), totals=["table1"], percents=["rate"])
    assert of(found, "parts and totals") == [GOOD]
    rows["b"][0] = "1.2"
    found = audit(grid(["gdp", "rate"], rows), totals=["table1"], percents=["rate"])
    assert of(found, "parts and totals") == [BAD]


# --- a column headed p ----------------------------------------------------------------------------

TESTS = {"a": ["0.20", "0.10", "2.00", "0.70"], "b": ["0.30", "0.10", "3.00", "-1.50"]}
TOLD = {"tails": "two", "df": "normal", "scale": "linear"}


def test_a_column_headed_p_may_hold_something_else():
    table = grid(["coef", "se", "t", "p"], TESTS)
    for declare in ({}, TOLD):
        found = audit(table, **declare)
        assert not found.findings and "`p_column: p values`" in "".join(c.declare for c in found)
    found = audit(table, p_column="p values", **TOLD)
    assert {c.rule for c in found.findings} == {"p value", "not negative"}
    assert not audit(table, unused=["p"], **TOLD).select(rule="p value")
    among = grid(["coef", "se", "t", "p"], {"a": TESTS["a"]})
    assert of(audit(among, **TOLD), "p value") == [BAD]


# --- one cell -------------------------------------------------------------------------------------


def test_one_cell_is_explained(tmp_path, capsys):
    path = tmp_path / "p.yml"
    tables = {"declare": {**PLAIN, "percents": ["rate"]}, **grid(["n", "rate"], [("438", "32.5")])}
    tables["text"] = {"weights": "no number"}
    path.write_text(json.dumps({"p": tables}), "utf-8")
    assert cli.main(["audit", "explain", "x0/rate", str(path)]) == 0
    text = capsys.readouterr().out
    assert "p/table1/x0/rate/value: 32.5 (rounded)" in text and "[32.45, 32.55]" in text
    assert "IMPOSSIBLE  percentage" in text and "moments (declared)" in text
    assert cli.main(["explain", "table1/x0/n/value", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["declared"]["counts"] == ["n", "N"] and told["checks"][0]["rule"] == "percentage"
    assert told["checks"][0]["premises"]["weights"] is True
    assert cli.main(["audit", "explain", "text/weights/value", str(path)]) == 0
    assert "no number (word)" in capsys.readouterr().out
    for name, wanted in (("x0/rat", "no cell 'x0/rat': p/table1/x0/rate"), ("value", "3 cells")):
        assert cli.main(["audit", "explain", name, str(path)]) == 2
        assert wanted in capsys.readouterr().err


def test_an_explanation_says_what_would_decide(tmp_path, capsys):
    path = tmp_path / "p.yml"
    path.write_text(json.dumps({"p": grid(["coef", "se", "t"], {"a": [*TESTS["a"][:2], "3.00"]})}))
    assert cli.main(["audit", "explain", "a/ATT/se", str(path)]) == 0
    text = capsys.readouterr().out
    assert "declared here: nothing" in text and "`scale: linear`" in text
    assert "scale (not declared)" in text
