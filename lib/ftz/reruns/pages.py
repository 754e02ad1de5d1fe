"""``python -m ftz.reruns.pages JOBS.json``: set executed notebooks as pages of the book.

Each run becomes a small Sphinx project of one page, with the book's own settings, so
that its prose shows the run's numbers, its figures and equations are numbered, and its
references lead into the book beside it.  A process of its own, because Sphinx keeps
state; the book's build (``book/_ext/ftz_reruns.py``) starts it.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from ftz.reruns.chapters import all_chapters, notebook_text, read_notebook
from ftz.reruns.records import NOTEBOOK, Record

#: Extensions that speak of the whole book, or ask another host for something.
_WITHOUT = ("sphinx_thebe", "sphinx_external_toc")

_TITLE = re.compile(r"(?m)^# (.*)$")


def main(arguments: list[str]) -> int:
    """Set the pages of a job file; return 1 if Sphinx warned about one."""
    job = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    warned = 0
    for folder in job["folders"]:
        record = Record.read(Path(folder))
        if record is None:
            continue
        said = render(record, Path(folder), Path(job["html"]), Path(job["root"]))
        if said:
            warned = 1
            print(f"{record.name}: {said}", file=sys.stderr)
    return warned


def render(record: Record, folder: Path, html: Path, root: Path) -> str:
    """Write ``html/runs/NAME.html`` with its images; return what Sphinx warned of.

    Parameters
    ----------
    record : Record
        A finished run that keeps its notebook.
    folder : pathlib.Path
        Where the notebook is.
    html : pathlib.Path
        The built book: pages there are what references lead to.
    root : pathlib.Path
        The checkout, for the book's settings.
    """
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    notebook = read_notebook(folder / NOTEBOOK)
    with tempfile.TemporaryDirectory(prefix="ftz-page-") as name:
        source, out = Path(name, "source"), Path(name, "out")
        (source / "runs").mkdir(parents=True)
        page = notebook_text(_dressed(notebook, record, html, root))
        (source / "runs" / f"{record.name}.ipynb").write_text(page, encoding="utf-8")
        warnings = io.StringIO()
        with patch_docutils(), docutils_namespace():
            app = Sphinx(
                srcdir=str(source),
                confdir=None,
                outdir=str(out),
                doctreedir=str(Path(name, "doctrees")),
                buildername="html",
                confoverrides=_settings(root, html, f"runs/{record.name}"),
                status=None,
                warning=warnings,
            )
            app.build()
        _copy(out, folder, html, record.name)
        return warnings.getvalue().strip()


def _copy(out: Path, folder: Path, html: Path, name: str) -> None:
    for part in ("runs", "_images"):
        (html / part).mkdir(exist_ok=True)
    shutil.copyfile(out / "runs" / f"{name}.html", html / "runs" / f"{name}.html")
    shutil.copyfile(folder / NOTEBOOK, html / "runs" / f"{name}.ipynb")
    for image in (out / "_images").glob("*"):
        shutil.copyfile(image, html / "_images" / image.name)


def _settings(root: Path, html: Path, page: str) -> dict[str, Any]:
    """Return the book's own settings, for one page."""
    from jupyter_book.config import get_final_config

    settings, _ = get_final_config(
        user_yaml=root / "_config.yml",
        cli_config={"latex_individualpages": False},
        sourcedir=root,
        use_external_toc=False,
    )
    own = [e for e in settings["extensions"] if e not in _WITHOUT and not e.startswith("ftz_")]
    settings |= {
        "extensions": [*own, "sphinx.ext.intersphinx"],
        "root_doc": page,
        "exclude_patterns": [],
        "nb_execution_mode": "off",
        "intersphinx_mapping": {"book": (".", str(html / "objects.inv"))},
        "html_sidebars": {"**": []},
        "html_static_path": [str(root / file) for file in settings.get("html_static_path", ())],
        "html_copy_source": False,
        "html_show_sourcelink": False,
    }
    if settings.get("bibtex_bibfiles"):
        settings["bibtex_bibfiles"] = [str(root / file) for file in settings["bibtex_bibfiles"]]
    for key in ("html_logo", "html_favicon"):
        if settings.get(key):
            settings[key] = str(root / settings[key])
    settings["html_theme_options"] = {
        **settings.get("html_theme_options", {}),
        "use_download_button": False,
    }
    left_out = ("ftz_", "html_search_language")  # of extensions that are not loaded; of an index
    return {key: value for key, value in settings.items() if not key.startswith(left_out)}


# --- what the page says of the run -------------------------------------------------------------


def plain(value: object) -> str:
    r"""Return a value as Markdown that shows it as it is.

    >>> plain("a*b")
    'a\\*b'
    """
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", str(value).replace("\n", " "))


def code(text: str) -> str:
    r"""Return a Markdown code span of a text for a table's cell: no quote in it is curled.

    >>> code("a `b` | c")
    '`` a `b` \\| c ``'
    """
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    shown = text.replace("\n", " ").replace("|", "\\|")
    return f"{fence} {shown} {fence}" if text else ""


def _dressed(notebook: Any, record: Record, html: Path, root: Path) -> Any:
    """Put the run's name, parameters and numbers on top and the references below."""
    first = notebook.cells[0]
    note = _note(record, html, root)
    first.source = _TITLE.sub(
        lambda found: f"# {found[1]}: {plain(record.name)}\n\n{note}\n", first.source, count=1
    )
    if any("{cite" in cell.source for cell in notebook.cells if cell.cell_type == "markdown"):
        below = "## References\n\n```{bibliography}\n:filter: docname in docnames\n```"
        last = {"cell_type": "markdown", "id": "references", "metadata": {}, "source": below}
        notebook.cells.append(last)
    return notebook


def _note(record: Record, html: Path, root: Path) -> str:
    from ftz.reruns.headlines import labels

    page = f"notebooks/{record.chapter}.html"
    link = f'<a href="../{escape(page)}">the chapter</a>'
    chapter = all_chapters(root).get(record.chapter)
    book = {p.name: repr(p.default) for p in chapter.parameters} if chapter else {}
    return "\n".join(
        [
            "::::{admonition} A rerun",
            ":class: note",
            "",
            f"This page is {link if (html / page).is_file() else 'a chapter'} executed with other "
            'parameters; <a href="../book/reruns.html">the gallery</a> lays runs side by side, and '
            f'<a href="{escape(record.name)}.ipynb">the executed notebook</a> can be taken along.',
            "Captions, and prose without a number that a cell computed, are the chapter's own.",
            "",
            *_table(
                ("parameter", "in this run", "in the book"),
                [
                    (plain(name), code(repr(v)), code(book.get(name, "")))
                    for name, v in record.given.items()
                ],
            ),
            "The headline numbers, in full:",
            "",
            *_table(
                ("headline", "in this run"),
                [
                    (plain(name), code(repr(record.headlines.get(key))))
                    for key, name in labels(record.chapter).items()
                ],
            ),
            "::::",
        ]
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table and an empty one."""
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(line)} |" for line in lines] + [""]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
