"""Sphinx extension: every chapter with code as a notebook, to download and to launch.

The build writes ``_notebooks/CHAPTER.ipynb`` beside the pages: the chapter's cells as they
are, without outputs, its text in Markdown that any Jupyter shows, and a first cell that
says how to run it.  The download button of each computed page leads there.

Launch buttons appear when ``ftz_repository`` is set (in ``_config.yml``, under
``sphinx: config:``) to the address of the book's repository on GitHub, and not before: a
button that leads nowhere is worse than none.

* *Binder* builds ``environment.yml`` and ``postBuild`` and opens the text notebook itself
  in JupyterLab, through jupytext.
* *Colab* opens only ``.ipynb`` files from a repository.  It looks on the branch
  ``ftz_notebooks_branch``, which holds what ``_notebooks/`` holds; there the first code
  cell installs the library where it is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlsplit

from sphinx.errors import ConfigError

from ftz import students

FOLDER = "_notebooks"

_HEADER = """\
> **A chapter of *{book}*, as a notebook.**
> It runs in the book's environment: in a checkout, run `make book` once and choose
> `.venv/bin/python` as the kernel (or follow `environment.yml`).
> The text notebook `{file}` is its source.
> Names in ⟨brackets⟩ stand for numbers that the cells compute and the book shows in the text.
"""

_INSTALL = """\
# Only where the library is missing, as on Colab: fetch the book and install it.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("ftz") is None:
    clone = ["git", "clone", "--quiet", "--depth", "1", "--branch", "{branch}"]
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    subprocess.run([*clone, "{repository}", "book"], check=True)
    subprocess.run([*pip, "-r", "book/requirements.lock"], check=True)
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "-e", "book"], check=True)
    sys.path.insert(0, "book/lib")
"""


def code_pages(env) -> Iterator[tuple[str, Path]]:
    """Yield name and file of the chapters that are text notebooks."""
    for docname in sorted(env.found_docs):
        path = Path(env.doc2path(docname))
        head = path.read_text(encoding="utf-8").split("\n---", 1)[0]
        if path.suffix == ".md" and "\nkernelspec:" in head:
            yield docname, path


def notebook_name(docname: str) -> str:
    """Return the name of a chapter's notebook, below :data:`FOLDER`."""
    first, _, rest = docname.partition("/")
    return f"{rest if first in ('book', 'notebooks') and rest else docname}.ipynb"


def repository(config) -> str:
    """Return the address of the repository, checked; nothing where none is set."""
    address = config.ftz_repository.rstrip("/").removesuffix(".git")
    parts = urlsplit(address)
    if address and (parts.netloc != "github.com" or len(PurePosixPath(parts.path).parts) != 3):
        raise ConfigError(
            f"ftz_repository is {config.ftz_repository!r}: Binder and Colab are told "
            "https://github.com/OWNER/NAME; leave it empty for a book without launch buttons"
        )
    return address


def targets(config, docname: str, file: str) -> dict[str, str]:
    """Return name and address of each launch button of a chapter.

    Parameters
    ----------
    config : sphinx.config.Config
        With ``ftz_repository``, ``ftz_branch`` and ``ftz_notebooks_branch``.
    docname, file : str
        The page and its file, relative to the repository.
    """
    address = repository(config)
    if not address:
        return {}
    place = urlsplit(address).path.strip("/")
    lab = quote(f"lab/tree/{file}", safe="")
    name = quote(notebook_name(docname))
    return {
        "Binder": f"https://mybinder.org/v2/gh/{place}/{config.ftz_branch}?urlpath={lab}",
        "Colab": "https://colab.research.google.com/github/"
        f"{place}/blob/{config.ftz_notebooks_branch}/{name}",
    }


def notebook(app, path: Path):
    """Return a chapter as a notebook with its first cells."""
    import nbformat

    file = path.relative_to(app.srcdir).as_posix()
    book = app.config.html_title or app.config.project
    header = _HEADER.format(book=book, file=file)
    before = [nbformat.v4.new_markdown_cell(header.strip())]
    if address := repository(app.config):
        source = _INSTALL.format(branch=app.config.ftz_branch, repository=address)
        before.append(nbformat.v4.new_code_cell(source.strip(), metadata={"tags": ["hide-cell"]}))
    return students.full_notebook(students.read_chapter(path), before=before)


def write_notebooks(app, exception: Exception | None) -> None:
    """Write the notebook of every chapter that has code; leave equal files alone."""
    if exception or app.builder.format != "html":
        return
    import nbformat

    for docname, path in code_pages(app.env):
        target = Path(app.outdir) / FOLDER / notebook_name(docname)
        text = nbformat.writes(notebook(app, path)) + "\n"
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")


def add_buttons(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Put the download, and the launchers where they are known, into the page's header."""
    if doctree is None or not _has_code(app, pagename):
        return
    buttons = context.setdefault("header_buttons", [])
    link = {
        "type": "link",
        "url": context["pathto"](f"{FOLDER}/{notebook_name(pagename)}", 1),
        "text": ".ipynb",
        "icon": "fas fa-code",
        "tooltip": "Download the notebook",
        "label": "download-notebook-button",
    }
    groups = [button for button in buttons if button.get("label") == "download-buttons"]
    (groups[0]["buttons"] if groups else buttons).insert(0, link)
    file = Path(app.env.doc2path(pagename)).relative_to(app.srcdir).as_posix()
    launch = [
        {
            "type": "link",
            "url": address,
            "text": name,
            "icon": "fas fa-rocket",
            "tooltip": f"Run this chapter on {name}",
            "label": f"launch-{name.lower()}-button",
        }
        for name, address in targets(app.config, pagename, file).items()
    ]
    if launch:
        group = {
            "type": "group",
            "tooltip": "Run this chapter",
            "icon": "fas fa-rocket",
            "buttons": launch,
            "label": "launch-buttons",
        }
        buttons.insert(0, group)


def _has_code(app, pagename: str) -> bool:
    known = getattr(app, "ftz_code_pages", None)
    if known is None:
        known = app.ftz_code_pages = {name for name, _ in code_pages(app.env)}
    return pagename in known


def setup(app) -> dict:
    """Connect the hooks to Sphinx."""
    app.add_config_value("ftz_repository", "", "html")
    app.add_config_value("ftz_branch", "main", "html")
    app.add_config_value("ftz_notebooks_branch", "notebooks", "html")
    app.connect("config-inited", lambda _, config: repository(config))
    app.connect("html-page-context", add_buttons, priority=900)
    app.connect("build-finished", write_notebooks)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
