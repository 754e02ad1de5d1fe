"""The verifier: true certificates hold, forged ones fail, and no input makes it stumble."""

from __future__ import annotations

import ast
import copy
import json
import random
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import printproof
from counted import at_most
from printproof import checker, operating_characteristics
from printproof._certificate import _about
from printproof.checker import CertificateError, _Ends, verify
from printproof.errors import RecordError
from printproof.reading import study as read_study
from printproof.rules._ratios import LEVELS
from study import cli

PAPER = "yan_ye_wang"


@pytest.fixture(scope="module")
def records(ledger):
    return {study.paper: printproof.plain(study) for study in ledger.studies}


@pytest.fixture(scope="module")
def proofs(ledger):
    """Every impossible check of the five papers as a certificate, through JSON."""
    return [
        json.loads(json.dumps(printproof.certificate(check, ledger.study(check.paper))))
        for check in ledger.select(verdict="impossible")
    ]


def of(proofs, rule, **about):
    """Return one rule's first certificate to spoil."""
    found = (p for p in proofs if p["rule"] == rule and about.items() <= p["about"].items())
    return copy.deepcopy(next(found))


def resealed(proof):
    """Let a forger write the cases anew, as the verifier itself would from the forged print."""
    entries = {
        name: [proof["about"].get("entry")]
        for name in ["relations", "claims", "nested", "mediation", "raw_sample", "official"]
    }
    own = {k: proof[k] for k in ("paper", "cells", "premises", "facts")} | {"entries": entries}
    return checker._certificate(proof["paper"], proof["rule"], proof["about"], own)


# --- true certificates ------------------------------------------------------------------------


def test_every_impossible_of_the_five_papers_has_a_certificate_that_holds(proofs, records, ledger):
    assert len(proofs) == ledger.counts["impossible"] > 10
    for proof in proofs:
        sentence = verify(proof, records[proof["paper"]])
        assert sentence.startswith("The record prints ")
        assert all(cell["text"] in sentence for cell in proof["cells"])


def test_without_a_record_the_sentence_is_conditional_and_names_the_premises(proofs):
    sentence = verify(of(proofs, "stars"))
    assert sentence.startswith("If the print reads 'table5/FTZ/(8)/coef' '0.104***', ")
    assert "; it is declared " in sentence
    assert "'table5/(8)/tails' 'two'" in sentence and "{'*': " in sentence


@pytest.mark.parametrize("rule", ["repeated numbers", "shares", "words", "official ranges"])
def test_a_constraint_of_ones_own_making_needs_the_record_that_declares_it(proofs, rule):
    with pytest.raises(CertificateError, match="--record"):
        verify(of(proofs, rule))


