"""Problems, proposals and what they rest on: verdicts that follow the record."""

import re
import shutil
from dataclasses import replace

import pandas as pd
import pytest

from ftz import evidence, other_studies, panel, policy, published, replication
from ftz.errors import RecordError
from ftz.figures import evidence as figures
from ftz.paths import data_dir


@pytest.fixture(scope="module")
def record():
    return published.load()


@pytest.fixture(scope="module")
def matched():
    return panel.load_witness().matched


@pytest.fixture(scope="module")
def coded():
    return policy.load()


@pytest.fixture(scope="module")
def judged(record, matched, coded):
    found = evidence.estimates(record, matched)
    return evidence.statuses(coded.proposals, found, other_studies.load())


def printed_as(record, text, *where):
    cell = record.get(replication.cell(*where))
    return record.replace(replace(cell, text=text))


def test_verdicts_on_the_record_as_printed(record, matched):
    """Column (8) contradicts columns (5) and (7); z = -0.74 carries no star (Table 5)."""
    status = evidence.estimates(record, matched)["status"].to_dict()
    assert status == {
        "linkage": evidence.BROKEN,
        "environment": evidence.UNMOVED,
        "innovation": evidence.MOVED,
        "synergy": evidence.MOVED,
    }


@pytest.mark.parametrize(
    ("text", "where", "key", "status"),
    [
        ("0.123", ("table5", "IL", "(8)", "coef"), "linkage", evidence.MOVED),
        ("0.124", ("table5", "IL", "(8)", "coef"), "linkage", evidence.UNSETTLED),
        ("-2.74", ("table5", "FTZ", "(10)", "statistic"), "environment", evidence.MOVED),
        ("1.61", ("table5", "FTZ", "(11)", "statistic"), "innovation", evidence.UNMOVED),
        ("0.400", ("table5", "FTZ", "(12)", "coef"), "synergy", evidence.UNSETTLED),
    ],
)
def test_verdicts_follow_the_record(record, matched, text, where, key, status):
    changed = printed_as(record, text, *where)
    assert evidence.estimates(changed, matched).loc[key, "status"] == status


def test_linkage_agrees_with_the_findings_of_the_first_page(record):
    from ftz import findings, witness

    checked = witness.check(panel.load_witness().frame)
    line = findings.findings(record, checked).set_index("claim")["verdict"].filter(like="Linkage")
    assert line.tolist() == [evidence.linkage_verdict(record)]


def test_no_proposal_is_a_regressor(record, coded):
    tested = evidence.regressors(record)
    assert {"FTZ", "IL", *replication.CONTROLS} <= set(tested)
    assert not set(tested) & set(coded.proposals.index)


def test_every_proposal_has_one_status_and_a_reason(coded, judged):
    assert judged.index.equals(coded.proposals.index)
    assert set(judged["status"]) <= set(evidence.STATUSES)
    bare = judged["status"] == evidence.NOTHING
    assert ((judged["outcome"] == "") == bare).all()
    assert ((judged["chapter"] == "") == bare).all()
    rests = judged["printed"] != ""
    assert (rests == (coded.proposals["evidence"] != "none")).all()


def test_nearness_to_other_studies_is_declared_for_every_mechanism():
    assert set(evidence.NEAR) == set(policy.MECHANISMS)
    declared = {kind for kinds in evidence.NEAR.values() for kind in kinds}
    assert declared == set(other_studies.KINDS)
    assert set(evidence.OUTCOMES) == set(policy.EVIDENCE)
    assert set(evidence.CHAPTERS) == set(evidence.STATUSES)


def test_without_other_studies_nothing_rests_on_them(record, matched, coded):
    bare = evidence.statuses(coded.proposals, evidence.estimates(record, matched), [])
    assert evidence.ELSEWHERE not in set(bare["status"])
    none = (coded.proposals["evidence"] == "none").sum()
    assert (bare["status"] == evidence.NOTHING).sum() == none


def test_matrix_loses_no_link_and_no_proposal(coded, judged):
    joined = evidence.matrix(coded, judged)
    assert set(joined["proposal"]) == set(coded.proposals["proposal"])
    assert set(joined["problem"]) == {*coded.problems["problem"], ""}
    assert len(joined) == len(coded.links()) + len(coded.unprompted())
    pairs = coded.links()
    texts = set(
        zip(
            pairs["problem"].map(coded.problems["problem"]),
            pairs["proposal"].map(coded.proposals["proposal"]),
            strict=True,
        )
    )
    assert texts <= set(zip(joined["problem"], joined["proposal"], strict=True))
    assert not joined.isna().any(axis=None)


