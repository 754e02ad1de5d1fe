"""Sphinx extension: under each figure and table, where it comes from.

While a page is read, the outputs of its code cells are noted.  When all pages are read, the
cells are traced (:mod:`bookworks._lineage`), and all that is known becomes one manifest.  From
it come a folded note under each figure and table, which is no part of the search index; the
parts of a page on replication (directive ``bookworks-replication``), and a table of the executed
chapters; a page with the source of each module that a note links to; ``provenance.json``, and
the same as an RO-Crate.

The commit is the last one that changed the chapter or what every chapter rests on; where that
is not yet committed, the note says so.  Only the time of the last commit (or
``SOURCE_DATE_EPOCH``) enters the manifest, never the clock.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from html import escape, unescape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from bookworks import _execution, _keys
from bookworks import _lineage as lineage
from bookworks._errors import BookError, near
from bookworks._files import sha256, write_if_new
from bookworks._release import git


class later(nodes.General, nodes.Element):  # noqa: N801
    """Stands for HTML that is made when all pages are read; holds no text to be indexed."""


# -- reading: the outputs of a page ----------------------------------------------------------


def _page(env: Any, docname: str) -> dict[str, Any]:
    """Return what is known of a page: sources of its cells, outputs, what is filled in later."""
    new: dict[str, Any] = {"cells": [], "items": [], "later": []}
    known: dict[str, Any] = env.metadata[docname].setdefault("bookworks-notes", new)
    return known


def recorded_data(app: Any, docname: str) -> tuple[dict[int, list[str]], dict[str, str]]:
    """Return the data that each code cell opened (under 0, the whole page), and their SHA-256.

    All of it is what the kernel wrote down when it ran; a page that did not run has no data.
    """
    done = app.bookworks.executions.get(docname)
    if done is None:
        return {}, {}
    folder = os.environ.get(f"{app.config.bookworks_prefix}DATA") or Path(app.srcdir, "data")
    start = f"{Path(folder).resolve()}/"  # for the kernel a linked folder is elsewhere
    shown = {
        name: "data/" * name.startswith(start) + name.removeprefix(start)
        for name, state in done.inputs.files.items()
        if state != "missing" and Path(name).suffix not in (".py", ".md", ".ipynb")
    }
    cells = {**done.inputs.cells, "0": shown}
    opened = {int(n): [shown[o] for o in names if o in shown] for n, names in cells.items()}
    return opened, {shown[name]: done.inputs.files[name] for name in shown}


def note_outputs(app: Any, doctree: nodes.document) -> None:
    """Record the figures and tables of a page and leave room for a note under each."""
    classes, docname = app.config.bookworks_classes, app.env.docname
    outputs = {
        node: items
        for node in doctree.findall(nodes.container)
        if node.get("nb_element") == "cell_code_output" and (items := list(_shown(node, classes)))
    }
    if not outputs:
        return
    cells = _execution.read_chapter(app.bookworks.book, docname, "-").notebook.cells
    code = [place for place, cell in enumerate(cells) if cell.cell_type == "code"]
    page = _page(app.env, docname)
    page["cells"] = [cells[place].source for place in code]
    for node, items in outputs.items():
        number = code.index(node.parent["cell_index"]) + 1
        page["items"] += [{"cell": number, **item} for item in items]
        page["later"].append(number)
        node += later(what=number)


def _shown(output: Any, classes: str) -> Iterator[dict[str, str]]:
    """Yield kind, name and caption of the figures and tables in the output of a cell."""
    figures = list(output.findall(nodes.figure))
    for figure in figures:
        caption = " ".join(c.astext() for c in figure.findall(nodes.caption))
        yield {"kind": "figure", "name": "".join(figure["ids"][:1]), "caption": caption}
    inside = [image for figure in figures for image in figure.findall(nodes.image)]
    for image in output.findall(nodes.image):
        if image not in inside:
            yield {"kind": "figure", "name": "", "caption": image.get("alt", "")}
    for html in (raw.astext() for raw in output.findall(nodes.raw)):
        if "<table" in html:
            found = re.search(r"<caption>(.*?)</caption>", html, re.DOTALL)
            caption = unescape(re.sub(r"<[^>]+>", "", found[1])) if found else ""
            yield {"kind": "table", "name": "", "caption": caption}
        elif re.search(rf"<(svg|figure|div class=.{classes})", html):
            yield {"kind": "figure", "name": "", "caption": ""}


# -- the manifest ----------------------------------------------------------------------------


class History:
    """The commits of a folder, if it is a repository and not a part of another one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        top = self._git("rev-parse", "--show-toplevel")
        self.known = bool(top) and Path(top).resolve() == root.resolve()

    def _git(self, *arguments: str) -> str:
        with suppress(OSError, BookError):  # there is no git, or no repository
            return git(self.root, "--no-optional-locks", *arguments)
        return ""

    def commit(self, *paths: str) -> dict[str, object]:
        """Return the last commit that changed the paths, and whether they differ from it."""
        if not self.known:
            return {"commit": "", "changed": False}
        last = self._git("log", "-1", "--format=%H", "--", *paths)
        return {"commit": last, "changed": bool(self._git("status", "--porcelain", "--", *paths))}

    def moment(self) -> datetime:
        """Return the time of the last commit (or SOURCE_DATE_EPOCH), never that of the clock."""
        seconds = os.environ.get("SOURCE_DATE_EPOCH", "")
        if not seconds and self.known:
            seconds = self._git("log", "-1", "--format=%ct")
        return datetime.fromtimestamp(int(seconds or 0), UTC)


