"""Coded arguments of the five papers."""

import re
import shutil

import pytest

from ftz import policy, published
from ftz.errors import RecordError
from ftz.figures import policy as figures
from ftz.paths import data_dir

CAPITAL_REGION = "Beijing-Tianjin-Hebei"


def test_every_problem_is_answered_and_every_paper_proposes():
    coded = policy.load()
    assert coded.unanswered().empty
    assert coded.proposals["paper"].nunique() == 5
    assert set(coded.links()["problem"]) == set(coded.problems.index)
    assert set(coded.unprompted().index).isdisjoint(coded.links()["proposal"])
    groups = coded.problems.loc[coded.problems["paper"] == "yan_ye_wang", "group"]
    assert groups.nunique() == 4


def test_each_group_of_the_measuring_paper_answers_its_own_problems():
    """Part 5 of Yan, Ye and Wang follows part 4 group by group."""
    coded = policy.load()
    links = coded.links().join(coded.problems[["paper", "where"]], on="problem")
    links = links[links["paper"] == "yan_ye_wang"]
    answers = links["proposal"].map(coded.proposals["where"])
    assert len(links) >= 20
    for stated, answered in zip(links["where"], answers, strict=True):
        assert re.match(r"Part 4\.(\d)", stated)[1] == re.match(r"Part 5\.(\d)", answered)[1]


def test_evidence_points_at_printed_cells():
    record = published.load()
    for kind, cell in policy.EVIDENCE.items():
        assert kind == "none" or record.get(cell).statistic == "coef"
    near = policy.load().proposals.query("evidence == 'linkage'")
    assert set(near["place"]) == {CAPITAL_REGION}


def test_papers_on_one_region_propose_for_it():
    where = policy.load().proposals.groupby("paper")["place"].agg(set)
    assert where["yan_ye_wang"] == where["mi_2024"] == {CAPITAL_REGION}
    assert where["chen_jiangsu"] == {"Jiangsu"}


@pytest.mark.parametrize("graph", policy.GRAPHS)
def test_each_diagram_is_connected_and_can_be_drawn(graph):
    nodes, edges = policy.framework(graph)
    (root,) = set(nodes.index) - set(edges["to"])
    reached, frontier = {root}, [root]
    while frontier:
        here = frontier.pop()
        new = set(edges.loc[edges["from"] == here, "to"]) - reached
        reached |= new
        frontier += new
    assert reached == set(nodes.index)
    assert not nodes.duplicated(["column", "row"]).any()
    drawn = {text.get_text().split("\n")[-1] for text in figures_texts(nodes, edges)}
    assert drawn == set(nodes["label_zh"])


def figures_texts(nodes, edges):
    return figures.framework_diagram(nodes, edges).axes[0].texts


def test_matrices_draw_every_proposal_once():
    proposals = policy.load().proposals
    names = dict.fromkeys(published.papers())
    drawn = figures.proposal_matrix(proposals, {key: key for key in names})
    assert sum(int(text.get_text()) for text in drawn.axes[0].texts) == len(proposals)
    counts = proposals.groupby(["mechanism", "evidence"]).size().unstack(fill_value=0)
    drawn = figures.evidence_matrix(counts, ("none",))
    assert sum(int(text.get_text()) for text in drawn.axes[0].texts) == len(proposals)


def test_no_graph_of_that_name():
    with pytest.raises(RecordError, match="no graph 'wings'"):
        policy.framework("wings")


def test_six_freedoms_and_one_flow():
    kinds = policy.six_freedoms()["kind"].value_counts().to_dict()
    assert kinds == {"freedom": 6, "flow": 1}
    assert list(policy.rule_comparison().columns) == ["area", "rule", "RCEP", "CPTPP", "USMCA"]


@pytest.mark.parametrize("agreement", ["RCEP", "CPTPP", "USMCA"])
def test_numbers_of_the_rule_comparison_are_those_of_the_record(agreement):
    """The table paraphrases Table 1 of the paper; its numbers stand in the record too."""
    record = published.load("qian_wang_2023").select(table="table1", column=agreement)
    printed = {number.text for number in published.load("qian_wang_2023").select(table="table1")}
    shown = set(re.findall(r"\d+", " ".join(policy.rule_comparison()[agreement])))
    assert shown <= printed
    assert {number.text for number in record} <= shown


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("proposals", "y1,yan_ye_wang", "y1,nobody", "row 2, column paper"),
        ("proposals", ",place,joint,", ",decree,joint,", "row 2, column instrument"),
        ("proposals", ",Y1;Y2,none", ",Y1;Y99,none", "row 2, column problems"),
        ("proposals", ",Y1;Y2,none", ",Y1;Q1,none", "row 2, column problems"),
        ("proposals", ",Y1;Y2,none", ",Y1;Y2,proof", "row 2, column evidence"),
        ("proposals", "y2,yan_ye_wang", "y1,yan_ye_wang", "row 3, column id"),
        ("proposals", "none,y4,", "none,y99,", "row 25, column overlaps"),
        ("proposals", "none,y4,", "none,q1,", "row 25, column overlaps"),
        ("proposals", "id,paper,proposal", "id,paper,proposals", "the columns must be id, paper"),
        ("problems", "Y2,yan_ye_wang", ",yan_ye_wang", "row 3, column id: ''; expected some text"),
        ("problems", "Y2,", "Y2,surplus,", "problems.csv: cannot be read"),
    ],
)
def test_malformed_coding(tmp_path, monkeypatch, file, old, new, message):
    change(tmp_path, monkeypatch, file, old, new)
    with pytest.raises(RecordError, match=re.escape(message)):
        policy.load()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("framework,node,fta,", "framework,node,ftz,", "column id"),
        (",0,1.5,,,", ",first,1.5,,,", "row 2, column column"),
        (",ftz,rules,", ",ftz,fta,", "column to: 'fta'; expected a node of the same graph"),
        ("mechanisms,edge,", "mechanisms,arrow,", "column kind"),
    ],
)
def test_malformed_graph(tmp_path, monkeypatch, old, new, message):
    change(tmp_path, monkeypatch, "nqpf_graph", old, new)
    with pytest.raises(RecordError, match=re.escape(message)):
        policy.framework()


def test_a_missing_file_is_named(tmp_path, monkeypatch):
    change(tmp_path, monkeypatch, "six_freedoms", "trade", "trade")
    (tmp_path / "data" / "policy" / "six_freedoms.csv").unlink()
    with pytest.raises(RecordError, match=r"six_freedoms\.csv: cannot be read"):
        policy.six_freedoms()


def change(tmp_path, monkeypatch, file, old, new):
    """Point the library at a copy of the data in which one text is another."""
    shutil.copytree(data_dir(), tmp_path / "data")
    path = tmp_path / "data" / "policy" / f"{file}.csv"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    monkeypatch.setenv("FTZ_DATA", str(tmp_path / "data"))
