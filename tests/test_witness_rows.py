"""No witness, shipped or drawn, holds a city-year that the sample section excludes."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

from study import cities
from study.panel import WITNESSES
from study.paths import data_dir
from study.witness import _files as files
from study.witness import _sample
from study.witness import _within_city as within_city

FOLDER = data_dir() / "witness"
ROWS = cities.sample()
ADMITTED = set(ROWS.loc[ROWS["admitted"], ["city", "year"]].itertuples(index=False, name=None))
TREATED = set(ROWS.loc[ROWS["treated"], ["city", "year"]].itertuples(index=False, name=None))


def places(frame):
    return list(frame[["city", "year"]].itertuples(index=False, name=None))


def sits_in_the_sample(rows):
    right = len(rows) == len(set(rows)) == 85 and ADMITTED.issuperset(rows)
    return right and len(TREATED.intersection(rows)) == 11


def test_the_sample_section_excludes_what_the_page_says():
    assert len(ADMITTED) == 104 and {c for c, _ in ADMITTED}.isdisjoint({"Beijing", "Tianjin"})
    # Tianjin's rows before the zone need no slack: its urban share alone excludes them
    assert ROWS.set_index(["city", "year"]).loc[("Tianjin", 2013), "slack"] == 0
    assert max(y for c, y in ADMITTED if c == "Tangshan") == 2016


def test_other_figures_exclude_other_rows(tmp_path, monkeypatch):
    import shutil

    shutil.copytree(data_dir(), tmp_path / "data", ignore=shutil.ignore_patterns("witness"))
    path = tmp_path / "data" / "official" / "urban_share.csv"
    shares = pd.read_csv(path)
    shares.assign(share=shares["share"].where(shares["place"] != "Tianjin", 0.7)).to_csv(path)
    monkeypatch.setenv("FTZ_DATA", str(tmp_path / "data"))
    rows = cities.sample()
    assert rows.loc[rows["admitted"] & (rows["city"] == "Tianjin"), "year"].tolist() == [2013]
    assert not rows.loc[rows["city"] == "Beijing", "admitted"].any()


@pytest.mark.parametrize("file", WITNESSES.values())
def test_a_shipped_panel(file):
    frame = pd.read_csv(FOLDER / file)
    rows = places(frame[frame["matched"] == 1])
    assert sits_in_the_sample(rows)


def test_the_ensemble_of_the_two_way_reading():
    about = json.loads((FOLDER / "ensemble.json").read_text("utf-8"))
    everywhere = places(_sample.Sample.printed().rows)
    assert len(about["matched"]) == about["members"]
    for flags in about["matched"]:
        rows = [row for row, flag in zip(everywhere, flags, strict=True) if flag == "1"]
        assert sits_in_the_sample(rows)
    left_out = pd.read_csv(FOLDER / "ensemble.csv").filter(like="leave one out: ")
    named = {name.split(": ")[1] for name in left_out}
    assert named == {city for city, _ in ADMITTED}


def test_the_ensembles_of_the_within_city_question():
    panels = pd.read_csv(FOLDER / within_city.FILES[1])
    bad = [i for i, frame in panels.groupby("panel") if not sits_in_the_sample(places(frame))]
    assert panels["panel"].nunique() > 100 and not bad
    assert (panels["FTZ"] == [row in TREATED for row in places(panels)]).all()


@pytest.mark.parametrize("seed", range(5))
def test_rows_that_are_drawn(seed):
    rng = np.random.default_rng(seed)
    drawn = [
        _sample.random_sample(rng),
        within_city.draw_rows(rng),
        within_city.draw_rows(rng, trapped=True),
        within_city.poorer_rows(rng),
    ]
    for plan in drawn:
        rows = places(plan.on)
        assert sits_in_the_sample(rows)


def test_pages_load_the_witnesses_that_the_table_names():
    loaded = {}
    for path in [
        *(FOLDER.parents[1] / "notebooks").glob("*.md"),
        *(FOLDER.parents[1] / "book").glob("*.md"),
    ]:
        text = path.read_text("utf-8")
        found = {a or "two-way" for a in re.findall(r'load_witness\("?([^")]*)"?\)', text)}
        found |= {"two-way"} if "witness_study(" in text else set()
        if "load_witness(reading)" in text:
            found = set(WITNESSES)
        if found:
            loaded[path.stem] = found
    said = {
        page: set(readings) for pages, (_, readings, _) in files.STANDS.items() for page in pages
    }
    assert loaded == said
