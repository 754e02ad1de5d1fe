"""Run a grid: one after the other, on processes of this machine, or on a Dask cluster.

The work is cut into batches, pure functions of study and specifications.  Whoever finishes
one, in whatever order, its rows are the same, and they are kept at once; what a killed
process or worker had in hand is done again.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftz.errors import FtzError
from specgrid import _store as store
from specgrid._estimate import estimate_batch
from specgrid._grid import STAGGERED, Grid, Specification

if TYPE_CHECKING:
    import pandas as pd

    from userpanel import UserPanel

Batch = tuple[Specification, ...]
#: How long a scheduler has to answer, in seconds, and to show a first worker.
PATIENCE = 5.0
#: How often a batch whose process died is given to another one.
RETRIES = 3
#: Work in a batch, in two-way regressions: about a second.
_BUDGET = 4_000
_MOST = 1_000


def run(
    study: UserPanel,
    grid: Grid,
    out: str | Path,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: bool = True,
    resume: bool = True,
) -> pd.DataFrame:
    """Estimate a grid and keep the rows.

    Parameters
    ----------
    study : userpanel.UserPanel
    grid : Grid
    out : path
        A folder of its own.  Rows that it holds already are not computed again, so that a
        killed run goes on where it stopped, and a larger grid costs only what is new.
    workers : int, optional
        Processes on this machine; one a core by default; 1 for none beside this one.
    scheduler : str, optional
        Address of a running Dask scheduler, ``tcp://host:port``; it takes the place of
        ``workers``.
    progress : bool
        Whether to show a bar with the time left.
    resume : bool
        False: forget what the folder holds.

    Returns
    -------
    pandas.DataFrame
        The grid's rows in canonical order, as :func:`read`.  ``out/results.parquet`` has
        the same bytes whatever ran where.

    Raises
    ------
    FtzError
        A folder of another study or library, a scheduler that does not answer or has no
        workers, workers with another library, a batch that killed its process repeatedly.
    """
    if workers is not None and workers < 1:
        raise FtzError(f"workers must be at least 1, not {workers}")
    folder = store.Store(out, study)
    folder.open()
    if not resume:
        folder.clear()
    there = set(folder.rows().column("key").to_pylist())
    pending = [s for s in grid if s.key not in there]
    if pending:
        with _bar(len(grid), len(grid) - len(pending), progress) as bar:
            for batch, part in _parts(study, batches(pending), workers, scheduler):
                folder.add(part, (s.key for s in batch))
                bar.update(len(batch))
    folder.merge(grid)
    return store.read(folder.folder)


def _bar(total: int, done: int, shown: bool) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, initial=done, desc="multiverse", unit="spec", disable=not shown)


def _parts(
    study: UserPanel, work: list[Batch], workers: int | None, scheduler: str | None
) -> Iterator[tuple[Batch, bytes]]:
    if scheduler is not None:
        return _on_dask(study, work, scheduler)
    workers = workers or os.cpu_count() or 1
    if workers == 1 or len(work) == 1:
        return ((batch, work_on(study, batch)) for batch in work)
    return _on_processes(study, work, workers)


def batches(specifications: Sequence[Specification]) -> list[Batch]:
    """Cut specifications into batches of about equal work, neighbours together."""
    complete: list[Batch] = []
    current: list[Specification] = []
    spent = 0
    for specification in specifications:
        cost = _cost(specification)
        if current and (spent + cost > _BUDGET or len(current) == _MOST):
            complete.append(tuple(current))
            current, spent = [], 0
        current.append(specification)
        spent += cost
    return [*complete, tuple(current)] if current else complete


def _cost(specification: Specification) -> int:
    if specification.estimator in STAGGERED:
        return 800
    if specification.estimator == "matching_att":
        return 100
    slow = specification.matching != "none" or specification.error_type in ("CR2", "CR3", "wild")
    return 25 if slow else 3


def work_on(study: UserPanel, batch: Batch, library: str | None = None) -> bytes:
    """Estimate a batch and return it as the bytes of a Parquet file; a pure function.

    Raises
    ------
    FtzError
        If the library here is not the one that ``library`` names.
    """
    here = store.library_hash()
    if library is not None and library != here:
        raise FtzError(
            f"a worker has another library ({here}) than the client ({library}): "
            "install the same checkout and the same lock on both"
        )
    described = store.schema(study.digest, here)
    return store.serialised(store.arrow(estimate_batch(study, batch), described))


# ---------------------------------------------------------------- processes


def _on_processes(
    study: UserPanel, work: list[Batch], workers: int
) -> Iterator[tuple[Batch, bytes]]:
    """Give batches to processes; if one is killed, give what is left to new ones."""
    from joblib.externals.loky.process_executor import BrokenProcessPool

    left = dict(enumerate(work))
    for attempt in range(RETRIES + 1):
        try:
            for place, part in _pooled(study, left, workers):
                yield left.pop(place), part
            return
        except BrokenProcessPool:
            if attempt == RETRIES:
                raise FtzError(
                    f"processes were killed {RETRIES + 1} times (out of memory?); what is "
                    "finished is kept: run again, with fewer workers"
                ) from None


def _pooled(study: UserPanel, left: dict[int, Batch], workers: int) -> Iterator[tuple[int, bytes]]:
    from joblib import Parallel, delayed, parallel_config

    with parallel_config(backend="loky", inner_max_num_threads=1):
        pool = Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
        mine = os.getpid()
        yield from pool(delayed(_numbered)(mine, i, study, left[i]) for i in list(left))


def _numbered(parent: int, place: int, study: UserPanel, batch: Batch) -> tuple[int, bytes]:
    _follow(parent)
    return place, work_on(study, batch)


@cache
def _follow(parent: int) -> None:
    """End this process soon after the one that started it was killed; it would idle on."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    if os.getppid() == parent:
        threading.Thread(target=watch, daemon=True).start()


