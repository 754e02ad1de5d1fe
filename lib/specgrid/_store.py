"""Results as Parquet: parts as they come, one table in canonical order at the end.

A folder belongs to one study and one state of the library, both named in
``manifest.json``.  ``parts/`` holds one file a finished batch, each written under another
name first and then renamed, so that a killed run leaves whole files only.  The table
``results.parquet`` is a function of study, library and grid: its bytes do not tell how many
processes there were, in which order they ended, or how often the run was killed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftz.errors import FtzError
from specgrid._estimate import RESULTS
from specgrid._grid import CHOICES, Grid

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from userpanel import UserPanel

FORMAT = 1
TABLE = "results.parquet"
_MANIFEST, _PARTS = "manifest.json", "parts"
_WHOLE = ("k", "nobs", "n_units", "n_treated_units", "n_clusters")
_NUMBERS = ("caliper", *(name for name in RESULTS if name not in (*_WHOLE, "status")))
_WRITER: Mapping[str, Any] = {
    "version": "2.6",
    "data_page_version": "1.0",
    "compression": "zstd",
    "compression_level": 3,
    "row_group_size": 1 << 16,
    "use_dictionary": True,
    "write_statistics": True,
    "store_schema": True,
}
#: Parts of the library that decide no number: they draw, typeset or report.
_APART = ("figures", "figures.py", "own", "tables.py")
_PACKAGES = ("diff-diff", "linearmodels", "numpy", "pandas", "scipy", "statsmodels")


# ---------------------------------------------------------------- schema


def schema(study: str = "", library: str = "", grid: str = "") -> pa.Schema:
    """Return the schema of parts and table.

    Parameters
    ----------
    study, library, grid : str
        Hashes, kept as metadata under the key ``ftz``.
    """
    import pyarrow as pa

    facts = {"format": FORMAT, "study": study, "library": library, "grid": grid}
    fields = [
        pa.field(name, _kind(name), nullable=name in (*_NUMBERS, *_WHOLE))
        for name in ("key", "study", *CHOICES, *RESULTS, "specification")
    ]
    text = json.dumps(facts, sort_keys=True)
    return pa.schema(fields, metadata={"ftz": text})


def _kind(name: str) -> pa.DataType:
    import pyarrow as pa

    if name in _WHOLE:
        return pa.int32()
    return pa.float64() if name in _NUMBERS else pa.string()


def arrow(rows: Sequence[Mapping[str, Any]], described: pa.Schema) -> pa.Table:
    """Return rows as an Arrow table; what is not a number becomes null."""
    import pyarrow as pa

    columns = [
        pa.array([row[field.name] for row in rows], field.type, from_pandas=True)
        for field in described
    ]
    return pa.Table.from_arrays(columns, schema=described)


def typed(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows as a frame of the types that :func:`read` gives."""
    return _frame_of(arrow(rows, schema()))


def _frame_of(table: pa.Table) -> pd.DataFrame:
    """Return a table as a frame: text, floats, and whole numbers that may be missing."""
    import pandas as pd

    return pd.DataFrame(table.to_pandas()).astype(dict.fromkeys(_WHOLE, "Int64"))


