"""Spread jobs over processes, each on one thread, with a bar that shows the time left."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")


def _one_thread() -> None:
    """Keep linear algebra to one thread in this process and in those that it starts."""
    for name in _THREADS:
        os.environ[name] = "1"


def spread(
    job: Callable[..., Any],
    jobs: Sequence[tuple[Any, ...]],
    *,
    workers: int | None = None,
    what: str = "",
    progress: bool = True,
) -> list[Any]:
    """Call ``job`` with each tuple of arguments and return the answers in their order.

    Parameters
    ----------
    job : callable
        At the top of a module, so that a process can import it.
    jobs : sequence of tuple
        Arguments, one tuple a call.
    workers : int, optional
        Processes; the number of cores by default.  The answers do not depend on it.
    what : str
        Named beside the bar.
    progress : bool
        Whether to show the bar.

    Examples
    --------
    >>> spread(max, [(1, 2), (5, 3)], workers=1, progress=False)
    [2, 5]
    """
    from tqdm import tqdm

    answers: list[Any] = [None] * len(jobs)
    with tqdm(total=len(jobs), desc=what, unit="", disable=not progress or not jobs) as bar:
        for place, answer in _answers(job, jobs, workers or os.cpu_count() or 1):
            answers[place] = answer
            bar.update()
    return answers


def _answers(
    job: Callable[..., Any], jobs: Sequence[tuple[Any, ...]], workers: int
) -> Iterator[tuple[int, Any]]:
    if workers == 1 or len(jobs) < 2:
        for place, arguments in enumerate(jobs):
            yield place, job(*arguments)
        return
    _one_thread()  # inherited by the processes, read when they load numpy
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        places = {pool.submit(job, *arguments): i for i, arguments in enumerate(jobs)}
        try:
            for future in as_completed(places):
                yield places[future], future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
