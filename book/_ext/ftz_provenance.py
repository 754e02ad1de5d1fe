"""Sphinx extension: under each figure and table, where it comes from.

While a page is read, the outputs of its code cells are noted and traced back through the
cells by :mod:`ftz.provenance`: to functions, panel, data files and seeds.  When all pages
are read there is one manifest.  From it come

* a folded note under each figure and table, which is no part of the search index;
* ``provenance.json`` beside the pages, and the same as an RO-Crate,
  ``ro-crate-metadata.json``, in the words that research archives read;
* the parts of the replication chapter (directive ``ftz-replication``);
* pages with the source of each module that a note links to.

The commit is the last one that changed the chapter or what every chapter rests on
(``lib/``, ``data/``, ``requirements.lock``); where that is not yet committed, the note
says so.  Only the time of the last commit enters the manifest, never the clock.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from html import escape, unescape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from ftz import provenance
from ftz.fingerprint import INPUTS, digest
from ftz.tables import caption_html

#: Packages whose version can change a number or a picture.
PACKAGES = ("numpy", "scipy", "pandas", "statsmodels", "linearmodels", "diff-diff", "matplotlib")

#: What the pages call the kinds of panel.
PANELS = {
    provenance.WITNESS: "witness panel",
    provenance.SIMULATED: "simulated",
    provenance.OWN: "the reader's own",
    provenance.PUBLIC: "public data",
    provenance.NONE: "no panel",
}


class provenance_note(nodes.General, nodes.Element):  # noqa: N801
    """Stands under an output until the page is written; holds no text to be indexed."""


class replication_part(nodes.General, nodes.Element):  # noqa: N801
    """Stands in the replication chapter until the manifest is complete."""


# -- reading: the outputs of a page -------------------------------------------------------


def code_cells(env, docname: str) -> dict[int, tuple[int, str]]:
    """Return number and source of a page's code cells, by their place among all cells."""
    from myst_nb.core.read import create_nb_reader

    path = Path(env.doc2path(docname))
    text = path.read_text(encoding="utf-8")
    reader = create_nb_reader(str(path), env.myst_config, env.mystnb_config, text)
    cells = reader.read(text).cells if reader is not None else []
    places = [place for place, cell in enumerate(cells) if cell.cell_type == "code"]
    return {place: (n, cells[place].source) for n, place in enumerate(places, start=1)}


def shown(output: nodes.Element) -> Iterator[dict[str, str]]:
    """Yield kind, name and caption of the figures and tables in the output of a cell."""
    for figure in output.findall(nodes.figure):
        captions = [c.astext() for c in figure.findall(nodes.caption)]
        name = figure["ids"][0] if figure["ids"] else ""
        yield {"kind": "figure", "name": name, "caption": " ".join(captions)}
    for image in output.findall(nodes.image):
        if not _inside(image, nodes.figure):
            yield {"kind": "figure", "name": "", "caption": image.get("alt", "")}
    for raw in output.findall(nodes.raw):
        if "<table" in raw.astext():
            found = re.search(r"<caption>(.*?)</caption>", raw.astext(), re.DOTALL)
            caption = unescape(re.sub(r"<[^>]+>", "", found[1])) if found else ""
            yield {"kind": "table", "name": "", "caption": caption}
        elif re.search(r"<(svg|figure|div class=.ftz-)", raw.astext()):
            yield {"kind": "figure", "name": "", "caption": ""}


def _inside(node: nodes.Node, kind: type) -> bool:
    while node is not None and not isinstance(node, kind):
        node = node.parent
    return node is not None


def note_outputs(app, doctree: nodes.document) -> None:
    """Record the figures and tables of a page and put a note under each."""
    docname = app.env.docname
    outputs = [
        (cell["cell_index"], output)
        for cell in doctree.findall(nodes.container)
        if cell.get("nb_element") == "cell_code"
        for output in cell.children
        if isinstance(output, nodes.container) and output.get("nb_element") == "cell_code_output"
    ]
    found = [(place, output, list(shown(output))) for place, output in outputs]
    found = [item for item in found if item[2]]
    if not found:
        return
    cells = code_cells(app.env, docname)
    traces = provenance.trace_cells([source for _, source in cells.values()])
    items = _items(app)[docname] = []
    for place, output, things in found:
        number = cells[place][0]
        items += [{"trace": traces[number - 1], **thing} for thing in things]
        output += provenance_note(cell=number)