def test_the_file_stands_alone():
    tree = ast.parse(Path(checker.__file__).read_text("utf-8"))
    names = [n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    names += [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


def test_nothing_is_certified_that_is_possible(ledger):
    check = next(c for c in ledger if c.verdict == "consistent" and c.cases)
    with pytest.raises(RecordError, match="not impossible"):
        printproof.certificate(check, ledger.study(check.paper))


def test_an_impossible_that_the_verifier_does_not_confirm_gets_no_certificate(ledger):
    check = next(
        c
        for c in ledger
        if (c.verdict == "consistent" and c.rule == "mediation") or c.rule == "stars"
    )
    with pytest.raises(RecordError, match="does not confirm"):
        printproof.certificate(replace(check, verdict="impossible"), ledger.study(check.paper))


# --- forged certificates ----------------------------------------------------------------------


def cell(proof, ending):
    return next(c for c in proof["cells"] if "/".join(list(c.values())[:4]).endswith(ending))


def two_at_most_one(proofs):
    proof = of(proofs, "shares")
    proof["about"] = {"entry": {"left": "2", "relation": "at most", "right": "1"}}
    proof["cells"] = proof["premises"] = []
    return proof


def effect_is_999(proofs):
    proof = of(proofs, "repeated numbers")
    names = {"b": "table1/caliper/ATT/coef"}
    proof["about"] = {"entry": {"cells": names, "left": "b", "right": "999"}}
    return proof


def stars_beside_another_statistic(proofs):
    proof = of(proofs, "stars")
    cell(proof, "statistic")["row"] = "IL"
    return proof


def stars_of_another_cell(proofs):
    proof = of(proofs, "stars")
    cell(proof, "coef").update(text="0.191")
    return proof


def total_of_another_outcome(proofs):
    proof = of(proofs, "mediation")
    proof["about"]["entry"]["total"] = "table5/FTZ/(9)"
    cell(proof, "FTZ/(5)/coef").update(table="table5", column="(9)")
    proof["premises"] += [["table5", "(9)", k, v] for _, _, k, v in proof["premises"][:3]]
    return proof


def a_case_left_out(proofs):
    proof = of(proofs, "classical errors")
    del proof["cases"][7]
    return proof


def effects_declared_away(proofs):
    proof = of(proofs, "classical errors")
    for premise in proof["premises"]:
        if premise[2] == "absorbed":
            premise[3] = 3
    return proof


def cases_repeated(proofs):
    proof = of(proofs, "classical errors")
    proof["cases"] = [proof["cases"][0]] * len(proof["cases"])
    return proof


def an_accusation(proofs):
    return of(proofs, "statistic") | {"title": "the authors invented their data"}


def an_accusation_as_says(proofs):
    proof = of(proofs, "statistic")
    proof["cases"][0]["says"] = "the authors invented their data"
    return proof


def an_accusation_as_case(proofs):
    proof = of(proofs, "statistic")
    proof["cases"][0]["case"] = "the authors invented their data"
    return proof


def an_accusation_in_an_entry(proofs):
    proof = of(proofs, "mediation")
    proof["about"]["entry"]["outcome"] = "the authors invented their data"
    return proof


def an_unknown_rule(proofs):
    return of(proofs, "statistic") | {"rule": "fraud"}


def a_rule_with_a_space(proofs):
    return of(proofs, "statistic") | {"rule": "statistic "}


def another_rule(proofs):
    return of(proofs, "statistic") | {"rule": "p value"}


def rounding(value, kind=None):
    def forge(proofs):
        proof = of(proofs, "mediation")
        for premise in proof["premises"]:
            if premise[2] == "rounding":
                premise[3] = value
        for printed in proof["cells"]:
            printed["kind"] = kind or printed["kind"]
        return proof

    forge.__name__ = f"rounding_{kind or value}"
    return forge


def rounding_left_out(proofs):
    proof = of(proofs, "mediation")
    proof["premises"] = [p for p in proof["premises"] if p[2] != "rounding"]
    return proof


def a_digit(proofs):
    proof = of(proofs, "statistic")
    cell(proof, "coef").update(text="0.193")
    return proof


def a_decimal_less(proofs):
    proof = of(proofs, "mediation")
    cell(proof, "IL/(8)/coef").update(text="0.1")
    return proof


def an_altered_end(proofs):
    proof = of(proofs, "statistic")
    ends = proof["cases"][0]["left"]
    ends[0] = str(Fraction(ends[0]) - 1)
    return proof


def an_altered_level(proofs):
    proof = of(proofs, "stars")
    proof["cases"][0]["right"] = ["1/100000", "1/100000"]
    return proof


def a_declared_level(proofs):
    proof = of(proofs, "stars")
    for premise in proof["premises"]:
        if premise[2] == "stars":
            premise[3] = {"*": ".10", "**": ".05", "***": ".001"}
    return proof


def another_df(proofs):
    proof = of(proofs, "stars")
    for premise in proof["premises"]:
        if premise[2] == "df":
            premise[3] = 9
    return proof


def glued_tables(proofs):
    proof = of(proofs, "statistic")
    cell(proof, "statistic")["table"] = "table4"
    return proof


def a_glued_mediation(proofs):
    proof = of(proofs, "mediation")
    proof["about"]["entry"]["path"] = "table4/fe/(5)"
    return proof


def years_left_out(proofs):
    proof = of(proofs, "official ranges")
    cell(proof, "last/value").update(text="2014")
    return proof


def a_fact(proofs):
    proof = of(proofs, "official ranges")
    name = next(iter(proof["facts"]))
    proof["facts"][name] = ["99", "100"]
    return proof


def a_columns_regressor_left_out(proofs):
    proof = next(p for p in proofs if "printed" in p["about"].get("entry", {}))
    return copy.deepcopy(proof) | {"cells": [c for c in proof["cells"] if c["row"] != "FTZ"]}


def another_paper(proofs):
    return of(proofs, "statistic") | {"paper": "zhou_2024"}


FORGERIES = [
    two_at_most_one, effect_is_999, stars_beside_another_statistic, stars_of_another_cell,
    total_of_another_outcome, a_case_left_out, effects_declared_away, cases_repeated,
    an_accusation, an_accusation_as_says, an_accusation_as_case, an_accusation_in_an_entry,
    an_unknown_rule,
    a_rule_with_a_space, another_rule, rounding("truncated"), rounding("unknown"),
    rounding(None, "count"), rounding(None, "over"), rounding_left_out, a_digit, a_decimal_less,
    an_altered_end, an_altered_level, a_declared_level, another_df, glued_tables,
    a_glued_mediation, years_left_out, a_fact, a_columns_regressor_left_out,
]  # fmt: skip


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda f: f.__name__)
def test_a_forged_certificate_fails_even_with_its_cases_written_anew(forge, proofs, records):
    forged = forge(proofs)
    record = records[forged["paper"]]
    with pytest.raises(CertificateError, match="the certificate fails"):
        verify(forged, record)
    try:
        sealed = resealed(forged)
    except (CertificateError, KeyError, TypeError):
        return  # not even its own print bears it out
    if sealed not in proofs:  # words and cases that are written anew are no forgery any more
        with pytest.raises(CertificateError, match="the certificate fails"):
            verify(sealed, record)


@pytest.mark.parametrize(
    "forge",
    [
        two_at_most_one, effect_is_999, stars_beside_another_statistic, a_case_left_out,
        an_accusation, an_accusation_in_an_entry,
        an_unknown_rule, a_rule_with_a_space, glued_tables, an_altered_level,
        an_altered_end, another_df, rounding("truncated"), a_glued_mediation,
    ],
    ids=lambda f: f.__name__,
)  # fmt: skip
def test_a_forged_certificate_fails_without_a_record_too(forge, proofs):
    with pytest.raises(CertificateError, match="the certificate fails"):
        verify(forge(proofs))


def test_another_papers_record_is_refused(proofs, records):
    with pytest.raises(CertificateError, match="another paper's"):
        verify(another_paper(proofs), records[PAPER])
    with pytest.raises(CertificateError, match=r"must be declared|no cell"):
        verify(another_paper(proofs), records["zhou_2024"])


def test_a_certificate_does_not_fit_another_print(ledger, proofs):
    proof = of(proofs, "statistic")
    study = ledger.study(PAPER)
    name = "/".join((PAPER, *(cell(proof, "coef")[k] for k in checker.PLACE)))
    printed = study.record.get(name)
    changed = replace(study, record=study.record.replace(replace(printed, text="0.199")))
    with pytest.raises(CertificateError, match=r"cells are not those|nothing is contradicted"):
        verify(proof, printproof.plain(changed))


def test_an_older_version_is_refused_with_the_remedy(proofs):
    old = of(proofs, "statistic") | {"version": 1}
    for version in (old, {"format": 1, "paper": PAPER, "sha256": "0"}):
        with pytest.raises(CertificateError, match=r"write it anew with `ftz audit --out`"):
            verify(version)


# --- whatever is thrown at it -----------------------------------------------------------------

#: Calls that a verdict may take, about a second's.
MOST = 1_000_000
NESTED = "[" * 100_000
HUGE = "9" * 5000


def spoiled(proofs, key, value, rule="stars"):
    return json.dumps(of(proofs, rule) | {key: value})


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "{}", "nan", '"text"', "1/0", "{", NESTED, '{"a":' * 50_000,
        "[1e300000000]",
        f'{{"version": {HUGE}}}', '{"version": NaN}', '{"version": 2, "version": 2}',
        '{"version": 2.0}', '{"version": "\\ud800"}', " " * 500_000, '"' + "[" * 500,
        '{"a": "\\u0000"}', '{"version": [2]}', '{"version": true}', "\ufeff{}",
    ],
    ids=lambda text: text[:12] or "nothing",
)  # fmt: skip
def test_text_that_is_no_certificate_gets_one_clear_refusal(text):
    with (
        at_most(MOST),
        pytest.raises(CertificateError, match=r"^the certificate fails: ") as caught,
    ):
        verify(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["paper", "rule", "about", "cells", "premises", "facts", "cases"])
