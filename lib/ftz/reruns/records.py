"""What is kept of a run, and whether it still holds.

A run's folder holds ``run.json`` and, if it is kept, ``notebook.ipynb``.  The record is
written last, and carries the hash of the notebook beside it; a run whose record is
missing, or whose hashes do not match, is executed again.  So a process that is killed
at any moment leaves nothing that passes for a finished run.  Neither file holds a time,
a path of the machine or a random id: the same inputs give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ftz import fingerprint
from ftz.errors import FtzError
from ftz.reruns.chapters import all_chapters, checkout
from ftz.reruns.declared import Run
from ftz.reruns.grammar import Value

NOTEBOOK, RECORD = "notebook.ipynb", "run.json"


def default_folder(root: Path | None = None) -> Path:
    """Return where runs are kept, unless ``FTZ_RERUNS`` or ``--out`` names a folder."""
    named = os.environ.get("FTZ_RERUNS")
    return Path(named) if named else (root or checkout()) / "_build" / "reruns"


def state(root: Path | None = None) -> str:
    """Return the fingerprint of library, data, lock file and interpreter."""
    return fingerprint.state(root or checkout())


def digest(run: Run, inputs_state: str) -> str:
    """Return the hash of all that a run's bytes depend on.

    Parameters
    ----------
    run : Run
        Its chapter's text, parameters and the content of the files that they name count.
    inputs_state : str
        From :func:`state`.
    """
    files = {name: _content(path) for name, path in run.files.items()}
    return _digest(run.chapter.text, run.values, files, run.name, run.keep, inputs_state)


def _digest(
    text: str,
    values: Mapping[str, Value],
    files: Mapping[str, str],
    name: str,
    keep: Iterable[str],
    inputs_state: str,
) -> str:
    what = {
        "chapter": hashlib.sha256(text.encode()).hexdigest(),
        "values": {k: v for k, v in values.items() if k not in files},
        "files": dict(files),
        "name": name,
        "keep": list(keep),
        "state": inputs_state,
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def _content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"


@dataclass(frozen=True)
class Record:
    """A finished run.

    Attributes
    ----------
    name, chapter, group, title : str
        As declared.
    given, values : dict
        Parameters that the declaration sets; all parameters.
    files : dict
        Absolute paths of the files that parameters name, by parameter.
    headlines : dict
        The chapter's headline numbers by glue key, at full precision.
    keep : tuple of str
        What is kept.
    digest : str
        From :func:`digest`, when it was run.
    notebook : str
        SHA-256 of the notebook; empty if it is not kept.
    """

    name: str
    chapter: str
    group: str
    title: str
    given: dict[str, Value]
    values: dict[str, Value]
    files: dict[str, str]
    headlines: dict[str, int | float]
    keep: tuple[str, ...]
    digest: str
    notebook: str

    def json(self) -> str:
        """Return the record as text, keys in the order above."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, folder: Path) -> Record | None:
        """Read the record of a run's folder; None where no finished run is."""
        try:
            table = json.loads((folder / RECORD).read_text(encoding="utf-8"))
            record = cls(**{**table, "keep": tuple(table["keep"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None
        whole = not record.notebook or record.notebook == _content(folder / NOTEBOOK)
        return record if whole else None

    def current_digest(self, inputs_state: str, root: Path | None = None) -> str:
        """Return the digest this run would have now; empty if its chapter is gone."""
        chapter = all_chapters(root).get(self.chapter)
        if chapter is None:
            return ""
        files = {name: _content(Path(path)) for name, path in self.files.items()}
        return _digest(chapter.text, self.values, files, self.name, self.keep, inputs_state)

    def is_stale(self, inputs_state: str, root: Path | None = None) -> bool:
        """Tell whether chapter, library, data or lock changed since the run."""
        return self.current_digest(inputs_state, root) != self.digest


def read_records(folder: Path | None = None) -> list[Record]:
    """Return the finished runs of a folder, by group and in the order of their parameters."""
    runs = (folder or default_folder()) / "runs"
    found = [Record.read(path) for path in sorted(runs.glob("*")) if path.is_dir()]
    return sorted((r for r in found if r), key=_order)


def _order(record: Record) -> tuple[Any, ...]:
    values = [
        (0, v, "") if isinstance(v, int | float) else (1, 0, str(v)) for v in record.given.values()
    ]
    return (record.group == "adhoc", record.group, record.chapter, values, record.name)


def write_atomically(path: Path, content: str) -> None:
    """Write a file that is either as before or whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(content, encoding="utf-8", newline="\n")
        os.replace(draft, path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise FtzError(f"{path}: cannot be written ({error.strerror})") from None


def save(folder: Path, record: Record, notebook: str) -> None:
    """Write a finished run: notebook first, record last."""
    if record.notebook:
        write_atomically(folder / NOTEBOOK, notebook)
    else:
        (folder / NOTEBOOK).unlink(missing_ok=True)
    write_atomically(folder / RECORD, record.json())
