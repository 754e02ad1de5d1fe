"""Executed chapters, kept by content.

One JSON file an execution: outputs of the code cells, and all that the kernel was seen to read.
An execution serves again while the code cells, the packages and everything that was read are
the same; how old a file is does not matter.  Files are written whole or not at all, and one that
cannot be read is as good as absent.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bookworks import _keys
from bookworks._files import write_atomically
from bookworks._keys import Inputs
from bookworks.book import Book

#: Executions that are kept of a chapter, the newest first.
KEPT = 8
#: Tags that change what executing a cell does.
_TAGS = {"raises-exception", "skip-execution"}


@dataclass(frozen=True)
class Execution:
    code: str  #: from :func:`code_key`
    inputs: Inputs  #: what the kernel read
    outputs: list[dict[str, Any]]  #: for each code cell its number of execution and its outputs
    language: dict[str, Any]  #: what the kernel says of its language
    seconds: float

    @property
    def result(self) -> str:
        """Return the hash of what the chapter gives to its page."""
        return _keys.digest([self.outputs, self.inputs.cells])


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def code_key(notebook: Any, folder: str, environment: str) -> str:
    """Return the hash of what is executed: code, kernel, working folder, packages."""
    cells = [
        (cell.source, sorted(_TAGS & set(cell.metadata.get("tags", ()))))
        for cell in code_cells(notebook)
    ]
    kernel = notebook.metadata.get("kernelspec", {}).get("name", "")
    return _keys.digest([cells, kernel, folder, environment])


class Store:
    """The folder of executions of a book; against its ``root`` inputs are checked."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder, self.root = folder, root

    @classmethod
    def of(cls, book: Book, build: Path | None = None) -> Store:
        """Return the store of a book; the variable ``CACHE`` names another folder."""
        named = book.variable("CACHE")
        return cls(Path(named) if named else (build or book.build) / ".executed", book.root)

    def _place(self, page: str) -> Path:
        return self.folder / page.replace("/", "--")

    def _files(self, page: str) -> list[Path]:
        """Return the executions of a page, the last one that was written or used first."""
        found = []
        for path in self._place(page).glob("*.json"):
            with contextlib.suppress(OSError):
                found.append((path.stat().st_mtime_ns, path))
        return [path for _, path in sorted(found, reverse=True)]

    def _executions(self, page: str, code: str) -> Iterator[tuple[Path, Execution]]:
        for path in self._files(page):
            if path.name.startswith(f"{code[:16]}-"):
                execution = _read(path)
                if execution is None:
                    path.unlink(missing_ok=True)
                elif execution.code == code:
                    yield path, execution

    def get(self, page: str, code: str) -> Execution | None:
        for path, execution in self._executions(page, code):
            if not execution.inputs.changed(self.root):
                with contextlib.suppress(OSError):
                    path.touch()
                return execution
        return None

    def why(self, page: str, code: str) -> list[str]:
        """Return what has changed since the last execution; nothing where there is none."""
        for _, execution in self._executions(page, code):
            return execution.inputs.changed(self.root)
        return []

    def put(self, page: str, execution: Execution) -> None:
        """Keep an execution, and of the older ones the newest."""
        content = {**vars(execution), "inputs": vars(execution.inputs)}
        name = f"{execution.code[:16]}-{_keys.digest(content['inputs'])[:16]}.json"
        text = json.dumps({"sum": _keys.digest(content), **content}, ensure_ascii=False)
        write_atomically(self._place(page) / name, text)
        # the newest is this one, whatever the clock says
        for path in [path for path in self._files(page) if path.name != name][KEPT - 1 :]:
            path.unlink(missing_ok=True)


def _read(path: Path) -> Execution | None:
    try:
        content = json.loads(path.read_text("utf-8"))
        if content.pop("sum") != _keys.digest(content):
            return None
        return Execution(inputs=Inputs(**content.pop("inputs")), **content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
