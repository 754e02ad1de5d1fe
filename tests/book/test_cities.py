"""The cities' page: who carries the estimate, which areas lie where, which pages name a city."""

from __future__ import annotations

from types import SimpleNamespace

import ftz_cities
import pytest
from docutils import nodes
from docutils.utils import new_document

from study import cities, indicators, register
from study.figures import cities as draw

THREE = ["Shijiazhuang", "Baoding", "Langfang"]


def test_three_cities_of_hebei_carry_the_estimate():
    rows = cities.sample()
    assert cities.carriers(rows) == THREE
    # if no figure were known, every treated city could
    assert set(cities.carriers(rows.assign(slack=0.0))) == {
        *THREE,
        "Beijing",
        "Tianjin",
        "Tangshan",
    }


@pytest.mark.parametrize(
    ("city", "areas"),
    [
        ("Baoding", [("Hebei", "Xiong'an")]),
        ("Langfang", [("Hebei", "Daxing Airport")]),
        ("Beijing", [("Hebei", "Daxing Airport")]),
        (
            "Tianjin",
            [
                ("Tianjin", area)
                for area in ("Tianjin Port Dongjiang", "Tianjin Airport", "Binhai CBD")
            ],
        ),
        ("Handan", []),
    ],
)
def test_the_register_says_which_areas_lie_in_a_city(city, areas):
    found = cities.areas(city)
    assert list(zip(found["zone"], found["area"], strict=True)) == areas


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_the_map_shows_each_city_with_both_names_and_its_year():
    first, names = register.PAPER.cohorts(register.study_cities()), register.study_cities()
    figure = draw.city_map(indicators.load_tiles(), names, first, THREE, ("a", "b", "c"))
    assert "Baoding\n保定 2019" in texts(figure) and "Handan\n邯郸" in texts(figure)
    assert len(texts(figure)) == 13
    dark = [
        patch
        for patch in figure.axes[0].patches
        if patch.get_facecolor()[:3] == (184 / 255, 74 / 255, 0)
    ]
    assert len(dark) == len(THREE)
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["a", "b", "c"]


def test_the_timeline_counts_the_zones_of_each_day():
    zones = register.load_register().zones
    first = register.PAPER.cohorts(register.study_cities())
    figure = draw.timeline(zones, first, THREE, range(2013, 2023))
    counts = [int(text) for text in texts(figure) if len(text) < 3]
    assert sum(counts) == len(zones)
    rows = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert rows[2:] == ["Tianjin", "Baoding", "Langfang", "Shijiazhuang", "Tangshan", "Beijing"]


def page(*sections):
    made = new_document("page")
    for name, text, code in sections:
        section = nodes.section(ids=[name])
        section += nodes.paragraph("", text)
        section += nodes.literal_block("", code)
        made += section
    return made


def test_places_are_where_prose_names_the_city_and_not_code():
    tree = page(("one", "Of Baodingshan.", "x = 'Baoding'"), ("two", "In Baoding.", ""))
    known = {"a": {}, "b": {}, "book/cities": {}}
    env = SimpleNamespace(metadata=known, collect_relations=lambda: ["b", "a", "book/cities"])
    for env.docname in known:
        ftz_cities.remember(SimpleNamespace(env=env), tree)
        tree = page(("here", "雄安新区在保定。", ""))
    assert ftz_cities.places(env, ["Baoding", "保定"]) == [("b", "here"), ("a", "two")]
    assert ftz_cities.places(env, ["Handan", "邯郸"]) == []


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("book/cities", True),
        ("book/library/panels", True),
        ("book/zh/index", True),
        ("book/capital-region", False),
        ("notebooks/audit", False),
    ],
)
def test_pages_that_name_everything_are_left_out(name, left):
    assert bool(ftz_cities._LEFT_OUT.match(name)) is left
