"""An executed run as a page of the book.

Each run becomes a small Sphinx project of one page, with the book's own settings, so that
its prose shows the run's numbers, its figures and equations are numbered, and its references
lead into the book beside it.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import tempfile
from html import escape
from pathlib import Path
from typing import Any

from bookworks._accessible import mend
from bookworks._files import write_atomically
from bookworks._markdown import code, plain, table
from bookworks.book import Book
from bookworks.reruns._declared import chapters
from bookworks.reruns._records import NOTEBOOK, Record

REFERENCES = "## References\n\n```{bibliography}\n:filter: docname in docnames\n```"


def render(record: Record, folder: Path, target: Path, html: Path, gallery: str, book: Book) -> str:
    """Write page, notebook and images of a run to ``target``; return what Sphinx warned of."""
    from sphinx.application import Sphinx

    made = json.loads((folder / NOTEBOOK).read_text("utf-8"))
    cells, first = made["cells"], made["cells"][0]
    for cell in cells:
        cell["source"] = "".join(cell["source"])
    below = f": {plain(record.name)}\n\n{_note(record, html, gallery, book)}\n"
    title = re.compile(r"(?m)^# .*$")
    first["source"] = title.sub(lambda found: found[0] + below, first["source"], count=1)
    if any("{cite" in cell["source"] for cell in cells if cell["cell_type"] == "markdown"):
        cells.append({**first, "id": "references", "metadata": {}, "source": REFERENCES})
    with tempfile.TemporaryDirectory(prefix="bookworks-page-") as name:
        source, out, warnings = Path(name, "source"), Path(name, "out"), io.StringIO()
        write_atomically(source / "runs" / f"{record.name}.ipynb", json.dumps(made))
        settings = _settings(book, html, f"runs/{record.name}")
        write_atomically(source / "conf.py", f"globals().update({settings!r})\n")
        doctrees = Path(name, "doctrees")
        Sphinx(source, source, out, doctrees, "html", status=None, warning=warnings).build()
        if warnings.getvalue():
            return f"{record.name}: {warnings.getvalue().strip()}"
        page = (out / "runs" / f"{record.name}.html").read_text("utf-8")
        ready = target.with_name(f".{target.name}.{os.getpid()}")
        # images go below runs/, which is all of its own
        page = mend(page.replace("../_images/", "_images/"), book.setting("scrolls"))
        write_atomically(ready / f"{record.name}.html", page)
        shutil.copyfile(folder / NOTEBOOK, ready / f"{record.name}.ipynb")
        if (out / "_images").is_dir():
            shutil.copytree(out / "_images", ready / "_images")
        ready.rename(target)
    return ""


def _settings(book: Book, html: Path, page: str) -> dict[str, Any]:
    from jupyter_book.config import get_final_config

    settings: dict[str, Any]
    settings, _ = get_final_config(
        user_yaml=book.root / "_config.yml",
        cli_config={"latex_individualpages": False},
        sourcedir=book.root,
        use_external_toc=False,
    )
    # not those that speak of the whole book, or ask another host for something
    without = {"sphinx_thebe", "sphinx_external_toc", "bookworks", *book.extensions}
    for key in ("html_static_path", "bibtex_bibfiles"):
        settings[key] = [str(book.root / file) for file in settings.get(key) or ()]
    for key in ("html_logo", "html_favicon"):
        settings[key] = str(book.root / settings[key]) if settings.get(key) else None
    loaded = [name for name in settings["extensions"] if name not in without]
    return settings | {
        "extensions": [*loaded, "sphinx.ext.intersphinx"],
        "root_doc": page,
        "exclude_patterns": [],
        "nb_execution_mode": "off",
        "intersphinx_mapping": {"book": (".", str(html / "objects.inv"))},
        "html_sidebars": {"**": []},
        "html_copy_source": False,
        "html_show_sourcelink": False,
        "html_search_language": "en",
        "html_theme_options": {**settings["html_theme_options"], "use_download_button": False},
    }


def _note(record: Record, html: Path, gallery: str, book: Book) -> str:
    """Return what the page says of the run: where it comes from, parameters, key results."""
    chapter = chapters(book).get(record.chapter)
    defaults = {p.name: code(repr(p.default)) for p in chapter.parameters} if chapter else {}
    labels = chapter.facts.results if chapter else {}
    given = [[plain(n), code(repr(v)), defaults.get(n, "")] for n, v in record.given.items()]
    results = [[plain(name), code(repr(record.results.get(key)))] for key, name in labels.items()]
    page = f"{book.setting('chapters')}/{record.chapter}.html".lstrip("/")
    there = (html / page).is_file()
    link = f'<a href="../{escape(page)}">the chapter</a>' if there else "a chapter"
    side = f' <a href="../{escape(gallery)}.html">The gallery</a> lays runs side by side.'
    return f"""::::{{admonition}} A rerun
:class: note

This page is {link} executed with other parameters; \
<a href="{record.name}.ipynb">the executed notebook</a> can be taken along.{side * bool(gallery)}
Captions, and prose without a number that a cell computed, are the chapter's own.

{table(["parameter", "in this run", "in the book"], given)}
{table(["key result", "in this run"], results) if results else ""}
::::
"""