@pytest.mark.parametrize(
    "value",
    [None, [], {}, "nan", "1/0", 0, True, [None], [[]], {"entry": None}, {"entry": []},
     {"entry": {"total": [], "slopes": {}}}, {"table": [], "row": {}, "column": None},
     [[1, 2, 3, 4]],
     ["", "", "", "", ""], {"x": "y"}, [{"table": "x"}]],
    ids=str,
)  # fmt: skip
def test_a_part_of_another_type_is_refused(proofs, key, value):
    for rule in ("stars", "mediation", "classical errors"):
        if of(proofs, rule)[key] != value:
            with pytest.raises(CertificateError, match="the certificate fails"):
                if key == "paper" and isinstance(value, str):
                    raise CertificateError("the certificate fails")  # a name like another
                verify(spoiled(proofs, key, value, rule))


@pytest.mark.parametrize(
    "text",
    ["nan", "1/0", "inf", "", "-", "1e300000000", "1e99", "9" * 31, "1_000", "٣", "0x10", "1 ", ".",
     "100000", "−2.25"],
)  # fmt: skip
def test_a_printed_number_that_is_none_or_is_huge_ends_at_once(proofs, text):
    proof = of(proofs, "stars")
    for printed in proof["cells"]:
        printed["text"] = text
    with at_most(MOST), pytest.raises(CertificateError):
        verify(proof)
    with at_most(MOST), pytest.raises(CertificateError):
        verify(resealed(proof))


