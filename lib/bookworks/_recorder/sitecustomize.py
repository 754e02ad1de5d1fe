"""Record what a Python process reads: files, modules, folders, steering variables.

:func:`bookworks._execution.kernel_environment` puts this folder on the path of a kernel, and Python
imports the module at start, in the kernel and in the processes that it starts.  An audit hook
then sees each ``open``, each listing of a folder and each command, wrappers each question
whether a file is there and each look-up of an environment variable that steers the book, and
the last finder of modules what was not found.  The book's own modules are compiled so that they
say which of their functions are entered (:mod:`bookworks._recorder.bookworks_units`).  Each goes,
once, as one JSON line into the file that ``BOOKWORKS_RECORD`` names: appended at once, so that a
killed kernel leaves what it read.  Where a line cannot be written, the record is deleted: what
is incomplete must not pass for a record.

Only the standard library is used, and nothing is recorded of the interpreter, of installed
packages, of the system, and of what the process wrote itself.  Not seen are the clock, times of
files, the net, what C opens without a question before (libxml2), what a command reads that does
not name it, and a new module or folder that comes to stand before what was imported.
"""

from __future__ import annotations

import builtins
import hashlib
import json
import logging
import marshal
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from importlib.machinery import SourceFileLoader
from importlib.util import MAGIC_NUMBER
from typing import Any

#: Never inputs: of the system, of version control, of builds.
_ROOTS = ("proc", "sys", "dev", "etc", "usr", "lib", "lib64", "bin", "sbin", "run", "snap")
_SYSTEM = tuple(f"/{name}/" for name in _ROOTS)
_TOOLS = {".git", ".venv", ".ipynb_checkpoints", ".pytest_cache", ".hypothesis", "__pycache__"}
#: How :func:`bookworks._execution.kernel_environment` speaks to this module.
_OURS = tuple(f"BOOKWORKS_{name}" for name in ("RECORD", "ROOT", "PREFIX", "START", "CODE"))


def fingerprint(path: str) -> str:
    """Return the SHA-256 of a file, the names in a folder, or ``missing``."""
    try:
        if os.path.isdir(path):
            names = sorted(n for n in os.listdir(path) if n[0] != "." and n != "__pycache__")
            return hashlib.sha256("\0".join(names).encode("utf-8", "replace")).hexdigest()
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()
    except OSError:
        return "missing"


def _real(path: str) -> str:
    return os.path.realpath(path) + "/"


