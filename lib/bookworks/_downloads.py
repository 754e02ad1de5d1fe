"""Sphinx extension: every page with code as a notebook, to download and to launch.

``_notebooks/PAGE.ipynb`` beside the pages holds the cells with the outputs that the page shows,
and its text with the numbers in it, in Markdown that any Jupyter shows.  Its first cell installs
the library and the data, which lie beside it as one file (:mod:`bookworks._wheel`).  Cells of
solutions are marked; :mod:`bookworks._students` makes the students' notebooks from these.

Launch buttons stand where ``bookworks_repository`` is set: Binder opens the page's text, Colab
what the branch ``bookworks_notebooks_branch`` holds, a copy of ``_notebooks``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nbformat
from sphinx.errors import ConfigError

from bookworks import _keys, _wheel
from bookworks._checker import KEY
from bookworks._execution import MOST_OUTPUT, fill
from bookworks._files import holds_code, read_text, write_if_new
from bookworks._pages import glue_file
from bookworks.book import NOTEBOOKS

_HEADER = """\
> **A chapter of *{book}*, as a notebook.**
> Text and outputs are those of the page; `{file}` is its source.
> To run it, """
_CHECKOUT = """\
build the book in its checkout and choose the Python of its environment as the kernel."""
_BESIDE = """\
run the next cell; `{wheel}` must lie in this folder (the page offers it)."""
_RELEASE = "run the next cell, which fetches the library and its data from <{repository}>."
_INSTALL = """\
# Only where the library is missing: it, its data, and what it needs in the versions of the page.
import importlib.util
if importlib.util.find_spec("{package}") is None:
    %pip install --quiet {wheel}"""
_GLUE = """\
# What pastes numbers into the page's text has nothing to do where MyST-NB is missing.
import importlib.util, sys, types
if importlib.util.find_spec("myst_nb") is None:
    sys.modules["myst_nb"] = types.SimpleNamespace(glue=lambda name, value, display=True: None)"""


# -- MyST in the Markdown of any Jupyter -------------------------------------------------

_FENCE = r"^(?P<fence>`{3,}|:{3,})"
_BODY = r"[^\n]*\n(?P<body>.*?)^(?P=fence)[ \t]*$"
_DIRECTIVE = re.compile(_FENCE + r"\{(?P<name>[\w:-]+)\}(?P<title>[^\n]*)" + _BODY, re.M | re.S)
_HINT = re.compile(_FENCE + r"\{hint\}" + _BODY, re.M | re.S)
_SOLUTION = re.compile(
    _FENCE + r"\{solution(?P<part>-start|-end|)\}[ \t]*(?P<label>\S*)" + _BODY, re.M | re.S
)
_OPTIONS = re.compile(r"\A(?:---\n.*?\n---\n|(?::[\w-]+:[^\n]*\n)+)", re.S)
_ROLE = re.compile(r"\{(?P<role>[\w:-]+)\}`(?P<text>[^`]*)`")
_OWN_TITLE = re.compile(r"(?P<said>.*?)\s*<(?P<target>[^<>]*)>", re.S)


@dataclass
class Plain:
    """Turns MyST into Markdown that reads well without it, by what Sphinx knows of the book."""

    env: Any  #: Sphinx's environment, after all pages are read
    docname: str  #: the page whose text it is
    #: label of an exercise to the text of its ``{hint}`` block; grows as text is turned
    hints: dict[str, str] = field(default_factory=dict)
    glued: dict[Any, Any] = field(default_factory=dict, repr=False)  #: what pages glued

    def __call__(self, text: str) -> str:
        """Return the text with the words of roles and directives in their place."""
        text = re.sub(r"^(?:\([\w:-]+\)=|%[^\n]*)\n", "", text, flags=re.M)
        text = _DIRECTIVE.sub(self._directive, text)
        text = _ROLE.sub(self._role, text)
        tagged = r"\$\$[ \t]*\(([\w:-]+)\)[ \t]*$"
        text = re.sub(tagged, lambda m: f"\\tag{{{self._equation(m[1])}}}\n$$", text, flags=re.M)
        return re.sub(
            r"(?<!!)\[([^\]\n]+)\]\([\w./-]+\.(?:md|rst|ipynb|html)(?:#[^)\s]*)?\)", r"\1", text
        )

    def _directive(self, found: re.Match[str]) -> str:
        name, title, body = found["name"], found["title"].strip(), found["body"]
        options = _OPTIONS.match(body)
        body = body[options.end() if options else 0 :].strip("\n")
        label = re.search(r"^:?(?:label|name): *(\S+)", options[0] if options else "", re.M)
        if name == "math":
            tag = f" \\tag{{{self._equation(label[1])}}}" if label else ""
            return f"$$\n{body}{tag}\n$$"
        if name == "exercise" and label:
            title = f"{self.name(label[1])} ({title})" if title else self.name(label[1])
            if hint := _HINT.search(body):
                self.hints[label[1]] = " ".join(self(hint["body"]).split())
        elif name in ("grid", "tab-set", "div", "figure", "image"):
            title = ""
        elif name not in ("admonition", "dropdown", "card", "grid-item-card", "tab-item"):
            body = f"{title}\n\n{body}".strip() if body else title
            title = name.capitalize()
        body = self(body)
        if not title:
            return body
        quoted = "".join(f"\n> {line}".rstrip(" ") for line in body.splitlines())
        return f"> **{self(title)}**\n>{quoted}"

    def _role(self, found: re.Match[str]) -> str:
        role, text = found["role"], found["text"]
        titled = _OWN_TITLE.fullmatch(text)
        said, target = (titled["said"], titled["target"]) if titled else ("", text)
        if role.startswith("glue"):
            return self._glued(text)
        if role.startswith("cite"):
            cited = [self._cited(key.strip(), ":t" in role) for key in text.split(",")]
            return "; ".join(cited) if ":t" in role else f"[{'; '.join(cited)}]"
        if role == "eq":
            return f"({self._equation(target)})"
        if role in ("ref", "numref", "doc", "prf:ref"):
            return said if said and "%s" not in said else self.name(target)
        if role in ("func", "class", "meth", "mod", "attr", "py:func", "py:class", "py:mod"):
            return f"`{said or target.lstrip('~!')}`"
        return f"${text}$" if role == "math" else said or text

    def name(self, target: str) -> str:
        """Return the number or the title under which a page shows a label."""
        standard = self.env.domaindata["std"]
        docname, anchor = standard["anonlabels"].get(target, ("", target))[:2]
        for kind, numbered in self.env.toc_fignumbers.get(docname, {}).items():
            if anchor in numbered:
                form = self.env.config.numfig_format.get(kind, "%s")
                return str(form) % ".".join(map(str, numbered[anchor]))
        if target in standard["labels"]:
            return f"*{standard['labels'][target][2]}*"
        title = self.env.titles.get(self._page(target)) or self.env.titles.get(target)
        return f"*{title.astext() if title else target}*"

    def _page(self, file: str) -> Any:
        return self.env.path2doc(self.env.relfn2path(file, self.docname)[1])

    def _equation(self, label: str) -> str:
        return str(self.env.domaindata["math"]["objects"].get(label, ("", label))[1])

    def _cited(self, key: str, textual: bool) -> str:
        data = self.env.domaindata.get("cite", {}).get("bibdata")
        entry = data.data.entries.get(key) if data else None
        if entry is None:
            return key
        people = entry.persons.get("author") or entry.persons.get("editor") or []
        names = [" ".join(map(str, person.rich_last_names)) for person in people]
        who = " and ".join(names) if len(names) < 3 else f"{names[0]} et al."
        year = entry.fields.get("year", "n.d.")
        return f"{who or key} [{year}]" if textual else f"{who or key}, {year}"

    def _glued(self, text: str) -> str:
        from myst_nb.core.variables import format_plain_text

        file, _, rest = text.rpartition("::")
        page = self._page(file) if file else self.docname
        if page not in self.glued:
            path = glue_file(self.env, page)
            self.glued[page] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        known = self.glued[page]
        key, _, form = (rest, "", "") if rest in known else rest.rpartition(":")
        plain = known.get(key, {}).get("data", {}).get("text/plain")
        return f"⟨{key or rest}⟩" if plain is None else str(format_plain_text(plain, form))


# -- the notebook of a page --------------------------------------------------------------


def pieces(notebook: Any) -> Iterator[tuple[str, Any]]:
    """Yield the cells of a chapter and the texts between them, each with the exercise it solves."""
    label = ""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            yield label, cell
            continue
        text = cell.source
        while found := _SOLUTION.search(text):
            yield label, text[: found.start()]
            text, label = text[found.end() :], found["label"]
            if not found["part"]:
                yield label, _OPTIONS.sub("", found["body"])
                label = ""
        yield label, text


def executed(app: Any, docname: str) -> Any:
    """Return a page as a notebook, with the outputs of its execution if there was one."""
    from myst_nb.core.read import create_nb_reader

    env, path = app.env, app.env.doc2path(docname)
    text = read_text(Path(path), MOST_OUTPUT)
    page = create_nb_reader(path, env.myst_config, env.mystnb_config, text).read(text)
    execution = app.bookworks.executions.get(docname)
    return fill(page, execution) if execution else page


def notebook(app: Any, docname: str) -> Any:
    plain, chapter = Plain(app.env, docname), executed(app, docname)
    cells, begun = list(_before(app, docname, chapter)), ""
    for label, piece in pieces(chapter):
        marked = {}
        if label:
            about = {"solution": label, "name": plain.name(label), "hint": plain.hints.get(label)}
            marked[KEY] = {key: words for key, words in about.items() if words}
        if label and label != begun:
            cells.append(new_cell("markdown", f"**Solution** of {plain.name(label)}.", marked))
        begun = label
        text = piece if isinstance(piece, str) else _caption(piece, plain)
        if not isinstance(piece, str):
            tags = {"tags": piece.metadata["tags"]} if "tags" in piece.metadata else {}
            outputs = [output for output in piece.outputs if not _is_glue(output)]
            count = piece.execution_count if outputs else None
            cells.append(new_cell("code", piece.source, marked | tags, outputs, count))
        if text := plain(text).strip():
            cells.append(new_cell("markdown", text, marked))
    return new_notebook(cells)


def new_notebook(cells: Iterable[Any]) -> Any:
    """Return a notebook of cells, which get numbers for names: never random ones."""
    named = [{**cell, "id": f"cell-{number}"} for number, cell in enumerate(cells)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    content = {"cells": named, "metadata": {"kernelspec": kernel}}
    return nbformat.from_dict({**content, "nbformat": 4, "nbformat_minor": 5})


def new_cell(
    kind: str, source: str, metadata: Any = None, outputs: Any = (), count: int | None = None
) -> dict[str, Any]:
    """Return a cell; nbformat's own constructors validate each, which takes seconds."""
    code = {"outputs": list(outputs), "execution_count": count} if kind == "code" else {}
    return {"cell_type": kind, "source": source.strip(), "metadata": metadata or {}, **code}


