"""Sphinx extension: a page asks no other host for anything.

MathJax comes from the package ``sphinx-mathjax-offline`` (the files of MathJax
3.2.2, Apache-2.0); its own extension would copy 24 MB, this one copies the
tenth of it that a browser can ask for.  Thebe, which Jupyter Book switches on,
would fetch its code and its kernels from public servers, and its script runs
twice on every page: it is taken out.

A page is light, too.  One without a formula does not load MathJax (1.2 MB).
"""

from __future__ import annotations

import re
import shutil
from importlib.metadata import distribution
from pathlib import Path

#: What ``tex-mml-chtml.js`` can load: fonts, TeX extensions, the speech explorer.
MATHJAX_PARTS = (
    "tex-mml-chtml.js",
    "output/chtml/fonts/woff-v2",
    "input/tex/extensions",
    "a11y",
    "sre/mathmaps/base.json",
    "sre/mathmaps/en.json",
)


def mathjax_folder() -> Path:
    """Return the folder of the installed package that holds MathJax."""
    package = distribution("sphinx-mathjax-offline")
    return Path(package.locate_file("sphinx-mathjax-offline/static/mathjax"))


def copy_mathjax(app, exception: Exception | None) -> None:
    """Copy what browsers need into the built book, once."""
    if exception or app.builder.format != "html":
        return
    source, target = mathjax_folder(), Path(app.outdir) / "_static" / "mathjax"
    for part in MATHJAX_PARTS:
        if (target / part).exists():
            continue
        (target / part).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (source / part).is_dir() else shutil.copyfile
        copy(source / part, target / part)


def drop_thebe(app, config) -> None:
    """Disconnect all that ``sphinx_thebe`` hooked in; its directive stays, unused."""
    for listeners in app.events.listeners.values():
        listeners[:] = [hook for hook in listeners if hook.handler.__module__ != "sphinx_thebe"]
    app.registry.css_files[:] = [css for css in app.registry.css_files if "thebe" not in css[0]]


#: What marks a formula in a page: written in the text, or put out by a cell.
_FORMULA = re.compile(r'class="[^"]*\bmath\b|\\\(|\\\[|\$\$|text_latex')


def spare_mathjax(app, pagename: str, template: str, context: dict, doctree) -> None:
    """Leave MathJax out of a page that holds no formula."""
    if not _FORMULA.search(context.get("body") or ""):
        scripts = context["script_files"]
        scripts[:] = [script for script in scripts if "mathjax/" not in str(script.filename or "")]


def setup(app) -> dict:
    """Connect the hooks to Sphinx."""
    app.connect("config-inited", drop_thebe)
    # after Sphinx has put MathJax into every page
    app.connect("html-page-context", spare_mathjax, priority=900)
    app.connect("build-finished", copy_mathjax)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
