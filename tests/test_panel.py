"""The panel contract: what passes, and what is refused with file, column and row."""

import numpy as np
import pandas as pd
import pandera.errors
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftz.errors import PanelError
from study import panel
from study.panel import PanelSpec

SPEC = PanelSpec(
    unit="place",
    time="t",
    outcome="y",
    treatment="d",
    covariates={"x": "size, thousand persons"},
    units=("a", "b", "c"),
)


def good(seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame([(u, t) for u in "abc" for t in range(2000, 2005)], columns=["place", "t"])
    frame["d"] = ((frame["place"] == "a") & (frame["t"] >= 2002)).astype(int)
    frame["y"], frame["x"] = rng.standard_normal((2, len(frame)))
    return frame


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), shuffle=st.booleans())
def test_a_valid_panel_passes_in_any_row_order(seed, shuffle):
    frame = good(seed).sample(frac=1, random_state=1) if shuffle else good(seed)
    checked = panel.validate(frame, SPEC)
    assert checked.frame["y"].tolist() == frame["y"].tolist()
    assert checked.frame["t"].dtype == "int64"


def at(row, column, value):
    def damage(frame):
        frame = frame.astype(object)
        frame.loc[row, column] = value
        return frame

    return damage


DAMAGES = {
    "duplicate key": (
        lambda f: pd.concat([f, f.iloc[[4]]]),
        "stands in an earlier row",
        "place, t",
        17,
    ),
    "missing year": (lambda f: f.drop(index=7), "b has no row for 2002", "t", 9),
    "late start": (lambda f: f.drop(index=[5, 6]), "b has no row for 2000 to 2001", "t", 7),
    "early end": (lambda f: f.drop(index=9), "b has no row for 2004", "t", 10),
    "a year mistyped": (at(14, "t", 20044), "c has no row for 2004 to 20043", "t", 16),
    "a year beyond counting": (at(14, "t", 1e300), "not a whole number", "t", 16),
    "text in a number": (at(3, "x", "n/k"), "'n/k' is not a number", "x", 5),
    "infinite": (at(6, "y", np.inf), "infinite value", "y", 8),
    "missing value": (at(9, "x", np.nan), "missing value", "x", 11),
    "switches off": (at(4, "d", 0), "treatment of a switches off in 2004", "d", 6),
    "treatment two": (at(4, "d", 2), "2 is neither 0 nor 1", "d", 6),
    "unknown unit": (at(14, "place", "z"), "unknown place 'z'", "place", 16),
    "fractional year": (at(2, "t", 2002.5), "2002.5 is not a whole number", "t", 4),
    "empty name": (at(2, "place", ""), "empty", "place", 4),
    "missing column": (lambda f: f.drop(columns="x"), "missing column", "x", None),
    "column twice": (
        lambda f: pd.concat([f, f[["x"]]], axis=1),
        "the column stands twice",
        "x",
        None,
    ),
    "no rows": (lambda f: f.iloc[:0], "there are no rows", None, None),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_each_damage_is_refused_with_its_place(name):
    damage, problem, column, row = DAMAGES[name]
    with pytest.raises(PanelError, match=problem) as caught:
        panel.validate(damage(good()).reset_index(drop=True), SPEC, source="mine.csv")
    error = caught.value
    assert (error.file, error.column, error.row) == ("mine.csv", column, row)
    assert error.expected
    assert str(error).startswith("file mine.csv")


@pytest.mark.parametrize("name", sorted(set(DAMAGES) - {"no rows"}))
def test_the_same_damage_in_a_file(name, tmp_path):
    damage, _, column, row = DAMAGES[name]
    path = tmp_path / "mine.csv"
    damage(good()).to_csv(path, index=False)
    with pytest.raises(PanelError) as caught:
        panel.read_panel(path, SPEC)
    assert (caught.value.file, caught.value.column, caught.value.row) == ("mine.csv", column, row)


def test_files_that_cannot_be_read(tmp_path):
    path = tmp_path / "mine.csv"
    with pytest.raises(PanelError, match="no such file"):
        panel.read_panel(path, SPEC)
    path.write_bytes(b"")
    with pytest.raises(PanelError, match="the file is empty"):
        panel.read_panel(path, SPEC)
    path.write_text("place,t,d,y,x\n", "utf-8")
    with pytest.raises(PanelError, match="there are no rows"):
        panel.read_panel(path, SPEC)
    for encoding, name in (("utf-16", "北京"), ("gbk", "北京"), ("latin-1", "São")):
        path.write_bytes(good().assign(x=name).to_csv(index=False).encode(encoding))
        with pytest.raises(PanelError, match=r"cannot be read as UTF-8 .*save as"):
            panel.read_panel(path, SPEC)
    path.write_text('place,t,d,y,x\n"a,2000,0,1,1\n', "utf-8")
    with pytest.raises(PanelError, match="cannot be read"):
        panel.read_panel(path, SPEC)
    with pytest.raises(PanelError, match="cannot be read"):
        panel.read_panel(tmp_path, SPEC)


@pytest.mark.parametrize(("line", "fields"), [(4, "a,2002,1,0.5"), (9, "b,2002,0,0.5,1,")])
def test_a_row_with_fields_too_few_or_too_many(tmp_path, line, fields):
    path = tmp_path / "mine.csv"
    lines = good().to_csv(index=False).splitlines()
    lines[line - 1] = fields
    path.write_text("\n".join(lines), "utf-8")
    with pytest.raises(PanelError, match=f"{fields.count(',') + 1} fields; expected 5") as caught:
        panel.read_panel(path, SPEC)
    assert caught.value.row == line


def test_a_field_too_many_in_every_row_does_not_move_the_columns(tmp_path):
    path = tmp_path / "mine.csv"
    header, *rows = good().to_csv(index=False).splitlines()
    path.write_text("\n".join([header, *(f"{row},9" for row in rows)]), "utf-8")
    with pytest.raises(PanelError, match="6 fields; expected 5") as caught:
        panel.read_panel(path, SPEC)
    assert caught.value.row == 2


def test_rows_are_counted_as_an_editor_counts(tmp_path):
    """A byte order mark, empty lines and a quoted line break do not shift the row."""
    path = tmp_path / "mine.csv"
    lines = good().assign(note="").to_csv(index=False).splitlines()
    lines[2] += '"over\ntwo lines"'
    lines.insert(5, "")
    path.write_text("\ufeff" + "\n".join(lines) + "\n\n", "utf-8")
    assert len(panel.read_panel(path, SPEC).frame) == 15
    text = path.read_text("utf-8").split("\n")
    wrong = next(i for i, line in enumerate(text) if line.startswith("b,2001"))
    text[wrong] = text[wrong].replace("b,2001,0,", "b,2001,no,")
    path.write_text("\n".join(text), "utf-8")
    with pytest.raises(PanelError, match="'no' is not a number") as caught:
        panel.read_panel(path, SPEC)
    assert caught.value.row == wrong + 1


def test_hints_name_the_near_miss():
    frame = panel.load_witness().frame
    with pytest.raises(PanelError, match=r"is it 'pgpd'\?"):
        panel.validate(frame.rename(columns={"pgdp": "pgpd"}))
    with pytest.raises(PanelError, match=r"is it Baoding\?"):
        panel.validate(frame.replace({"city": {"Baoding": "Baodin"}}))


def test_without_balance_units_may_enter_late_but_have_no_gaps():
    spec = PanelSpec("place", "t", "y", "d", balanced=False)
    late = good().drop(index=[5, 6])
    assert len(panel.validate(late, spec).frame) == 13
    with pytest.raises(PanelError, match="no row for 2001"):
        panel.validate(good().drop(index=6), spec)


def test_a_cohort_must_agree_with_the_treatment():
    spec = PanelSpec("place", "t", "y", "d", cohort="first")
    frame = good()
    frame["first"] = np.where(frame["place"] == "a", 2002.0, np.nan)
    assert panel.validate(frame, spec).spec.cohort == "first"
    frame.loc[frame["place"] == "a", "first"] = 2003.0
    with pytest.raises(PanelError, match="d is 1 in 2002") as caught:
        panel.validate(frame, spec)
    assert caught.value.column == "first"
    frame["first"] = frame["first"].astype(object)
    frame.loc[frame.index[-1], "first"] = "never"
    with pytest.raises(PanelError, match="'never' is not a number") as caught:
        panel.validate(frame, spec)
    assert (caught.value.column, caught.value.row) == ("first", 16)


@pytest.mark.parametrize(
    ("cohorts", "row", "problem"),
    [
        ([2003.0, 2003.0, 2002.0, 2002.0, 2002.0], 4, "cohort of a is not the one of its first"),
        ([np.nan, np.nan, 2002.0, 2002.0, 2002.0], 4, "cohort of a is not the one of its first"),
        ([2001.5] * 5, 2, "2001.5 is not a whole number"),
    ],
)
def test_a_cohort_is_one_whole_number_a_unit(cohorts, row, problem):
    """Each of these agrees with the treatment row by row, and would date events wrongly."""
    spec = PanelSpec("place", "t", "y", "d", cohort="first")
    with pytest.raises(PanelError, match=problem) as caught:
        panel.validate(good().assign(first=[*cohorts, *[np.nan] * 10]), spec)
    assert (caught.value.column, caught.value.row) == ("first", row)


def test_a_cohort_after_the_last_period_is_not_yet_treated():
    spec = PanelSpec("place", "t", "y", "d", cohort="first")
    frame = good().assign(first=[2002.0] * 5 + [2010.0] * 5 + [np.nan] * 5)
    shuffled = frame.sample(frac=1, random_state=3)
    assert panel.validate(shuffled, spec).frame["first"].count() == 10


def test_a_cohort_read_from_a_file_is_a_number(tmp_path):
    path = tmp_path / "mine.csv"
    good().assign(first=["2002"] * 5 + [""] * 10).to_csv(path, index=False)
    read = panel.read_panel(path, PanelSpec("place", "t", "y", "d", cohort="first")).frame
    assert read["first"].dtype == float and read["first"].count() == 5


def test_true_and_false_are_one_and_zero():
    frame = good().astype({"d": bool})
    assert panel.validate(frame, SPEC).frame["d"].tolist() == good()["d"].tolist()
    nullable = frame.astype({"d": "boolean"})
    assert panel.validate(nullable, SPEC).frame["d"].tolist() == good()["d"].tolist()
    nullable.loc[3, "d"] = pd.NA
    with pytest.raises(PanelError, match="missing value") as caught:
        panel.validate(nullable, SPEC)
    assert caught.value.row == 5


def test_the_schema_says_what_columns_hold_and_refuses_by_itself():
    schema = panel.study_spec().schema()
    for name, column in schema.columns.items():
        assert column.description, name
    frame = panel.load_witness().frame
    assert len(schema.validate(frame)) == 130
    for broken in (
        frame.assign(fe=np.inf),
        frame.assign(FTZ=2),
        pd.concat([frame, frame], ignore_index=True),
    ):
        with pytest.raises(pandera.errors.SchemaError):
            schema.validate(broken)


@settings(max_examples=30, deadline=None)
@given(
    row=st.integers(0, 14),
    damage=st.sampled_from(
        [
            ("x", "n/k", "not a number"),
            ("x", "", "missing value"),
            ("y", "inf", "infinite"),
            ("d", "2", "neither 0 nor 1"),
            ("t", "2000.5", "not a whole number"),
            ("place", "z", "unknown place"),
        ]
    ),
    shuffle=st.booleans(),
)
def test_damage_anywhere_is_found_where_it_is(row, damage, shuffle, tmp_path_factory):
    column, value, problem = damage
    frame = good().astype(object)
    if shuffle:
        frame = frame.sample(frac=1, random_state=row).reset_index(drop=True)
    frame.loc[row, column] = value
    path = tmp_path_factory.mktemp("damage") / "mine.csv"
    frame.to_csv(path, index=False)
    with pytest.raises(PanelError, match=problem) as caught:
        panel.read_panel(path, SPEC)
    assert (caught.value.column, caught.value.row) == (column, row + 2)


def test_the_witness_meets_the_contract_and_cannot_be_changed_through_it():
    witness = panel.load_witness()
    assert "130 rows" in repr(witness) and len(witness.matched) == 85
    taken = witness.frame
    taken.loc[0, "fe"] = -1.0
    assert (witness.frame["fe"] > 0).all()
    table = witness.describe()
    assert table.loc["fe", "count"] == 130 and "loans" in table.loc["fe", "holds"]


def test_other_columns_are_kept():
    assert "note" in panel.validate(good().assign(note="kept"), SPEC).frame