def _before(app: Any, docname: str, chapter: Any) -> Iterator[Any]:
    """Yield the cells that say where a notebook is from and make it run."""
    sources = [cell.source for cell in chapter.cells if cell.cell_type == "code"]
    own = any(re.search(r"^(?:from|import) bookworks\b", one, re.M) for one in sources)
    # what is about the machinery needs the book's own folder, which no wheel holds
    address, packed = repository(app.config), "" if own else _wheel.name(app.bookworks.book)
    place = f"{address}/raw/{app.config.bookworks_notebooks_branch}/" if address else ""
    names = {"repository": address, "wheel": place + packed}
    said = _CHECKOUT if not packed else _RELEASE if address else _BESIDE
    book = app.config.html_title or app.config.project
    header = _HEADER.format(book=book, file=app.env.doc2path(docname, base=False))
    yield new_cell("markdown", header + said.format(**names))
    if packed:
        install = _INSTALL.format(package=app.config.bookworks_packages[0], **names)
        yield new_cell("code", install, {"tags": ["hide-cell"]})
    if any("myst_nb" in one for one in sources):
        yield new_cell("code", _GLUE, {"tags": ["hide-cell"]})


def _is_glue(output: Any) -> bool:
    data = output.get("data", {})
    return bool(data) and all(kind.startswith("application/papermill.record/") for kind in data)


