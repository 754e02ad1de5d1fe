"""Files of rows that cannot be read are refused with file, row and column."""

import re
import shutil

import pytest

from printproof.errors import RecordError
from study import attributions, evidence, policy, published, trials
from study.paths import data_dir


def diagram():
    return attributions.diagram("framework")


def designs():
    return trials.load(published.load())


#: Who reads it, the file, what stands in it, what stands there instead, and the complaint.
BAD = [
    (attributions.load, "attributions/mi_2024", *case)
    for case in [
        ("mi-share,", "share,", "row 2, column id: 'share'; expected mi-"),
        ("mi-hebei,", "mi-share,", "row 3, column id: 'mi-share'"),
        (",number,", ",numeral,", "column kind: 'numeral'; expected one of claim"),
        ("mi_2024,Lead", "mi_2024,Nowhere", "column section: 'Nowhere'"),
        ("mi-share,mi_2024", "mi-share,chen_jiangsu", "column paper"),
        ("english", "English", "the columns must be id, paper"),
    ]
]
BAD += [
    (attributions.load, "attributions/sections", "mi_2024,2,", "mi_2024,1,", "each section of a"),
    (attributions.load, "attributions/sections", "mi_2024,2,", "mi_2025,2,", "a known paper"),
    (diagram, "attributions/diagrams", "edge,,,,,,base,ftz", "edge,,,,,,base,moon", "same diagram"),
    (diagram, "attributions/diagrams", "zhou-base", "zhou-bass", "identifiers of attributions"),
    (policy.load, "policy/proposals", "y1,yan_ye_wang", "y1,nobody", "row 2, column paper"),
    (policy.load, "policy/proposals", "y2,yan_ye_wang", "y1,yan_ye_wang", "row 3, column id"),
    (
        policy.load,
        "policy/proposals",
        "paper,section",
        "paper,sections",
        "columns must be id, paper",
    ),
    (policy.load, "policy/problems", "Y2,yan", ",yan", "row 3, column id: ''; expected some text"),
    (policy.load, "policy/problems", "Y2,", "Y2,surplus,", "policy/problems.csv, row 3: 6 fields"),
    (policy.load, "policy/coding_a", "y1,linkage", "y1,link", "row 72, column mechanism"),
    (policy.load, "policy/coding_a", "y1,linkage", "y0,linkage", "must be those of problems.csv"),
    (policy.trends, "policy/trends", "1,Services trade outgrew", "1,Trade outgrew", "column title"),
    (policy.trends, "policy/trends", ",trade_growth_2010_2022,", ",trade_growth,", "trade_growth"),
]
BAD += [
    (policy.literature, "policy/literature", *case)
    for case in [
        (",argument,open,", ",opinion,open,", "row 2, column kind"),
        ("argument,open,", "argument,good,", "column direction"),
        ("yan_ye_wang,", "nobody,", "row 2, column paper"),
    ]
]
BAD += [
    (policy.province_tiles, "policy/tiles", *case)
    for case in [
        ("Xinjiang,新疆,0,1", "Xinjiang,新疆,7,0", "row 3"),
        ("Xinjiang,", "Heilongjiang,", "row 3, column province"),
        ("新疆,0,1", "新疆,west,1", "row 3, column column"),
    ]
]
BAD += [
    (evidence.positions, "policy/positions", *case)
    for case in [
        (",yan_ye_wang,for,", ",nobody,for,", "row 2, column paper"),
        (",yan_ye_wang,for,", ",yan_ye_wang,yes,", "row 2, column direction"),
        (",second section", ",", "row 3, column section: ''; expected some text"),
        ("question,paper", "question,author", "the columns must be question, paper"),
    ]
]
BAD += [
    (designs, "policy/designs", *case)
    for case in [
        (",4,3\n", ",four,3\n", "row 2, column periods: 'four'"),
        ("title,proposals", "name,proposals", "the columns must be title, proposals"),
        (",y16;y18,", ",,", "row 2, column proposals: ''; expected some text"),
        ("online/value", "offline/value", "the record has no cell"),
    ]
]


@pytest.mark.parametrize(("read", "file", "old", "new", "message"), BAD)
def test_a_bad_row_is_named(tmp_path, monkeypatch, read, file, old, new, message):
    for folder in ("attributions", "policy", "published"):
        shutil.copytree(data_dir() / folder, tmp_path / folder)
    path = tmp_path / f"{file}.csv"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    monkeypatch.setenv("FTZ_DATA", str(tmp_path))
    with pytest.raises(RecordError, match=re.escape(message)):
        read()


def test_a_missing_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("FTZ_DATA", str(tmp_path))
    with pytest.raises(RecordError, match=r"policy/rule_comparison\.csv: cannot be read"):
        policy.rule_comparison()
