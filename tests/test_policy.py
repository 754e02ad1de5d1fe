"""Coded arguments of the five papers."""

import re
import shutil

import pandas as pd
import pytest

from ftz import policy, published, register
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


def test_each_zone_has_a_square_of_its_own():
    """The mainland has 31 province-level divisions: 22 provinces, 5 regions, 4 cities."""
    tiles, zones = policy.province_tiles(), register.load_register().zones
    assert len(tiles) == 22 + 5 + 4
    assert set(zones["zone"]) <= set(tiles.index)
    texts = [text.get_text() for text in figures.zone_grid(zones, tiles).axes[0].texts]
    years = [text.split("\n")[-1] for text in texts]
    assert len(texts) == len(tiles)
    assert sum(year.isdigit() for year in years) == len(zones)
    assert "Shanghai\n2013" in texts and "Jilin" in texts


def test_the_surveys_disagree_in_one_entry():
    """Zhou's reference 16 is the one study that either survey reports as negative."""
    studies = policy.literature()
    (negative,) = studies[studies["direction"] == "negative"].to_dict("records")
    assert negative["paper"] == "zhou_2024" and "reference 16" in negative["where"]
    by_zhou = studies[studies["paper"] == "zhou_2024"]
    assert by_zhou["where"].str.fullmatch(r"Part \d\.\d, reference \d+").all()
    assert set(by_zhou["strand"]) - {"coordination"} <= set(policy.MECHANISMS)


def test_trends_are_drawn_as_printed():
    trends = policy.trends()
    axes = figures.trend_pairs(trends).axes
    drawn = {text.get_text().strip() for panel in axes for text in panel.texts}
    assert drawn == {number.text for number in trends["printed"]}
    same_unit = [panel for panel in axes if panel.get_xlabel() == "new measures a year"]
    assert len(same_unit) == 2
    assert same_unit[0].get_xlim() == same_unit[1].get_xlim()


def test_every_place_has_every_step_of_the_chain():
    chain = policy.industrial_chain()
    assert tuple(chain.index) == policy.STEPS
    assert list(chain.columns) == ["Beijing", "Tianjin", "Hebei"]


def test_a_network_has_one_arrow_a_flow():
    flows = pd.DataFrame([[9, 2, 0], [1, 0, 0], [0, 3, 0]], list("abc"), list("abc"))
    (axes,) = figures.flow_networks({"one": flows, "two": 0 * flows}).axes[:1]
    widths = sorted(arrow.get_linewidth() for arrow in axes.patches)
    assert len(widths) == 3 and widths[0] < widths[1] < widths[2]


@pytest.mark.parametrize(
    ("read", "file", "old", "new", "message"),
    [
        (
            policy.literature,
            "literature",
            ",argument,open,",
            ",opinion,open,",
            "row 2, column kind",
        ),
        (policy.literature, "literature", "argument,open,", "argument,good,", "column direction"),
        (policy.literature, "literature", "yan_ye_wang,", "nobody,", "row 2, column paper"),
        (policy.trends, "trends", "1,Services trade outgrew", "1,Trade outgrew", "column title"),
        (policy.trends, "trends", ",trade_growth_2010_2022,", ",trade_growth,", "trade_growth"),
        (policy.industrial_chain, "industrial_chain", ",research,", ",sale,", "row 2, column step"),
        (policy.industrial_chain, "industrial_chain", "Beijing,digital", "Hebei,digital", "once"),
        (policy.industrial_chain, "industrial_chain", "Beijing,digital", "Macau,digital", "needs"),
        (policy.province_tiles, "tiles", "Xinjiang,新疆,0,1", "Xinjiang,新疆,7,0", "row 3"),
        (policy.province_tiles, "tiles", "Xinjiang,", "Heilongjiang,", "row 3, column province"),
        (policy.province_tiles, "tiles", "新疆,0,1", "新疆,west,1", "row 3, column column"),
    ],
)
def test_malformed_files_of_the_first_chapters(
    tmp_path, monkeypatch, read, file, old, new, message
):
    change(tmp_path, monkeypatch, file, old, new)
    with pytest.raises(RecordError, match=re.escape(message)):
        read()


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