def _versions(names: Iterable[str]) -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for name in names:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _places(root: Path, names: Iterable[str]) -> list[dict[str, Any]]:
    found = []
    for place in filter(None, map(lineage.locate, names)):
        path, inside = place.path, place.path.is_relative_to(root)
        file = path.relative_to(root).as_posix() if inside else place.file
        found.append({"name": place.name, "file": file, "line": place.line})
    return found


def _kinds(panels: dict[str, Any]) -> dict[str, str]:
    """Return the pattern of data files to the kind of data, from ``bookworks_panels``."""
    for kind, said in panels.items():
        if not (isinstance(said, list) and said and all(isinstance(one, str) for one in said)):
            form = "is a list: the words of the pages, then patterns of data files"
            raise BookError(f"_config.yml: bookworks_panels: {kind} {form}")
    return {pattern: kind for kind, said in panels.items() for pattern in said[1:]}


def _chapter(app: Any, docname: str, history: History) -> dict[str, Any]:
    config, root, page = app.config, Path(app.srcdir), _page(app.env, docname)
    file = Path(app.env.doc2path(docname)).relative_to(root).as_posix()
    kinds, (opened, hashes) = _kinds(config.bookworks_panels), recorded_data(app, docname)
    known = [app.bookworks.machine, app.bookworks.library, page["cells"], kinds, opened, hashes]
    key = _keys.digest(known)
    if page.get("key") != key:  # what was traced stays with the page
        traces = lineage.trace_cells(
            page["cells"], config.bookworks_packages, kinds=kinds, opened=opened
        )
        page["traced"] = [_traced(root, traces[item["cell"] - 1], hashes) for item in page["items"]]
        page["key"] = key
    uri = app.builder.get_target_uri(docname)
    items = [
        {
            "id": f"{docname}#{item['name'] or item['kind'] + '-' + str(number)}",
            "kind": item["kind"],
            "caption": item["caption"],
            "page": uri,
            "anchor": item["name"] or f"provenance-cell-{item['cell']}",
            "cell": item["cell"],
            **traced,
        }
        for number, (item, traced) in enumerate(
            zip(page["items"], page["traced"], strict=True), start=1
        )
    ]
    about = {"title": app.env.titles[docname].astext(), "file": file, "page": uri}
    return {**about, **history.commit(file, *config.bookworks_inputs), "items": items}