def _items(app) -> dict[str, list[dict]]:
    if not hasattr(app.env, "ftz_items"):
        app.env.ftz_items = {}
    return app.env.ftz_items


def forget(app, env, docname: str) -> None:
    """Drop the records of a page that is read again or gone."""
    _items(app).pop(docname, None)
    getattr(env, "ftz_replication", set()).discard(docname)


# -- the manifest -------------------------------------------------------------------------


def git(root: Path, *arguments: str) -> str:
    """Return what git says of this repository; nothing where there is none."""
    try:
        run = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return run.stdout.strip() if run.returncode == 0 else ""


class History:
    """The commits of the repository, if the book's folder is one."""

    def __init__(self, root: Path) -> None:
        top = git(root, "rev-parse", "--show-toplevel")
        self.root = root if top and Path(top).resolve() == root.resolve() else None
        self.changed = self._changed()

    def _changed(self) -> list[str]:
        if self.root is None:
            return []
        lines = git(self.root, "-c", "core.quotePath=false", "status", "--porcelain").splitlines()
        return [line.strip().split(" ", 1)[-1].split(" -> ")[-1].strip() for line in lines]

    def commit(self, *paths: str) -> dict[str, object]:
        """Return the last commit that changed the paths, and whether they differ from it."""
        if self.root is None:
            return {"commit": "", "changed": False}
        last = git(self.root, "log", "-1", "--format=%H", "--", *paths)
        changed = any(_below(name, paths) for name in self.changed)
        return {"commit": last, "changed": changed}

    def moment(self) -> datetime:
        """Return the time of the last commit (or SOURCE_DATE_EPOCH), never that of the clock."""
        seconds = os.environ.get("SOURCE_DATE_EPOCH", "")
        if not seconds and self.root is not None:
            seconds = git(self.root, "log", "-1", "--format=%ct")
        return datetime.fromtimestamp(int(seconds or 0), UTC)


def _below(name: str, paths: tuple[str, ...]) -> bool:
    """Tell whether a file is one of the paths or lies below one; no path means all."""
    return not paths or any(name == path or name.startswith(f"{path}/") for path in paths)


def versions() -> dict[str, str]:
    """Return the versions of Python and of what computes and draws."""
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # a small book in a test
            continue
    return found


def _places(names: Iterable[str]) -> list[dict[str, object]]:
    found = (provenance.locate(name) for name in names)
    return [{"name": p.name, "file": p.file, "line": p.line} for p in found if p]


def data_hashes(root: Path, page: Path, patterns: Iterable[str]) -> dict[str, str]:
    """Return the hashes of data files.

    The reader's own data folder replaces ``data/``.  Of a reader's own panel only the name
    is kept: where it lies on a machine is no business of the page.
    """
    own = [p.removeprefix(provenance.OWN_FILE) for p in patterns if _is_own(p)]
    files = [(page.parent / name).resolve() for name in own]
    found = {
        path.name: sha
        for path in files
        if path.is_file()
        for sha in provenance.hashes(path.parent, [path.name]).values()
    }
    theirs = [p for p in patterns if not _is_own(p)]
    elsewhere = os.environ.get("FTZ_DATA")
    if not elsewhere:
        return found | provenance.hashes(root, theirs)
    below = [pattern.removeprefix("data/") for pattern in theirs]
    there = provenance.hashes(Path(elsewhere), below)
    return found | {f"data/{name}": sha for name, sha in there.items()}


def _is_own(pattern: str) -> bool:
    return pattern.startswith(provenance.OWN_FILE)


def _record(app, docname: str, number: int, item: dict) -> dict[str, object]:
    trace: provenance.Trace = item["trace"]
    anchor = item["name"] or f"provenance-cell-{trace.cell}"
    return {
        "id": f"{docname}#{item['name'] or item['kind'] + '-' + str(number)}",
        "kind": item["kind"],
        "caption": item["caption"],
        "page": app.builder.get_target_uri(docname),
        "anchor": anchor,
        "cell": trace.cell,
        "fed_by": list(trace.feeding),
        "drawn_by": _places(trace.drawing),
        "computed_by": _places(trace.computing),
        "panels": list(trace.panels) or [provenance.NONE],
        "data": data_hashes(Path(app.srcdir), Path(app.env.doc2path(docname)), trace.files),
        "seeds": list(trace.seeds),
    }


