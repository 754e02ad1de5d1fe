"""Chapters are executed side by side, once for each state of what they read.

``PREFIX_JOBS`` sets how many kernels run at a time (the number of cores, unless set).  The first
cell that fails ends the build, with chapter, line, cell, traceback and the command that runs the
chapter alone.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from sphinx.util import logging

from bookworks import _keys, _recorder
from bookworks._errors import BookError, near
from bookworks._files import EARLIEST, read_text
from bookworks._keys import Inputs
from bookworks._store import Execution, Store, code_cells, code_key
from bookworks.book import Book

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

#: What a chapter's cells may put out; more is a mistake that fills memory, disk and page.
MOST_OUTPUT = 20_000_000
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class ChapterError(BookError):
    """A chapter did not run to its end."""


@dataclass(frozen=True)
class Chapter:
    """A page that holds code."""

    page: str  #: its name, without suffix
    path: Path
    notebook: Any  #: its cells, as nbformat has them
    code: str  #: from :func:`bookworks._store.code_key`


def read_chapter(book: Book, page: str, environment: str | None = None) -> Chapter:
    """Read a text notebook; raise BookError if the page holds no code, or cannot be read."""
    import nbformat
    from myst_nb.core.read import is_myst_markdown_notebook, read_myst_markdown_notebook

    path = book.source(page)
    text = read_text(path, MOST_OUTPUT)
    if path.suffix == ".ipynb":
        notebook = nbformat.reads(text, as_version=4)
    elif is_myst_markdown_notebook(text):
        try:
            notebook = read_myst_markdown_notebook(text, add_source_map=True, path=path)
        except Exception as error:  # in the header, in options of a cell, in what one loads
            raise BookError(f"{path.relative_to(book.root)}: {error}") from None
    else:
        raise BookError(f"{path.relative_to(book.root)} holds no code: its header names no kernel")
    packages = environment or _keys.environment(book.root)
    folder = path.parent.relative_to(book.root).as_posix()
    kernel = _keys.digest([packages, _VARIABLES])
    return Chapter(page, path, notebook, code_key(notebook, folder, kernel))


def jobs(book: Book) -> int:
    """Return how many kernels may run at a time."""
    said = book.variable("JOBS")
    if said and (not said.isdigit() or int(said) < 1):
        name = book.setting("prefix") + "JOBS"
        raise BookError(f"{name}={said}: write a whole number of kernels, at least 1")
    return int(said) if said else os.cpu_count() or 1


def execution_of(book: Book, notebook: Any, code: str, record: Path, seconds: float) -> Execution:
    """Return what is kept of an executed notebook, the same for the same outputs."""
    cells = code_cells(notebook)
    inputs = Inputs.read(record, book.root, "\n".join(cell.source for cell in cells))
    outputs = [
        {"count": cell.get("execution_count"), "outputs": joined(cell.outputs)} for cell in cells
    ]
    language = dict(notebook.metadata.get("language_info", {}))
    return Execution(code, inputs, outputs, language, seconds)


def joined(outputs: Sequence[Any]) -> list[dict[str, Any]]:
    """Return outputs with neighbouring pieces of one stream put together."""
    found: list[dict[str, Any]] = []
    for output in outputs:
        last = found[-1] if found else {}
        both = output["output_type"] == "stream" == last.get("output_type")
        if both and output["name"] == last["name"]:
            last["text"] += output["text"]
        else:
            found.append(dict(output))
    return found


def fill(notebook: Any, execution: Execution) -> Any:
    """Put the outputs of an execution into a notebook with the same code cells."""
    import nbformat

    for cell, kept in zip(code_cells(notebook), execution.outputs, strict=True):
        cell["execution_count"] = kept["count"]
        cell["outputs"] = [nbformat.from_dict(output) for output in kept["outputs"]]
    notebook.metadata["language_info"] = nbformat.from_dict(execution.language)
    return notebook


# -- the environment of every kernel, whoever starts it ---------------------------------


#: Figures go to the page, strings hash alike, no start-up file of the reader runs, linear algebra
#: does not spread over cores that other kernels use, the kernel named python3 is the one beside
#: this interpreter, and no picture bears the time at which it was drawn: it is the first that a
#: ZIP archive can hold.
_VARIABLES = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "PYTHONHASHSEED": "0",
    "PYTHONSTARTUP": "",
    "SOURCE_DATE_EPOCH": str(EARLIEST),
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JUPYTER_PREFER_ENV_PATH": "1",
    "JUPYTER_PATH": "",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}
#: Variables (after the prefix) that steer the build and must not reach a cell.
_MACHINERY = ("JOBS", "CACHE", "RELEASE")


def kernel_environment(book: Book, record: Path) -> dict[str, str]:
    """Return the environment of a kernel; :mod:`bookworks._recorder` appends to ``record``."""
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_bytes(b"")
    prefix = book.setting("prefix")
    taken = {prefix + name for name in _MACHINERY}
    inherited = {name: value for name, value in os.environ.items() if name not in taken}
    # absolute: a kernel runs in the folder of its chapter
    given = inherited.get("PYTHONPATH", "").split(os.pathsep)
    paths = [str(Path(_recorder.__file__).parent), *(os.path.abspath(p) for p in given if p)]
    return {
        **inherited,
        **private_folders(book),
        **_VARIABLES,
        "PYTHONPATH": os.pathsep.join(paths),
        "BOOKWORKS_RECORD": str(record),
        "BOOKWORKS_ROOT": str(book.root),
        "BOOKWORKS_PREFIX": prefix,
        "BOOKWORKS_START": repr(time.time()),
        "BOOKWORKS_CODE": str(book.build / ".code"),
    }


def private_folders(book: Book) -> dict[str, str]:
    """Return where matplotlib, IPython and Jupyter keep their files if there is no home."""
    home = Path(os.path.expanduser("~"))
    if os.access(home, os.W_OK):
        return {}
    with suppress(OSError):  # IPython asks for the folder above its own
        (book.build / "home").mkdir(parents=True, exist_ok=True)
    names = {"MPLCONFIGDIR": "matplotlib", "IPYTHONDIR": "ipython", "JUPYTER_CONFIG_DIR": "jupyter"}
    names |= {"JUPYTER_DATA_DIR": "jupyter-data", "JUPYTER_RUNTIME_DIR": "jupyter-runtime"}
    return {
        name: str(book.build / "home" / folder)
        for name, folder in names.items()
        if name not in os.environ
    }


# -- one chapter ------------------------------------------------------------------------


def failure(book: Book, chapter: Chapter, index: int, error: BaseException, words: str = "") -> str:
    """Say where a chapter failed, with its cell, the traceback and the command to run it alone."""
    from nbclient.exceptions import CellExecutionError

    cell = chapter.notebook.cells[index]
    name = chapter.path.relative_to(book.root).as_posix()
    lines = chapter.notebook.metadata.get("source_map", ())
    place = f"{name}:{lines[index] + 1}" if index < len(lines) else name
    errors = [output for output in cell.get("outputs", ()) if output.output_type == "error"]
    trace = "\n".join(errors[0].traceback) if errors else ""
    if not isinstance(error, CellExecutionError):  # too slow, too loud, or the kernel died
        last = words if isinstance(error, RuntimeError) else trace  # a dead kernel
        trace = f"{last}\n{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
    source = cell.source.strip().replace("\n", "\n    ")
    return (
        f"{place}: the cell\n\n    {source}\n\nfailed:\n\n{_COLOURS.sub('', trace).strip()}\n\n"
        f"Run this chapter alone:  bookworks chapter {name}"
    )


def _client(
    chapter: Chapter, connection: Path, timeout: int | None, note: Callable[..., None]
) -> Any:
    """Return a client that talks over sockets in a folder, and stops a cell that never ends."""
    from nbclient import NotebookClient
    from traitlets.config import Config

    class Client(NotebookClient):
        said = 0

        def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
            content = msg["content"]
            parts = (
                content.get("text"),
                content.get("traceback"),
                *content.get("data", {}).values(),
            )
            self.said += sum(len(str(part)) for part in parts if part)
            if self.said > MOST_OUTPUT:
                raise OverflowError(
                    f"the cells put out more than {MOST_OUTPUT // 1_000_000} MB: print less"
                )
            return super().process_message(msg, cell, cell_index)

    # Sockets in a folder of our own: no port to race for.
    transport = {"transport": "ipc", "connection_file": str(connection)}
    return Client(
        chapter.notebook,
        timeout=timeout,
        # output that comes late, on a crowded machine, would be lost without a word
        iopub_timeout=60,
        raise_on_iopub_timeout=True,
        on_cell_start=note,
        record_timing=False,
        resources={"metadata": {"path": str(chapter.path.parent)}},
        config=Config({"KernelManager": transport}),
    )


async def execute_chapter(
    book: Book, chapter: Chapter, desk: Path, timeout: int | None
) -> Execution:
    """Execute a chapter in place."""
    running = 0

    def note(cell: Any, cell_index: int) -> None:
        nonlocal running
        running = cell_index

    record = desk / "record"
    client = _client(chapter, desk / "kernel.json", timeout, note)
    start = time.perf_counter()
    try:
        # ipykernel repeats to its own output what a cell writes past Python
        given = {"env": kernel_environment(book, record), "stdout": subprocess.DEVNULL}
        with (desk / "stderr").open("wb") as stderr:
            await client.async_execute(**given, stderr=stderr)
    except Exception as error:
        words = (desk / "stderr").read_text("utf-8", "replace")[-2000:]
        raise ChapterError(failure(book, chapter, running, error, words)) from None
    finally:
        atexit.unregister(client._cleanup_kernel)  # done; after an error it would fail aloud
    seconds = time.perf_counter() - start
    return execution_of(book, chapter.notebook, chapter.code, record, seconds)


async def _side_by_side(
    book: Book,
    chapters: Iterable[Chapter],
    keep: Callable[[Chapter, Execution], None],
    timeout: int,
) -> None:
    """Execute chapters, keep each as soon as it is done, stop at the first error."""
    gate = asyncio.Semaphore(jobs(book))
    # a short path: the name of a socket has at most about a hundred letters
    with tempfile.TemporaryDirectory(prefix="book-") as folder:

        async def run(number: int, chapter: Chapter) -> None:
            desk = Path(folder, str(number))
            desk.mkdir()
            async with gate:
                execution = await execute_chapter(book, chapter, desk, timeout)
            keep(chapter, execution)

        tasks = [asyncio.create_task(run(n, chapter)) for n, chapter in enumerate(chapters)]
        try:
            await asyncio.gather(*tasks)
        finally:  # after an error the others are told to stop, and shut down their kernels
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def run_to_end(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine in a loop of its own, also where one runs already (in a notebook)."""

    async def quietly() -> Result:
        # nbclient's tasks, when a kernel was stopped
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        return await work

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(quietly())  # in the main thread: an interruption ends the kernels, too
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, quietly()).result()