def _traced(root: Path, trace: lineage.Trace, hashes: Mapping[str, str]) -> dict[str, Any]:
    """Return what stands behind an output, as it stands in the manifest."""
    # of a file outside the repository only the name is told
    data = {Path(f).name if Path(f).is_absolute() else f: hashes[f] for f in trace.files}
    drawing = [f for f in trace.functions if lineage.declared(f).get("role") == "drawing"]
    return {
        "fed_by": list(trace.feeding),
        "drawn_by": _places(root, drawing),
        "computed_by": _places(root, [f for f in trace.functions if f not in drawing]),
        "panels": list(trace.panels) or [lineage.NONE],
        "data": dict(sorted(data.items())),
        "seeds": list(trace.seeds),
    }


def _reading(env: Any) -> list[str]:
    """Return all pages in reading order, those outside the table of contents last."""
    return list(dict.fromkeys([*env.collect_relations(), *sorted(env.found_docs)]))


def complete(app: Any, env: Any) -> None:
    """Make the manifest when all pages are read."""
    config, root = app.config, Path(app.srcdir)
    history = History(root)
    holding = [page for page in _reading(env) if _page(env, page)["items"]]
    env.bookworks_manifest = {
        "book": config.html_title or config.project,
        "author": config.author,
        "license": config.bookworks_license,
        **history.commit(),
        "date": history.moment().isoformat(),
        "fingerprint": _keys.digest([sys.version, _keys.tree(root, config.bookworks_inputs)])[:16],
        "versions": _versions(config.bookworks_versions),
        "chapters": {page: _chapter(app, page, history) for page in holding},
    }


def page_inputs(app: Any, docname: str) -> list[str]:
    """Return all that enters a page when it is written: its HTML, and what that links to."""
    waiting = _page(app.env, docname)["later"] if app.builder.format == "html" else []
    html = "".join(fragment(app, docname, what) for what in waiting)
    code = {source_page(file): path for file, path in _sources(app).items()} if html else {}
    return [html, *(sha256(path) for page, path in code.items() if f"{page}.html#" in html)]


# -- the notes -------------------------------------------------------------------------------


def fragment(app: Any, docname: str, what: int | str) -> str:
    """Return the HTML of a note (the number of its cell) or of a part of the replication page."""
    return PARTS[what](app, docname) if isinstance(what, str) else _note(app, docname, what)


def commit_in_words(part: dict[str, Any]) -> str:
    """Say which state of the repository a page was made from."""
    if not part["commit"]:
        return "not under version control"
    start = f"commit {part['commit'][:10]}"
    return f"{start}, with changes not committed" if part["changed"] else start


def _panels(app: Any, item: dict[str, Any]) -> str:
    known = app.config.bookworks_panels
    return escape(", ".join(said[0] for kind, said in known.items() if kind in item["panels"]))


def _functions(app: Any, docname: str, places: Iterable[dict[str, Any]]) -> str:
    links = []
    for place in places:
        page = app.builder.get_relative_uri(docname, source_page(place["file"]))
        alone = len(app.config.bookworks_packages) == 1
        name = escape(place["name"].partition(".")[2] if alone else place["name"])
        links.append(f'<a href="{page}#line-{place["line"]}"><code>{name}</code></a>')
    return ", ".join(links)


def _note(app: Any, docname: str, cell: int) -> str:
    manifest = app.env.bookworks_manifest
    chapter = manifest["chapters"][docname]
    item = next(item for item in chapter["items"] if item["cell"] == cell)
    fed, files, seeds = item["fed_by"], item["data"].items(), item["seeds"]
    feeding = f", on results of cell{'s'[: len(fed) - 1]} {', '.join(map(str, fed))}" if fed else ""
    rows = {
        "Program": f"{escape(chapter['file'])}, code cell {cell}{feeding}",
        "Drawn by": _functions(app, docname, item["drawn_by"]),
        "Computed by": _functions(app, docname, item["computed_by"]),
        "Panel": _panels(app, item),
        "Data (SHA-256)": ", ".join(f"{escape(f)} <code>{h[:12]}</code>" for f, h in files),
        "Seed": ", ".join(f"<code>{escape(seed)}</code>" for seed in seeds),
        "State": commit_in_words(chapter),
        "Versions": ", ".join(f"{name} {number}" for name, number in manifest["versions"].items()),
    }
    said = "".join(f"<dt>{term}</dt><dd>{words}</dd>" for term, words in rows.items() if words)
    return (
        f'<details class="{app.config.bookworks_classes}provenance" id="provenance-cell-{cell}">'
        f"<summary>Where this comes from (cell {cell})</summary><dl>{said}</dl></details>\n"
    )


