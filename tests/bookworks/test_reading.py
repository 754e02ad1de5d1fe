"""The head and foot of a page, and the citation."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from docutils import nodes
from docutils.utils import new_document
from pybtex.database import parse_string

from bookworks import reading
from bookworks._errors import BookError


def document(*children):
    made = new_document("page")
    made.extend(children)
    return made


SHORT = nodes.paragraph("", "In short. Tea is wet.")
LONG = nodes.paragraph("", "A page of prose begins with a sentence that is long enough to be one.")


@pytest.mark.parametrize(
    ("children", "said"),
    [
        ((LONG, SHORT), "Tea is wet."),
        ((nodes.paragraph("", "Brief."), LONG), LONG.astext()),
        ((nodes.note("", LONG.deepcopy()),), ""),
        ((nodes.paragraph("", "word " * 90),), ("word " * 39).strip() + " ..."),
    ],
)
def test_a_page_says_what_it_is_about(children, said):
    assert reading._description(document(*(child.deepcopy() for child in children))) == said


def test_the_head_describes_the_page_and_the_foot_leads_to_the_citation():
    config = SimpleNamespace(bookworks_cite="intro#cite", html_title="Tea & co")
    metadata = {"a/taste": {"lang": "zh-CN"}}
    env = SimpleNamespace(titles={"a/taste": nodes.title("", 'The "taste"')}, metadata=metadata)
    app = SimpleNamespace(config=config, env=env)
    folded = nodes.container(hide_mode="input")
    context = {"pathto": lambda page: f"../{page}.html", "metatags": "", "language": "en"}
    reading._head_and_foot(app, "a/taste", "page.html", context, document(LONG.deepcopy(), folded))
    assert '<a href="../intro.html#cite">' in context["theme_extra_footer"]
    assert f'<meta name="description" content="{LONG.astext()}" />' in context["metatags"]
    assert 'property="og:title" content="The &quot;taste&quot;"' in context["metatags"]
    assert 'property="og:site_name" content="Tea &amp; co"' in context["metatags"]
    assert [button["label"] for button in context["header_buttons"]] == ["code-switch-button"]
    assert context["language"] == "zh-CN"
    reading._head_and_foot(app, "search", "search.html", bare := {**context, "metatags": ""}, None)
    assert bare["metatags"] == ""


CFF = "title: 'Tea: a book'\nversion: 1.2.0\nauthors:\n- name: The authors\n"


def test_a_citation_file_becomes_an_entry(tmp_path):
    path = tmp_path / "CITATION.cff"
    path.write_text(CFF, "utf-8")
    (key,) = (known := parse_string(reading.bibtex(path), "bibtex").entries)
    assert key == "tea"
    assert known[key].fields["note"] == "Version 1.2.0, not yet released"
    assert "year" not in known[key].fields
    more = "- {family-names: Lu, given-names: Yu}\nurl: https://example.org\n"
    path.write_text(CFF + more + "date-released: 2026-03-04\n", "utf-8")
    entry = parse_string(reading.bibtex(path), "bibtex").entries["tea"]
    assert (entry.fields["year"], entry.fields["url"]) == ("2026", "https://example.org")
    assert str(entry.persons["author"][1]) == "Lu, Yu"
    path.write_text("title: Tea\n", "utf-8")
    with pytest.raises(BookError, match="no line version, authors"):
        reading.bibtex(path)
