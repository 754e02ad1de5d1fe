"""A small book about bread, built by Jupyter Book inside the test's process."""

from __future__ import annotations

import io
import os
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import yaml
from jinja2.bccache import BytecodeCache
from jupyter_book.config import get_final_config
from sphinx import jinja2glue
from sphinx.application import Sphinx
from sphinx.environment.collectors.toctree import TocTreeCollector
from sphinx.util.docutils import docutils_namespace, patch_docutils
from sphinx_external_toc import collectors

# The extension looks for Sphinx's collector among all objects in memory.  Beside other tests
# these are many, of older builds, or dead proxies, which raise: here it sees the one it means.
_ours: list[Any] = []
_enable = TocTreeCollector.enable


def _enabled(collector: Any, app: Any) -> None:
    _ours[:] = [collector]
    _enable(collector, app)


TocTreeCollector.enable = _enabled
collectors.gc = SimpleNamespace(get_objects=lambda: _ours)


class Compiled(BytecodeCache):
    """Templates that were compiled in this process: a third of the time of a small build."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Any) -> None:
        if bucket.key in self.kept:
            bucket.bytecode_from_string(self.kept[bucket.key])

    def dump_bytecode(self, bucket: Any) -> None:
        self.kept[bucket.key] = bucket.bytecode_to_string()


jinja2glue.SandboxedEnvironment = partial(
    jinja2glue.SandboxedEnvironment, bytecode_cache=Compiled()
)

PAGES = {
    "index.md": "# Bread\n\nFlour, water, salt and time.\n",
    "loaf.md": "# The loaf\n\nIt weighs $m = 0.75$ kilograms.\n",
}


def write(root: Path, name: str, text: str) -> Path:
    """Write a file below a folder."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def write_book(root: Path, pages: dict[str, str] | None = None, **settings: Any) -> Path:
    """Write the sources of a book; the first page is its root, settings are Sphinx's."""
    pages = PAGES if pages is None else pages
    first, *others = (name.removesuffix(".md") for name in pages)
    config = {
        "title": "Bread",
        "author": "A baker",
        "only_build_toc_files": True,
        "execute": {"execute_notebooks": "off"},
        "parse": {"myst_enable_extensions": ["dollarmath"]},
        "sphinx": {
            "extra_extensions": ["bookworks"],
            "config": {
                "html_search_language": "zh",
                "mathjax_path": "mathjax/tex-mml-chtml.js",
                **settings,
            },
        },
    }
    write(root, "_config.yml", yaml.safe_dump(config, allow_unicode=True))
    toc = {"format": "jb-book", "root": first, "chapters": [{"file": name} for name in others]}
    write(root, "_toc.yml", yaml.safe_dump(toc))
    for name, text in pages.items():
        write(root, name, text)
    return root


def fresh() -> dict[str, Any]:
    """Return settings to which Sphinx adds from build to build in one process, as they begin."""
    return {"templates_path": [], "source_suffix": {".rst": "restructuredtext"}}


def build(root: Path) -> Path:
    """Build a book as ``jb build -W`` does; return the folder of its pages."""
    config, _ = get_final_config(
        user_yaml=root / "_config.yml",
        sourcedir=root,
        cli_config={"latex_individualpages": False},
    )
    said, warned = io.StringIO(), io.StringIO()
    html = root / "_build" / "html"
    hook = mock.patch("sys.excepthook")  # the build puts its own there
    with mock.patch.dict(os.environ), hook, patch_docutils(), docutils_namespace():
        app = Sphinx(
            srcdir=root,
            confdir=None,
            outdir=html,
            doctreedir=root / "_build" / ".doctrees",
            buildername="html",
            confoverrides={**config, **fresh()},
            status=said,
            warning=warned,
            warningiserror=True,
            keep_going=True,
        )
        try:
            app.build()
        finally:
            # a process that ends lets go of it
            app.bookworks.lock.close()
    assert not app.statuscode, warned.getvalue()
    return html