# -- the page on replication -----------------------------------------------------------------


class Replication(SphinxDirective):
    """``{bookworks-replication} data``: a part of the page on replication, from the manifest."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        part = self.arguments[0]
        if part not in PARTS:
            raise self.error(f"no part {part!r}{near(part, PARTS)}: there are {', '.join(PARTS)}")
        _page(self.env, self.env.docname)["later"].append(part)
        return [later(what=part)]


def _table(
    app: Any, caption: str, head: str, rows: Iterable[Iterable[object]], filters: str = ""
) -> str:
    """Return a table of cells that are HTML already; ``filters`` are the columns to choose by."""
    classes = app.config.bookworks_classes
    above = f'<caption><span class="{classes}caption">{caption}</span></caption>' * bool(caption)
    cells = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows)
    heads = "".join(f'<th scope="col">{words}</th>' for words in head.split(" | "))
    chosen = f' data-{classes}filter="{filters}"' if filters else ""
    return (
        f'<div class="{classes}table {classes}replication"{chosen}><table class="table">'
        f"{above}<thead><tr>{heads}</tr></thead><tbody>{cells}</tbody></table></div>\n"
    )


def _every(app: Any, docname: str) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield each figure and table with its chapter, after the address of that."""
    for page, chapter in app.env.bookworks_manifest["chapters"].items():
        for item in chapter["items"]:
            yield app.builder.get_relative_uri(docname, page), chapter, item


def _map(app: Any, docname: str) -> str:
    rows = (
        (
            escape(chapter["title"]),
            item["kind"],
            f'<a href="{page}#{item["anchor"]}">'
            f"{escape(item['caption'] or 'output of cell ' + str(item['cell']))}</a>",
            f"{escape(chapter['file'])}, cell {item['cell']}",
            _functions(app, docname, item["drawn_by"] + item["computed_by"]),
            _panels(app, item),
        )
        for page, chapter, item in _every(app, docname)
    )
    head = "chapter | kind | what it shows | program | functions of the library | panel"
    caption = "Every figure and table of this build, and the program that makes it"
    return _table(app, caption, head, rows, "0,1,5")


def _sheet(root: Path, file: str) -> dict[str, str]:
    """Return what the nearest DATASHEET.md says of a file: each heading's first line."""
    for folder in Path(file).parents:
        path = root / folder / "DATASHEET.md"
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
            title, _, body = section.partition("\n")
            if Path(file).relative_to(folder).as_posix() in re.findall(r"[\w./{},*-]+\.\w+", title):
                return dict(re.findall(r"\*\*([^*]+)\.\*\*\s*(.+)", body.replace("`", "")))
    return {}


