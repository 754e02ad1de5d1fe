"""Sphinx extension: no page is older than the code and the data behind it.

MyST-NB keeps executed chapters in a cache whose key is the text of the cells
and the name of the kernel.  A new number in ``data/`` or a new line in
``lib/`` therefore leaves its pages as they were.  This extension

* keeps one cache for each state of ``lib/``, ``data/``, ``requirements.lock``
  and the interpreter, and deletes the caches of other states.  The path of
  the cache is part of Sphinx's configuration, so a new state also makes
  Sphinx read every page again;
* reads a page again when a chapter whose glued values it pastes was read;
* forgets the Sphinx environment of a build that warned, or the next build
  would find nothing to do and pass;
* executes the chapters that need it side by side before Sphinx reads them one
  by one, and keeps each as soon as it is done;
* ends the build at the first cell that fails, with chapter, line, cell, traceback
  and the command that runs this chapter alone;
* gives all kernels the same environment, whoever started the build.

``FTZ_JOBS`` sets how many kernels run at a time (the number of cores, unless
set).  ``FTZ_JOBS=0`` leaves the chapters to MyST-NB, which executes each when Sphinx
comes to it: what a plain ``jb build`` does.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sphinx.errors import SphinxError
from sphinx.util import logging

from ftz.fingerprint import KERNEL_ENVIRONMENT, digest, state

logger = logging.getLogger(__name__)

#: What the look of the pages depends on.
ASSETS = ("book/_ext", "book/_static")

#: ``{glue:text}`file.md::key:.3f` `` and the directive form of the same.
_PASTED = re.compile(r"\{glue:\w*\}(?:`(?:[^`<]*<)?|\s+)([^`:\s]+)::")


# -- one cache for each state of the inputs ---------------------------------------------


def choose_cache(app, config) -> None:
    """Point MyST-NB at the cache of this state and delete those of other states."""
    root = Path(app.srcdir)
    caches = Path(app.outdir).parent / ".jupyter_cache"
    chosen = caches / state(root)
    for old in caches.glob("*") if caches.is_dir() else ():
        if old != chosen:
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    config.nb_execution_cache_path = str(chosen)
    config.ftz_assets = digest(root, ASSETS)
    os.environ.update(KERNEL_ENVIRONMENT)


# -- pages that follow other pages ------------------------------------------------------


def pasted_from(text: str) -> set[str]:
    """Return the files whose glued values a page's source pastes."""
    return set(_PASTED.findall(text))


def follow_glue(app, env, added: set, changed: set, removed: set) -> list[str]:
    """Name the pages that paste values from a page that is about to be read."""
    renewed = added | changed | removed
    followers = []
    for page in env.found_docs - renewed:
        text = Path(env.doc2path(page)).read_text(encoding="utf-8")
        sources = (env.path2doc(env.relfn2path(name, page)[1]) for name in pasted_from(text))
        if any(source in renewed for source in sources):
            followers.append(page)
    return followers


def forget_if_warned(app, exception: Exception | None) -> None:
    """Let no warning pass by building twice: without this file Sphinx reads all pages."""
    if exception or app._warncount:
        (Path(app.doctreedir) / "environment.pickle").unlink(missing_ok=True)


# -- chapters side by side --------------------------------------------------------------


class ChapterError(SphinxError):
    """A cell of a chapter failed: the build ends here."""

    category = "A chapter failed"


@dataclass(frozen=True)
class Chapter:
    """A page that holds code.

    Attributes
    ----------
    name : str
        Path from the root of the book, as ``make chapter`` takes it.
    path : pathlib.Path
    notebook : nbformat.NotebookNode
        Its cells.  Executed in place.
    """

    name: str
    path: Path
    notebook: object


def jobs() -> int:
    """Return how many kernels may run at a time; 0 leaves the chapters to MyST-NB."""
    return max(0, int(os.environ.get("FTZ_JOBS") or os.cpu_count() or 1))


def failure(chapter: Chapter, index: int, error: Exception) -> str:
    """Say where a chapter failed, with its cell, the traceback and the command to run it alone.

    Parameters
    ----------
    chapter : Chapter
    index : int
        The cell that ran when the error came.
    error : Exception
        What ``nbclient`` raised: an error in the cell, a time out, a dead kernel.
    """
    from nbclient.exceptions import CellExecutionError

    cell = chapter.notebook.cells[index]
    lines = chapter.notebook.metadata.get("source_map", ())
    place = f"{chapter.name}:{lines[index] + 1}" if index < len(lines) else chapter.name
    told = [output for output in cell.get("outputs", ()) if output.output_type == "error"]
    trace = "\n".join(told[0].traceback) if told else ""
    if not isinstance(error, CellExecutionError):  # too slow, or the kernel died
        trace = f"{type(error).__name__}: {str(error).splitlines()[0]}\n\n{trace}"
    source = cell.source.strip().replace("\n", "\n    ")
    return (
        f"{place}: the cell\n\n    {source}\n\nfailed:\n\n{_COLOURS.sub('', trace).strip()}\n\n"
        f"Run this chapter alone:  make chapter CHAPTER={chapter.name}"
    )


