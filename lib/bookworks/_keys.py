"""Content keys: what a page or a run rests on, and whether that has changed.

Nothing here looks at the time of a file.  :class:`Inputs` is what a process was seen to read;
:func:`environment` stands for the interpreter and the installed packages.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bookworks._errors import BookError
from bookworks._files import sha256
from bookworks._recorder.bookworks_units import meanings
from bookworks._recorder.sitecustomize import fingerprint


def digest(content: object) -> str:
    """Return a hash of something that JSON can hold.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def environment(root: Path) -> str:
    """Return a hash of interpreter, recorder, lock and the folders of installed packages."""
    lock = root / "requirements.lock"
    installed = sorted(
        name
        for folder in sys.path
        if folder.endswith("site-packages") and Path(folder).is_dir()
        for name in os.listdir(folder)
        if name.endswith(".dist-info") and (Path(folder) / name / "WHEEL").exists()
    )
    recorder = tree(Path(__file__).parent, ["_recorder"])  # of an older one, records say less
    return digest([sys.version, recorder, installed, sha256(lock) if lock.is_file() else ""])


def tree(root: Path, names: Iterable[str]) -> str:
    """Return a hash of the names and contents of files and folders below ``root``."""
    found = {}
    for name in names:
        start = root / name
        for path in sorted(start.rglob("*")) if start.is_dir() else [start]:
            parts = path.relative_to(root).parts
            hidden = any(p.startswith(".") or p == "__pycache__" for p in parts)
            if path.is_file() and not hidden and path.suffix != ".pyc":
                found["/".join(parts)] = sha256(path)
    return digest(found)


def packages(names: Iterable[str]) -> str:
    """Return a hash of the code of packages, without importing it."""
    found = [find_spec(name) for name in names]
    places = [p for spec in found if spec for p in spec.submodule_search_locations or ()]
    return digest([tree(Path(place), ["."]) for place in places])


@dataclass(frozen=True)
class Inputs:
    """What a process read, with the state in which it read it.

    Files and folders are paths (below the book's folder: relative to it) with the hash of
    content or names, ``missing`` for what was asked for and not there; variables those of the
    environment that were looked up, with their values (None: not set); ``cells`` has of each
    code cell, by its number, the files, other than modules, that were read in it.  ``modules``
    has of those files that were imported, and not read as text, what they meant, and the
    functions that were entered.  All of it is JSON: ``Inputs(**json)`` brings it back.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str | None] = field(default_factory=dict)
    cells: Mapping[str, list[str]] = field(default_factory=dict)
    modules: Mapping[str, list[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, record: Path, root: Path, code: str = "") -> Inputs:
        """Read what :mod:`bookworks._recorder` wrote; a file that is there no more was passing.

        ``code`` is that of the program itself: where it, or a module, looks at documentation or
        code, the text of all modules counts.  Raises BookError if there is no whole record.
        """
        kinds: dict[str, dict[str, Any]] = {"file": {}, "folder": {}, "variable": {}}
        cells: dict[str, list[str]] = defaultdict(list)
        entered: dict[str, list[str]] = defaultdict(list)
        imported: dict[str, str] = {}
        try:
            text = record.read_text("utf-8", errors="surrogateescape")
        except OSError:
            raise BookError(
                f"{record.parent}: what a kernel read could not be written down; is the disk full?"
            ) from None
        for written in text.splitlines():
            try:
                line = json.loads(written)
            except ValueError:  # cut off by a kill
                continue
            if unit := line.get("entered"):
                entered[unit.partition(":")[0]].append(unit.partition(":")[2])
                continue
            if name := line.get("wrote"):
                kinds["file"].pop(name, None)
                continue
            if name := line.get("module"):
                imported.setdefault(name, line["is"])
                continue
            (kind,) = kinds.keys() & line.keys()
            name, value = line[kind], line["is"]
            gone = value != "missing" and kind != "variable" and not (root / name).exists()
            if gone and Path(name).is_absolute():
                continue
            kinds[kind].setdefault(name, value)
            if kind == "file" and line["cell"]:
                cells[str(line["cell"])].append(name)
        means = {name: meaning(root / name, entered[name]) for name in imported}
        # a module that changed while it ran is not what was imported
        same = all(state(root / name) == then for name, then in imported.items())
        modules = {
            name: [mean, *sorted(set(entered[name]))]
            for name, mean in means.items()
            if name not in kinds["file"]
        }
        if not (same and all(means.values())) or _looks(code):
            modules = {}
        files = imported | kinds["file"]
        return cls(files, kinds["folder"], kinds["variable"], dict(cells), modules)

    def changed(self, root: Path) -> list[str]:
        """Return the names of what is no longer as it was read, or as it was meant."""
        paths, variables = [*self.files.items(), *self.folders.items()], self.variables.items()
        changed = [
            name
            for name, then in paths
            if state(root / name) != then and not self._means_the_same(root, name)
        ]
        return changed + [name for name, then in variables if os.environ.get(name) != then]

    def _means_the_same(self, root: Path, name: str) -> bool:
        mean, *entered = self.modules.get(name, [""])
        return bool(mean) and meaning(root / name, entered) == mean


def _looks(code: str) -> bool:
    """Tell whether cells look at documentation or code, by Python's means or by IPython's."""
    plain = re.sub(r"^\s*(%(?!p)|!).*", "", code, flags=re.MULTILINE)  # %pdoc, %psource
    return not meanings(plain)


def meaning(path: Path, entered: Iterable[str]) -> str:
    """Return a hash of what a module means to a program that enters these functions of it."""
    try:
        found = _meanings(path, state(path))
        return digest([found[unit] for unit in ("", *sorted(set(entered)))])
    except (OSError, KeyError):
        return ""


@cache
def _meanings(path: Path, state: str) -> dict[str, str]:
    return meanings(path.read_bytes())


_STATES: dict[tuple[str, int, int, int, int], str] = {}


def state(path: Path) -> str:
    """Return the hash of a file's content or a folder's names, read once a state of the file."""
    try:
        status = path.stat()
    except OSError:
        return "missing"
    if path.is_dir():
        return fingerprint(str(path))
    # the time of a change is not for anybody to set
    key = (str(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    if key not in _STATES:
        _STATES[key] = fingerprint(str(path))
    return _STATES[key]
