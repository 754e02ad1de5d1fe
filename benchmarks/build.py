"""Measure builds of the book as multiples of a cold one, and print the README's table.

    make bench                            print the table
    make bench ARGS=--write               and put it into README.md, between the markers
    make bench ARGS='--tests --write'     with `make test` and CI, which take long

The environment is installed before the clock starts; ``_build`` is deleted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MARKED = re.compile(r"(<!-- benchmark:start[^>]*-->\n).*?(<!-- benchmark:end -->)", re.DOTALL)
#: A chapter of middling length, and a file of data with the digit that is changed.
CHAPTER = "notebooks/mechanisms.md"
DATA, OLD, NEW = "data/other_studies.csv", ",2.69,", ",2.68,"


def seconds(*command: str) -> float:
    """Run a command, fail as it fails, and return the seconds it took."""
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)
    return time.perf_counter() - start


@contextlib.contextmanager
def edited(name: str, old: str, new: str) -> Iterator[None]:
    """Change a file for a while."""
    path = ROOT / name
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{name} does not hold {old!r}"
    try:
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        yield
    finally:
        path.write_text(text, encoding="utf-8")


def users() -> dict[str, set[str]]:
    """Return the chapters that load each module of the library, as their kernels recorded it."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in (ROOT / "_build" / ".executed").glob("*/*.json"):
        for name in json.loads(path.read_text("utf-8"))["inputs"]["files"]:
            file = ROOT / name  # gone, where an older execution read it
            above = name.startswith("lib/bookworks/")  # the machinery is under every page
            if name.startswith("lib/") and not above and file.is_file() and file.stat().st_size:
                found[name].add(path.parent.name)
    return found


def machine() -> str:
    """Return the size of the machine in words."""
    cores = os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    python = platform.python_version()
    return f"{cores} cores, {memory:.0f} GiB of memory, {platform.system()}, Python {python}"


def measure(tests: bool) -> str:
    """Build again and again and return the Markdown table."""
    book = ("make", "book")
    seconds(*book)  # installs what is missing and compiles it
    shutil.rmtree(ROOT / "_build", ignore_errors=True)
    times = {"all chapters executed, nothing kept": (cold := seconds(*book))}
    times["nothing changed"] = seconds(*book)
    with edited(CHAPTER, "\n\n## ", "\n\nOne sentence more.\n\n## "):
        times["a sentence in one chapter"] = seconds(*book)
    modules = sorted(users().items(), key=lambda item: (len(item[1]), item[0]))
    for what, (name, chapters) in (
        ("a line in a module of one chapter", modules[0]),
        ("a line in the median module", modules[len(modules) // 2]),
    ):
        with edited(name, "\n\n", "\n# one line more\n\n"):
            times[f"{what} (`{name}`, {len(chapters)})"] = seconds(*book)
    with edited(DATA, OLD, NEW):
        times[f"a digit in `{DATA}`"] = seconds(*book)
    seconds(*book)
    if tests:
        shutil.rmtree(ROOT / "_build", ignore_errors=True)
        times["`make test`"] = seconds("make", "test")
        shutil.rmtree(ROOT / "_build", ignore_errors=True)
        times["all of CI"] = seconds("bash", ".ci/run")
    rows = [f"| {what} | {took:.1f} | {took / cold:.2f} |\n" for what, took in times.items()]
    head = "| what changed before `make book` | seconds | of a cold build |\n|---|---:|---:|\n"
    return f"{head}{''.join(rows)}\nMeasured on {machine()}.\n"


def main() -> None:
    """Measure, print and, if asked, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    parser.add_argument("--tests", action="store_true", help="time `make test` and CI, too")
    options = parser.parse_args()
    table = measure(options.tests)
    print(table, end="")
    if options.write:
        readme = ROOT / "README.md"
        text, found = MARKED.subn(
            lambda marks: marks[1] + table + marks[2], readme.read_text(encoding="utf-8")
        )
        if found != 1:
            sys.exit("README.md has no benchmark markers")
        readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