class Recorder:
    """Appends to the file ``record`` what this process reads; names below ``root`` are relative."""

    def __init__(self, record: str, root: str, prefix: str) -> None:
        self.record, self.prefix = record, prefix
        self.compiled = os.environ.get("BOOKWORKS_CODE", "")
        self.entered: set[str] = set()
        self.start = float(os.environ.get("BOOKWORKS_START", "inf"))
        self.root, self.temporary = _real(root), _real(tempfile.gettempdir())
        self.busy = threading.local()
        self.seen: set[tuple[object, ...]] = set()
        self.missing: set[str] = set()
        home = os.path.expanduser("~")
        folders = (".cache", ".config", ".ipython", ".jupyter", ".local")
        named = ("MPLCONFIGDIR", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR")
        private = [os.path.join(home, name) for name in folders]
        private += [os.environ[name] for name in named if name in os.environ]
        installed = {sys.prefix, sys.base_prefix, sys.exec_prefix, os.path.dirname(__file__)}
        self.installed = tuple(map(_real, installed))
        own = (*self.installed, *map(_real, private))
        self.skipped = (*_SYSTEM, *own)
        self.inside = tuple(path for path in own if path.startswith(self.root))

    # -- what happens ----------------------------------------------------------------------

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take an audit event."""
        if event in ("os.listdir", "os.scandir"):
            self.quietly(self.listed, arguments[0], sys._getframe(1).f_code.co_filename)
        elif event == "open":
            self.quietly(self.opened, *arguments)
        elif event == "sqlite3.connect":
            self.quietly(self.connected, arguments[0])
        elif event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"):
            self.quietly(self.commanded, *arguments)

    def quietly(self, note: Callable[..., None], *arguments: Any) -> None:
        """Note something: not what that does itself, and never let it reach the program."""
        if getattr(self.busy, "now", False):
            return
        self.busy.now = True
        try:
            note(*arguments)
        except Exception:
            pass
        finally:
            self.busy.now = False

    def opened(self, path: Any, mode: str | None, flags: Any) -> None:
        if isinstance(path, int):
            return
        path = os.path.abspath(os.fsdecode(path))
        flags = flags if isinstance(flags, int) else 0
        if any(c in (mode or "") for c in "wax") or flags & (os.O_WRONLY | os.O_CREAT):
            self.seen.add(("wrote", path))
            if path in self.missing:  # asked for before it was made
                self.write({"wrote": self.name(path)})
            return
        if "__pycache__" in path and path.endswith(".pyc"):
            folder, name = os.path.split(path)
            path = os.path.join(os.path.dirname(folder), name.split(".")[0] + ".py")
        self.note("file", path)

    def connected(self, path: Any) -> None:
        name = os.fsdecode(path)
        if name.startswith("file:"):
            name = name.removeprefix("file:").partition("?")[0]
        if name and name != ":memory:":
            self.note("file", os.path.abspath(name))

    def listed(self, path: Any, caller: str) -> None:
        """Note a folder whose names were read; the import system looks into all of them."""
        if not isinstance(path, int) and "importlib" not in caller:
            self.note("folder", os.path.abspath(os.fsdecode(path or ".")))

    def asked(self, path: Any) -> None:
        """Note a file that was looked at from outside; of a module counts that it is not there."""
        path = os.path.abspath(os.fsdecode(path))
        if any(len(os.fsencode(part)) > 255 for part in path.split(os.sep)):
            return  # a text that might have been the name of a file
        if ("asked", path) not in self.seen:
            self.seen.add(("asked", path))
            if not (os.path.isdir(path) or (path.endswith(".py") and os.path.exists(path))):
                self.note("file", path)

    def commanded(self, command: Any, words: Any = (), folder: Any = None, *_: Any) -> None:
        """Note the files and variables that a command names: what it reads is not seen."""
        text = re.sub(r">\s*\S+", "", " ".join(map(os.fsdecode, (command, *words))))
        there = folder if isinstance(folder, str | bytes | os.PathLike) else "."
        for word in re.findall(r"[^\s'\"<|;&()=,]+", text):
            path = os.path.abspath(os.path.join(os.fsdecode(there), word))
            if os.path.isfile(path):
                self.note("file", path)
        for name in re.findall(rf"\b{self.prefix}\w+", text):
            os.environ.get(name)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Note, as the last finder of modules, where one was not found."""
        for folder in sys.path if path is None else path:
            self.quietly(self.sought, folder, name.rpartition(".")[2])

    def sought(self, folder: str, name: str) -> None:
        for file in (f"{name}.py", os.path.join(name, "__init__.py")):
            self.note("file", os.path.abspath(os.path.join(folder, file)))

    def note(self, kind: str, path: str) -> None:
        """Append a line for a path that counts, once."""
        cell = 0 if path.endswith(".py") else _cell()
        if ("wrote", path) in self.seen or (kind, path, cell) in self.seen:
            return
        self.seen.add((kind, path, cell))
        real = os.path.realpath(path)
        if path in sys.argv or self.of_tools(real):
            return
        for one in dict.fromkeys((real, path)):  # what a link leads to, and the link
            below = f"{one}/".startswith(self.root)
            if f"{one}/".startswith(self.inside if below else self.skipped):
                continue
            if below or not self.passing(one):
                state = fingerprint(one)
                if state == "missing":
                    self.missing.add(path)
                self.write({kind: self.name(one), "is": state, "cell": cell * (one == real)})

    def name(self, path: str) -> str:
        return (path[len(self.root) :] or ".") if f"{path}/".startswith(self.root) else path

    def of_tools(self, path: str) -> bool:
        below = path.startswith(self.root)
        return below and not _TOOLS.isdisjoint(path[len(self.root) :].split(os.sep))

    def passing(self, path: str) -> bool:
        """Tell whether a temporary file is of this run: made since it began, or gone."""
        try:
            new = self.start <= os.stat(path).st_mtime <= time.time()  # no file of a clock ahead
            return path.startswith(self.temporary) and new
        except OSError:
            return True

    def looked_up(self, name: Any, value: Any) -> None:
        name = os.fsdecode(name) if isinstance(name, str | bytes) else ""
        ours = name.startswith(self.prefix) and name not in _OURS
        if ours and ("variable", name) not in self.seen:
            self.seen.add(("variable", name))
            self.write({"variable": name, "is": None if value is None else os.fsdecode(value)})

    def write(self, line: dict[str, Any]) -> None:
        """Append one line in one piece, also where processes share the file."""
        data = json.dumps(line, ensure_ascii=False).encode("utf-8", "surrogateescape") + b"\n"
        try:
            file = os.open(self.record, os.O_WRONLY | os.O_APPEND)
            try:
                whole = os.write(file, data) == len(data)
            finally:
                os.close(file)
        except OSError:
            whole = False
        if not whole:  # a full disk
            with suppress(OSError):
                os.unlink(self.record)

    # -- modules ---------------------------------------------------------------------------

    def code(self, path: str) -> Any:
        """Return the code of one of the book's modules, which tells the functions it enters."""
        import bookworks_units  # type: ignore[import-not-found]

        with open(path, "rb") as file:
            source = file.read()
        name = os.path.realpath(path)[len(self.root) :]
        self.write({"module": name, "is": hashlib.sha256(source).hexdigest()})
        if not path.endswith("__init__.py"):  # a package would come before it
            self.note("file", os.path.join(os.path.splitext(path)[0], "__init__.py"))
        about = [MAGIC_NUMBER, os.fsencode(path), os.fsencode(name), source]
        state = hashlib.sha256(b"\0".join(about)).digest()
        kept = os.path.join(self.compiled, hashlib.sha256(os.fsencode(path)).hexdigest())
        with suppress(OSError, ValueError, EOFError, TypeError), open(kept, "rb") as file:
            if file.read(len(state)) == state:
                return marshal.loads(file.read())
        code = compile(bookworks_units.marked(source, name), path, "exec", dont_inherit=True)
        with suppress(OSError):
            os.makedirs(self.compiled, exist_ok=True)
            with open(f"{kept}.{os.getpid()}", "wb") as file:
                file.write(state + marshal.dumps(code))
            os.replace(f"{kept}.{os.getpid()}", kept)
        return code

    def enter(self, unit: str) -> None:
        self.busy.now = True
        try:
            self.write({"entered": unit})
        finally:
            self.busy.now = False
        self.entered.add(unit)


def _cell() -> int:
    """Return the number of the cell that runs, from 1; 0 outside a kernel."""
    shell = sys.modules.get("IPython.core.interactiveshell")
    instance = getattr(getattr(shell, "InteractiveShell", None), "_instance", None)
    # not execution_count, which IPython 9 raises before it runs a cell, and IPython 8 after
    inputs = getattr(instance, "user_ns", {}).get("In", [""])
    return max(0, len(inputs) - 1)


def _asking(recorder: Recorder, look: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of :mod:`os` that notes which file it looks at."""

    @wraps(look)
    def noting(path: Any, *more: Any, **options: Any) -> Any:
        # realpath looks at every part of a path, IPython at all that is shown
        caller = sys._getframe(1)
        callers = {frame.f_code.co_name for frame in (caller, caller.f_back) if frame}
        passing = callers & {"_joinrealpath", "realpath", "_safe_exists"}
        if not (passing or isinstance(path, int) or options.get("dir_fd")):
            recorder.quietly(recorder.asked, path)
        return look(path, *more, **options)

    for able in (os.supports_fd, os.supports_dir_fd, os.supports_follow_symlinks):
        if look in able:
            able.add(noting)
    return noting


def install() -> None:
    """Begin to record, where the environment asks for it."""
    record = os.environ.get("BOOKWORKS_RECORD")
    if not record or hasattr(builtins, "__entering__"):  # a program that imports this file, too
        return
    recorder = Recorder(record, os.environ["BOOKWORKS_ROOT"], os.environ["BOOKWORKS_PREFIX"])
    environ = type(os.environ)
    look_up = environ.__getitem__

    def noting(self: Any, name: Any) -> Any:
        try:
            value = look_up(self, name)
        except KeyError:
            recorder.looked_up(name, None)
            raise
        caller = sys._getframe(1).f_code.co_name
        loop = sys._getframe(2).f_code.co_filename if caller == "__iter__" else ""
        if caller != "copy" and not loop.startswith(recorder.skipped):  # these pass on all
            recorder.looked_up(name, value)
        return value

    environ.__getitem__ = noting  # type: ignore[method-assign]
    # matplotlib's first import says on a slow machine that it is slow: not on a page
    fonts = logging.getLogger("matplotlib.font_manager")
    fonts.addFilter(lambda record: "building the font cache" not in record.getMessage())
    sys.addaudithook(recorder.hook)
    sys.meta_path.append(recorder)
    for name in ("stat", "lstat", "access"):
        setattr(os, name, _asking(recorder, getattr(os, name)))

    get_code = SourceFileLoader.get_code

    def telling(self: Any, fullname: str) -> Any:
        path = os.path.realpath(self.path)
        ours = path.startswith(recorder.root) and not path.startswith(recorder.installed)
        if not ours or recorder.of_tools(path):
            return get_code(self, fullname)
        recorder.busy.now = True
        try:
            return recorder.code(self.path)
        finally:
            recorder.busy.now = False

    SourceFileLoader.get_code = telling  # type: ignore[method-assign]
    builtins.__entered__ = recorder.entered  # type: ignore[attr-defined]
    builtins.__entering__ = recorder.enter  # type: ignore[attr-defined]


install()
