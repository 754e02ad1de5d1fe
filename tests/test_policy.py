"""Coded arguments of the five papers."""

import re
import shutil

import pandas as pd
import pytest

import papers
from ftz.errors import EstimationError
from printproof.errors import RecordError
from study import agreement, evidence, policy, published, register
from study.figures import policy as figures
from study.paths import data_dir


def test_every_row_is_coded_and_every_paper_proposes():
    coded = policy.load()
    assert set(coded.proposals["paper"]) == set(coded.problems["paper"]) == set(published.papers())
    assert set(coded.proposals["place"]) <= set(policy.PLACES)
    assert not coded.proposals.isna().any(axis=None)


def test_each_group_of_the_measuring_paper_answers_its_own_problems():
    """Part 5 of Yan, Ye and Wang follows part 4 group by group; few demands reach across."""
    coded = policy.load()
    links = coded.links().join(coded.problems[["paper", "section"]], on="problem")
    links = links[links["paper"] == "yan_ye_wang"]
    answers = links["proposal"].map(coded.proposals["section"])
    same = [
        re.match(r"Part 4\.(\d)", stated)[1] == re.match(r"Part 5\.(\d)", answered)[1]
        for stated, answered in zip(links["section"], answers, strict=True)
    ]
    assert len(same) >= 20
    assert sum(same) / len(same) > 0.9


def test_papers_on_one_region_propose_for_it():
    where = policy.load().proposals.groupby("paper")["place"].agg(set)
    assert where["yan_ye_wang"] | where["mi_2024"] <= set(policy.SAMPLE)
    assert where["chen_jiangsu"] == {"Jiangsu"}


def test_one_row_is_one_demand_with_words_of_its_own():
    coded = policy.load()
    for frame in (coded.problems, coded.proposals):
        assert not frame.duplicated(["paper", "quote"]).any()
        assert frame["quote"].str.contains(r"[\u4e00-\u9fff]").all()


def test_quotations_stand_in_the_papers():
    folder = papers.papers_folder()
    if folder is None:
        pytest.skip("NO FULL TEXTS: the words of the papers were NOT checked; set FTZ_PAPERS")
    texts = papers.full_texts(folder)
    coded = policy.load()
    for frame in (coded.problems, coded.proposals, evidence.positions()):
        for paper, quote in zip(frame["paper"], frame["quote"], strict=True):
            assert papers.stands(quote, texts[paper]), quote


def test_overlaps_are_pairs_of_two_papers_told_once():
    coded = policy.load()
    pairs = coded.overlaps()
    papers = coded.proposals["paper"]
    assert (pairs["proposal"].map(papers) != pairs["other"].map(papers)).all()
    assert not pairs.duplicated().any()
    told = {frozenset(pair) for pair in pairs.itertuples(index=False, name=None)}
    assert len(told) == len(pairs)


# ---------------------------------------------------------------------------- two coders


def second(tmp_path, monkeypatch, changes, resolution=None):
    """Point the library at data in which a second coder differs from the first in some cells."""
    shutil.copytree(data_dir(), tmp_path / "data")
    folder = tmp_path / "data" / "policy"
    codes = pd.read_csv(folder / "coding_a.csv", dtype=str, keep_default_na=False).set_index("id")
    for (row, field), code in changes.items():
        codes.at[row, field] = code
    codes.to_csv(folder / "coding_b.csv")
    (folder / "resolution.csv").unlink(missing_ok=True)
    if resolution is not None:
        lines = ["row,field,a,b,final,why", *resolution]
        (folder / "resolution.csv").write_text("\n".join(lines) + "\n", "utf-8")
    monkeypatch.setenv("FTZ_DATA", str(tmp_path / "data"))


