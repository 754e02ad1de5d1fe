"""The tool that lists what the library defines and nobody uses."""

from __future__ import annotations

import sys

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import reachable

LIBRARY = '''
__all__ = ["dead"]


class Panel:
    def rows(self): return helper()
    def forgotten(self): return dead()


def helper(): return 1
def dead(): return only_by_the_dead()
def only_by_the_dead(): return 2
def shown():
    """
    >>> shown()
    """
'''


def test_what_only_the_dead_use_is_dead(tmp_path, monkeypatch):
    monkeypatch.setattr(reachable, "ROOT", tmp_path)
    for folder in ("lib", "book/_ext", "notebooks"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "lib" / "teas.py").write_text(LIBRARY)
    (tmp_path / "CONTRIBUTING.md").write_text("See `teas.Panel`.\n")
    (tmp_path / "notebooks" / "a.md").write_text("```{code-cell}\nprint(Panel().rows())\n```\n")
    names = [one.name for one in reachable.unreached()]
    assert names == ["forgotten", "dead", "only_by_the_dead"]


def test_public_names_are_counted_and_may_not_grow(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(reachable, "ROOT", tmp_path)
    for folder in ("lib/tea", "book/_ext", "notebooks"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "CONTRIBUTING.md").write_text("")
    (tmp_path / "lib/tea/_pots.py").write_text("def brew(): ...\ndef boil(): ...\n")
    (tmp_path / "lib/tea/cups.py").write_text("def wash(): ...\ndef _dry(): ...\n")
    (tmp_path / "lib/tea/__init__.py").write_text("from tea._pots import MOST, brew\n")
    (tmp_path / "notebooks/a.md").write_text("```{code-cell}\nbrew(wash(boil))\n```\n")
    assert sorted(reachable.public()) == ["tea.brew", "tea.cups.wash"]
    monkeypatch.setattr(reachable, "MOST", {"tea": 2})
    assert reachable.main() == 1
    assert "tea.cups.wash: on no page, in no command" in capsys.readouterr().out
    page = "```{code-cell}\nfrom tea import brew, cups\nbrew(cups.wash(boil))\n```\n"
    (tmp_path / "notebooks/a.md").write_text(page)
    for most, code in ((2, 0), (1, 1)):
        monkeypatch.setattr(reachable, "MOST", {"tea": most})
        assert reachable.main() == code
    assert "tea: more public names than 1:" in capsys.readouterr().out
