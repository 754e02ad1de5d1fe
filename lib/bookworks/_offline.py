"""Sphinx extension: a page asks no other host for anything, and each page is light.

MathJax comes from the package ``sphinx-mathjax-offline`` (the files of MathJax 3.2.2,
Apache-2.0); its own extension would copy 24 MB, this one copies the tenth of it that a
browser can ask for, and a page without a formula does not load it.  Thebe, which Jupyter
Book switches on, would fetch its code and its kernels from public servers, and its script
runs twice on every page: it is taken out.

Sphinx marks style sheets and scripts with a checksum (``book.css?v=1f2e3d4c``), so that a
browser does not keep an old one.  It takes the file that lies in the output folder while a
page is written: some are copied before, and some extensions copy theirs last, so that a clean
build would find them missing and the next one find them, in an older state.  So the copies
are made anew whenever Sphinx writes: marks then depend on the files that are copied only.
"""

from __future__ import annotations

import shutil
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes

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
    package = distribution("sphinx-mathjax-offline")
    return Path(str(package.locate_file("sphinx-mathjax-offline/static/mathjax")))


def copy_mathjax(app: Any, exception: Exception | None) -> None:
    """Copy what browsers need into the built book, once."""
    if exception or app.builder.format != "html":
        return
    source, target = mathjax_folder(), Path(app.outdir) / "_static" / "mathjax"
    for part in () if target.is_dir() else MATHJAX_PARTS:
        (target / part).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (source / part).is_dir() else shutil.copyfile
        copy(source / part, target / part)


def drop_thebe(app: Any, config: Any) -> None:
    """Disconnect all that ``sphinx_thebe`` hooked in; its directive stays, unused."""
    for listeners in app.events.listeners.values():
        listeners[:] = [hook for hook in listeners if hook.handler.__module__ != "sphinx_thebe"]
    app.registry.css_files[:] = [css for css in app.registry.css_files if "thebe" not in css[0]]


def spare_mathjax(app: Any, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    """Leave MathJax out of a page that holds no formula; Sphinx asks the pages below it, too."""
    if not app.env.get_domain("math").data["has_equations"].get(page):
        scripts = context["script_files"]
        scripts[:] = [script for script in scripts if "mathjax/" not in str(script.filename or "")]


#: Scripts that must run before the text is shown: what others ask, and the switch of the code.
_EARLY = ("documentation_options", "bookworks-code")


def defer_scripts(app: Any, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    """Let scripts wait for the text; the search page's own ones run at once and need them."""
    if page != "search":
        context["script_files"][:] = [
            type(script)(
                script.filename, priority=script.priority, **{"defer": "defer", **script.attributes}
            )
            if getattr(script, "filename", "") and not any(n in script.filename for n in _EARLY)
            else script
            for script in context["script_files"]
        ]


def empty_static(app: Any, builder: Any) -> None:
    """Drop all copies before they are made again."""
    if builder.format == "html":
        shutil.rmtree(Path(app.outdir) / "_static", ignore_errors=True)


# -- the sidebar of a large book ---------------------------------------------------------


def titles(contents: nodes.Element) -> nodes.Element:
    """Return the contents of a page with its title and what its toctrees name, nothing else.

    A sidebar shows no more.  To make one, Sphinx copies the contents of all pages with all their
    sections, and members of a library, and then drops these: half of the time that writing takes.
    """
    short = contents.copy()
    for item in contents.children:
        if not isinstance(item, nodes.list_item) or len(item) < 2:
            short += item.deepcopy()
            continue
        entry = item.copy()
        entry += item[0].deepcopy()
        if trees := list(item.findall(addnodes.toctree)):
            entry += nodes.bullet_list("", *(tree.copy() for tree in trees))
        short += entry
    return short


def shorten(app: Any, builder: Any) -> None:
    """Have the builder take titles where titles are all that is asked for."""
    if builder.format != "html":
        return
    env, whole = app.env, builder._get_local_toctree
    short = {page: titles(contents) for page, contents in env.tocs.items()}

    def local(docname: str, collapse: bool = True, **options: Any) -> str:
        tocs = env.tocs
        if options.get("titles_only"):
            env.tocs = short
        try:
            made: str = whole(docname, collapse, **options)
            return made
        finally:
            env.tocs = tocs

    builder._get_local_toctree = local


def setup(app: Any) -> None:
    app.connect("config-inited", drop_thebe)
    app.connect("write-started", shorten)
    app.connect("write-started", empty_static)
    # after Sphinx has put MathJax into every page
    app.connect("html-page-context", spare_mathjax, priority=900)
    app.connect("html-page-context", defer_scripts, priority=950)
    app.connect("build-finished", copy_mathjax)
