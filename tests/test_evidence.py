"""Problems, proposals and what they rest on: verdicts that follow the record."""

from dataclasses import replace

import pandas as pd
import pytest

from study import evidence, other_studies, panel, policy, published, replication
from study.figures import evidence as figures


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
        "(7)": evidence.MOVED,
        "(8)": evidence.BROKEN,
        "(9)": evidence.MOVED,
        "(10)": evidence.UNMOVED,
        "(11)": evidence.MOVED,
        "(12)": evidence.MOVED,
    }


@pytest.mark.parametrize(
    ("text", "where", "key", "status"),
    [
        ("0.123", ("table5", "IL", "(8)", "coef"), "(8)", evidence.MOVED),
        ("0.124", ("table5", "IL", "(8)", "coef"), "(8)", evidence.UNSETTLED),
        ("-2.74", ("table5", "FTZ", "(10)", "statistic"), "(10)", evidence.MOVED),
        ("1.61", ("table5", "FTZ", "(11)", "statistic"), "(11)", evidence.UNMOVED),
        ("0.400", ("table5", "FTZ", "(12)", "coef"), "(12)", evidence.UNSETTLED),
    ],
)
def test_verdicts_follow_the_record(record, matched, text, where, key, status):
    changed = printed_as(record, text, *where)
    assert evidence.estimates(changed, matched).loc[key, "status"] == status


def test_linkage_agrees_with_the_findings_of_the_first_page(record):
    from study import findings, witness

    checked = witness.check(panel.load_witness().frame)
    line = findings.findings(record, checked).set_index("claim")["verdict"].filter(like="Linkage")
    assert line.tolist() == [evidence.linkage_verdict(record)]


def test_every_column_is_nearest_to_an_outcome_and_the_proxy_is_declared():
    used = {column for columns in evidence.NEAREST.values() for column in columns}
    assert used == set(evidence.COLUMNS)
    assert {*evidence.NEAREST, "none"} == set(policy.OUTCOMES)
    assert evidence.NEAREST[evidence.BY_PROXY] == evidence.NEAREST["industrial linkage"]


def test_evidence_of_the_region_speaks_for_the_region_only(record, matched):
    found = evidence.estimates(record, matched)
    asked = pd.DataFrame(
        [(outcome, place, "law") for outcome in policy.OUTCOMES for place in policy.PLACES],
        columns=["outcome", "place", "mechanism"],
    )
    judged = asked.join(evidence.statuses(asked, found, []))
    inside, named = judged["place"].isin(policy.SAMPLE), judged["outcome"] != "none"
    assert set(judged.loc[named & ~inside, "status"]) == {evidence.OUTSIDE}
    assert set(judged.loc[named & inside, "status"]) == {evidence.MOVED, evidence.UNMOVED}
    assert set(judged.loc[~named, "status"]) == {evidence.NOTHING}
    proxy = judged[judged["outcome"] == evidence.BY_PROXY]["nearest"]
    assert proxy.str.startswith("by declared proxy").all()
    assert proxy.str.contains(evidence.BROKEN).all()


def test_nearness_to_other_studies_is_declared_for_every_mechanism():
    assert set(evidence.NEAR) == set(policy.MECHANISMS)
    declared = {kind for kinds in evidence.NEAR.values() for kind in kinds}
    assert declared == set(other_studies.KINDS)


def test_without_other_studies_nothing_rests_on_them(record, matched, coded):
    bare = evidence.statuses(coded.proposals, evidence.estimates(record, matched), [])
    assert evidence.ELSEWHERE not in set(bare["status"])
    none = (coded.proposals["outcome"] == "none").sum()
    assert (bare["status"] == evidence.NOTHING).sum() == none


def test_matrix_keeps_every_proposal_with_its_problems(coded, judged):
    joined = evidence.matrix(coded, judged)
    assert joined.index.equals(coded.proposals.index)
    texts = coded.problems["problem"]
    for link in coded.links().itertuples():
        assert texts[link.problem] in joined.at[link.proposal, "problem"]
    alone = joined.index.difference(coded.links()["proposal"])
    assert (joined.loc[alone, "problem"] == "").all()
    assert not joined.isna().any(axis=None)


def test_fields_say_whether_and_not_how_many(coded):
    fields = evidence.fields_of_papers(coded)
    assert len(fields) == len(policy.MECHANISMS) * len(published.papers())
    asked = fields[fields["proposals"]]
    assert set(zip(asked["mechanism"], asked["paper"], strict=True)) == set(
        zip(coded.proposals["mechanism"], coded.proposals["paper"], strict=True)
    )
    drawn = figures.field_grid(fields, {key: key for key in published.papers()})
    marks = [len(line.get_xdata()) for line in drawn.axes[0].lines]
    assert marks == [fields["problems"].sum(), fields["proposals"].sum()]


# ------------------------------------------------------------------------- positions


def held(*rows):
    columns = ["question", "paper", "direction", "position", "section"]
    return pd.DataFrame(rows, columns=columns)


def test_opposite_directions_on_one_question_contradict():
    rows = held(
        ("Q?", "zhou_2024", "for", "yes", "1"),
        ("Q?", "mi_2024", "against", "no", "1"),
        ("Q?", "mi_2024", "neither", "maybe", "2"),
        ("R?", "mi_2024", "against", "no", "3"),
    )
    (pair,) = evidence.contradictions(rows).to_dict("records")
    assert (pair["for"], pair["against"], pair["within"]) == ("zhou_2024", "mi_2024", False)
    one = rows.assign(paper="mi_2024")
    assert evidence.contradictions(one)["within"].tolist() == [True]


def test_positions_of_the_papers_hold_both_kinds():
    rows = evidence.positions()
    assert {"for", "against"} <= set(rows["direction"])
    assert not rows.duplicated(["question", "paper", "direction"]).any()
    names = {key: key for key in published.papers()}
    marks = [
        line for line in figures.position_grid(rows, names).axes[0].lines if len(line.get_xdata())
    ]
    assert len(marks) == len(rows)