def build_manifest(app) -> dict:
    """Return all that the build knows of its figures and tables."""
    env, root = app.env, Path(app.srcdir)
    history = History(root)
    chapters = {}
    for docname in _in_order(app):
        file = Path(env.doc2path(docname)).relative_to(root).as_posix()
        items = _items(app)[docname]
        chapters[docname] = {
            "title": env.titles[docname].astext(),
            "file": file,
            "page": app.builder.get_target_uri(docname),
            **history.commit(file, *INPUTS),
            "items": [_record(app, docname, n, item) for n, item in enumerate(items, start=1)],
        }
    return {
        "book": app.config.html_title or app.config.project,
        "author": app.config.author,
        **history.commit(),
        "date": history.moment().isoformat(),
        "fingerprint": digest(root),
        "versions": versions(),
        "chapters": chapters,
    }


def _in_order(app) -> list[str]:
    """Return the pages that hold figures or tables, in the order of the book."""
    reading: dict[str, None] = {}

    def follow(page: str) -> None:
        if page not in reading:
            reading[page] = None
            for below in app.env.toctree_includes.get(page, ()):
                follow(below)

    follow(app.config.root_doc)
    return [page for page in (*reading, *sorted(app.env.found_docs)) if page in _items(app)]


def complete(app, env) -> list[str]:
    """Make the manifest when all pages are read; name the pages whose notes changed."""
    manifest = json.loads(json.dumps(build_manifest(app)))
    manifest["chapters"] = dict(manifest["chapters"])
    marks = {page: _mark(chapter) for page, chapter in manifest["chapters"].items()}
    whole = _mark(manifest)
    marks |= {page: whole for page in getattr(env, "ftz_replication", ())}
    before = getattr(env, "ftz_marks", {})
    env.ftz_manifest, env.ftz_marks = manifest, marks
    return [page for page, mark in marks.items() if before.get(page) != mark]


def _mark(part: dict) -> str:
    return hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()


# -- the notes ----------------------------------------------------------------------------


def commit_in_words(part: dict) -> str:
    """Say which state of the repository a page was made from."""
    if not part["commit"]:
        return "not under version control"
    start = f"commit {part['commit'][:10]}"
    return f"{start}, with changes not committed" if part["changed"] else start


def panels_in_words(names: Iterable[str]) -> str:
    """Name the kinds of panel."""
    given = set(names)
    return ", ".join(words for name, words in PANELS.items() if name in given)


def _function(app, docname: str, place: dict) -> str:
    page = app.builder.get_relative_uri(docname, source_page(place["file"]))
    name = escape(place["name"].removeprefix("ftz."))
    return f'<a href="{page}#line-{place["line"]}"><code>{name}</code></a>'


def _row(term: str, description: str) -> str:
    return f"<dt>{term}</dt><dd>{description}</dd>" if description else ""


def note(app, docname: str, cell: int) -> str:
    """Return the note under the output of a cell."""
    manifest = app.env.ftz_manifest
    chapter = manifest["chapters"][docname]
    item = next(i for i in chapter["items"] if i["cell"] == cell)
    cells = "cell" if len(item["fed_by"]) == 1 else "cells"
    feeding = f", on results of {cells} {', '.join(map(str, item['fed_by']))}"
    files = (f"{escape(f)} <code>{h[:12]}</code>" for f, h in item["data"].items())
    rows = (
        _row(
            "Program",
            f"{escape(chapter['file'])}, code cell {cell}" + (feeding if item["fed_by"] else ""),
        ),
        _row("Drawn by", ", ".join(_function(app, docname, p) for p in item["drawn_by"])),
        _row("Computed by", ", ".join(_function(app, docname, p) for p in item["computed_by"])),
        _row("Panel", escape(panels_in_words(item["panels"]))),
        _row("Data (SHA-256)", ", ".join(files)),
        _row("Seed", ", ".join(f"<code>{escape(seed)}</code>" for seed in item["seeds"])),
        _row("State", commit_in_words(chapter)),
        _row("Versions", ", ".join(f"{k} {v}" for k, v in manifest["versions"].items())),
    )
    return (
        f'<details class="ftz-provenance" id="provenance-cell-{cell}">'
        f"<summary>Where this comes from (cell {cell})</summary>"
        f"<dl>{''.join(rows)}</dl></details>\n"
    )


