"""Make the book of a reader's panel: the chapters of ``notebooks/own``, filled and built.

A chapter says in the tags of its cells which sections of
``SECTIONS`` a cell needs (``needs-staggered``) or stands in for
(``lacks-staggered``).  :func:`assemble` keeps the cells that fit the study, puts the
reason of a missing section where ``@@REASON:name@@`` stands and how a table is read where
``@@HOW:name@@`` stands, and writes a source tree
that ``jb build`` turns into pages.  The panel is data from end to end: nothing of it is
ever read as Markdown, HTML or code.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ftz.errors import FtzError
from userpanel._checking import check
from userpanel._how import HOW, said
from userpanel._panel import UserPanel
from userpanel._sections import missing
from userpanel._spec import PanelProblem, ProblemsError

#: The chapters in reading order; the first is the landing page.
CHAPTERS = (
    "index",
    "matching",
    "difference-in-differences",
    "robustness",
    "mechanisms",
    "multiverse",
)
_REASON = re.compile(r"@@REASON:([a-z-]+)@@")
_HOW = re.compile(r"@@HOW:([a-z-]+)@@")
_TITLE = "@@TITLE@@"


def project() -> Path:
    """Return the checkout's folder.

    Raises
    ------
    FtzError
        If the library is not installed in place.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / "notebooks" / "own").is_dir():
        raise FtzError(
            f"the chapters are not at {root}: install the library in place (pip install -e .)"
        )
    return root


# --- one chapter ----------------------------------------------------------------------------


def _plain_markdown(text: str) -> str:
    r"""Escape a text so that Markdown shows it as it is.

    >>> _plain_markdown("a*b {x}")
    'a\\*b \\{x\\}'
    """
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def _fits(tags: list[str], lacking: Mapping[str, str]) -> bool:
    """Tell whether a cell with these tags stands on the pages of a study."""
    needed = {tag.removeprefix("needs-") for tag in tags if tag.startswith("needs-")}
    replaced = {tag.removeprefix("lacks-") for tag in tags if tag.startswith("lacks-")}
    return not needed & set(lacking) and replaced <= set(lacking)


def fill(
    chapter: str, study: UserPanel, lacking: Mapping[str, str], values: Mapping[str, Any]
) -> str:
    """Return a chapter's text for a study.

    Parameters
    ----------
    chapter : str
        Text of a MyST notebook.
    study : userpanel.UserPanel
    lacking : mapping
        From :func:`userpanel.missing`.
    values : mapping
        Parameters to inject, by name.

    Raises
    ------
    FtzError
        If the chapter has no parameters cell.
    """
    import jupytext
    from papermill.parameterize import parameterize_notebook

    chapter = chapter.replace("@@LEVEL@@", f"{100 * study.choices.level:g}%")
    notebook = jupytext.reads(chapter, fmt="md:myst")
    for cell in notebook.cells:
        cell.metadata.setdefault("tags", [])  # papermill asks each cell for them
    if not any("parameters" in cell.metadata["tags"] for cell in notebook.cells):
        raise FtzError("the chapter has no cell that is tagged parameters")
    notebook.metadata["papermill"] = type(notebook.metadata)()
    notebook = parameterize_notebook(notebook, dict(values))
    notebook.metadata.pop("papermill", None)
    kept = []
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        tags = list(cell.metadata.get("tags", []))
        if not _fits(tags, lacking):
            continue
        shown = [tag for tag in tags if not tag.startswith(("needs-", "lacks-"))]
        if "injected-parameters" in shown:
            shown.append("remove-cell")
        cell.metadata.pop("tags", None)
        if shown:
            cell.metadata["tags"] = shown
        if "parameters" in shown:
            cell.source = _chosen(cell.source, study)
        if cell.cell_type == "markdown":
            cell.source = _written(cell.source, study, lacking)
        kept.append(cell)
    notebook.cells = kept
    return str(jupytext.writes(notebook, fmt="md:myst"))


def fitted(chapter: str, values: Mapping[str, Any], folder: Path) -> str:
    """Return a chapter's text for the panel and the spec that its parameters name.

    What ``reruns/chapters.yml`` calls before a run; names of files start in ``folder``.
    """
    from userpanel import read_panel

    study = read_panel(folder / values["panel"], folder / values["spec"])
    return fill(chapter, study, missing(study), {})


def _chosen(text: str, study: UserPanel) -> str:
    """Put what the spec chooses in the place of a chapter's default parameters."""
    chosen = study.choices
    low, high = chosen.event_window
    values = {"leads": -low, "lags": high, "neighbours": chosen.k} | {
        name: getattr(chosen, name) for name in ("caliper", "support", "draws", "seed")
    }
    for name, value in values.items():
        text = re.sub(rf"(?m)^({name}: \w+ = )\S+", rf"\g<1>{json.dumps(value)}", text)
    return text


