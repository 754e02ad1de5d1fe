"""Measure a cold and a warm ``make book`` and print the table that the README quotes.

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


def make(*arguments: str) -> float:
    """Run make, fail as it fails, and return the seconds it took."""
    start = time.perf_counter()
    subprocess.run(["make", *arguments], cwd=ROOT, check=True, stdout=sys.stderr)
    return time.perf_counter() - start


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
    """Build twice and return the Markdown table."""
    make("book")  # installs what is missing and compiles it
    shutil.rmtree(ROOT / "_build")
    cold, warm = make("book"), make("book")
    return (
        f"| `make book`, {pages()} chapters | seconds |\n"
        "|---|---:|\n"
        f"| all chapters executed, no cache | {cold:.1f} |\n"
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
