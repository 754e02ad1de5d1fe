"""Measure builds of the book, cold, warm and one by one, and print the README's table.

    make bench                    print the table
    make bench ARGS=--write       and put it into README.md, between the markers

The environment is installed before the clock starts; ``_build`` is deleted.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MARKED = re.compile(r"(<!-- benchmark:start[^>]*-->\n).*?(<!-- benchmark:end -->)", re.DOTALL)


#: The chapter in which a typo is mended: a computed one of middling length.
CHAPTER = ROOT / "notebooks" / "mechanisms.md"


def make(*arguments: str, **environment: str) -> float:
    """Run make, fail as it fails, and return the seconds it took."""
    start = time.perf_counter()
    told = {**os.environ, **environment}
    subprocess.run(["make", *arguments], cwd=ROOT, check=True, stdout=sys.stderr, env=told)
    return time.perf_counter() - start


def cold(**environment: str) -> float:
    """Build from nothing."""
    shutil.rmtree(ROOT / "_build", ignore_errors=True)
    return make("book", **environment)


def typo() -> float:
    """Build after a word of one chapter was changed; the chapter is put back."""
    text = CHAPTER.read_text(encoding="utf-8")
    try:
        CHAPTER.write_text(text.rstrip("\n") + "\n\nOne sentence more.\n", encoding="utf-8")
        return make("book")
    finally:
        CHAPTER.write_text(text, encoding="utf-8")


def machine() -> str:
    """Return the size of the machine in words."""
    cores = os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    python = platform.python_version()
    return f"{cores} cores, {memory:.0f} GiB of memory, {platform.system()}, Python {python}"


def pages() -> int:
    """Return how many chapters the book has."""
    return (ROOT / "_toc.yml").read_text(encoding="utf-8").count("file:") + 1


def measure() -> str:
    """Build five times and return the Markdown table."""
    make("book")  # installs what is missing and compiles it
    sequential = cold(FTZ_JOBS="0")
    parallel, warm, mended = cold(), make("book"), typo()
    return (
        f"| `make book`, {pages()} pages | seconds |\n"
        "|---|---:|\n"
        f"| all computed chapters executed, no cache | {parallel:.1f} |\n"
        f"| the same, one after the other (`FTZ_JOBS=0`, plain MyST-NB) | {sequential:.1f} |\n"
        f"| a sentence changed in one chapter | {mended:.1f} |\n"
        f"| nothing changed | {warm:.1f} |\n\n"
        f"Measured on {machine()}.\n"
    )


def main() -> None:
    """Measure, print and, if asked, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    write = parser.parse_args().write
    table = measure()
    print(table, end="")
    if write:
        readme = ROOT / "README.md"
        text, found = MARKED.subn(
            lambda marks: marks[1] + table + marks[2], readme.read_text(encoding="utf-8")
        )
        if found != 1:
            sys.exit("README.md has no benchmark markers")
        readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