def test_a_problem_without_an_answer_has_a_line(coded, judged):
    problems = coded.problems.copy()
    problems.loc["X1"] = ["mi_2024", "green", "Nobody answers this", "nowhere"]
    joined = evidence.matrix(replace(coded, problems=problems), judged)
    (line,) = joined[joined["problem"] == "Nobody answers this"].to_dict("records")
    assert (line["proposal"], line["status"]) == ("", "")


def test_groups_count_each_proposal_once(coded, judged):
    joined = evidence.matrix(coded, judged)
    counts = evidence.by_group(joined)
    once = joined.drop_duplicates(["group", "proposal"])
    assert counts.to_numpy().sum() == len(once)
    assert list(counts.columns) == [s for s in evidence.STATUSES if s in counts.columns]
    drawn = figures.status_matrix(counts)
    assert sum(int(text.get_text()) for text in drawn.axes[0].texts) == len(once)


def test_squares_differ_without_colour():
    """Fill lightness, hatch or edge tell the statuses apart in grey."""
    from matplotlib.colors import to_rgb

    def grey(colour):
        red, green, blue = to_rgb(colour)
        return round(0.299 * red + 0.587 * green + 0.114 * blue, 1)

    looks = {(grey(f), grey(e), h) for f, e, h in figures._LOOKS.values()}
    assert len(looks) == len(evidence.STATUSES) == len(figures._LOOKS)


# ------------------------------------------------------------------------- positions


def held(*rows):
    columns = ["question", "instrument", "paper", "direction", "position", "where"]
    return pd.DataFrame(rows, columns=columns)


def test_opposite_directions_on_one_question_contradict():
    rows = held(
        ("Q?", "rule", "zhou_2024", "for", "yes", "1"),
        ("Q?", "rule", "mi_2024", "against", "no", "1"),
        ("Q?", "rule", "mi_2024", "neither", "maybe", "2"),
        ("R?", "rule", "mi_2024", "against", "no", "3"),
    )
    (pair,) = evidence.contradictions(rows).to_dict("records")
    assert (pair["for"], pair["against"], pair["within"]) == ("zhou_2024", "mi_2024", False)
    assert evidence.agreements(rows).empty
    one = rows.assign(paper="mi_2024")
    assert evidence.contradictions(one)["within"].tolist() == [True]


def test_agreement_needs_two_papers_and_no_other_voice():
    rows = held(
        ("Q?", "rule", "zhou_2024", "for", "yes", "1"),
        ("Q?", "rule", "mi_2024", "for", "yes", "1"),
        ("R?", "rule", "mi_2024", "for", "yes", "1"),
        ("R?", "rule", "mi_2024", "for", "yes again", "2"),
        ("S?", "rule", "mi_2024", "for", "yes", "1"),
        ("S?", "rule", "zhou_2024", "neither", "perhaps", "1"),
    )
    found = evidence.agreements(rows)
    assert found["question"].tolist() == ["Q?"]
    assert found["papers"].tolist() == [2]


def test_positions_of_the_papers_hold_both_kinds():
    rows = evidence.positions()
    opposed, agreed = evidence.contradictions(rows), evidence.agreements(rows)
    assert not set(opposed["question"]) & set(agreed["question"])
    assert {"for", "against"} <= set(rows["direction"])
    assert not rows.duplicated(["question", "paper", "direction"]).any()
    names = {key: key for key in published.papers()}
    marks = [
        line for line in figures.position_grid(rows, names).axes[0].lines if len(line.get_xdata())
    ]
    assert len(marks) == len(rows)


def test_fields_only_help_to_look(coded):
    shared = evidence.shared_fields(coded)
    assert shared.same_both <= min(shared.same_instrument, shared.same_mechanism) <= shared.pairs
    assert shared.candidates > shared.pairs


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",rule,yan_ye_wang,for,", ",decree,yan_ye_wang,for,", "row 2, column instrument"),
        (",rule,yan_ye_wang,for,", ",rule,nobody,for,", "row 2, column paper"),
        (",rule,yan_ye_wang,for,", ",rule,yan_ye_wang,yes,", "row 2, column direction"),
        (",rule,yan_ye_wang,for,", ",law,yan_ye_wang,for,", "two instruments for 'Should services"),
        (",second section", ",", "row 3, column where: empty"),
        ("question,instrument", "question,tool", "the columns must be question, instrument"),
    ],
)
def test_malformed_positions(tmp_path, monkeypatch, old, new, message):
    shutil.copytree(data_dir(), tmp_path / "data")
    path = tmp_path / "data" / "policy" / "positions.csv"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    monkeypatch.setenv("FTZ_DATA", str(tmp_path / "data"))
    with pytest.raises(RecordError, match=re.escape(message)):
        evidence.positions()