def test_a_resolved_difference_decides_the_code(tmp_path, monkeypatch):
    old = policy.load().codings["a"]["level"]["y15"]
    changes = {("y15", "level"): "city", ("y16", "answers"): "Y5"}
    lines = [f"y15,level,{old},city,ministry,a reason", "y16,answers,Y5;Y8,Y5,Y5,a reason"]
    second(tmp_path, monkeypatch, changes, lines)
    coded = policy.load()
    assert coded.proposals.at["y15", "level"] == "ministry"
    assert coded.proposals.at["y16", "answers"] == ("Y5",)
    agreed = agreement.table(coded)
    assert agreed.at["place", "alpha"] == 1
    assert agreed.at["level", "alpha"] < 1 and agreed.at["answers", "alpha"] < 1
    assert agreement.sentence(agreed).startswith("Two coders agree most on")


def test_a_pair_in_the_other_row_is_no_difference(tmp_path, monkeypatch):
    a = policy.load().codings["a"]["overlaps"]
    (first, other) = next((name, text.split(";")[0]) for name, text in a.items() if text)
    rest = ";".join(a[first].split(";")[1:])
    changes = {
        (first, "overlaps"): rest,
        (other, "overlaps"): ";".join(filter(None, [a[other], first])),
    }
    second(tmp_path, monkeypatch, changes, ["y1,level,x,x,x,x"][:0])
    assert policy.load().resolved.empty


@pytest.mark.parametrize(
    ("changes", "resolution", "message"),
    [
        ({("y15", "level"): "city"}, [], "1 differences between the codings are not resolved"),
        ({("y15", "level"): "city"}, None, "resolution.csv: cannot be read"),
        ({}, ["y15,level,several,city,city,why"], "row 2, column row"),
        ({("y15", "level"): "city"}, ["y15,level,several,city,king,why"], "row 2, column final"),
        ({("y15", "level"): "king"}, [], "coding_b.csv, row 86, column level: 'king'"),
        (
            {("Y1", "level"): "city"},
            [],
            "coding_b.csv, row 2, column level: 'city'; expected nothing",
        ),
        (
            {("y15", "answers"): "Q1"},
            [],
            "row 86, column answers: 'Q1'; expected problems of the same",
        ),
        ({("y15", "answers"): "Y1;Y2;Y3"}, [], "2 problems at most"),
        ({("y15", "overlaps"): "y16"}, [], "expected proposals of another paper"),
        ({("y15", "overlaps"): "m999"}, [], "expected proposals of another paper"),
    ],
)
def test_a_second_coding_is_checked(tmp_path, monkeypatch, changes, resolution, message):
    second(tmp_path, monkeypatch, changes, resolution)
    with pytest.raises(RecordError, match=re.escape(message)):
        policy.load()


def test_alpha_is_the_published_one():
    """Krippendorff (2011), four observers and twelve units with gaps: 0.743 for names."""
    _ = None
    observers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
        [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
    ]
    assert round(agreement._nominal_alpha(observers), 3) == 0.743
    assert agreement._nominal_alpha([[1, 2, 1], [1, 2, 1]]) == 1
    with pytest.raises(EstimationError, match="two different codes"):
        agreement._nominal_alpha([[1, 1], [1, 1]])
    with pytest.raises(EstimationError, match="a place for each unit"):
        agreement._nominal_alpha([[1, 2], [1]])


def test_the_rule_comparison_has_a_column_an_agreement():
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
    assert set(by_zhou["strand"]) - {"coordination", "concept"} <= set(policy.MECHANISMS)


def test_trends_are_drawn_as_printed():
    trends = policy.trends()
    axes = figures.trend_pairs(trends).axes
    drawn = {text.get_text().strip() for panel in axes for text in panel.texts}
    assert drawn == {number.text for number in trends["printed"]}
    same_unit = [panel for panel in axes if panel.get_xlabel() == "new measures a year"]
    assert len(same_unit) == 2
    assert same_unit[0].get_xlim() == same_unit[1].get_xlim()


def test_a_network_has_one_arrow_a_flow():
    flows = pd.DataFrame([[9, 2, 0], [1, 0, 0], [0, 3, 0]], list("abc"), list("abc"))
    (axes,) = figures.flow_networks({"one": flows, "two": 0 * flows}).axes[:1]
    widths = sorted(arrow.get_linewidth() for arrow in axes.patches)
    assert len(widths) == 3 and widths[0] < widths[1] < widths[2]