def visit_note(writer, node: provenance_note) -> None:
    """Write the note into the page."""
    app, docname = writer.builder.app, writer.builder.current_docname
    writer.body.append(note(app, docname, node["cell"]))
    raise nodes.SkipNode


def skip(writer, node: nodes.Element) -> None:
    """Leave the node out of what is no web page."""
    raise nodes.SkipNode


# -- the replication chapter --------------------------------------------------------------


class Replication(SphinxDirective):
    """``{ftz-replication} data``: a part of the replication chapter, from the manifest."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Leave a place that is filled when all pages are read."""
        part = self.arguments[0]
        if part not in PARTS:
            raise self.error(f"no part {part!r}: there are {', '.join(PARTS)}")
        if not hasattr(self.env, "ftz_replication"):
            self.env.ftz_replication = set()
        self.env.ftz_replication.add(self.env.docname)
        return [replication_part(part=part)]


def visit_part(writer, node: replication_part) -> None:
    """Write a part of the replication chapter."""
    app, docname = writer.builder.app, writer.builder.current_docname
    writer.body.append(PARTS[node["part"]](app, docname))
    raise nodes.SkipNode


def _table(caption: str, head: Iterable[str], rows: Iterable[Iterable[str]], mark: str = "") -> str:
    """Return a table of cells that are HTML already."""
    cells = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows)
    heads = "".join(f'<th scope="col">{h}</th>' for h in head)
    return (
        f'<div class="ftz-table ftz-replication"{mark}><table class="table">'
        f"{caption_html(caption)}<thead><tr>{heads}</tr></thead><tbody>{cells}</tbody></table></div>\n"
    )


def every_item(manifest: dict) -> Iterator[tuple[dict, dict]]:
    """Yield each figure and table with its chapter."""
    for chapter in manifest["chapters"].values():
        for item in chapter["items"]:
            yield chapter, item


def part_map(app, docname: str) -> str:
    """Return the table of all figures and tables with the programs that make them."""

    def rows() -> Iterator[tuple[str, ...]]:
        for page, chapter in app.env.ftz_manifest["chapters"].items():
            start = app.builder.get_relative_uri(docname, page)
            for item in chapter["items"]:
                caption = escape(item["caption"] or f"output of cell {item['cell']}")
                functions = item["drawn_by"] + item["computed_by"]
                yield (
                    escape(chapter["title"]),
                    item["kind"],
                    f'<a href="{start}#{item["anchor"]}">{caption}</a>',
                    f"{escape(chapter['file'])}, cell {item['cell']}",
                    ", ".join(_function(app, docname, place) for place in functions),
                    escape(panels_in_words(item["panels"])),
                )

    head = ("chapter", "kind", "what it shows", "program", "functions of the library", "panel")
    caption = "Every figure and table of this build, and the program that makes it"
    return _table(caption, head, rows(), ' data-ftz-filter="0,1,5"')


@cache
def _datasheet(root: Path) -> dict[str, dict[str, str]]:
    """Return what the datasheets say of each data file."""
    return _sheet(root, "data") | _sheet(root, "tests/known_answers")


def _sheet(root: Path, folder: str) -> dict[str, dict[str, str]]:
    path = root / folder / "DATASHEET.md"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    found = {}
    for section in sections:
        title, _, body = section.partition("\n")
        parts = re.findall(r"\*\*([^*]+)\.\*\*\s*(.*?)(?=\n\*\*|\Z)", body, flags=re.DOTALL)
        for name in re.findall(r"[\w./{},*-]+\.\w+", title):
            found[f"{folder}/{name}"] = {key: _first_sentence(value) for key, value in parts}
    return found


def _first_sentence(text: str) -> str:
    """Return the first line: the datasheet has one sentence a line."""
    return text.strip().split("\n", 1)[0].replace("`", "")


