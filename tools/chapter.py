"""Execute chapters on their own, as the book's build does: ``make chapter CHAPTER=notebooks/x.md``.

Nothing is written: the command says how long a chapter took, or where it failed and why.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import ftz_execution  # noqa: E402


def main(arguments: list[str] | None = None) -> int:
    """Execute the named chapters; return 0 where all of them ran."""
    parser = argparse.ArgumentParser(prog="make chapter", description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="+", type=Path, help="paths of text notebooks")
    parser.add_argument("--timeout", type=int, default=300, help="seconds a cell may take")
    options = parser.parse_args(arguments)
    chapters = []
    for path in options.chapters:
        if not path.is_file():
            print(f"There is no chapter {path}: name one like notebooks/robustness.md")
            return 2
        chapter = ftz_execution.read_chapter(path.resolve(), path.as_posix())
        if chapter is None:
            print(f"{path} holds no code: there is nothing to execute")
            return 2
        chapters.append(chapter)
    os.environ.update(ftz_execution.KERNEL_ENVIRONMENT)

    def tell(chapter: ftz_execution.Chapter, seconds: float) -> None:
        print(f"{chapter.name}: {seconds:.1f} s")

    run = ftz_execution.execute_all(
        chapters, tell, at_a_time=max(1, ftz_execution.jobs()), timeout=options.timeout
    )
    try:
        asyncio.run(run)
    except ftz_execution.ChapterError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
