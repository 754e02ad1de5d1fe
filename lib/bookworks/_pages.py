"""Sphinx extension: each page is written under a key of everything that it rests on.

Sphinx asks how old files are.  This extension asks what is in them: the key of a page is a hash
of its source, of what its kernel and its directives read, of the pages whose glued values it
pastes, of the references that it cites, of the machinery, and of what the whole book gives to
each page (titles, labels, numbers, styles).  It is kept beside the pages when the page has been
*written*, with the hash of what was written.  A page without its key is made again, so that a
build that was killed at any moment heals itself.

Other extensions add to a key through two events, ``bookworks-read`` (what a page shows that was
known when it was read) and ``bookworks-write`` (what is only known when all pages are read):
a handler ``(app, page)`` returns something that JSON can hold.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docutils import nodes
from myst_nb.ext.glue.utils import PendingGlueReference
from sphinx.errors import ExtensionError, SphinxError
from sphinx.util import logging

from bookworks import _execution, _keys, _wheel
from bookworks._errors import BookError
from bookworks._execution import Chapter
from bookworks._files import (
    as_json,
    below,
    holds_code,
    locked,
    read_json,
    read_text,
    write_atomically,
)
from bookworks._store import Execution, Store
from bookworks.book import Book

logger = logging.getLogger(__name__)

#: Later than any file: Sphinx then never finds that a source is newer than its page.
_LATER_THAN_ALL = 2**62


class BuildError(SphinxError):
    category = "The book was not built"


@dataclass
class State:
    book: Book
    store: Store
    folder: Path  # where keys are kept
    machine: str  # hash of the machinery and its environment
    library: str  # hash of the code of the packages that the book speaks of
    executions: dict[str, Execution] = field(default_factory=dict)
    read: dict[str, str] = field(default_factory=dict)  # page to the key under which it is read
    write: dict[str, str] = field(default_factory=dict)  # ... under which it is written
    shared: str = ""  # hash of what the whole book gives to each page
    # files beside the pages: the hash under which each was made, and its content's
    made: dict[str, list[str]] = field(default_factory=dict)
    pending: str = ""  # the page that is being written
    written: bool = False  # whether any was
    whole: bool = False  # whether the last build came to its end
    # held as long as the build runs
    lock: AbstractContextManager[Any] = field(default_factory=nullcontext)

    def key_file(self, page: str) -> Path:
        return self.folder / f"{page.replace('/', '--')}.json"

    def key(self, page: str) -> dict[str, Any]:
        """Return the key under which a page, the site or its other files were written, if any."""
        return read_json(self.key_file(page))

    def is_made(self, path: Path, *key: object) -> bool:
        return self.made.get(str(path)) == [_keys.digest(key), _keys.state(path)]

    def note_made(self, path: Path, *key: object) -> None:
        self.made[str(path)] = [_keys.digest(key), _keys.state(path)]


# -- the beginning ------------------------------------------------------------------------


def begin(app: Any, config: Any) -> None:
    """Wait for other builds of this book, and say what all pages rest on."""
    _end_in_one_line(app)
    with _told():
        book, build = Book.read(app.srcdir), Path(app.outdir).parent
        os.environ.update(_execution.private_folders(book))
        own, local = _keys.tree(Path(__file__).parent, ["."]), sorted({*book.extensions.values()})
        machine = [
            own,
            _keys.tree(book.root, local),
            _keys.environment(book.root),
            _wheel.name(book),
        ]
        store, library = Store.of(book, build), _keys.packages(book.setting("packages"))
        state = State(book, store, build / ".keys", _keys.digest(machine), library)
        app.bookworks = state
        state.lock = locked(build, logger.info)
        state.made = state.key("(made)")
        # trees of nodes live long: looking for garbage among them takes more time than making them
        gc.set_threshold(50_000, 20, 20)


@contextmanager
def _told() -> Iterator[None]:
    """Turn an error that the caller can put right into the last line of the build."""
    try:
        yield
    except (BookError, OSError, ExtensionError) as error:  # the last from a handler of an event
        cause = getattr(error, "orig_exc", None) or error
        if isinstance(cause, BookError):
            raise BuildError(cause.message) from None
        if isinstance(cause, OSError):
            place = cause.filename2 or cause.filename or "a file"
            raise BuildError(f"{place}: {cause.strerror}; mend this and build again") from None
        raise


def _end_in_one_line(app: Any) -> None:
    """Let no traceback follow what was said: of ``jb``, and of errors of files in Sphinx."""
    build, show = app.build, sys.excepthook

    def told(*arguments: Any, **names: Any) -> None:
        with _told():
            build(*arguments, **names)

    def quietly(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, SphinxError):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            show(kind, error, trace)

    app.build, sys.excepthook = told, quietly


# -- what a page rests on ------------------------------------------------------------------


def read_key(app: Any, page: str) -> str:
    """Return the hash of what a page rests on when it is read."""
    env, state = app.env, app.bookworks
    text = read_text(Path(env.doc2path(page)), _execution.MOST_OUTPUT)
    shown = (page, *env.metadata[page].get("bookworks-pasted", ()))
    files = set(env.dependencies.get(page, ())) | {
        name for name, (pages, _) in env.images.items() if page in pages
    }
    return _keys.digest(
        {
            "source": text,
            "contents": state.book.toc if page in env.toctree_includes else "",
            "machine": state.machine,
            "results": [e.result for e in map(state.executions.get, shown) if e],
            "code": state.executions[page].code if page in state.executions else "",
            "files": {name: _keys.state(Path(app.srcdir, name)) for name in sorted(files)},
            # what is documented shows values and words of modules that it imports
            "library": state.library if any(name.endswith(".py") for name in files) else "",
            "cited": _cited(env, page),
            "more": app.emit("bookworks-read", page),
        }
    )


def _cited(env: Any, page: str) -> object:
    """Return the references that a page cites, or all where it lists them."""
    if "cite" not in env.domaindata:
        return None
    domain = env.get_domain("cite")
    entries = domain.bibdata.data.entries
    if any(key.docname == page for key in domain.bibliographies):
        return {key: repr(entry) for key, entry in entries.items()}
    cited = {t.key for ref in domain.citation_refs if ref.docname == page for t in ref.targets}
    return {key: repr(entries[key]) for key in sorted(cited) if key in entries}


def book_key(app: Any) -> str:
    """Return the hash of what the whole book gives to each of its pages."""
    env = app.env
    domains = {name: sorted(map(str, d.get_objects())) for name, d in env.domains.items()}
    labels = getattr(env.get_domain("std"), "labels", {})
    citations = env.domaindata.get("cite", {}).get("citations", ())
    config = app.config
    folders = (*config.html_static_path, *config.templates_path, *config.html_extra_path)
    look = map(str, filter(None, (*folders, config.html_logo, config.html_favicon)))
    return _keys.digest(
        {
            "titles": {page: str(title) for page, title in env.titles.items()},
            "contents": [app.bookworks.book.toc, env.toctree_includes],
            "headings": {page: said.get("myst_slugs") for page, said in env.metadata.items()},
            "sections": env.toc_secnumbers,
            "figures": env.toc_fignumbers,
            "labels": sorted(map(str, labels.items())),
            "objects": domains,
            "references": [(c.citation_id, c.key, repr(c.entry)) for c in citations],
            "settings": {v.name: str(v.value) for v in app.config.filter({"html", "env"})},
            # the book's own styles, scripts and templates
            "static": _keys.tree(Path(app.srcdir), sorted(f for f in look if f[:1] != "/")),
        }
    )


# -- which pages are read, which are written -------------------------------------------------


def chapters(app: Any) -> Iterator[Chapter]:
    packages = _keys.environment(Path(app.srcdir))
    excluded = app.env.mystnb_config.execution_excludepatterns
    for page in sorted(app.env.found_docs):
        path = Path(app.env.doc2path(page))
        if holds_code(path) and not any(map(path.match, excluded)):
            yield _execution.read_chapter(app.bookworks.book, page, packages)


def outdated(app: Any, env: Any, added: set[str], changed: set[str], removed: set[str]) -> Any:
    """Execute what has to be, and name the pages whose key does not hold."""
    state = app.bookworks
    with _told():
        _reparse_references(app, env)
        if env.mystnb_config.execution_mode != "off":
            timeout = env.mystnb_config.execution_timeout
            found = list(chapters(app))
            state.executions = _execution.execute(state.book, state.store, found, timeout)
        state.read = {page: read_key(app, page) for page in env.found_docs - added}
    # numbers are given anew, and where there is none any more the old one would stay
    listed = (link for toc in env.tocs.values() for link in toc.findall(nodes.reference))
    for node in (*env.titles.values(), *listed):
        node.attributes.pop("secnumber", None)
    state.whole = _site_is_whole(app)
    for page in removed:
        state.key_file(page).unlink(missing_ok=True)
    return [page for page in state.read if not _holds(app, page)]


def _reparse_references(app: Any, env: Any) -> None:
    """Have reference files parsed again by content: the extension asks for their time."""
    if "cite" not in env.domaindata:
        return
    from sphinxcontrib.bibtex.bibfile import parse_bibdata

    data = env.domaindata["cite"]["bibdata"]
    now = {str(path): _keys.state(path) for path in data.bibfiles}
    if getattr(env, "bookworks_references", now) != now:
        env.domaindata["cite"]["bibdata"] = parse_bibdata(list(data.bibfiles), data.encoding)
    env.bookworks_references = now


def _holds(app: Any, page: str) -> bool:
    """Tell whether a page was written under the key that it has now, and is still there."""
    present = {"read": app.bookworks.read[page], **_made_of(app, page)}
    return bool(present.items() <= app.bookworks.key(page).items())


def _made_of(app: Any, page: str) -> dict[str, str]:
    """Return the states of the files that reading and writing a page leaves."""
    return {
        "page": _keys.state(Path(app.builder.get_outfilename(page))),
        "tree": _keys.state(Path(app.doctreedir, f"{page}.doctree")),
        "glue": _keys.state(glue_file(app.env, page)),
    }


def glue_file(env: Any, page: str) -> Path:
    """Return where MyST-NB keeps what a page glues."""
    return Path(env.mystnb_config.output_folder, f"{page}.glue.json")


def forget(app: Any, env: Any, page: str) -> None:
    """Delete what a page glued when it was read before: it may glue nothing now."""
    glue_file(env, page).unlink(missing_ok=True)


def remember_read(app: Any, doctree: Any) -> None:
    """Note from where a page pastes and the key under which it was read, and let it stand alone.

    Nodes that MyST has reStructuredText make belong to documents of their own, whose settings
    hold all that Sphinx knows: each page would be kept with a copy of the whole.
    """
    pasted = set()
    for node in doctree.findall():
        node.document = doctree
        if isinstance(node, PendingGlueReference):
            pasted.add(node.refdoc)
    app.env.metadata[app.env.docname]["bookworks-pasted"] = sorted(pasted)
    app.bookworks.read[app.env.docname] = read_key(app, app.env.docname)


def rewritten(app: Any, env: Any) -> Any:
    """Name the pages to be written because of what other pages give to them."""
    state = app.bookworks
    state.shared = book_key(app)
    for page in env.found_docs:
        state.write[page] = _keys.digest([state.shared, app.emit("bookworks-write", page)])
        env.all_docs[page] = _LATER_THAN_ALL
    keys_of = {page: state.key(page).get("write") for page in env.found_docs}
    return [p for p, key in keys_of.items() if not state.whole or key != state.write[p]]


# -- writing ---------------------------------------------------------------------------------


def _site_is_whole(app: Any) -> bool:
    """Tell whether the last build came to its end, and its files are still there."""
    site, there = app.bookworks.key("(site)"), _listed(app)
    files = site.get("files")
    known = isinstance(files, dict) and all(there.get(name) == files[name] for name in files)
    return known and site.get("whole") is True


def _listed(app: Any) -> dict[str, int]:
    return {name: path.stat().st_size for name, path in below(Path(app.outdir)).items()}


def writing(app: Any, builder: Any) -> None:
    """Say that the site is not whole until the build has come to its end."""
    state, site = app.bookworks, app.bookworks.key("(site)")
    site["whole"], state.written = False, True
    with _told():
        write_atomically(state.key_file("(site)"), as_json(site))


def write_key(app: Any, page: str = "", *_: Any) -> None:
    """Keep the key of the page that was written before, and begin with this one."""
    state = app.bookworks
    if app.builder.name != "html":
        return
    if state.pending:
        done = state.pending
        key = {"read": state.read[done], "write": state.write[done], **_made_of(app, done)}
        write_atomically(state.key_file(done), as_json(key))
    state.pending = page if page in app.env.found_docs else ""
    if state.pending:
        state.key_file(page).unlink(missing_ok=True)


def finish(app: Any, exception: Exception | None) -> None:
    """Keep the last key, and what the site holds; or see that a warning is not passed over."""
    state = getattr(app, "bookworks", None)
    if state is None:
        return
    with state.lock, _told():
        _keep(app, exception)


def _keep(app: Any, exception: Exception | None) -> None:
    state = app.bookworks
    if exception is None and app._warncount == 0:
        write_key(app)
        _sweep(app)
        site = {"whole": True, "files": _listed(app)}
        if state.key("(site)") != site:
            write_atomically(state.key_file("(site)"), as_json(site))
        write_atomically(state.key_file("(made)"), as_json(state.made))
        times = {page: round(e.seconds, 1) for page, e in sorted(state.executions.items())}
        write_atomically(Path(app.outdir).parent / "execution.json", as_json(times))
    else:  # without these files all pages are read and written, and warn again
        for path in (Path(app.doctreedir, "environment.pickle"), state.key_file("(made)")):
            with suppress(OSError):
                path.unlink(missing_ok=True)


def _sweep(app: Any) -> None:
    """Delete what pages left behind that are no longer in the book, and unused pictures."""
    out, env = Path(app.outdir), app.env
    if app.builder.name != "html":
        return
    keys_of = {app.bookworks.key_file(page).name: page for page in env.found_docs}
    for path in app.bookworks.folder.glob("*.json"):
        if path.name not in keys_of and not path.name.startswith("("):
            path.unlink()
    sources = {Path(env.doc2path(p, base=False)).as_posix(): p for p in env.found_docs}
    for source in out.joinpath("_sources").rglob("*.*"):
        name = source.relative_to(out / "_sources").as_posix().removesuffix(".txt")
        if name not in sources:
            source.unlink()
            page = name.rsplit(".", 1)[0]
            Path(app.builder.get_outfilename(page)).unlink(missing_ok=True)
    for folder, wanted in (("_images", env.images), ("_downloads", env.dlfiles)):
        used = {name for _, name in wanted.values()}
        for name, path in below(out / folder).items():
            if name not in used:
                path.unlink()
    if app.bookworks.written:
        every = {
            f"{about.name}-{one.name}" for about in env.domains.values() for one in about.indices
        }
        for name in every - {name for name, *_ in app.builder.domain_indices}:
            Path(app.builder.get_outfilename(name)).unlink(missing_ok=True)


# -- outputs reach the pages -------------------------------------------------------------------


def serve_outputs(app: Any) -> None:
    """Have MyST-NB take the outputs of chapters from here, in place of its own cache."""
    import myst_nb.sphinx_ as parser
    from myst_nb.core.execute.base import NotebookClientBase
    from myst_nb.ext.glue import crossref

    crossref.read_glue_cache.cache_clear()  # of an earlier build in this process

    class Executed(NotebookClientBase):
        def start_client(self) -> None:
            page = app.env.path2doc(str(self.path))
            found = app.bookworks.executions.get(page)
            if found is None:
                return
            _execution.fill(self.notebook, found)
            self.notebook.metadata["bookworks"] = {"cells": dict(found.inputs.cells)}
            self.exec_metadata = {
                "mtime": 0.0,
                "runtime": None,
                "method": "bookworks",
                "succeeded": True,
                "error": None,
                "traceback": None,
            }

    def create(notebook: Any, source: str, config: Any, log: Any, *_: Any, **__: Any) -> Any:
        return Executed(notebook, Path(source), config, log)

    parser.create_client = create


def setup(app: Any) -> None:
    app.add_event("bookworks-read")
    app.add_event("bookworks-write")
    app.connect("config-inited", begin, priority=100)
    app.connect("builder-inited", serve_outputs)
    app.connect("env-get-outdated", outdated, priority=900)
    app.connect("env-purge-doc", forget)
    app.connect("doctree-read", remember_read, priority=900)
    # after Sphinx has numbered sections and figures, which it does at this event
    app.connect("env-get-updated", rewritten, priority=900)
    app.connect("write-started", writing)
    app.connect("html-page-context", write_key, priority=900)
    app.connect("build-finished", finish, priority=950)
