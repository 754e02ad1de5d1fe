"""Honest ways of printing that once looked impossible, each as small as it can be."""

from __future__ import annotations

import copy

import pytest

import printproof
from printproof import checker
from printproof.reading import read_file

MOMENTS = "p:\n  DECLARE\n  table1: {columns: [n, mean, sd, min, max], rows: {x: ROW}}\n"
INTERVAL = "p:\n  DECLARE\n  table1: {columns: [b, se, lower, upper, df], rows: {x: ROW}}\n"
WEIGHTS = "declare: {moments: same rows, weights: none}"


def ledger(tmp_path, text, row, declare="about: nothing is declared"):
    path = tmp_path / "p.yml"
    path.write_text(text.replace("ROW", row).replace("DECLARE", declare), "utf-8")
    return printproof.audit(read_file(path))


@pytest.mark.parametrize(
    ("text", "row", "rule", "declare"),
    [
        (MOMENTS, '["85", "43.5", "49.9", "0", "1"]', "order of moments", WEIGHTS),  # percent
        (MOMENTS, '["85", "43.5", "49.9", "0", "1"]', "range", WEIGHTS),
        (MOMENTS, '["85", "22.4", "90.1", "1.1", "19.4"]', "order of moments", WEIGHTS),  # trimmed
        (MOMENTS, '["85", "33.6", "40.2", "1148", "249812"]', "order of moments", WEIGHTS),  # units
        # a logarithm beside the interval of its odds ratio
        (INTERVAL, '["-0.40", "0.20", "0.45", "0.99", "82"]', "interval", "declare: {scale: odds}"),
    ],
)  # fmt: skip
def test_an_honest_table_is_undecided_and_names_the_line(tmp_path, text, row, rule, declare):
    found = ledger(tmp_path, text, row)
    assert not found.findings
    (check,) = found.select(rule=rule)
    key = declare.removeprefix("declare: {").partition(":")[0]
    assert check.verdict == "undecided" and f"`{key}: " in check.declare
    (check,) = ledger(tmp_path, text, row, declare).select(rule=rule)
    assert check.verdict == "impossible"


def test_the_line_about_moments_says_what_it_declares(tmp_path):
    found = ledger(tmp_path, MOMENTS, '["85", "43.5", "49.9", "0", "1"]')
    lines = [c.declare for c in found if "moments" in c.declare]
    assert lines and all("in one unit, none trimmed" in line for line in lines)


def test_an_old_file_that_says_only_weights_is_read_and_claims_less(tmp_path):
    row = '["85", "43.5", "49.9", "0", "1"]'
    found = ledger(tmp_path, MOMENTS, row, "declare: {weights: none}")
    assert not found.findings and {c.verdict for c in found} == {"undecided"}
    found = ledger(tmp_path, MOMENTS, row, "declare: {moments: same rows}")
    assert [c.rule for c in found.findings] == ["order of moments"]  # true of any weights
    assert "`weights: none`" in found.select(rule="range")[0].declare


def test_an_interval_of_a_bootstrap_need_not_hold_its_estimate(tmp_path):
    row = '["9.02", "3.10", "4.10", "8.90", "14"]'
    linear = "declare: {scale: linear, errors: ERRORS}"
    assert not ledger(tmp_path, INTERVAL, row, linear.replace("ERRORS", "bootstrap")).findings
    robust = ledger(tmp_path, INTERVAL, row, linear.replace("ERRORS", "robust"))
    (check,) = robust.findings
    proof = printproof.certificate(check, robust.study("p"))
    assert "holds the estimate" in checker.verify(proof, printproof.plain(robust.study("p")))
    for key, value in (("scale", "unknown"), ("errors", "bootstrap")):
        forged = copy.deepcopy(proof)
        forged["premises"] = [[*p[:3], value if p[2] == key else p[3]] for p in proof["premises"]]
        with pytest.raises(checker.CertificateError, match=r"scale|bootstrap"):
            checker.verify(forged)