def _written(text: str, study: UserPanel, lacking: Mapping[str, str]) -> str:
    def read(match: re.Match[str]) -> str:
        beside = said(study, match[1])
        words = [HOW[match[1]], *(f"{text[0].upper()}{text[1:]}." for text in beside)]
        return "*How to read this.* " + _plain_markdown(" ".join(words))

    text = _HOW.sub(read, text.replace(_TITLE, _plain_markdown(study.title)))
    return _REASON.sub(lambda match: _plain_markdown(lacking.get(match[1], "")), text)


# --- the source tree -------------------------------------------------------------------------


def assemble(panel: Path, spec: Path, target: Path) -> UserPanel:
    """Write the source tree of a panel's book.

    Parameters
    ----------
    panel, spec : path
    target : path
        Replaced as a whole once everything is written.

    Raises
    ------
    ProblemsError
        With everything that is wrong; nothing is written then.
    """
    problems, study = check(panel, spec)
    if study is None:
        raise ProblemsError([problem for problem in problems if problem.fatal])
    try:
        lacking = missing(study)
    except FtzError as error:
        what = f"the coefficient cannot be estimated: {error}"
        raise ProblemsError([PanelProblem(what, Path(panel).name)]) from None
    root, unfinished = project(), target.with_name(target.name + ".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    _write_tree(root, unfinished, Path(panel), Path(spec), study, lacking)
    shutil.rmtree(target, ignore_errors=True)
    os.replace(unfinished, target)
    return study


def _write_tree(
    root: Path, target: Path, panel: Path, spec: Path, study: UserPanel, lacking: Mapping[str, str]
) -> None:
    (target / "notebooks").mkdir(parents=True)
    (target / "study").mkdir()
    kept_panel = f"panel{panel.suffix.lower()}"
    shutil.copyfile(panel, target / "study" / kept_panel)
    shutil.copyfile(spec, target / "study" / "spec.yml")
    values = {
        "panel": f"../study/{kept_panel}",
        "spec": "../study/spec.yml",
        # a part of the cell, and so of the key under which executed chapters are kept
        "fingerprint": study.digest,
    }
    for name in CHAPTERS:
        text = (root / "notebooks" / "own" / f"{name}.md").read_text("utf-8")
        (target / "notebooks" / f"{name}.md").write_text(
            fill(text, study, lacking, values), encoding="utf-8"
        )
    (target / "book").mkdir()
    for name in ("_static", "library", "library.md", "references.bib", "references.md"):
        (target / "book" / name).symlink_to(root / "book" / name)
    for name in ("lib", "data", "requirements.lock"):  # what the pages' fingerprint covers
        (target / name).symlink_to(root / name)
    _write_settings(root, target, study)


def _write_settings(root: Path, target: Path, study: UserPanel) -> None:
    config = yaml.safe_load((root / "_config.yml").read_text("utf-8"))
    config["title"] = study.title
    config["html"]["announcement"] = ""
    config["exclude_patterns"] = [".*", "**/.*", "_build", "data", "lib", "study", "*.md"]
    sphinx = config["sphinx"]
    sphinx.pop("local_extensions", None)  # of the monograph's own pages
    # what leads to the repository of another book, and to pages that are not there
    for setting in ("bookworks_repository", "bookworks_search", "ftz_quotes_pages"):
        sphinx["config"].pop(setting, None)
    sphinx["config"]["html_theme_options"]["logo"] = {"text": "", "alt_text": "home"}
    (target / "_config.yml").write_text(yaml.safe_dump(config, allow_unicode=True), "utf-8")
    rooms = sorted(path.stem for path in (root / "book" / "library").glob("*.md"))
    library = {"file": "book/library", "sections": [{"file": f"book/library/{r}"} for r in rooms]}
    toc = {
        "format": "jb-book",
        "root": f"notebooks/{CHAPTERS[0]}",
        "chapters": [{"file": f"notebooks/{name}"} for name in CHAPTERS[1:]]
        + [library, {"file": "book/references"}],
    }
    (target / "_toc.yml").write_text(yaml.safe_dump(toc), "utf-8")


# --- the pages -------------------------------------------------------------------------------


def build(panel: Path, spec: Path, out: Path, *, quiet: bool = False) -> Path:
    """Build the book of a panel; return its landing page.

    Parameters
    ----------
    panel, spec : path
    out : path
        Folder for sources and pages.
    quiet : bool
        Pass on nothing that ``jb build`` says, unless it fails.

    Raises
    ------
    ProblemsError
        If panel or spec cannot be used; nothing is written then.
    FtzError
        If a page cannot be built.
    """
    source = out / "source"
    assemble(panel, spec, source)
    jb = Path(sys.executable).with_name("jb")
    command = [
        str(jb),
        "build",
        ".",
        "-n",
        "-W",
        "--keep-going",
        "--path-output",
        str(out.resolve()),
    ]
    run = subprocess.run(
        command,
        cwd=source,
        env={**os.environ, "PYTHONSAFEPATH": "1"},
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
        text=True,
        check=False,
    )
    if run.returncode:
        raise FtzError(
            f"jb build ended with {run.returncode}" + (f"\n{run.stdout}" if quiet else "")
        )
    return out / "_build" / "html" / "index.html"
