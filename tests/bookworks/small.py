"""A small book of prose about something else, built by Sphinx inside the test's process."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils


def write(root: Path, name: str, text: str) -> Path:
    """Write a file below a folder."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def build(root: Path, **settings: Any) -> Path:
    """Build ``root/book`` into ``root/html`` with the machinery loaded; return the pages' folder."""
    overrides = {
        "extensions": ["myst_parser", "bookworks"],
        "root_doc": "index",
        "html_theme": "basic",
        "html_static_path": ["_static"] if (root / "book" / "_static").is_dir() else [],
        **settings,
    }
    with patch_docutils(), docutils_namespace():
        app = Sphinx(
            srcdir=root / "book",
            confdir=None,
            outdir=root / "html",
            doctreedir=root / "doctrees",
            buildername="html",
            confoverrides=overrides,
            status=None,
            warning=io.StringIO(),
            freshenv=False,
        )
        app.build()
    assert not app.statuscode, app._warning.getvalue()
    return root / "html"
