"""What the tests share: the checkout, its chapters, each executed once, and its built pages."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from hypothesis import settings

# Before numpy is imported: one thread for each test, and no window for a figure.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["MPLBACKEND"] = "agg"

# A loaded machine must not fail a property.
settings.register_profile("book", deadline=None)
settings.load_profile("book")

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / name) for name in ("lib", "book/_ext", "tests/bookworks")]

from tea_book import built_tea, sound_tea, tea  # noqa: E402, F401 - fixtures

from bookworks._execution import (  # noqa: E402
    Chapter,
    execution_of,
    kernel_environment,
    read_chapter,
)
from bookworks._files import holds_code  # noqa: E402
from bookworks._store import Store, code_cells  # noqa: E402
from bookworks.book import Book  # noqa: E402

#: Files that take long with few tests: begun last, one would keep a worker busy alone.
LONGEST = {
    *("test_pages", "test_browser", "test_book", "test_userpanel", "test_userpanel_report"),
    *("test_environment", "test_key_results", "test_reruns", "test_reruns_gallery"),
    *("test_release", "test_notes", "test_audit", "test_audit_repair", "test_multiverse_cluster"),
    *("test_multiverse_inference", "test_witness", "test_witness_ensemble"),
    *("test_witness_search", "test_witness_one_command", "test_did_family", "test_exercises"),
    "test_verifier",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.stem not in LONGEST)


def chapters() -> list[str]:
    """Return the chapters of ``_toc.yml`` in reading order, without suffix and sub-pages."""
    toc = Book.read(ROOT).toc
    return [toc["root"]] + [page["file"] for part in toc["parts"] for page in part["chapters"]]


def code_chapters() -> list[Path]:
    """Return the text notebooks among the chapters' files, whether in the toc or not."""
    files = [path for folder in ("book", "notebooks") for path in (ROOT / folder).glob("*.md")]
    return sorted(path for path in files if holds_code(path))


# -- every chapter, executed once -------------------------------------------------------


def run_through_nbmake(book: Book, chapter: Chapter, desk: Path) -> str:
    """Execute a chapter as nbmake does, keep the outputs for the book; return what failed."""
    import jupytext
    from nbclient import NotebookClient
    from nbmake import nb_run

    record, notebook = desk / "record", desk / "chapter.ipynb"
    environment = kernel_environment(book, record)
    transport = {"transport": "ipc", "connection_file": str(desk / "kernel.json")}

    class InItsFolder(NotebookClient):
        def execute(self, **_):
            self.config.KernelManager.update(transport)
            return super().execute(cwd=str(chapter.path.parent), env=environment)

    jupytext.write(jupytext.read(chapter.path, fmt="md:myst"), notebook)
    start = time.perf_counter()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nb_run, "NotebookClient", InItsFolder)
        result = nb_run.NotebookRun(notebook, 300).execute()
    seconds = time.perf_counter() - start
    if result.error is not None:
        return str(result.error.trace)
    for cell, other in zip(code_cells(result.nb), code_cells(chapter.notebook), strict=True):
        assert cell.source == other.source, "jupytext and MyST-NB read different cells"
    execution = execution_of(book, result.nb, chapter.code, record, seconds)
    Store.of(book).put(chapter.page, execution)
    return ""


def execute_once(page: str, shared: Path, wait: bool = True) -> str | None:
    """Execute a chapter unless an execution holds; return what failed, None where another runs it.

    Workers of pytest share the chapters between them: each is locked while it runs.
    """
    import tempfile

    name = page.replace("/", "--")
    outcome = shared / f"{name}.outcome"
    with (shared / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            return None
        if not outcome.exists():
            book = Book.read(ROOT)
            chapter = read_chapter(book, page)
            failed = ""
            if Store.of(book).get(page, chapter.code) is None:
                with tempfile.TemporaryDirectory(prefix="book-") as desk:
                    failed = run_through_nbmake(book, chapter, Path(desk))
            outcome.write_text(failed, encoding="utf-8")
        return outcome.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def shared(tmp_path_factory, worker_id) -> Path:
    """Return a folder that all workers of a run share."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


# -- the audit of the five papers -----------------------------------------------------------


@pytest.fixture(scope="session")
def ledger():
    """Audit the five papers, once for all tests."""
    import printproof
    from study import published

    return printproof.audit(published.studies())


# -- the built book ---------------------------------------------------------------------


@dataclass(frozen=True)
class Build:
    """A run of ``jb build``: exit code, what it said, how long it took, where the pages are."""

    code: int
    log: str
    seconds: float
    html: Path


def build_book(source: Path, output: Path, **environment: str) -> Build:
    """Build a book as ``make book`` does, with its products below ``output``."""
    jb = Path(sys.executable).with_name("jb")
    command = [str(jb), "build", str(source), "-n", "-W", "--keep-going"]
    command += ["--path-output", str(output)] if output != source else []
    start = time.perf_counter()
    run = subprocess.run(
        command,
        cwd=source,
        env={**os.environ, "NO_COLOR": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    seconds = time.perf_counter() - start
    return Build(run.returncode, run.stdout, seconds, output / "_build" / "html")


@pytest.fixture(scope="session")
def built(shared) -> Build:
    """Build the checkout's book once for all workers, from chapters that nbmake executed.

    In a fresh clone, as in CI, that is a clean build; elsewhere the keys of the pages see to
    it that the pages are those of a clean build.
    """
    record = shared / "build.json"
    with (shared / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other workers wait for the first one's book
        if not record.exists():
            pages = Book.read(ROOT).chapters()
            free = [page for page in reversed(pages) if execute_once(page, shared, False) is None]
            for page in free:
                execute_once(page, shared)
            build = build_book(ROOT, ROOT)
            record.write_text(json.dumps({**asdict(build), "html": str(build.html)}))
    content = json.loads(record.read_text())
    return Build(**{**content, "html": Path(content["html"])})


@pytest.fixture(scope="session")
def html(built) -> Path:
    """Return the folder of the built pages."""
    if built.code:
        pytest.fail("the book did not build: see test_the_book_builds_without_a_warning")
    return built.html