@pytest.mark.parametrize("df", [10**7, 10**40, -1, 0, True, "residual", [], None, "nan", 49_999])
def test_degrees_of_freedom_of_any_kind_end_in_time(proofs, df):
    proof = of(proofs, "stars")
    for premise in proof["premises"]:
        premise[3] = df if premise[2] == "df" else premise[3]
    with at_most(MOST), pytest.raises(CertificateError):
        verify(proof)


@pytest.mark.parametrize(
    "left",
    ["(" * 60 + "b" + ")" * 60, "b*" * 900 + "b", "-" * 1500 + "b", "b b", "b/0", "b/(c-c)", "(b",
     "b)", "b**2", "__import__", "b.real", "9" * 400, "1e9", "", "+", "b+", 7, None, [], "b if b"],
    ids=lambda left: str(left)[:12],
)  # fmt: skip
def test_a_formula_that_cannot_be_read_or_is_too_long_is_refused(left):
    lines = [dict.fromkeys(checker.PLACE, "a") | {"text": "1.5", "stars": "", "kind": "rounded"}]
    entry = {"cells": {"b": "a/a/a/a", "c": "a/a/a/a"}, "left": left, "right": "b"}
    own = {"paper": "p", "cells": lines, "premises": [], "facts": {}}
    record = own | {"entries": {"relations": [entry]}}
    refusals = (CertificateError, TypeError, ValueError, IndexError)
    with at_most(MOST), pytest.raises(refusals):
        checker._certificate("p", "shares", {"entry": entry}, record)


def test_work_without_end_is_cut_off():
    lines = [dict.fromkeys(checker.PLACE, "a") | {"text": "1.5", "stars": "", "kind": "rounded"}]
    part = {"left": "*".join("b" * 60), "relation": "at most", "right": "/".join("b" * 60)}
    entry = {"cells": {"b": "a/a/a/a"}, "all": [part] * 5000}
    own = {"paper": "p", "cells": lines, "premises": [], "facts": {}}
    record = own | {"entries": {"relations": [entry]}}
    with pytest.raises(CertificateError, match="steps"):
        checker._certificate("p", "shares", {"entry": entry}, record)


def test_tails_without_end_are_cut_off():
    rows = [str(i) for i in range(2000)]
    cell = {"table": "t", "column": "c", "text": "1.5", "stars": "", "kind": "rounded"}
    lines = [cell | {"row": r, "statistic": s} for r in rows for s in ("coef", "statistic")]
    size = cell | {"row": "N", "statistic": "value", "text": "60000", "kind": "count"}
    entry = {"insignificant": {"cells": [f"t/{row}/c" for row in rows], "level": "0.2"}}
    own = {"paper": "p", "cells": [*lines, size], "premises": [["t", "", "statistic", "signed"]]}
    with pytest.raises(CertificateError, match="steps"):
        checker._certificate(
            "p", "words", {"entry": entry}, own | {"facts": {}, "entries": {"claims": [entry]}}
        )