def _caption(cell: Any, plain: Plain) -> str:
    figure = {"name": "", "caption": ""} | cell.metadata.get("mystnb", {}).get("figure", {})
    number = f"**{plain.name(figure['name'])}.** " if figure["name"] else ""
    return f"{number}{figure['caption']}"


# -- on the page -------------------------------------------------------------------------


def repository(config: Any) -> str:
    """Return the address of the repository, checked; nothing where none is set."""
    address: str = str(config.bookworks_repository).rstrip("/").removesuffix(".git")
    if address and not re.fullmatch(r"https://github\.com/[^/]+/[^/]+", address):
        raise ConfigError(
            f"bookworks_repository is {config.bookworks_repository!r}: Binder and Colab are told "
            "https://github.com/OWNER/NAME; leave it empty for a book without launch buttons"
        )
    return address


def launchers(config: Any, docname: str, file: str) -> list[dict[str, str]]:
    """Return the launch buttons of a page; none without a repository."""
    place = repository(config).removeprefix("https://github.com/")
    branch = (config.html_theme_options or {}).get("repository_branch") or "main"
    lab = quote(f"lab/tree/{file}", safe="")
    name = quote(f"{config.bookworks_notebooks_branch}/{docname}.ipynb")
    addresses = {
        "Binder": f"https://mybinder.org/v2/gh/{place}/{branch}?urlpath={lab}",
        "Colab": f"https://colab.research.google.com/github/{place}/blob/{name}",
    }
    return [
        _button("rocket", f"launch-{name.lower()}", f"Run this chapter on {name}", name, address)
        for name, address in (addresses if place else {}).items()
    ]


