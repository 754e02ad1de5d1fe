"""Execute runs side by side, each in a process of its own; none can harm another.

A run that is up to date is not executed.  A run that raises, hangs or dies is reported
at the end; the others are kept as they finish.  Killed at any moment and started again,
the work goes on with the runs that were not finished, and ends with the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from ftz.errors import FtzError
from ftz.fingerprint import KERNEL_ENVIRONMENT
from ftz.reruns.chapters import notebook_text, to_notebook
from ftz.reruns.declared import Run
from ftz.reruns.records import (
    RECORD,
    Record,
    default_folder,
    digest,
    save,
    state,
    write_atomically,
)

#: How a run can end.
KEPT, DONE, FAILED = "up to date", "executed", "failed"


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes
    ----------
    run : Run
        Which.
    status : str
        ``up to date``, ``executed`` or ``failed``.
    problem : str
        Why it failed, in a line.
    log : pathlib.Path
        What its process said.
    """

    run: Run
    status: str
    problem: str
    log: Path

    def __str__(self) -> str:
        if self.status != FAILED:
            return f"{self.run.name}: {self.status}"
        return f"{self.run.name}: {self.status}: {self.problem} (log: {self.log})"


def execute(
    runs: Sequence[Run],
    folder: Path | None = None,
    *,
    workers: int | None = None,
    force: bool = False,
    progress: bool = True,
) -> list[Outcome]:
    """Execute the runs that are not up to date.

    Parameters
    ----------
    runs : sequence of Run
        From :func:`~ftz.reruns.declared.read_declarations` or ``adhoc``.
    folder : pathlib.Path, optional
        Where ``runs/`` and ``logs/`` are; ``_build/reruns`` by default.
    workers : int, optional
        Runs at a time; the number of cores by default.  No byte depends on it.
    force : bool
        Execute also what is up to date.
    progress : bool
        Show a bar with the time left.

    Returns
    -------
    list of Outcome
        One a run, in their order.
    """
    from tqdm import tqdm

    if workers is not None and workers < 1:
        raise FtzError(f"--workers {workers}: one at least")
    base, now = (folder or default_folder()).resolve(), state()
    outcomes: dict[str, Outcome] = {}
    waiting = []
    for run in runs:
        if not force and _is_current(run, base, now):
            outcomes[run.name] = Outcome(run, KEPT, "", _log(run, base))
        else:
            waiting.append(run)
    crew = _Crew(base, now)
    with (
        tqdm(
            total=len(waiting), desc="reruns", unit="run", disable=not (progress and waiting)
        ) as bar,
        ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool,
    ):
        futures = [pool.submit(crew.do, run) for run in waiting]
        try:
            for future in as_completed(futures):
                outcome = future.result()
                outcomes[outcome.run.name] = outcome
                bar.update()
        except BaseException:  # an interruption: nobody waits for what is still running
            crew.stop()
            pool.shutdown(cancel_futures=True)
            raise
    return [outcomes[run.name] for run in runs]


def _is_current(run: Run, base: Path, now: str) -> bool:
    folder = base / "runs" / run.name
    record = Record.read(folder)
    if record is None or record.digest != digest(run, now):
        return False
    if (record.group, record.title) != (run.group, run.title):  # only the declaration's words
        renamed = replace(record, group=run.group, title=run.title)
        write_atomically(folder / RECORD, renamed.json())
    return True


def _notebook(run: Run) -> Any:
    """Return the chapter; one about a reader's own panel with the sections that fit the panel."""
    if not run.chapter.name.startswith("own/"):
        return run.chapter.notebook()
    from ftz.own import read_study
    from ftz.own.book import fill
    from ftz.own.sections import missing

    study = read_study(run.files["panel"], run.files["spec"])
    return to_notebook(fill(run.chapter.text, study, missing(study), {}))


def _log(run: Run, base: Path) -> Path:
    return base / "logs" / f"{run.name}.log"


class _Crew:
    """Processes at work, so that all can be stopped."""

    def __init__(self, base: Path, now: str) -> None:
        self.base, self.now = base, now
        self.stopped = False
        self.lock = threading.Lock()
        self.processes: set[subprocess.Popen[bytes]] = set()

    def stop(self) -> None:
        with self.lock:
            self.stopped = True
            for process in self.processes:
                _kill(process)

    def do(self, run: Run) -> Outcome:
        log = _log(run, self.base)
        try:
            problem = self._do(run, log)
        except (OSError, FtzError) as error:
            problem = str(error)
        return Outcome(run, FAILED if problem else DONE, problem, log)

    def _do(self, run: Run, log: Path) -> str:
        """Execute a run and keep what it made; return the problem, if there was one."""
        wanted = digest(run, self.now)
        outcome = self._process(run, log)
        part = log.with_suffix(".ipynb")
        if "error" in outcome:
            if outcome.get("notebook"):
                write_atomically(part, outcome["notebook"])
            return str(outcome["error"])
        part.unlink(missing_ok=True)
        notebook = outcome["notebook"]
        kept = "notebook" in run.keep
        record = Record(
            name=run.name,
            chapter=run.chapter.name,
            group=run.group,
            title=run.title,
            given=run.given,
            values=run.values,
            files={name: str(path) for name, path in run.files.items()},
            headlines=outcome["headlines"],
            keep=run.keep,
            # who edits the library while it runs gets a run that is stale from the start
            digest=wanted if state() == self.now else "changed meanwhile",
            notebook=hashlib.sha256(notebook.encode()).hexdigest() if kept else "",
        )
        save(self.base / "runs" / run.name, record, notebook)
        return ""

    def _process(self, run: Run, log: Path) -> dict[str, Any]:
        log.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="ftz-rerun-") as name, log.open("wb") as said:
            desk = Path(name)
            (desk / "chapter.ipynb").write_text(notebook_text(_notebook(run)), encoding="utf-8")
            paths = {key: str(path) for key, path in run.files.items() if key in run.given}
            job = {
                "notebook": str(desk / "chapter.ipynb"),
                "chapter": run.chapter.name,
                "folder": str(run.chapter.path.parent.resolve()),
                "parameters": {**run.given, **paths},
                "outcome": str(desk / "outcome.json"),
                "parent": os.getpid(),
            }
            (desk / "job.json").write_text(json.dumps(job), encoding="utf-8")
            code = self._wait(desk / "job.json", run.timeout, said)
            if code is None:
                return {"error": f"stopped after {run.timeout:g} s (timeout)"}
            if not (desk / "outcome.json").is_file():
                return {"error": f"its process ended without a result (exit code {code})"}
            outcome: dict[str, Any] = json.loads((desk / "outcome.json").read_text("utf-8"))
            return outcome

    def _wait(self, job: Path, timeout: float, said: IO[bytes]) -> int | None:
        """Run the worker; return its exit code, or None if it was stopped at the timeout."""
        command = [sys.executable, "-m", "ftz.reruns.worker", str(job)]
        with self.lock:
            if self.stopped:
                raise FtzError("interrupted")
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                env={**os.environ, **KERNEL_ENVIRONMENT},
                start_new_session=True,  # its kernel can be stopped with it
            )
            self.processes.add(process)
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _kill(process)
            with self.lock:
                self.processes.discard(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Stop a worker; its kernel looks out for its parent and ends as well."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