#: What a kernel puts into a traceback to colour it.
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def read_chapter(path: Path, name: str) -> Chapter | None:
    """Read a text notebook without Sphinx; ``None`` where the page holds no code."""
    from myst_nb.core.read import is_myst_markdown_notebook, read_myst_markdown_notebook

    text = path.read_text(encoding="utf-8")
    if not is_myst_markdown_notebook(text):
        return None
    return Chapter(name, path, read_myst_markdown_notebook(text, add_source_map=True))


def _chapters(env, docnames: Iterable[str]) -> Iterator[Chapter]:
    """Yield the pages that hold code."""
    from myst_nb.core.read import create_nb_reader

    for docname in docnames:
        path = Path(env.doc2path(docname))
        text = path.read_text(encoding="utf-8")
        reader = create_nb_reader(str(path), env.myst_config, env.mystnb_config, text)
        if reader is not None:
            yield Chapter(env.doc2path(docname, base=False), path, reader.read(text))


def _is_cached(cache, notebook) -> bool:
    try:
        cache.match_cache_notebook(notebook)
    except KeyError:
        return False
    return True


async def _execute(chapter: Chapter, connection: Path, timeout: int) -> float:
    """Execute a chapter in place and return the seconds."""
    from nbclient import NotebookClient
    from traitlets.config import Config

    running = 0

    def note(cell, cell_index: int) -> None:
        nonlocal running
        running = cell_index

    # Sockets in a folder of our own: no port to race for.
    transport = {"transport": "ipc", "connection_file": str(connection)}
    client = NotebookClient(
        chapter.notebook,
        timeout=timeout,
        on_cell_start=note,
        record_timing=False,  # the cache's key holds the cells' metadata
        resources={"metadata": {"path": str(chapter.path.parent)}},
        config=Config({"KernelManager": transport}),
    )
    start = time.perf_counter()
    try:
        await client.async_execute()
    except Exception as error:
        raise ChapterError(failure(chapter, running, error)) from None
    finally:
        atexit.unregister(client._cleanup_kernel)  # done; after an error it would fail aloud
    seconds = time.perf_counter() - start
    logger.info("  %s: %.1f s", chapter.name, seconds)
    return seconds


async def execute_all(
    chapters: Iterable[Chapter],
    keep: Callable[[Chapter, float], None],
    *,
    at_a_time: int,
    timeout: int,
) -> None:
    """Execute chapters side by side; ``keep`` each with its seconds; stop at the first error."""
    gate = asyncio.Semaphore(at_a_time)
    with tempfile.TemporaryDirectory(prefix="ftz-") as sockets:

        async def run(number: int, chapter: Chapter) -> None:
            async with gate:
                seconds = await _execute(chapter, Path(sockets, f"{number}.json"), timeout)
            keep(chapter, seconds)

        tasks = [asyncio.create_task(run(n, chapter)) for n, chapter in enumerate(chapters)]
        try:
            await asyncio.gather(*tasks)
        finally:  # after an error the others are told to stop, and shut down their kernels
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def execute_side_by_side(app, env, docnames: list[str]) -> None:
    """Fill the cache with the chapters that Sphinx is about to read."""
    if jobs() == 0 or env.mystnb_config.execution_mode != "cache":
        return
    from jupyter_cache import get_cache
    from jupyter_cache.base import CacheBundleIn

    cache = get_cache(env.mystnb_config.execution_cache_path)
    chapters = [c for c in _chapters(env, docnames) if not _is_cached(cache, c.notebook)]
    if not chapters:
        return
    count = f"{len(chapters)} chapter{'s' if len(chapters) > 1 else ''}"
    logger.info("executing %s, %d at a time", count, jobs())

    def keep(chapter: Chapter, seconds: float) -> None:
        data = {"execution_seconds": seconds}
        bundle = CacheBundleIn(chapter.notebook, str(chapter.path), data=data)
        cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)

    timeout = env.mystnb_config.execution_timeout
    try:
        asyncio.run(execute_all(chapters, keep, at_a_time=jobs(), timeout=timeout))
    except ChapterError:
        # Sphinx prints the report; the traceback of ``jb`` that follows would hide it
        sys.excepthook = lambda *_: None
        raise


def setup(app) -> dict:
    """Connect the hooks to Sphinx."""
    app.add_config_value("ftz_assets", "", "env")
    app.connect("config-inited", choose_cache, priority=100)
    app.connect("env-get-outdated", follow_glue)
    app.connect("env-before-read-docs", execute_side_by_side)
    app.connect("build-finished", forget_if_warned)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
