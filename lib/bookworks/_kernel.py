"""The environment of every kernel of the book, whoever starts it."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from bookworks import _recorder
from bookworks.book import Book

#: Figures go to the page, strings hash alike, linear algebra does not spread over cores that
#: other kernels use, and the kernel named python3 is the one beside this interpreter.
SETTINGS = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JUPYTER_PREFER_ENV_PATH": "1",
    "JUPYTER_PATH": "",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}
#: Variables (after the prefix) that steer the build and must not reach a cell.
MACHINERY = ("JOBS", "CACHE", "RELEASE")


def environment(book: Book, record: Path) -> dict[str, str]:
    """Return the environment of a kernel; :mod:`bookworks._recorder` appends to ``record``."""
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_bytes(b"")
    prefix = book.setting("prefix")
    taken = {prefix + name for name in MACHINERY}
    inherited = {name: value for name, value in os.environ.items() if name not in taken}
    # absolute: a kernel runs in the folder of its chapter
    given = inherited.get("PYTHONPATH", "").split(os.pathsep)
    paths = [str(Path(_recorder.__file__).parent), *(os.path.abspath(p) for p in given if p)]
    return {
        **inherited,
        **private_folders(book),
        **SETTINGS,
        "PYTHONPATH": os.pathsep.join(paths),
        "BOOKWORKS_RECORD": str(record),
        "BOOKWORKS_ROOT": str(book.root),
        "BOOKWORKS_PREFIX": prefix,
        "BOOKWORKS_START": repr(time.time()),
        "BOOKWORKS_CODE": str(book.build / ".code"),
    }


def private_folders(book: Book) -> dict[str, str]:
    """Return where matplotlib, IPython and Jupyter keep their files if there is no home."""
    home = Path(os.path.expanduser("~"))
    if os.access(home, os.W_OK):
        return {}
    with suppress(OSError):  # IPython asks for the folder above its own
        (book.build / "home").mkdir(parents=True, exist_ok=True)
    names = {"MPLCONFIGDIR": "matplotlib", "IPYTHONDIR": "ipython", "JUPYTER_CONFIG_DIR": "jupyter"}
    names |= {"JUPYTER_DATA_DIR": "jupyter-data", "JUPYTER_RUNTIME_DIR": "jupyter-runtime"}
    return {
        name: str(book.build / "home" / folder)
        for name, folder in names.items()
        if name not in os.environ
    }
