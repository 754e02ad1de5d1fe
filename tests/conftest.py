"""What the tests share: the checkout, its chapters, and one clean build of the book."""

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
import yaml
from hypothesis import settings

# Before numpy is imported: one thread for each test, and no window for a figure.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["MPLBACKEND"] = "agg"

# A loaded machine must not fail a property.
settings.register_profile("book", deadline=None)
settings.load_profile("book")

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))


def chapters() -> list[str]:
    """Return the chapters of ``_toc.yml`` in reading order, without suffix."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [toc["root"]] + [page["file"] for part in toc["parts"] for page in part["chapters"]]


def holds_code(path: Path) -> bool:
    """Tell whether a chapter is a text notebook: its header names a kernel."""
    return "\nkernelspec:" in path.read_text(encoding="utf-8").split("\n---", 1)[0]


def code_chapters() -> list[Path]:
    """Return the text notebooks among the chapters' files, whether in the toc or not."""
    files = [path for folder in ("book", "notebooks") for path in (ROOT / folder).glob("*.md")]
    return sorted(path for path in files if holds_code(path))


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
    command += ["--path-output", str(output)]
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
def clean_build(tmp_path_factory, worker_id) -> Build:
    """Build the whole book once, without any cache, for all workers of pytest-xdist."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared if worker_id == "master" else shared.parent
    record = shared / "clean-build.json"
    with (shared / "clean-build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other workers wait for the first one's book
        if not record.exists():
            build = build_book(ROOT, shared / "clean-build")
            record.write_text(json.dumps({**asdict(build), "html": str(build.html)}))
    kept = json.loads(record.read_text())
    return Build(**{**kept, "html": Path(kept["html"])})


@pytest.fixture(scope="session")
def html(clean_build) -> Path:
    """Return the folder of the built pages."""
    if clean_build.code:
        pytest.fail("the book did not build: see test_the_book_builds_without_a_warning")
    return clean_build.html
