"""Coded arguments of the five papers."""

import shutil

import pytest

from ftz import policy
from ftz.errors import RecordError
from ftz.paths import data_dir


def test_every_problem_is_answered_and_every_paper_proposes():
    coded = policy.load()
    assert coded.unanswered().empty
    assert coded.proposals["paper"].nunique() == 5
    assert set(coded.links()["problem"]) == set(coded.problems.index)
    groups = coded.problems.loc[coded.problems["paper"] == "yan_ye_wang", "group"]
    assert groups.nunique() == 4


def test_framework_is_connected():
    nodes, edges = policy.framework()
    reached, frontier = {"base"}, ["base"]
    while frontier:
        here = frontier.pop()
        new = set(edges.loc[edges["from"] == here, "to"]) - reached
        reached |= new
        frontier += new
    assert reached == set(nodes.index)


def test_six_freedoms_and_one_flow():
    kinds = policy.six_freedoms()["kind"].value_counts().to_dict()
    assert kinds == {"freedom": 6, "flow": 1}
    assert list(policy.rule_comparison().columns) == ["area", "rule", "RCEP", "CPTPP", "USMCA"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("y1,yan_ye_wang", "y1,nobody", "row 2, column paper"),
        (",place,joint,", ",decree,joint,", "row 2, column instrument"),
        (",Y1;Y2,none", ",Y1;Y99,none", "row 2, column problems"),
        (",Y1;Y2,none", ",Y1;Y2,proof", "row 2, column evidence"),
        ("y2,yan_ye_wang", "y1,yan_ye_wang", "row 3, column id"),
    ],
)
def test_malformed_proposals(tmp_path, monkeypatch, old, new, message):
    shutil.copytree(data_dir(), tmp_path / "data")
    path = tmp_path / "data" / "policy" / "proposals.csv"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    monkeypatch.setenv("FTZ_DATA", str(tmp_path / "data"))
    with pytest.raises(RecordError, match=message):
        policy.load()
