"""The contract of the witness panels: what passes, and what is refused, and where."""

import numpy as np
import pandas as pd
import pandera.errors
import pytest

from ftz.errors import PanelError
from study import panel
from study.paths import data_dir

DAMAGES = {
    "infinite": (lambda f: f.assign(fe=f["fe"].where(f.index != 4, np.inf)), "finite", "fe", 6),
    "text": (
        lambda f: f.assign(fe=f["fe"].astype(object).where(f.index != 4, "n/k")),
        "fe",
        "fe",
        0,
    ),
    "not 0 or 1": (lambda f: f.assign(FTZ=f["FTZ"].where(f.index != 7, 2)), "isin", "FTZ", 9),
    "unknown city": (lambda f: f.replace({"city": {"Baoding": "Baodin"}}), "isin", "city", 0),
    "missing value": (lambda f: f.assign(fdi=f["fdi"].where(f.index != 2)), "null", "fdi", 4),
    "key twice": (lambda f: pd.concat([f, f.iloc[[5]]]), "not unique", "", 0),
    "gap": (lambda f: f.drop(index=3), "every city in every year", "", 0),
    "zone that goes": (lambda f: f.assign(FTZ=1 - f["FTZ"]), "a zone stays", "", 0),
    "missing column": (lambda f: f.drop(columns="pgdp"), "'pgdp' not in dataframe", "", 0),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_witness_is_refused_where_it_is_damaged(name, tmp_path, monkeypatch):
    damage, problem, column, row = DAMAGES[name]
    whole = panel.load_witness().frame
    (tmp_path / "witness").mkdir()
    (tmp_path / "register").symlink_to(data_dir() / "register")
    damage(whole).to_csv(tmp_path / "witness" / "panel.csv", index=False)
    monkeypatch.setenv("FTZ_DATA", str(tmp_path))
    with pytest.raises(PanelError, match=problem) as caught:
        panel.load_witness()
    assert caught.value.file == "panel.csv"
    assert not column or caught.value.column == column
    assert not row or caught.value.row == row


def test_a_file_that_is_none_is_refused(tmp_path, monkeypatch):
    (tmp_path / "witness").mkdir()
    (tmp_path / "register").symlink_to(data_dir() / "register")
    monkeypatch.setenv("FTZ_DATA", str(tmp_path))
    with pytest.raises(PanelError, match="cannot be read"):
        panel.load_witness()


def test_the_schema_says_what_columns_hold_and_refuses_by_itself():
    schema = panel._schema()
    assert all(column.description for column in schema.columns.values())
    frame = panel.load_witness().frame
    assert len(schema.validate(frame)) == 130
    with pytest.raises(pandera.errors.SchemaError):
        schema.validate(pd.concat([frame, frame], ignore_index=True))


def test_the_witness_meets_the_contract_and_cannot_be_changed_through_it():
    witness = panel.load_witness()
    assert "130 rows" in repr(witness) and len(witness.matched) == 85
    taken = witness.frame
    taken.loc[0, "fe"] = -1.0
    assert (witness.frame["fe"] > 0).all()
