"""What is kept of a run, and whether it still holds.

A run's folder holds ``run.json`` and, if it is kept, ``notebook.ipynb``.  The record is
written last and carries the hash of the notebook beside it, so a process that is killed at
any moment leaves nothing that passes for a finished run.  Neither file holds a time or a
random id: the same inputs give the same bytes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bookworks import _keys
from bookworks._errors import BookError
from bookworks._files import sha256, write_atomically
from bookworks.book import Book
from bookworks.reruns._declared import Run, find
from bookworks.reruns._parameters import Value

NOTEBOOK, RECORD = "notebook.ipynb", "run.json"


def default_folder(book: Book) -> Path:
    """Return where runs are kept, unless the variable ``RERUNS`` or ``--out`` names a folder."""
    return Path(book.variable("RERUNS") or book.build / "reruns")


@dataclass(frozen=True)
class Record:
    """A finished run as declared, its key results, and hashes of what it rests on."""

    name: str
    chapter: str
    group: str
    title: str
    given: dict[str, Value]
    keep: list[str]
    results: dict[str, int | float]
    text: str
    packages: str
    inputs: dict[str, Any]
    notebook: str

    @classmethod
    def read(cls, folder: Path) -> Record | None:
        try:
            record = cls(**json.loads((folder / RECORD).read_text(encoding="utf-8")))
            whole = not record.notebook or record.notebook == sha256(folder / NOTEBOOK)
        except (OSError, ValueError, TypeError):
            return None
        return record if whole else None

    def write(self, folder: Path) -> None:
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False)
        write_atomically(folder / RECORD, text + "\n")

    def changed(self, book: Book) -> list[str]:
        """Return what changed since the run: chapter, packages, what its kernel read."""
        try:
            text = find(book, self.chapter).digest
        except BookError:
            text = "gone"
        changed = [self.chapter] * (text != self.text)
        changed += ["installed packages"] * (self.packages != _keys.environment(book.root))
        return changed + _keys.Inputs(**self.inputs).changed(book.root)

    def fits(self, run: Run) -> bool:
        """Tell whether this is what a declared run would make now."""
        return (
            (self.chapter, self.given, self.keep) == (run.chapter.name, run.given, list(run.keep))
            and set(self.results) == set(run.chapter.facts.results)
            and not self.changed(run.chapter.book)
        )


def read_records(folder: Path) -> list[Record]:
    """Return the finished runs of a folder, by group and in the order of their parameters."""

    def order(record: Record) -> tuple[Any, ...]:
        numbers = [
            (0, v, "") if isinstance(v, int | float) else (1, 0, str(v))
            for v in record.given.values()
        ]
        return (record.group == "adhoc", record.group, record.chapter, numbers, record.name)

    found = [Record.read(path) for path in (folder / "runs").glob("*")]
    return sorted((record for record in found if record), key=order)