def _data(app: Any, docname: str) -> str:
    """Return the table of data files: source, terms, hash, and the chapters that use each."""
    users: dict[tuple[str, str], dict[str, None]] = {}
    for page, chapter, item in _every(app, docname):
        for pair in item["data"].items():
            users.setdefault(pair, {})[f'<a href="{page}">{escape(chapter["title"])}</a>'] = None
    rows = (
        (
            escape(file).replace("/", "/<wbr>").replace("_", "_<wbr>"),
            *(escape(_sheet(Path(app.srcdir), file).get(key, "")) for key in ("Source", "Terms")),
            f"<code>{digest[:16]}</code>",
            f'<div class="{app.config.bookworks_classes}wide">{", ".join(links)}</div>',
        )
        for (file, digest), links in sorted(users.items())
    )
    head = "file | source | terms | SHA-256, first digits | used by figures and tables of"
    return _table(app, "Data files behind figures and tables", head, rows)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _requirements(app: Any, docname: str) -> str:
    """Return the state of the build, its measured times, and the locked versions of packages."""
    root, manifest = Path(app.srcdir), app.env.bookworks_manifest
    kinds = [item["kind"] for _, _, item in _every(app, docname)]
    measured = re.search(
        r"<!-- benchmark:start.*?-->(.*?)<!-- benchmark:end -->",
        _read(root / "README.md"),
        re.DOTALL,
    )
    times = measured[1] if measured else ""
    machine = re.findall(r"^Measured on (.+)\.$", times, re.MULTILINE)[:1]
    state = [
        ("State of the repository", commit_in_words(manifest)),
        ("Fingerprint of library, data and lock file", f"<code>{manifest['fingerprint']}</code>"),
        ("Figures and tables in this build", f"{kinds.count('figure')} and {kinds.count('table')}"),
        ("Python of this build", manifest["versions"]["Python"]),
        *(
            (f"Seconds for a build: {escape(what)}", seconds)
            for what, seconds in re.findall(r"^\| (.+?) \| ([\d.]+) \|", times, re.MULTILINE)
        ),
        *(("Measured on", escape(words)) for words in machine),
    ]
    project = tomllib.loads(_read(root / "pyproject.toml")).get("project", {})
    lines = re.findall(r"^([\w.-]+)==([^\s;\\]+)", _read(root / "requirements.lock"), re.MULTILINE)
    asked = [re.split(r"[\[=<>~! ]", line)[0] for line in project.get("dependencies", ())]
    packages = [(name, dict(lines)[name]) for name in asked if name in dict(lines)]
    caption = "Packages that the book declares, in the versions of the lock file"
    return _table(app, "This build", "what | value", state) + _table(
        app, caption, "package | version", packages
    )


def _status(app: Any, docname: str) -> str:
    """Return the table of executed chapters: no time stands in it, so the bytes stay the same."""
    rows, done, total = [], app.bookworks.executions, [0, 0]
    for page in filter(done.__contains__, _reading(app.env)):
        address, title = app.builder.get_relative_uri(docname, page), app.env.titles[page].astext()
        cells = done[page].outputs
        counts = [len(cells), sum(len(cell["outputs"]) for cell in cells)]
        total = [one + more for one, more in zip(total, counts, strict=True)]
        rows.append((f'<a href="{address}">{escape(title)}</a>', *counts, "without an error"))
    rows.append(("All", *total, ""))
    return _table(app, "", "Chapter | Code cells | Outputs | Executed", rows)


PARTS: Mapping[str, Callable[[Any, str], str]] = {
    "map": _map,
    "data": _data,
    "requirements": _requirements,
    "status": _status,
}


# -- pages of source, and the manifest's files -----------------------------------------------


def source_page(file: str) -> str:
    """Return the page that shows a file of a library: ``code/tea/harvest``."""
    return "code/" + re.sub(r"^(lib|src)/|\.py$", "", file)


def _sources(app: Any) -> dict[str, Path]:
    """Return the files of the libraries that notes link to."""
    items = [item for _, _, item in _every(app, app.config.root_doc)]
    places = (place for item in items for place in item["drawn_by"] + item["computed_by"])
    named = dict(sorted((place["file"], place["name"]) for place in places))
    found = {}
    for file, name in named.items():
        path, place = Path(app.srcdir, file), None
        if not path.is_file() and (place := lineage.locate(name)):  # installed elsewhere
            path = place.path
        if path.is_file():
            found[file] = path
    return found


def write_sources(app: Any) -> Iterator[tuple[str, dict[str, str], str]]:
    """Yield a page for each module that a note links to, where it is not there as it would be."""
    sources = _sources(app) if app.builder.format == "html" else {}
    kept = {Path(app.builder.get_outfilename(source_page(file))) for file in sources}
    for package in app.config.bookworks_packages:
        for path in {*Path(app.outdir, "code", package).rglob("*.html")} - kept:
            path.unlink()
    state = app.bookworks
    for file, path in sources.items():
        written = Path(app.builder.get_outfilename(source_page(file)))
        key = state.machine, state.shared, _keys.state(path)
        if not state.is_made(written, *key):
            yield _source(app, file, path)
            state.note_made(written, *key)


