"""Where the project's data files are."""

from __future__ import annotations

import os
from pathlib import Path

from printproof.errors import RecordError

#: What pages say of these functions (see ``bookworks._lineage``).
__lineage__ = {"data_dir": {"role": "helper"}}


def data_dir() -> Path:
    """Return the folder ``data/`` of the checkout.

    The library is installed in place (``pip install -e .``), so the folder lies
    two levels above the package; the wheel beside the notebooks carries it within.
    ``FTZ_DATA`` overrides it, for tests and for readers who keep their files elsewhere.

    Raises
    ------
    RecordError
        If the folder does not exist.
    """
    named = os.environ.get("FTZ_DATA")
    package = Path(__file__).resolve().parent
    within = package / "data"
    folder = Path(named) if named else within if within.is_dir() else package.parents[1] / "data"
    if not folder.is_dir():
        raise RecordError(
            f"the data folder {folder} does not exist: install the library in place "
            "(pip install -e .) or set FTZ_DATA to the checkout's data folder"
        )
    return folder