def write_notebooks(app: Any, exception: Exception | None) -> None:
    """Write the notebook of every page with code, and the wheel; leave equal files alone."""
    if exception or app.builder.format != "html":
        return
    folder, state = Path(app.outdir, NOTEBOOKS), app.bookworks
    kept = set()
    if packed := _wheel.name(state.book):
        read = sorted({name for one in state.executions.values() for name in one.inputs.files})
        key = _keys.tree(state.book.root, [*state.book.setting("inputs"), *read]), state.machine
        if not state.is_made(folder / packed, *key):
            _wheel.write(state.book, folder, read)
            state.note_made(folder / packed, *key)
        kept.add(folder / packed)
    for docname in sorted(app.env.found_docs):
        if holds_code(Path(app.env.doc2path(docname))):
            target = folder / f"{docname}.ipynb"
            key = state.read[docname], state.write[docname]
            if not state.is_made(target, *key):
                write_if_new(target, nbformat.writes(notebook(app, docname)) + "\n")
                state.note_made(target, *key)
            kept.add(target)
    for old in {*folder.rglob("*.ipynb"), *folder.glob("*.whl")} - kept:
        old.unlink()


def add_buttons(app: Any, pagename: str, template: str, context: Any, doctree: Any) -> None:
    """Put the download, and the launchers where they are known, into the page's header."""
    if doctree is None or not holds_code(Path(app.env.doc2path(pagename))):
        return
    address = context["pathto"](f"{NOTEBOOKS}/{pagename}.ipynb", 1)
    links = [_button("code", "download-notebook", "Download the notebook", ".ipynb", address)]
    if packed := _wheel.name(app.bookworks.book):
        address, told = context["pathto"](f"{NOTEBOOKS}/{packed}", 1), "its library and data"
        links.append(_button("box", "download-library", f"Download {told}", ".whl", address))
    buttons: list[Any] = context.setdefault("header_buttons", [])
    groups = [button for button in buttons if button.get("label") == "download-buttons"]
    (groups[0]["buttons"] if groups else buttons)[:0] = links
    if launch := launchers(app.config, pagename, app.env.doc2path(pagename, base=False)):
        group = {"type": "group", "tooltip": "Run this chapter", "icon": "fas fa-rocket"}
        buttons.insert(0, {**group, "buttons": launch, "label": "launch-buttons"})


def _button(icon: str, label: str, tooltip: str, text: str, url: str) -> dict[str, str]:
    shown = {"icon": f"fas fa-{icon}", "label": f"{label}-button", "tooltip": tooltip}
    return {"type": "link", "url": url, "text": text, **shown}


def setup(app: Any) -> None:
    app.connect("config-inited", lambda _, config: repository(config))
    app.connect("html-page-context", add_buttons, priority=900)
    app.connect("build-finished", write_notebooks)