def execute(
    book: Book, store: Store, chapters: Sequence[Chapter], timeout: int = 300
) -> dict[str, Execution]:
    """Return an execution of every chapter: those that still hold, and new ones."""
    kept = {chapter.page: store.get(chapter.page, chapter.code) for chapter in chapters}
    ready = {page: execution for page, execution in kept.items() if execution is not None}

    def keep(chapter: Chapter, execution: Execution) -> None:
        store.put(chapter.page, execution)
        ready[chapter.page] = execution
        logger.info("  %s: %.1f s", chapter.page, execution.seconds)

    waiting, last = [one for one in chapters if one.page not in ready], list[Chapter]()
    for _ in range(3):
        if waiting in ([], last):  # these change themselves what they read
            break
        count = f"{len(waiting)} chapter{'s' if len(waiting) > 1 else ''}"
        logger.info("executing %s, %d at a time", count, jobs(book))
        for chapter in waiting:
            reasons = store.why(chapter.page, chapter.code)
            if reasons:
                shown = ", ".join(reasons[:3]) + (", ..." if len(reasons) > 3 else "")
                logger.info("  %s: changed %s", chapter.page, shown)
        run_to_end(_side_by_side(book, waiting, keep, timeout))
        # a chapter may write what another one has read
        changed = [one for one in chapters if ready[one.page].inputs.changed(book.root)]
        last, waiting = waiting, changed
    return {chapter.page: ready[chapter.page] for chapter in chapters}


# -- the command -------------------------------------------------------------------------


def page_of(book: Book, name: Path) -> str:
    """Return the page that a path names, seen from here or from the book's folder."""
    for path in (name.resolve(), book.root / name):
        if path.is_file() and path.is_relative_to(book.root):
            return path.relative_to(book.root).with_suffix("").as_posix()
    known = [book.source(page).relative_to(book.root).as_posix() for page in book.chapters()]
    raise BookError(f"there is no chapter {name}{near(name, known)}")


@click.command("chapter")
@click.argument("chapters", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--timeout",
    type=click.IntRange(1),
    default=300,
    show_default=True,
    help="seconds a cell may take",
)
def command(chapters: tuple[Path, ...], timeout: int) -> None:
    """Execute chapters; what ran is kept for the next build."""
    book = Book.find()
    os.environ.update(private_folders(book))
    store = Store.of(book)
    read = [read_chapter(book, page_of(book, name)) for name in chapters]
    kept = {chapter.page for chapter in read if store.get(chapter.page, chapter.code)}
    for page, done in execute(book, store, read, timeout).items():
        when = ", when it was executed: nothing that it reads has changed" if page in kept else ""
        click.echo(f"{page}: {done.seconds:.1f} s{when}")
