"""What the numbers on a page depend on beside its chapter, as one short hash.

One fingerprint over library, data, lock file and interpreter decides whether a chapter is
executed again, by the book's build and by reruns alike; and all kernels, whoever starts
them, get one environment.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path

#: What the numbers depend on, from the root of a checkout.
INPUTS = ("lib", "data", "requirements.lock")

#: The environment of every kernel; figures go to the page, strings hash alike, and the
#: linear algebra does not spread over cores that other kernels use.
KERNEL_ENVIRONMENT = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    # the kernel named python3 is the one beside this interpreter, whatever else has that name
    "JUPYTER_PREFER_ENV_PATH": "1",
    "JUPYTER_PATH": "",
}


def digest(root: Path, names: Iterable[str] = INPUTS) -> str:
    """Return a short hash of the named files and folders and of the interpreter.

    Parameters
    ----------
    root : pathlib.Path
        A checkout.
    names : iterable of str
        Files and folders in it; an absolute path names one elsewhere.
    """
    total = hashlib.sha256(sys.version.encode())
    for name in names:
        start = root / name
        for path in sorted([start] if start.is_file() else start.rglob("*")):
            parts = path.relative_to(start).parts
            if path.is_file() and not any(map(_made_by_a_tool, parts)):
                total.update("/".join((name, *parts)).encode() + b"\0")
                total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]


def state(root: Path) -> str:
    """Return the fingerprint of a checkout, and of the data folder that ``FTZ_DATA`` names."""
    elsewhere = os.environ.get("FTZ_DATA")
    return digest(root, (*INPUTS, elsewhere) if elsewhere else INPUTS)


def _made_by_a_tool(part: str) -> bool:
    return part.startswith(".") or part == "__pycache__" or part.endswith(".egg-info")
