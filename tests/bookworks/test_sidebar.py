"""The sidebar holds titles only, and is the one that Sphinx makes of everything."""

from __future__ import annotations

import pickle

from docutils import nodes
from small import build, write_book
from sphinx import addnodes

from bookworks import _offline
from bookworks._release import differences

PAGES = {
    "index.md": "# Bread\n\n## Flour\n\nOf wheat.\n\n### Rye\n\nToo.\n",
    "loaf.md": "# The loaf\n\n```{eval-rst}\n.. py:function:: bake(dough)\n\n   Hot.\n```\n\n"
    "## Crust\n\nBrown.\n",
    "crumb.md": "# The crumb\n\n## Holes\n\nMany.\n",
}

TOC = """\
format: jb-book
root: index
chapters:
- file: loaf
  sections:
  - file: crumb
"""


def test_of_a_page_title_and_toctrees_are_kept():
    section = nodes.list_item("", nodes.paragraph("", "A section"))
    tree = addnodes.toctree(entries=[(None, "other")])
    with_tree = nodes.list_item("", nodes.paragraph("", "Another"), nodes.bullet_list("", tree))
    below = nodes.bullet_list("", section, with_tree)
    whole = nodes.bullet_list("", nodes.list_item("", nodes.paragraph("", "Title"), below))
    short = _offline.titles(whole)
    assert short.astext().split() == ["Title"]
    assert [one["entries"] for one in short.findall(addnodes.toctree)] == [[(None, "other")]]
    assert "Another" in whole.astext(), "what Sphinx knows stays as it was"


def test_a_page_is_the_one_with_everything_copied_and_is_kept_without_the_others(
    tmp_path, monkeypatch
):
    root = write_book(tmp_path / "short", PAGES)
    (root / "_toc.yml").write_text(TOC)
    html = build(root)
    other = write_book(tmp_path / "whole", PAGES)
    (other / "_toc.yml").write_text(TOC)
    monkeypatch.setattr(_offline, "titles", nodes.Element.deepcopy)
    assert differences(html, build(other)) == []
    kept = pickle.loads((root / "_build/.doctrees/loaf.doctree").read_bytes())
    assert {id(node.document) for node in kept.findall()} == {id(kept)}
    assert kept.settings.env is None
