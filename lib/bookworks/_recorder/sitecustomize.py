"""Record what a Python process reads: files, modules, folders, steering variables.

:func:`bookworks._execution.kernel_environment` puts this folder on the path of a kernel, and Python
imports the module at start, in the kernel and in the processes that it starts.  An audit hook
then sees each ``open`` and each listing of a folder, and a wrapper each look-up of an
environment variable that steers the book.  The book's own modules are compiled so that they say
which of their functions are entered (:mod:`bookworks._recorder.bookworks_units`).  Each goes,
once, as one JSON line into the file that ``BOOKWORKS_RECORD`` names: appended at once, so that a
killed kernel leaves what it read.  Where a line cannot be written, the record is deleted: what
is incomplete must not pass for a record.

Only the standard library is used, and nothing is recorded of the interpreter, of installed
packages, of the system, and of what the process wrote itself.
"""

from __future__ import annotations

import builtins
import hashlib
import json
import logging
import marshal
import os
import sys
import tempfile
import threading
import time
from contextlib import suppress
from importlib.machinery import SourceFileLoader
from importlib.util import MAGIC_NUMBER
from typing import Any

#: Never inputs: of the system, of version control, of builds.
_ROOTS = ("proc", "sys", "dev", "etc", "usr", "lib", "lib64", "bin", "sbin", "run", "snap")
_SYSTEM = tuple(f"/{name}/" for name in _ROOTS)
_TOOLS = {".git", ".venv", ".ipynb_checkpoints", ".pytest_cache", ".hypothesis"}
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
        home = os.path.expanduser("~")
        folders = (".cache", ".config", ".ipython", ".jupyter", ".local")
        named = ("MPLCONFIGDIR", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR")
        private = [os.path.join(home, name) for name in folders]
        private += [os.environ[name] for name in named if name in os.environ]
        installed = {sys.prefix, sys.base_prefix, sys.exec_prefix, os.path.dirname(__file__)}
        self.installed = tuple(map(_real, installed))
        self.skipped = (*_SYSTEM, *self.installed, *map(_real, private))

    # -- what happens ----------------------------------------------------------------------

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take an audit event; never let a failure of ours reach the program."""
        if event not in ("open", "os.listdir", "os.scandir", "sqlite3.connect"):
            return
        if getattr(self.busy, "now", False):
            return
        self.busy.now = True
        try:
            if event in ("os.listdir", "os.scandir"):
                self.listed(arguments[0])
            else:
                mode, flags = (*arguments, None, 0)[1:3] if event == "open" else ("r", 0)
                self.opened(arguments[0], mode, flags)
        except Exception:
            pass
        finally:
            self.busy.now = False

    def opened(self, path: Any, mode: str | None, flags: Any) -> None:
        if isinstance(path, int) or path in (None, ":memory:", b":memory:"):
            return
        path = os.path.abspath(os.fsdecode(path))
        flags = flags if isinstance(flags, int) else 0
        if any(c in (mode or "") for c in "wax+") or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            self.seen.add(("wrote", path))
            return
        if "__pycache__" in path and path.endswith(".pyc"):
            folder, name = os.path.split(path)
            path = os.path.join(os.path.dirname(folder), name.split(".")[0] + ".py")
        self.note("file", path)

    def listed(self, path: Any) -> None:
        """Note a folder whose names were read; the import system looks into all of them."""
        caller = sys._getframe(2).f_code.co_filename
        if isinstance(path, int) or "importlib" in caller:
            return
        self.note("folder", os.path.abspath(os.fsdecode(path or ".")))

    def note(self, kind: str, path: str) -> None:
        """Append a line for a path that counts, once."""
        cell = 0 if path.endswith(".py") else _cell()
        if ("wrote", path) in self.seen or (kind, path, cell) in self.seen:
            return
        self.seen.add((kind, path, cell))
        real = os.path.realpath(path)
        below = (real + "/").startswith(self.root)
        if path in sys.argv or self.of_tools(real):
            return
        if not below and ((real + "/").startswith(self.skipped) or self.passing(real)):
            return
        name = (real[len(self.root) :] or ".") if below else real
        self.write({kind: name, "is": fingerprint(real), "cell": cell})

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

    def looked_up(self, name: Any, value: str | None) -> None:
        ours = isinstance(name, str) and name.startswith(self.prefix) and name not in _OURS
        if ours and ("variable", name) not in self.seen:
            self.seen.add(("variable", name))
            self.write({"variable": name, "is": value})

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
        if sys._getframe(1).f_code.co_name not in ("copy", "__iter__"):  # copies look at all
            recorder.looked_up(name, value)
        return value

    environ.__getitem__ = noting  # type: ignore[method-assign]
    # matplotlib's first import says on a slow machine that it is slow: not on a page
    fonts = logging.getLogger("matplotlib.font_manager")
    fonts.addFilter(lambda record: "building the font cache" not in record.getMessage())
    sys.addaudithook(recorder.hook)

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
