"""Execute runs side by side, each in a kernel of its own; none can harm another.

A run that nothing has changed since is not executed.  A run that raises, hangs or dies is
reported at the end; the others are kept as they finish.  Killed at any moment and started
again, the work goes on with the runs that were not finished, and ends with the same bytes.
"""

from __future__ import annotations

import ast
import asyncio
import hashlib
import os
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import nbformat
from tqdm import tqdm

from bookworks import _execution, _keys
from bookworks._errors import BookError, near
from bookworks._files import locked, write_atomically
from bookworks.reruns._declared import Run
from bookworks.reruns._records import NOTEBOOK, Record

#: How a run can end.
KEPT, DONE, FAILED = "up to date", "executed", "failed"

#: Where :func:`myst_nb.glue` puts a value in a cell's output.
_GLUED = "application/papermill.record/text/plain"


@dataclass(frozen=True)
class Outcome:
    """How a run ended and, if it failed, why."""

    run: Run
    status: str
    problem: str = ""

    def __str__(self) -> str:
        return f"{self.run.name}: {self.status}{self.problem and ': '}{self.problem}"


def execute(
    runs: Sequence[Run], folder: Path, workers: int = 0, force: bool = False, progress: bool = True
) -> list[Outcome]:
    """Execute the runs that are not up to date, or by ``force`` all; return how each ended."""
    base = folder.resolve()

    async def one(run: Run, current: bool) -> Outcome:
        if current:
            return Outcome(run, KEPT)
        async with gate:
            try:
                await _make(run, base)
                return Outcome(run, DONE)
            except (OSError, BookError) as error:
                return Outcome(run, FAILED, str(error))
            finally:
                bar.update()

    async def every() -> list[Outcome]:
        loop: Any = asyncio.get_running_loop()
        loop.add_signal_handler = lambda *_: None  # nbclient would take Ctrl-C for one kernel
        return await asyncio.gather(*map(one, runs, kept))

    with locked(base, lambda line: click.echo(line, err=True)):
        kept = [not force and _is_current(run, base) for run in runs]
        gate, waiting = asyncio.Semaphore(workers or os.cpu_count() or 1), kept.count(False)
        quiet = not (progress and waiting)
        with tqdm(desc="reruns", unit="run", total=waiting, disable=quiet) as bar:
            return _execution.run_to_end(every())


def _is_current(run: Run, base: Path) -> bool:
    record = Record.read(base / "runs" / run.name)
    if record is None or not record.fits(run):
        return False
    if (record.group, record.title) != (run.group, run.title):  # only the declaration's words
        replace(record, group=run.group, title=run.title).write(base / "runs" / run.name)
    return True


async def _make(run: Run, base: Path) -> None:
    """Execute a run and keep what it made; of one that fails, its log and how far it came."""
    book, notebook = run.chapter.book, run.chapter.notebook(run.given)
    text, packages = run.chapter.digest, _keys.environment(book.root)
    chapter = _execution.Chapter(run.chapter.name, run.chapter.path, notebook, "")
    log, folder = base / "logs" / f"{run.name}.log", base / "runs" / run.name
    limit = asyncio.timeout(run.timeout)
    try:
        with tempfile.TemporaryDirectory(prefix="book-") as desk:
            async with limit:
                made = await _execution.execute_chapter(book, chapter, Path(desk), None)
        results = key_results(notebook, run.chapter.facts.results)
    except (TimeoutError, BookError) as error:
        said = f"stopped after {run.timeout:g} s (timeout)" if limit.expired() else str(error)
        write_atomically(log, said + "\n")
        write_atomically(log.with_suffix(".ipynb"), canonical(notebook))
        raise BookError(f"{_short(said)} (log: {log})") from None
    for path in (log, log.with_suffix(".ipynb"), folder / NOTEBOOK):
        path.unlink(missing_ok=True)
    whole, digest = canonical(notebook), ""
    if "notebook" in run.keep:
        write_atomically(folder / NOTEBOOK, whole)
        digest = hashlib.sha256(whole.encode()).hexdigest()
    declared = (run.name, run.chapter.name, run.group, run.title, run.given, list(run.keep))
    Record(*declared, results, text, packages, vars(made.inputs), digest).write(folder)


def _short(report: str) -> str:
    """Return place and error of the report on a cell that failed, in a line."""
    place, failed, trace = report.partition("failed:\n\n")
    if not failed:
        return report
    last = trace.partition("\n\nRun this chapter")[0].splitlines()[-1]
    return f"{place.partition(': the cell')[0]}: {last}"


def key_results(notebook: Any, wanted: Iterable[str]) -> dict[str, int | float]:
    """Read a chapter's key results from an executed notebook: plain numbers, unrounded."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    texts = {
        output["metadata"]["scrapbook"]["name"]: output["data"][_GLUED]
        for output in outputs
        if _GLUED in output.get("data", {})
    }
    numbers: dict[str, int | float] = {}
    for key in wanted:
        if key not in texts:
            raise BookError(f"the key result {key} was not glued{near(key, texts)}")
        with suppress(ValueError, SyntaxError):
            value = ast.literal_eval(texts[key])
            if type(value) in (int, float) and repr(value) == texts[key]:
                numbers[key] = value
        if key not in numbers:
            raise BookError(f"{key} is {texts[key]}; glue float(...) or int(...), finite")
    return numbers


def canonical(notebook: Any) -> str:
    """Return an executed notebook as text that is the same every time: no clock, no random id."""
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"]}
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:04d}"
        cell["metadata"] = {k: v for k, v in cell.metadata.items() if k in ("mystnb", "tags") and v}
        if cell.cell_type == "code":
            cell["outputs"] = _execution.joined(cell.outputs)
    return str(nbformat.writes(nbformat.from_dict(notebook), version=4)) + "\n"