# ---------------------------------------------------------------- a Dask cluster


def _on_dask(study: UserPanel, work: list[Batch], scheduler: str) -> Iterator[tuple[Batch, bytes]]:
    """Give batches to a cluster that is there already; none is started."""
    import distributed

    dask: Any = distributed  # its functions carry no types
    with _client(scheduler) as client:
        submitted = {
            client.submit(
                work_on, study, batch, store.library_hash(), pure=False, retries=RETRIES
            ): batch
            for batch in work
        }
        for future in dask.as_completed(list(submitted), loop=client.loop):
            yield submitted.pop(future), _result(future)
            future.release()


def _result(future: Any) -> bytes:
    from concurrent.futures import CancelledError

    from distributed.scheduler import KilledWorker

    try:
        return bytes(future.result())
    except (CancelledError, OSError, TimeoutError) as error:
        raise FtzError(
            f"the scheduler went away ({type(error).__name__}); what is finished is kept: "
            "run again when it is back"
        ) from None
    except KilledWorker as error:
        raise FtzError(
            f"scheduler: a batch lost its worker again and again ({error}); what is finished is "
            "kept: give the workers more memory and run again"
        ) from None


def _client(scheduler: str) -> Any:
    import logging

    import distributed

    dask: Any = distributed
    # What goes wrong is said once, in our words.
    for name in ("distributed.client", "distributed.core", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = dask.Client(scheduler, timeout=PATIENCE, set_as_default=False)
    except (OSError, TimeoutError, ValueError, ImportError) as error:
        reason = " ".join(str(error).split())[:200]
        raise FtzError(
            f"no Dask scheduler answers at {scheduler} ({reason}): start one with `dask "
            "scheduler`, or leave --scheduler out"
        ) from None
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        client.close()
        raise FtzError(
            f"the scheduler at {scheduler} has no workers: start some with "
            f"`dask worker {scheduler} --nworkers 2 --nthreads 1`"
        ) from None
    return client
