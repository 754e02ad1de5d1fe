"""The book's library and its data as one file that pip installs, for notebooks that stand alone.

The wheel lies beside the notebooks.  It holds the packages that ``bookworks_packages`` names and,
below the first of them, the folders of ``bookworks_inputs`` that hold none (the data) and what
else chapters were seen to read.  It asks for what the packages import, in the versions of
``requirements.lock``; what Jupyter itself is made of stays as the student has it.
"""

from __future__ import annotations

import base64
import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name as canonical

from bookworks._bom import ENTRY
from bookworks._files import pack, read_text
from bookworks.book import Book

#: What runs notebooks, in whatever version it is there.
JUPYTER = ("ipykernel", "nbclient")
_IMPORTED = re.compile(r"(?:^\s*(?:from|import) |resources\.files\(\")(\w+)", re.M)


def name(book: Book) -> str:
    """Return the wheel's file name; nothing for a book without packages or project."""
    project = _project(book)
    if not ({"name", "version"} <= project.keys() and book.setting("packages")):
        return ""
    return f"{project['name'].replace('-', '_')}-{project['version']}-py3-none-any.whl"


def write(book: Book, folder: Path, read: Iterable[str] = ()) -> None:
    """Write the wheel to a folder, with the files below the book's that chapters ``read``."""
    target = folder / name(book)
    inputs = tuple(book.setting("inputs"))
    beside = [one for one in read if not one.startswith(inputs) and not one.endswith(".md")]
    contents: dict[str, Path | bytes] = dict(_files(book))
    for one in beside:
        if "/" in one and (book.root / one).is_file():  # not what the book is built from
            contents[f"{book.setting('packages')[0]}/{one}"] = book.root / one
    project, about = _project(book), target.name.removesuffix("-py3-none-any.whl") + ".dist-info"
    sources = [p for p in contents.values() if isinstance(p, Path) and p.suffix == ".py"]
    lines = ["Metadata-Version: 2.1", f"Name: {project['name']}", f"Version: {project['version']}"]
    lines += [f"Requires-Python: {project.get('requires-python', '>=3.11')}"]
    lines += [f"Requires-Dist: {one}" for one in requirements(book, sources)]
    contents[f"{about}/METADATA"] = ("\n".join(lines) + "\n").encode()
    tags = "Wheel-Version: 1.0\nGenerator: bookworks\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    contents[f"{about}/WHEEL"] = tags.encode()
    record = f"{about}/RECORD"
    rows = [f"{inside},{_digest(content)}" for inside, content in contents.items()]
    contents[record] = "\n".join([*rows, f"{record},,\n"]).encode()
    folder.mkdir(parents=True, exist_ok=True)
    pack(target, contents, 0)


def requirements(book: Book, sources: Iterable[Path]) -> list[str]:
    """Return what sources import, and what that needs, as pins of the lock; then Jupyter's."""
    lock = read_text(book.root / "requirements.lock")
    pins = [(canonical(one[1]), one[2], one[3].partition("\\")[0]) for one in ENTRY.finditer(lock)]
    known = packages_distributions()
    names = {name for path in sources for name in _IMPORTED.findall(read_text(path))}
    wanted = {canonical(one) for module in names for one in known.get(module, ())}
    own = canonical(_project(book)["name"])
    pinned = _closure(wanted - {own}) - _closure(set(JUPYTER))
    return [f"{one}=={number}{marker}".strip() for one, number, marker in pins if one in pinned] + [
        *JUPYTER
    ]


def _project(book: Book) -> dict[str, str]:
    path = book.root / "pyproject.toml"
    return tomllib.loads(read_text(path)).get("project", {}) if path.is_file() else {}


def _files(book: Book) -> Iterator[tuple[str, Path]]:
    """Yield the place in the wheel and the path of each file, without what Python compiled."""
    packages = book.setting("packages")
    for folder in (book.root / one for one in book.setting("inputs")):
        inside = [folder / one for one in packages if (folder / one / "__init__.py").is_file()]
        for top in inside or ([folder] if folder.is_dir() else []):
            below = "" if inside else f"{packages[0]}/"
            for path in sorted(top.rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts and path.name[0] != ".":
                    yield below + path.relative_to(top.parent).as_posix(), path


def _closure(names: Iterable[str]) -> set[str]:
    """Return packages with all that they need here, optional parts left out."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        one = todo.pop()
        try:
            needed = [Requirement(text) for text in requires(one) or ()]
        except PackageNotFoundError:
            continue
        found.add(one)
        for need in needed:
            if not need.marker or need.marker.evaluate({"extra": ""}):
                todo += {canonical(need.name)} - found
    return found


def _digest(content: Path | bytes) -> str:
    data = content.read_bytes() if isinstance(content, Path) else content
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    return f"sha256={digest},{len(data)}"