def part_data(app, docname: str) -> str:
    """Return the table of data files: source, terms, hash, and the chapters that use each."""
    users: dict[str, dict[str, str]] = defaultdict(dict)
    hashes: dict[str, str] = {}
    for page, chapter in app.env.ftz_manifest["chapters"].items():
        for item in chapter["items"]:
            for file, sha in item["data"].items():
                link = app.builder.get_relative_uri(docname, page)
                users[file][page] = f'<a href="{link}">{escape(chapter["title"])}</a>'
                hashes[file] = sha
    sheet = _datasheet(Path(app.srcdir))
    rows = (
        (
            escape(file).replace("/", "/<wbr>").replace("_", "_<wbr>"),
            escape(sheet.get(file, {}).get("Source", "")),
            escape(sheet.get(file, {}).get("Terms", "")),
            f"<code>{hashes[file][:16]}</code>",
            ", ".join(users[file].values()),
        )
        for file in sorted(users)
    )
    head = ("file", "source", "terms", "SHA-256, first digits", "used by figures and tables of")
    return _table("Data files behind figures and tables", head, rows)


def _declared(root: Path) -> dict[str, str]:
    """Return the locked version of each package that the book declares."""
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
        lock = (root / "requirements.lock").read_text("utf-8")
    except FileNotFoundError:
        return {}
    locked = dict(re.findall(r"^([\w.-]+)==([^\s;\\]+)", lock, re.MULTILINE))
    names = (re.split(r"[\[=<>~! ]", line, maxsplit=1)[0] for line in project["dependencies"])
    return {name: locked[name] for name in names if name in locked}


def _measured(root: Path) -> tuple[list[tuple[str, str]], str]:
    """Return the lines and the machine of the README's measurement (``make bench``)."""
    path = root / "README.md"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    block = re.search(r"<!-- benchmark:start.*?-->(.*?)<!-- benchmark:end -->", text, re.DOTALL)
    if not block:
        return [], ""
    rows = re.findall(r"^\| (.+?) \| ([\d.]+) \|$", block[1], re.MULTILINE)
    machine = re.search(r"^Measured on (.+)\.$", block[1], re.MULTILINE)
    return rows, machine[1] if machine else ""


def part_requirements(app, docname: str) -> str:
    """Return the versions of the packages and the measured times."""
    root, manifest = Path(app.srcdir), app.env.ftz_manifest
    items = [item for _, item in every_item(manifest)]
    figures = sum(item["kind"] == "figure" for item in items)
    state = [
        ("State of the repository", commit_in_words(manifest)),
        ("Fingerprint of library, data and lock file", f"<code>{manifest['fingerprint']}</code>"),
        ("Figures and tables in this build", f"{figures} and {len(items) - figures}"),
        ("Python of this build", manifest["versions"]["Python"]),
    ]
    times, machine = _measured(root)
    state += [(f"Seconds for a build: {escape(what)}", seconds) for what, seconds in times]
    state += [("Measured on", escape(machine))] if machine else []
    packages = ((escape(name), locked) for name, locked in _declared(root).items())
    return _table("This build", ("what", "value"), state) + _table(
        "Packages that the book declares, in the versions of the lock file",
        ("package", "version"),
        packages,
    )


PARTS = {"map": part_map, "data": part_data, "requirements": part_requirements}


# -- pages with the library's source ------------------------------------------------------


def source_page(file: str) -> str:
    """Return the page that shows a file of the library: ``code/ftz/did/regression``."""
    return "code/" + file.removeprefix("lib/").removesuffix(".py")


def write_sources(app) -> Iterator[tuple[str, dict, str]]:
    """Yield a page for each module that a note links to, if it is not there yet."""
    if app.builder.format != "html" or not hasattr(app.env, "ftz_manifest"):
        return
    root = Path(app.srcdir)
    items = [item for _, item in every_item(app.env.ftz_manifest)]
    places = [place for item in items for place in item["drawn_by"] + item["computed_by"]]
    settings = [root / name for name in ("_toc.yml", "_config.yml") if (root / name).exists()]
    for file in sorted({place["file"] for place in places}):
        page, path = source_page(file), root / file
        if not path.is_file():
            continue  # the library of another checkout
        written = Path(app.builder.get_outfilename(page))
        newest = max(p.stat().st_mtime for p in (path, *settings))
        if written.exists() and written.stat().st_mtime > newest:
            continue
        text = path.read_text(encoding="utf-8")
        body = app.builder.highlighter.highlight_block(text, "python", lineanchors="line")
        # a place to point at, not a link of its own, which would need a name
        body = re.sub(r'<a id="(line-\d+)"[^>]*></a>', r'<span id="\1"></span>', body)
        title = escape(file.removeprefix("lib/"))
        yield page, {"title": title, "body": f"<h1>{title}</h1>{body}"}, "page.html"


