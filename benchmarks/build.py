"""Measure builds of the book as multiples of a cold one, and print the README's table.

    make bench                            print the table
    make bench ARGS=--write               and put it into README.md, between the markers
    make bench ARGS='--tests --write'     with `make test` and CI, which take long
    make bench ARGS=--shares              say what one changed line costs, by the last build

The environment is installed before the clock starts; ``_build`` is deleted.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bookworks._recorder.bookworks_units import numbered

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


@contextlib.contextmanager
def one_more(unit: Unit) -> Iterator[None]:
    """Put a line that does nothing into a function for a while."""
    text = (ROOT / unit.module).read_text("utf-8")
    line = text.splitlines(keepends=True)[unit.first - 1]
    before = "".join(text.splitlines(keepends=True)[: unit.first - 1])
    blanks = line[: len(line) - len(line.lstrip())]
    with edited(unit.module, before + line, f"{before}{blanks}pass\n{line}"):
        yield


@dataclass(frozen=True)
class Unit:
    """A function of a module (or, without a name, all else in it), and what rests on it."""

    module: str
    name: str
    first: int  #: the line before which one more can stand
    lines: int
    chapters: frozenset[str]
    seconds: float  #: of these chapters


def executions() -> tuple[dict[str, float], dict[str, dict[str, set[str]]]]:
    """Return seconds of each chapter, and of each module the functions that each entered.

    Where the text of a module counts, all functions of it are entered.
    """
    seconds: dict[str, float] = {}
    entered: dict[str, dict[str, set[str]]] = defaultdict(dict)
    for folder in sorted((ROOT / "_build" / ".executed").iterdir()):
        newest = max(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        kept = json.loads(newest.read_text("utf-8"))
        seconds[folder.name] = kept["seconds"]
        for name in kept["inputs"]["files"]:
            # the machinery is under every page
            if name.startswith("lib/") and not name.startswith("lib/bookworks/"):
                known = kept["inputs"]["modules"].get(name)
                entered[name][folder.name] = {*known[1:]} if known else {"*"}
    return seconds, entered


def modules() -> tuple[list[list[Unit]], float]:
    """Return the units of each module by what a line in it costs, and the seconds of all."""
    seconds, entered = executions()
    found = []
    for path in sorted((ROOT / "lib").rglob("*.py")):
        name, tree = path.relative_to(ROOT).as_posix(), ast.parse(path.read_text("utf-8"))
        inside = [(unit, code.body[-1].lineno, _lines(code.body)) for unit, code in numbered(tree)]
        whole, users = _lines(tree.body), entered.get(name, {})
        inside.append(("", 0, max(whole - sum(lines for _, _, lines in inside), 1)))
        units = []
        for unit, first, lines in inside:
            resting = frozenset(c for c, used in users.items() if not unit or used & {unit, "*"})
            units.append(Unit(name, unit, first, lines, resting, sum(seconds[c] for c in resting)))
        if whole and "bookworks" not in path.parts:
            found.append(units)
    return sorted(found, key=cost), sum(seconds.values())


def _lines(body: list[ast.stmt]) -> int:
    """Return how many lines statements have, without docstrings."""
    documented = {
        id(node.body[0])
        for node in (ast.Module(body, []), *(n for part in body for n in ast.walk(part)))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and ast.get_docstring(node, clean=False)
    }
    statements = [n for part in body for n in ast.walk(part) if isinstance(n, ast.stmt)]
    lines = {n for s in statements if id(s) not in documented for n in (s.lineno, s.end_lineno)}
    return len(lines)


def cost(units: list[Unit]) -> float:
    """Return the seconds that a changed line of a module costs, each line being as likely."""
    return sum(u.lines * u.seconds for u in units) / sum(u.lines for u in units)


def shares() -> str:
    """Say which part of all execution one changed line of code costs."""
    found, total = modules()
    costs = [cost(units) / total for units in found]
    every = [u for units in found for u in units]
    mean = sum(u.lines * u.seconds for u in every) / sum(u.lines for u in every) / total
    loading = statistics.median(units[-1].seconds for units in found) / total
    return (
        f"One changed line of code executes {statistics.median(costs):.0%} of the book's execution "
        "time in the median module,\neach line of it as likely: the chapters that enter its "
        f"function. Over all lines of the library it is {mean:.0%}.\n"
        f"By the modules that a chapter loads it would be {loading:.0%} in the median one.\n"
        "A comment or a docstring executes nothing."
    )


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
    found, _ = modules()
    alone = next(u for units in found for u in units if u.name and len(u.chapters) == 1)
    median = found[len(found) // 2]
    typical = min((u for u in median if u.name), key=lambda u: abs(u.seconds - cost(median)))
    for what, unit in (("one chapter", alone), ("the median module", typical)):
        place = f"`{unit.name}` in `{unit.module}`, {len(unit.chapters)}"
        with one_more(unit):
            times[f"a line in a function of {what} ({place})"] = seconds(*book)
    with edited(DATA, OLD, NEW):
        times[f"a digit in `{DATA}`"] = seconds(*book)
    seconds(*book)
    if tests:
        times["`make test`, the book being built"] = seconds("make", "test")
        shutil.rmtree(ROOT / "_build", ignore_errors=True)
        times["all of CI, nothing built"] = seconds("bash", ".ci/run")
    rows = [f"| {what} | {took:.1f} | {took / cold:.2f} |\n" for what, took in times.items()]
    head = "| what changed before `make book` | seconds | of a cold build |\n|---|---:|---:|\n"
    return f"{head}{''.join(rows)}\nMeasured on {machine()}.\n\n{shares()}\n"


def main() -> None:
    """Measure, print and, if asked, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    parser.add_argument("--shares", action="store_true", help="only say what a line costs")
    parser.add_argument("--tests", action="store_true", help="time `make test` and CI, too")
    options = parser.parse_args()
    if options.shares:
        print(shares())
        return
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
