"""Files that are read with limits and written whole or not at all."""

from __future__ import annotations

import datetime
import fcntl
import hashlib
import json
import os
import stat
import zipfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, TypeVar

import yaml

from bookworks._errors import BookError, near

T = TypeVar("T")

#: No declaration is larger; what is larger is some other file.
MOST_BYTES = 1_000_000
#: Nor is one nested deeper, and PyYAML's time grows with the square.
MOST_DEEP = 50
#: When 1980 had begun everywhere; no ZIP archive holds an earlier year.
EARLIEST = 315619200


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def below(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by their sorted names."""
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    return dict(sorted(found.items()))


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file that is either as before or whole; a full disk leaves nothing behind."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(data)
        os.replace(draft, path)
    except OSError as error:
        with suppress(OSError):  # below a file there is nothing to delete
            draft.unlink()
        raise BookError(f"{path} cannot be written: {error.strerror}") from None


def write_if_new(path: Path, content: str | bytes) -> bool:
    """Write a file where its content differs; return whether it did."""
    data = content.encode() if isinstance(content, str) else content
    if path.is_file() and path.read_bytes() == data:
        return False
    write_atomically(path, data)
    return True


def as_json(content: object) -> str:
    """Return the text of a JSON file, the same for the same content."""
    return json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def read_json(path: Path) -> dict[str, Any]:
    """Read what :func:`as_json` wrote; empty where there is nothing, or nothing whole."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """Read a small text file; refuse what is no regular file before it is opened."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise BookError(f"{path} is not a regular file")
        if status.st_size > most:
            raise BookError(f"{path} has {status.st_size:,} bytes, more than {most:,}")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BookError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BookError(f"{path} is not UTF-8: byte {error.start}; save it as UTF-8") from None


class _Loader(yaml.SafeLoader):
    """YAML without aliases, which can stand for gigabytes, and without repeated keys."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            name = key.value
            if name in seen:
                line = key.start_mark.line + 1
                raise yaml.constructor.ConstructorError(
                    None, None, f"line {line}: the key {name!r} stands twice"
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path, most: int = MOST_BYTES) -> Any:
    """Read a YAML file as data: no aliases, no key twice, no object of Python."""
    text, depth = read_text(path, most), 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent) or depth > MOST_DEEP:
                line = getattr(event.start_mark, "line", 0) + 1
                deep = f"more than {MOST_DEEP} levels are not read"
                said = deep if depth > MOST_DEEP else "aliases (*name) are not read; write it out"
                raise BookError(f"{path}, line {line}: {said}")
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, TypeError, ValueError) as error:
        words = " ".join(str(error).split()) or type(error).__name__
        raise BookError(f"{path} is not valid YAML: {words}") from None


def pack(archive: Path, contents: Mapping[str, Path | bytes], epoch: int) -> dict[str, str]:
    """Write a ZIP archive that depends on names, bytes and the time only; return the digests."""
    moment = datetime.datetime.fromtimestamp(max(epoch, EARLIEST), datetime.UTC)
    if not contents:
        raise BookError(f"{archive.name} would be empty")
    digests = {}
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        for name, content in sorted(contents.items()):
            entry = zipfile.ZipInfo(name, moment.timetuple()[:6])
            runs = isinstance(content, Path) and content.stat().st_mode & 0o100
            entry.create_system, entry.external_attr = 3, (0o100755 if runs else 0o100644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            data = content.read_bytes() if isinstance(content, Path) else content
            digests[name] = hashlib.sha256(data).hexdigest()
            out.writestr(entry, data)
    return digests


def locked(folder: Path, say: Callable[[str], None]) -> IO[str]:
    """Return a lock on a folder, which ends with its process; ``say`` if one has to wait for it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("a+")
    except OSError as error:
        raise BookError(f"{folder} cannot be written: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        say(f"another command works in {folder} ({lock.read()}): waiting for it")
        fcntl.flock(lock, fcntl.LOCK_EX)
    lock.truncate(0)
    lock.write(f"process {os.getpid()}")
    lock.flush()
    return lock


def read_declared(path: Path, kind: type[T], keys: Iterable[str]) -> T:
    """Read a YAML file as a type that pydantic checks; ``keys`` are those that it knows."""
    import pydantic

    try:
        return pydantic.TypeAdapter(kind).validate_python(read_yaml(path))
    except pydantic.ValidationError as error:
        problems = []
        for one in error.errors():
            key, said = ".".join(map(str, one["loc"])), one["msg"].removeprefix("Value error, ")
            if one["type"] == "extra_forbidden":
                said = f"no such key{near(one['loc'][-1], keys)}; there are {', '.join(keys)}"
            problems.append(f"{path.name}: {key}{key and ': '}{said}")
        raise BookError("\n".join(problems)) from None


def holds_code(path: Path) -> bool:
    """Tell whether a page is a text notebook: its header names a kernel."""
    if path.suffix == ".ipynb" or not path.is_file():
        return path.suffix == ".ipynb"
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    return text.startswith("---") and "\nkernelspec:" in text.split("\n---", 1)[0]