# -- the manifest's files -----------------------------------------------------------------


def write_manifest(app, exception: Exception | None) -> None:
    """Write ``provenance.json`` and the RO-Crate beside the pages."""
    if exception or app.builder.format != "html" or not hasattr(app.env, "ftz_manifest"):
        return
    manifest = app.env.ftz_manifest
    for name, content in (
        ("provenance.json", manifest),
        ("ro-crate-metadata.json", crate(manifest)),
    ):
        path = Path(app.outdir) / name
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def crate(manifest: dict) -> dict:
    """Return the manifest as an RO-Crate: pages, data, functions and what made what."""
    from rocrate.model.contextentity import ContextEntity
    from rocrate.rocrate import ROCrate

    book = ROCrate()
    book.name = manifest["book"]
    book.description = "The built pages, and what made each figure and table on them."
    book.datePublished = datetime.fromisoformat(manifest["date"])
    book.license = "https://creativecommons.org/licenses/by/4.0/"
    if manifest["commit"]:
        book.root_dataset["version"] = manifest["commit"]
    author = ContextEntity(
        book, "#authors", {"@type": "Organization", "name": manifest["author"] or "unnamed"}
    )
    book.add(author)
    book.root_dataset["author"] = author
    entities: dict[str, object] = {}

    def entity(key: str, kind: str, **properties: object):
        """Add an entity once, and return it."""
        if key not in entities:
            found = ContextEntity(book, f"#{key}", {"@type": kind, **properties})
            entities[key] = book.add(found)
        return entities[key]

    for page, chapter in manifest["chapters"].items():
        book.add_file(
            dest_path=chapter["page"],
            properties={"name": chapter["title"], "encodingFormat": "text/html"},
        )
        program = entity(
            chapter["file"],
            "SoftwareSourceCode",
            name=chapter["title"],
            version=chapter["commit"] or "not under version control",
        )
        for item in chapter["items"]:
            _add_item(entity, page, program, item)
    return book.metadata.generate()


def _add_item(entity, page: str, program, item: dict) -> None:
    """Add one figure or table: the action that made it, its instruments and its objects."""
    functions = [
        entity(place["name"], "SoftwareSourceCode", name=place["name"], isPartOf=place["file"])
        for place in item["drawn_by"] + item["computed_by"]
    ]
    data = [entity(f, "Dataset", name=f, sha256=sha) for f, sha in item["data"].items()]
    result = entity(
        item["id"],
        "CreativeWork",
        name=item["caption"] or item["id"],
        url=f"{item['page']}#{item['anchor']}",
        additionalType=item["kind"],
    )
    panels = ", ".join(item["panels"])
    seeds = f"; seeds: {', '.join(item['seeds'])}" if item["seeds"] else ""
    action = entity(
        f"making:{item['id']}",
        "CreateAction",
        name=f"{page}, code cell {item['cell']}",
        description=f"panel: {panels}{seeds}",
    )
    action["instrument"] = [program, *functions]
    action["result"] = result
    if data:
        action["object"] = data


def setup(app) -> dict:
    """Connect the hooks to Sphinx."""
    for node, visit in ((provenance_note, visit_note), (replication_part, visit_part)):
        others = {name: (skip, None) for name in ("latex", "text", "man", "texinfo")}
        app.add_node(node, html=(visit, None), **others)
    app.add_directive("ftz-replication", Replication)
    app.add_css_file("ftz-provenance.css")
    app.connect("env-purge-doc", forget)
    app.connect("doctree-read", note_outputs)
    app.connect("env-updated", complete)
    app.connect("html-collect-pages", write_sources)
    app.connect("build-finished", write_manifest)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