def serialised(table: pa.Table) -> bytes:
    """Return a table as the bytes of a Parquet file, writer options pinned."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **_WRITER)
    return bytes(sink.getvalue())


# ---------------------------------------------------------------- the library's state


@cache
def library_hash() -> str:
    """Return a hash of all that decides a number beside the study.

    The source of the library but for what draws and reports, and the versions of the packages
    below.
    """
    import ftz

    total = hashlib.sha256()
    for root in (Path(ftz.__file__).resolve().parent, Path(__file__).resolve().parent):
        for path in sorted(root.rglob("*.py")):
            if path.relative_to(root).parts[0] not in _APART:
                total.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    for package in _PACKAGES:
        total.update(f"{package} {metadata.version(package)}\n".encode())
    return total.hexdigest()[:16]


# ---------------------------------------------------------------- a folder


class Store:
    """A folder of results.

    Parameters
    ----------
    folder : path
    study : userpanel.UserPanel
    """

    def __init__(self, folder: str | Path, study: UserPanel) -> None:
        self.folder, self.parts = Path(folder), Path(folder) / _PARTS
        self.study, self.library = study.digest, library_hash()
        self.manifest = {
            "format": FORMAT,
            "study": self.study,
            "library": self.library,
            "title": study.title,
            "kind": study.kind,
        }

    def open(self) -> None:
        """Make the folder, or refuse one that belongs to something else.

        Raises
        ------
        FtzError
            If the folder holds results of another study or of another state of the library,
            or cannot be written.
        """
        path = self.folder / _MANIFEST
        try:
            if path.exists():
                self._check(json.loads(path.read_text("utf-8")))
            elif self.folder.is_dir() and any(self.folder.iterdir()):
                raise FtzError(f"{self.folder}: holds other files; name an empty folder")
            self.parts.mkdir(parents=True, exist_ok=True)
            text = json.dumps(self.manifest, indent=1, sort_keys=True, ensure_ascii=False)
            write_bytes(path, f"{text}\n".encode())
        except (OSError, json.JSONDecodeError) as error:
            raise FtzError(f"{self.folder}: cannot be used ({error})") from None

    def _check(self, held: Mapping[str, Any]) -> None:
        for name, what in (("study", "another study"), ("library", "another library")):
            if held.get(name) != self.manifest[name]:
                raise FtzError(
                    f"{self.folder}: holds results of {what} ({held.get(name)}, now "
                    f"{self.manifest[name]}); name another folder, or remove this one"
                )

    def clear(self) -> None:
        """Remove the results, not the folder."""
        for path in (*self.parts.glob("part-*.parquet"), self.folder / TABLE):
            path.unlink(missing_ok=True)

    def add(self, part: bytes, keys: Iterable[str]) -> None:
        """Keep a finished batch, whole or not at all."""
        name = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]
        write_bytes(self.parts / f"part-{name}.parquet", part)

    def rows(self) -> pa.Table:
        """Return what is there, in any order; a part that cannot be read is removed.

        Raises
        ------
        FtzError
            If a part comes from another study or library.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        described, tables = schema(self.study, self.library), []
        for path in sorted(self.parts.glob("part-*.parquet")):
            try:
                table = pq.read_table(path)
            except (OSError, pa.ArrowInvalid):  # torn by a full disk: to be done again
                path.unlink(missing_ok=True)
                continue
            if not table.schema.equals(described, check_metadata=True):
                raise FtzError(f"{path}: is no part of this folder's results; remove it")
            tables.append(table)
        return pa.concat_tables(tables) if tables else described.empty_table()

    def merge(self, grid: Grid) -> pa.Table:
        """Write and return the table of a grid, in canonical order.

        Raises
        ------
        FtzError
            If rows of the grid are missing.
        """
        table = self.rows()
        places = {key: i for i, key in enumerate(table.column("key").to_pylist())}
        missing = sum(s.key not in places for s in grid)
        if missing:
            raise FtzError(f"{self.folder}: {missing} specifications have no row; run again")
        described = schema(self.study, self.library, grid.digest)
        chosen = table.take([places[s.key] for s in grid]).combine_chunks()
        chosen = chosen.replace_schema_metadata(described.metadata)
        write_bytes(self.folder / TABLE, serialised(chosen))
        return chosen


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file under another name, then rename it: it is whole or it is not there."""
    if path.exists() and path.read_bytes() == content:
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with draft.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def read(out: str | Path) -> pd.DataFrame:
    """Read a table of results.

    Parameters
    ----------
    out : path
        The folder of :func:`specgrid.run`, or the file itself.

    Returns
    -------
    pandas.DataFrame
        One row a specification in canonical order, columns as
        :func:`specgrid.evaluate`; ``attrs`` holds format, study, library and grid.

    Raises
    ------
    FtzError
        If there is no table, or the file is none of ours.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(out)
    path = path / TABLE if path.is_dir() else path
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise FtzError(f"{path}: there is no such table; run the multiverse first") from None
    except (OSError, pa.ArrowInvalid) as error:
        raise FtzError(f"{path}: cannot be read ({error})") from None
    facts = json.loads((table.schema.metadata or {}).get(b"ftz", b"{}"))
    if facts.get("format") != FORMAT:
        raise FtzError(f"{path}: is no table of the multiverse in format {FORMAT}")
    frame = _frame_of(table)
    frame.attrs = facts
    return frame
