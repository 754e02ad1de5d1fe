"""Every data file is described, and the small ones are in order."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ftz import tables
from printproof import rules
from printproof.errors import RecordError
from study import (
    findings,
    indicators,
    nested_columns,
    panel,
    published,
    register,
    replication,
    witness,
)
from study.paths import data_dir


def test_every_file_has_an_entry_in_the_datasheet():
    text = (data_dir() / "DATASHEET.md").read_text("utf-8")
    described = set(re.findall(r"^## (\S+)$", text, flags=re.M))
    files = {
        p.relative_to(data_dir()).as_posix()
        for p in data_dir().rglob("*")
        if p.is_file() and p.name != "DATASHEET.md" and not p.name.startswith(".")
    }
    assert files == described
    for part in text.split("\n## ")[1:]:
        for word in ("**What.**", "erms", "**Used by.**"):
            assert word in part, part.splitlines()[0]


def test_claims_name_known_papers():
    claims = pd.read_csv(data_dir() / "published" / "claims.csv")
    assert set(claims["paper"]) <= set(published.papers())
    assert not claims.duplicated(["paper", "claim"]).any()


def test_official_ranges_are_ordered_and_hold_the_yearly_values():
    ranges = pd.read_csv(data_dir() / "official" / "ranges.csv").set_index(["city", "variable"])
    assert (ranges["low"] <= ranges["high"]).all()
    yearly = pd.read_csv(data_dir() / "official" / "pgdp_by_year.csv")
    for row in yearly.itertuples():
        low, high = ranges.loc[(row.city, "pgdp")]
        assert 0.99 * low <= row.pgdp <= 1.01 * high


def test_the_index_tree_has_three_levels_and_says_what_is_our_reading():
    tree = indicators.load_tree()
    assert tree.counts == {1: 6, 2: 12, 3: 61}
    printed = {
        row: published.load().get(f"yan_ye_wang/text/index/{row}/value").value
        for row in ("first_level", "second_level", "third_level")
    }
    assert list(tree.counts.values()) == list(printed.values())
    assert (tree.nodes["direction_is_our_reading"] == "1").all()
    noted = tree.nodes.loc[tree.nodes["note"] != "", "note"]
    assert "信用时间" in noted["credit_events_concentration"]


def test_every_zone_has_a_city_and_every_treated_city_a_zone():
    zones = register.load_register()
    assert set(zones.zones["zone"]) == set(zones.cities["zone"])
    treated = {
        city for city, year in register.PAPER.cohorts(register.study_cities()).items() if year
    }
    assert treated <= set(zones.cities["city"])


def test_manifest_is_json_and_calls_the_panel_what_it_is():
    about = json.loads((data_dir() / "witness" / "manifest.json").read_text("utf-8"))
    assert "not data" in about["what"]


def test_a_missing_data_folder_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("FTZ_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(RecordError, match="set FTZ_DATA"):
        data_dir()


# --- the findings of the landing page ---


def test_findings_are_computed():
    record = published.load()
    checked = witness.check(panel.load_witness().frame)
    found = findings.findings(record, checked).set_index("claim")["verdict"]
    assert found.tolist() == ["reproduced"] * 2 + ["impossible"] * 4 + ["undecided"] * 2


def test_findings_follow_the_record():
    """With honest digits the verdicts change: none of them is written down."""
    record = published.load()

    def change(text, *where):
        nonlocal record
        cell = record.get(replication.cell(*where))
        record = record.replace(replace(cell, text=text))

    for method, t in (("k_nearest", "4.79"), ("caliper", "5.92"), ("k_nearest_in_caliper", "4.90")):
        change(t, "table1", method, "ATT", "statistic")
    change("0.123", "table5", "IL", "(8)", "coef")
    change("0.900", "table2", "urba", "max", "value")
    change("1.500", "table2", "lnstru", "max", "value")
    checked = witness.check(panel.load_witness().frame)
    found = findings.findings(record, checked)["verdict"].tolist()
    assert found[2:] == ["consistent", "impossible", "consistent"] + ["undecided"] * 3


# --- which standard error ---


def honest_record(record, seed):
    """Print Table 4 from a least-squares fit with classical errors on a random sample."""
    rng = np.random.default_rng(seed)
    n, effects = 85, 20
    basis = np.linalg.qr(np.column_stack([np.ones(n), rng.standard_normal((n, effects - 1))]))[0]
    x = rng.standard_normal((n, 6)) + rng.standard_normal((n, 1))
    y = x @ rng.normal(0, 0.2, 6) + 0.3 * rng.standard_normal(n)
    x, y = (v - basis @ (basis.T @ v) for v in (x, y))
    for column in range(1, 6):
        part = x[:, : column + 1]
        inverse = np.linalg.inv(part.T @ part)
        b = inverse @ (part.T @ y)
        variance = ((y - part @ b) ** 2).sum() / (n - effects - column - 1)
        z = b / np.sqrt(variance * np.diag(inverse))
        for row, estimate, statistic in zip(("FTZ", *replication.CONTROLS), b, z, strict=False):
            for name, text in (("coef", f"{estimate:.3f}"), ("statistic", f"{statistic:.2f}")):
                cell = record.get(replication.cell("table4", row, f"({column})", name))
                record = record.replace(replace(cell, text=text))
    return record


@pytest.mark.parametrize("seed", range(25))
def test_honest_classical_tables_are_never_called_impossible(seed):
    record = honest_record(published.load("yan_ye_wang"), seed)
    study = replace(published.study("yan_ye_wang"), record=record)
    try:
        table = rules.classical_table(study, *rules.column_groups(study), absorbed=20)
    except RecordError:  # a printed z of 0.00: the quotient has no bounds
        return
    assert (table.loc[table["coefficient"] == "FTZ", "verdict"] == "consistent").all()


def test_the_printed_table_cannot_have_classical_errors():
    study = published.study("yan_ye_wang")
    held = nested_columns.relations(study, *rules.column_groups(study))
    assert not held[(held["step"] == "(1) to (2)") & (held["coefficient"] == "FTZ")]["holds"].any()


# --- tables ---


def test_a_regression_table_is_quiet_where_numbers_agree_and_marks_what_does_not():
    cells = {
        replication.cell("table4", "const", "(5)", "coef"): 3.559,
        replication.cell("table4", "N", "(5)", "value"): 85.0,
        replication.cell("table4", "FTZ", "(5)", "coef"): 0.191,
        replication.cell("table4", "FTZ", "(5)", "statistic"): 15.5,
    }
    compared = replication.compare(cells)
    table = tables.regression(compared, "Two <panels>", names={"FTZ": "zone"})
    assert list(table.frame["row"]) == ["zone", "const", "N"] * 2
    printed, here = table.frame.loc[[0, 3], "(5)"]
    assert printed == "0.191***<br>(14.91)"
    assert here == "0.191<br><strong>(15.50)\u2260</strong>"
    assert "3 of 4 numbers agree" in " ".join(table.notes)
    html = table._repr_html_()
    assert "Two &lt;panels&gt;" in html and html.count('scope="colgroup"') == 2
    assert '<th scope="row"' in html and "style=" not in html and " id=" not in html
    compared.loc[compared["row"] == "FTZ", "verdict"] = "impossible"
    marked = tables.regression(compared, "Impossible")
    assert "verdict-impossible" in marked.frame["(5)"][0] and "\u2020" in repr(marked)


def test_a_printed_table_alone_has_one_panel_and_errors_stand_before_the_statistic():
    table1 = published.load().select(paper="yan_ye_wang", table="table1").frame
    table = tables.regression(table1, "Table 1")
    assert table.frame["ATT"][0] == "0.163***<br>(0.034)<br>[4.37]"
    assert "colgroup" not in table._repr_html_() and "agree" not in " ".join(table.notes)


def test_numbers_intervals_sentences_and_verdicts_have_their_classes():
    frame = pd.DataFrame(
        {"n": ["1", "2"], "range": ["[0.1, 0.2]", "-1.5 to 2"], "is": ["impossible", "undecided"]}
    )
    html = tables.Table(frame)._repr_html_()
    assert html.count('class="number"') == html.count('class="interval"') == 3
    assert '<span class="verdict verdict-impossible">impossible</span>' in html
    assert tables.verdict_html("not reproduced", "未能重现") == (
        '<span class="verdict verdict-not-reproduced">未能重现</span>'
    )


def test_coefficients_table():
    from ftz import did

    result = did.twfe(panel.load_witness().matched, "lnHQD", "FTZ", ["fe"])
    table = tables.coefficients(result)
    assert table.frame["estimate"].iloc[0].endswith("***") and "lnHQD" in repr(table)
