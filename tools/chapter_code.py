"""Write the code of chapters as scripts for a linter: ``chapter_code.py FOLDER CHAPTER...``.

Prose becomes comments.  One process reads them all: starting jupytext once a chapter took
minutes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import jupytext


def main(folder: str, *chapters: str) -> None:
    """Write one script a chapter, named like it."""
    for name in chapters:
        script = Path(folder, name).with_suffix(".py")
        script.parent.mkdir(parents=True, exist_ok=True)
        jupytext.write(jupytext.read(name, fmt="md:myst"), script, fmt="py:percent")


if __name__ == "__main__":
    main(*sys.argv[1:])