def test_a_negative_deviation_stays_impossible_with_nothing_declared(tmp_path):
    found = ledger(tmp_path, MOMENTS, '["85", "43.5", "-9.9", "0", "1"]')
    (check,) = found.findings
    assert check.rule == "order of moments" and check.strength == "arithmetic"
    study = found.study("p")
    assert "no standard deviation" in checker.verify(printproof.certificate(check, study))


@pytest.mark.parametrize("rule", ["order of moments", "range"])
def test_moments_of_unknown_rows_prove_nothing(tmp_path, rule):
    found = ledger(tmp_path, MOMENTS, '["85", "43.5", "49.9", "0", "1"]', WEIGHTS)
    (check,) = found.select(rule=rule)
    proof = printproof.certificate(check, found.study("p"))
    assert checker.verify(proof)
    with pytest.raises(checker.CertificateError, match="'moments' must be declared"):
        checker.verify({**proof, "premises": []})


@pytest.mark.parametrize(
    "row",
    [
        '["85", "<0.01", "0.10", "0", "1"]',
        '["85", "0.10", "<0.3", "0", "1"]',
        '["85", "0.10", "1/3", "0", "1"]',
        '["85", "1e1", "1.2e3", "0", "1"]',
        '[">85", "0.115", "0.100", "0", "1"]',
    ],
)
@pytest.mark.parametrize("kind", ["dummies", "counts"])
def test_a_bound_or_an_about_is_no_count_and_no_mean(tmp_path, row, kind):
    declare = f"declare: {{moments: same rows, weights: none, {kind}: [x], rounding: nearest}}"
    found = ledger(tmp_path, MOMENTS, row, declare)
    assert not [c for c in found.findings if c.rule in {"0/1 variable", "granularity"}]


def test_powers_of_ten_and_missing_parts_do_not_stop_the_audit(tmp_path):
    text = """
p:
  table1:
    columns: [b, se, t, p]
    rows: {x: ["1.3e+08", "4.45e+07", "2.92", "1.2e3"], y: ["0.2", "0.1", "2.0", "0.05"]}
  batches:
    - {batch: "1", direct: "6", indirect: "-", pct: ["100"]}
    - {batch: "2", direct: "6", indirect: "28", pct: ["18", "n.a."]}
  text: {direct: "12", indirect: "28"}
"""
    found = ledger(tmp_path, text, "")
    assert {c.verdict for c in found.select(rule="statistic")} == {"undecided", "consistent"}
    assert not found.findings and not [c for c in found if "batch 2" in c.title]


MEANS = """
p:
  declare: {stars: {"*": .1, "**": .05}, tails: two, df: normal, scale: linear}
  table1:
    parentheses: se
    men: {x: ["2.41", "(0.10)"], y: ["3.12", "(0.20)"]}
    women: {x: ["1.93", "(0.10)"], y: ["3.20", "(0.20)"]}
    apart: {x: ["0.48**", "(0.14)"], y: ["-0.08", "(0.28)"]}
"""


@pytest.mark.parametrize("across", [True, False])
def test_means_without_stars_beside_a_starred_difference_may_be_honest(tmp_path, across):
    text = MEANS
    if not across:  # one column a variable, the groups below each other
        text = MEANS[: MEANS.index("    men")]
        text += '    x: {men: ["2.41", "(0.10)"], apart: ["0.48**", "(0.14)"]}\n'
        text += '    y: {men: ["3.12", "(0.20)"], apart: ["-0.48**", "(0.14)"]}\n'
    found = ledger(tmp_path, text, "")
    assert not found.findings
    waiting = [c for c in found.select(rule="stars") if c.verdict == "undecided"]
    assert waiting and {c.declare for c in waiting} == {"`unmarked: tested`"}
    found = ledger(tmp_path, text.replace("tails: two", "tails: two, unmarked: tested"), "")
    assert len(found.findings) == len(waiting)
    proof = printproof.certificate(found.findings[0], found.study("p"))
    assert "no mark" in checker.verify(proof, printproof.plain(found.study("p")))
    with pytest.raises(checker.CertificateError, match="'unmarked' must be declared"):
        checker.verify({**proof, "premises": [x for x in proof["premises"] if x[2] != "unmarked"]})