def noise(rng, depth=0):
    """Draw a JSON value, now and then with the names that a certificate has."""
    kind = rng.randrange(9 if depth < 5 else 6)
    if kind < 2:
        return rng.choice(
            ["", "nan", "1/0", "0.1", "stars", "coef", "\ud800", "a" * 300, "−", "entry"]
        )
    if kind < 6:
        return rng.choice([None, True, 0, -1, 10**40, 1.5, float("nan"), 2])
    if kind < 7:
        return [noise(rng, depth + 1) for _ in range(rng.randrange(6))]
    names = ["version", "paper", "rule", "about", "cells", "premises", "facts", "cases", "entry",
             "table", "row", "column", "total", "left", "all", "cells"]  # fmt: skip
    return {rng.choice(names): noise(rng, depth + 1) for _ in range(rng.randrange(9))}


def test_random_json_is_refused_in_words_and_in_time(proofs, records):
    rng = random.Random(4)
    for i in range(300):
        value = noise(rng)
        if i % 2:  # the outer shape of a certificate, noise inside
            value = of(proofs, rng.choice(proofs)["rule"])
            value[rng.choice(["about", "cells", "premises", "facts", "rule"])] = noise(rng, 2)
        for record in (None, records[PAPER]):
            try:
                with at_most(MOST):
                    verify(json.dumps(value), record)
            except CertificateError:
                continue
            assert value in proofs  # a key that was replaced by what it was


# --- mutations --------------------------------------------------------------------------------


def places(node, path=()):
    """Yield the path of every node of a JSON tree."""
    yield path
    if isinstance(node, list | dict):
        for key in node if isinstance(node, dict) else range(len(node)):
            yield from places(node[key], (*path, key))


def follow(node, path):
    for key in path:
        node = node[key]
    return node


def mutate(proof, pool, rng):
    """Change a text, a number, a list or a key somewhere."""
    mutant = copy.deepcopy(proof)
    path = rng.choice(list(places(mutant))[1:])
    parent, key, old = follow(mutant, path[:-1]), path[-1], follow(mutant, path)
    how = rng.randrange(6)
    if how == 0 and isinstance(old, str) and old:
        i = rng.randrange(len(old))
        parent[key] = old[:i] + rng.choice("0123456789.-/,*( )ab") + old[i + rng.randrange(2) :]
    elif how == 1:
        del parent[key]
    elif how == 2 and isinstance(old, list) and old:
        rng.shuffle(old)
    elif how == 3 and isinstance(old, list) and old:
        old.append(copy.deepcopy(rng.choice(old)))
    elif how == 4 and isinstance(parent, dict):
        parent[rng.choice(["x", key + " ", "says", "rounding"])] = parent.pop(key)
    else:
        other = rng.choice(pool)
        parent[key] = copy.deepcopy(follow(other, rng.choice(list(places(other))[1:])))
    return mutant


#: What a constraint is: whatever of a certificate is not written by the verifier itself.
STATEMENT = ("paper", "rule", "about", "cells", "premises", "facts")


def same_constraint(one, other):
    """Say whether two certificates state the same: equal, up to the order of cells and premises."""

    def parts(proof):
        return [
            sorted(map(json.dumps, value))
            if isinstance(value, list)
            else json.dumps(value, sort_keys=True)
            for value in (proof.get(key) for key in STATEMENT)
        ]

    return (
        one.keys() == other.keys() and parts(one) == parts(other) and one["cases"] == other["cases"]
    )


def fuzz(proofs, records, count, seed):
    """Mutate certificates: none may hold but one that states what a true certificate states."""
    rng, refused, sealed = random.Random(seed), 0, 0
    for _ in range(count):
        mutant = mutate(rng.choice(proofs), proofs, rng)
        record = records[PAPER if mutant.get("paper") == PAPER else "qian_wang_2023"]
        forms = [mutant]
        try:
            forms.append(resealed(mutant))  # a forger who knows the verifier
            sealed += forms[-1] not in proofs
        except (CertificateError, TypeError, ValueError, KeyError, AttributeError, IndexError):
            pass
        for form in forms:
            try:
                with at_most(MOST):
                    verify(json.dumps(form), record)
                assert any(same_constraint(form, proof) for proof in proofs), form
            except CertificateError:
                refused += 1
    return refused, sealed