def _source(app: Any, file: str, path: Path) -> tuple[str, dict[str, str], str]:
    text = path.read_text(encoding="utf-8")
    body = app.builder.highlighter.highlight_block(text, "python", lineanchors="line")
    # a place to point at, not a link of its own, which would need a name
    body = re.sub(r'<a id="(line-\d+)"[^>]*></a>', r'<span id="\1"></span>', body)
    title = escape(re.sub(r"^(lib|src)/", "", file))
    return source_page(file), {"title": title, "body": f"<h1>{title}</h1>{body}"}, "page.html"


def write_manifest(app: Any, exception: Exception | None) -> None:
    if exception or app.builder.format != "html":
        return
    manifest = app.env.bookworks_manifest
    files = {"provenance.json": manifest, "ro-crate-metadata.json": crate(manifest)}
    for name, content in files.items():
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        write_if_new(Path(app.outdir, name), text)


def crate(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest as an RO-Crate: pages, data, functions and what made what."""
    from rocrate.model.contextentity import ContextEntity
    from rocrate.rocrate import ROCrate

    book, code = ROCrate(), "SoftwareSourceCode"

    def entity(key: str, kind: str, **properties: object) -> Any:
        known = book.dereference(f"#{key}")
        return known or book.add(ContextEntity(book, f"#{key}", {"@type": kind, **properties}))

    book.name, book.license = manifest["book"], manifest["license"]
    book.description = "The built pages, and what made each figure and table on them."
    book.datePublished = datetime.fromisoformat(manifest["date"])
    author = entity("authors", "Organization", name=manifest["author"] or "unnamed")
    book.root_dataset["author"] = author
    if manifest["commit"]:
        book.root_dataset["version"] = manifest["commit"]
    for page, part in manifest["chapters"].items():
        title, state = part["title"], part["commit"] or "not under version control"
        about = {"name": title, "encodingFormat": "text/html"}
        book.add_file(dest_path=part["page"], properties=about)
        program = entity(part["file"], code, name=title, version=state)
        for item in part["items"]:
            name, caption = item["id"], item["caption"] or item["id"]
            seeds = f"; seeds: {', '.join(item['seeds'])}" if item["seeds"] else ""
            does = f"panel: {', '.join(item['panels'])}{seeds}"
            places = item["drawn_by"] + item["computed_by"]
            functions = {p["name"]: p["file"] for p in places}.items()
            by = [entity(f, code, name=f, isPartOf=file) for f, file in functions]
            url, kind = f"{item['page']}#{item['anchor']}", item["kind"]
            made = entity(name, "CreativeWork", name=caption, url=url, additionalType=kind)
            data = [entity(f, "Dataset", name=f, sha256=h) for f, h in item["data"].items()]
            about = {"name": f"{page}, code cell {item['cell']}", "description": does}
            book.add_action([program, *by], f"#making:{name}", data, made, about)
    return book.metadata.generate()  # type: ignore[no-any-return]


def visit(writer: Any, node: later) -> None:
    writer.body.append(fragment(writer.builder.app, writer.builder.current_docname, node["what"]))
    raise nodes.SkipNode


def skip(writer: Any, node: later) -> None:
    raise nodes.SkipNode


def setup(app: Any) -> None:
    others = {name: (skip, None) for name in ("latex", "text", "man", "texinfo")}
    app.add_node(later, html=(visit, None), **others)
    app.add_directive("bookworks-replication", Replication)
    static = str(Path(__file__).with_name("static"))
    app.connect("builder-inited", lambda app: app.config.html_static_path.append(static))
    app.add_css_file("bookworks-notes.css")
    app.connect("doctree-read", note_outputs)
    app.connect("env-updated", complete)
    app.connect("bookworks-write", page_inputs)
    app.connect("html-collect-pages", write_sources)
    app.connect("build-finished", write_manifest)