def test_mutated_certificates_hold_only_where_they_state_the_same(proofs, records):
    refused, sealed = fuzz(proofs, records, 150, 1)
    assert refused > 140 and sealed > 0


@pytest.mark.nightly
def test_ten_thousand_mutated_certificates_hold_only_where_they_state_the_same(proofs, records):
    refused, sealed = fuzz(proofs, records, 10_000, 2)
    assert refused > 9_000 and sealed > 100


# --- the two programs do not drift apart ------------------------------------------------------

DECLARED = {
    "stars": {mark: str(level) for mark, level in LEVELS.items()},
    "tails": "two", "rounding": "nearest", "statistic": "signed", "scale": "linear",
    "estimator": "ols", "errors": "classical", "weights": "none", "moments": "same rows",
    "df": "normal", "level": ".95", "sample": "all",
}  # fmt: skip


def declared(study, **more):
    """Return a study whose premises are all declared, and nothing inferred."""
    return replace(
        study,
        declared={**study.declared, "declare": DECLARED | more},
        inferred=frozenset(),
    )


def agree(study):
    """Hold every check of the audit against the verifier's theorems; return their verdicts."""
    record, checks = printproof.plain(study), printproof.audit([study])
    broken = {check.rule for check in checks.select(verdict="impossible")}
    for check in checks:
        assert "does not confirm" not in check.reasoning
        if check.verdict == "impossible":
            assert verify(printproof.certificate(check, study), record)
            continue
        for about in _about(check, study, record["entries"]):
            if check.rule not in broken or not {"entry", "sample"} & about.keys():
                with pytest.raises(CertificateError):  # one of them may be about another check
                    checker._certificate(study.paper, check.rule, about, record)
    return [(check.rule, check.verdict) for check in checks]


def altered(study, rng, times):
    """Change digits here and there."""
    numbers = list(study.record)
    for _ in range(times):
        printed = numbers[int(rng.integers(len(numbers)))]
        changed, _ = operating_characteristics._alter_digit(study.record.get(printed.id), rng)
        study = replace(study, record=study.record.replace(changed))
    return study


def cells_of_effects(rng, rows=6):
    """Draw rows with estimate, error, statistic, p value and interval, honest or nearly so."""
    table = {}
    for i in range(rows):
        b, se = float(rng.normal(0.1, 0.3)), float(rng.uniform(0.01, 0.3))
        t, off = b / se, float(rng.choice([1, 1, 1.02, 1.3]))
        half = 1.96 * se * off
        p = 2 * float(stats.norm.sf(abs(t * off)))
        mark = "*" * sum(p < level for level in LEVELS.values())
        table[f"x{i}"] = [f"{b:.3f}", mark, f"{se:.3f}", f"{t / off:.2f}", f"{p:.3f}",
                          f"{b - half:.3f}", f"{b + half:.3f}"]  # fmt: skip
    columns = ["att", "stars", "se", "t", "p", "ci_low", "ci_high"]
    return {"table1": {"columns": columns, "rows": table}}


SHAPES = [
    "one sample, classical errors", "moments, truncated", "one-sided stars", "a decimal comma",
    "errors printed as zero", "p values and intervals", "R2, adjusted R2 and F",
    "marks around the numbers", "questionnaires", "counts in percent", "two groups, Welch",
    "two groups, pooled", "a cross-table", "a column headed p",
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_theorems_and_rules_agree_on_altered_tables(shape):
    rng = np.random.default_rng([SHAPES.index(shape), 3])
    agree(altered(operating_characteristics._honest_study(shape, 3, declared=True), rng, 15))


def test_theorems_and_rules_agree_on_a_mediation_that_does_not_add_up():
    study = operating_characteristics._honest_study(SHAPES[0], 3, declared=True)
    (entry,) = study.get("mediation")
    total = study.record.get(study.id(f"{entry['total']}/coef"))
    changed = replace(total, text=f"{float(total.text) + 1:.{total.decimals}f}")
    broken = replace(study, record=study.record.replace(changed))
    assert ("mediation", "consistent") in agree(study)
    assert ("mediation", "impossible") in agree(broken)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    "more",
    [{}, {"statistic": "absolute", "df": 12}, {"rounding": "truncated"}, {"tails": "one"}],
    ids=str,
)
def test_theorems_and_rules_agree_on_effects(seed, more):
    study = read_study("p", cells_of_effects(np.random.default_rng(seed)))
    assert agree(declared(study, **more))


@pytest.mark.slow
def test_theorems_and_rules_agree_on_many_altered_tables():
    rules = set()
    for number, shape in enumerate(operating_characteristics.SHAPES):
        rng = np.random.default_rng([number, 9])
        study = altered(operating_characteristics._honest_study(shape, 100, declared=True), rng, 25)
        rules |= {rule for rule, verdict in agree(study) if verdict == "impossible"}
    assert rules >= {"statistic", "stars", "classical errors", "order of moments",
                     "p value", "interval", "spread", "granularity", "0/1 variable"}  # fmt: skip


# --- tails --------------------------------------------------------------------------------


@pytest.mark.parametrize("df", [1, 2, 3, 9, 12, 57, 84, 999, 49_999, None])
@pytest.mark.parametrize("x", ["0", "0.3", "1.5", "2.5", "4.78", "11"])
def test_the_tails_enclose_scipys(df, x):
    low, high = checker._tail(Fraction(x), df)
    wanted = 2 * (stats.norm if df is None else stats.t(df)).sf(float(x))
    assert low / checker.ONE <= wanted * (1 + 1e-9) and high / checker.ONE >= wanted * (1 - 1e-9)
    assert high - low < checker.ONE // 10**30


@pytest.mark.parametrize("df", [3, 50_001, 10**6, None])
def test_far_and_long_tails_are_enclosed_without_work(df):
    far = checker._tails(_Ends(Fraction(10**5), Fraction(10**28)), df)
    assert 0 <= far.low <= far.high < Fraction(1, 10**10)
    near = checker._tails(_Ends(Fraction(2), Fraction(2)), df)
    wanted = 2 * (stats.norm if df is None else stats.t(df)).sf(2)
    assert near.low <= wanted <= near.high and near.high - near.low < Fraction(1, 10_000)


# --- the command ------------------------------------------------------------------------------


def test_certificates_are_written_and_verified(tmp_path, capsys, ledger, monkeypatch):
    monkeypatch.setattr(printproof, "audit", lambda _: ledger)  # once is enough
    assert cli.main(["audit", "--out", str(tmp_path), "--strict"]) == 1
    certificates = sorted(str(p) for p in (tmp_path / "certificates").glob("*.json"))
    assert len(certificates) == ledger.counts["impossible"]
    capsys.readouterr()
    assert cli.main(["verify", *certificates]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(certificates)
    assert all("holds.  The record prints " in line for line in lines)
    forged = tmp_path / "certificates" / "forged.json"
    forged.write_text(Path(certificates[0]).read_text("utf-8").replace("0.163", "0.164"), "utf-8")
    assert cli.main(["verify", str(forged), certificates[0]]) == 1
    forged.write_text("[" * 10**6, "utf-8")
    assert cli.main(["verify", str(forged)]) == 1
    assert cli.main(["verify", str(tmp_path / "none.json")]) == 2
    capsys.readouterr()


def test_a_paper_without_a_record_is_verified_with_an_if(tmp_path, capsys, proofs):
    path = tmp_path / "proof.json"
    path.write_text(json.dumps(of(proofs, "statistic") | {"paper": "another"}), "utf-8")
    assert cli.main(["verify", str(path)]) == 0
    assert "holds.  If the print reads " in capsys.readouterr().out
    record = tmp_path / "paper.yml"
    record.write_text("some: {table1: {columns: [att], rows: {a: ['1.0']}}}", "utf-8")
    assert cli.main(["verify", str(path), "--record", str(record)]) == 2
    assert "no paper 'another'" in capsys.readouterr().err


def test_what_the_verifier_does_not_confirm_is_not_called_impossible(ledger, monkeypatch):
    check = next(c for c in ledger if c.rule == "stars" and c.verdict == "consistent")
    doctored = replace(check, verdict="impossible")
    study = ledger.study(check.paper)
    monkeypatch.setattr("printproof._ledger.RULES", {"stars": lambda _: iter([doctored, check])})
    first, second = printproof.audit([study])
    assert (first.verdict, second) == ("undecided", check)
    assert "not called impossible" in first.reasoning and "does not confirm" in first.reasoning
