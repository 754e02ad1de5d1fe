"""The multiverse on a Dask cluster, and killed: the table's bytes do not tell."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import specgrid as mv
from ftz.errors import FtzError
from specgrid import _store as store
from study.replication import witness_study

CHOICES = """
blocks:
- estimator: [sun_abraham]
  controls: subsets
- controls: subsets
"""
DASK = str(Path(sys.executable).with_name("dask"))


@pytest.fixture(scope="module")
def choices(tmp_path_factory):
    path = tmp_path_factory.mktemp("choices") / "choices.yml"
    path.write_text(CHOICES)
    return path


@pytest.fixture(scope="module")
def undisturbed(choices, tmp_path_factory) -> bytes:
    out, study = tmp_path_factory.mktemp("undisturbed"), witness_study()
    mv.run(study, mv.grid(study, choices), out, workers=1, progress=False)
    return (out / store.TABLE).read_bytes()


def command(choices, out, *more):
    arguments = ["--choices", choices, "--out", out, "--quiet", *more]
    return [sys.executable, "-m", "study.cli", "multiverse", *map(str, arguments)]


@contextlib.contextmanager
def running(arguments, log):
    """Start a process; kill it at the end, if it still runs, and nothing else."""
    with log.open("wb") as sink:
        process = subprocess.Popen(
            arguments, stdout=sink, stderr=subprocess.STDOUT, cwd=log.parent, env=dict(os.environ)
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)


def until(found, what, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := found():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come in {seconds} seconds")


def parts(out):
    return list((out / "parts").glob("part-*.parquet"))


def test_a_cluster_in_this_process_gives_the_same_bytes(tmp_path):
    from distributed import LocalCluster

    study = witness_study()
    grid = mv.grid(study, {"controls": "subsets", "error_type": ["CR1", "CR2"]})
    mv.run(study, grid, tmp_path / "here", workers=1, progress=False)
    with LocalCluster(
        n_workers=2,
        threads_per_worker=2,
        processes=False,
        protocol="tcp://",
        host="127.0.0.1",
        dashboard_address=None,
    ) as cluster:
        address = cluster.scheduler_address
        mv.run(study, grid, tmp_path / "there", scheduler=address, progress=False)
    tables = [(tmp_path / name / store.TABLE).read_bytes() for name in ("here", "there")]
    assert tables[0] == tables[1]


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "no address", "127.0.0.1:1"])
def test_a_scheduler_that_does_not_answer_is_named(address, tmp_path, monkeypatch):
    from distributed import Client

    patience = []
    start = Client.__init__

    def timed(self, *arguments, timeout, **names):
        patience.append(timeout)
        start(self, *arguments, timeout=timeout, **names)

    monkeypatch.setattr(Client, "__init__", timed)
    study = witness_study()
    grid = mv.grid(study, {"controls": ["none"]})
    with pytest.raises(FtzError, match=f"no Dask scheduler answers at {address}") as caught:
        mv.run(study, grid, tmp_path, scheduler=address, progress=False)
    assert "dask scheduler" in str(caught.value)
    assert patience == [5]  # seconds, in place of Dask's half a minute
    assert not parts(tmp_path)


@pytest.mark.nightly
def test_a_killed_run_goes_on_to_the_same_bytes(choices, undisturbed, tmp_path):
    import psutil

    out = tmp_path / "out"
    with running(command(choices, out, "--workers", "2"), tmp_path / "log") as process:
        until(lambda: len(parts(out)) >= 2, "the first parts")
        pool = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL
        assert not (out / store.TABLE).exists()
    assert not psutil.wait_procs(pool, timeout=60)[1], "processes of the killed run live on"
    kept = {path: path.stat().st_mtime_ns for path in parts(out)}
    finished = subprocess.run(command(choices, out), capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stderr
    assert (out / store.TABLE).read_bytes() == undisturbed
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


@pytest.mark.nightly
def test_a_killed_process_of_the_pool_is_replaced(choices, undisturbed, tmp_path):
    import psutil

    out = tmp_path / "out"
    with running(command(choices, out, "--workers", "2"), tmp_path / "log") as process:
        until(lambda: parts(out), "the first part")
        pool = {p: " ".join(p.cmdline()) for p in psutil.Process(process.pid).children()}
        workers = [p for p, line in pool.items() if "loky" in line and "tracker" not in line]
        workers[0].kill()
        assert process.wait(300) == 0, (tmp_path / "log").read_text()
    assert (out / store.TABLE).read_bytes() == undisturbed


@pytest.mark.nightly
def test_a_killed_dask_worker_does_not_change_a_byte(choices, undisturbed, tmp_path):
    """The README's commands: `dask scheduler`, `dask worker`, and a worker that dies."""
    file, out = tmp_path / "scheduler.json", tmp_path / "out"
    quiet = ["--no-dashboard"]
    scheduler = [DASK, "scheduler", "--host", "127.0.0.1", "--port", "0", *quiet]
    with contextlib.ExitStack() as stack:
        start = [*scheduler, "--scheduler-file", str(file)]
        stack.enter_context(running(start, tmp_path / "scheduler.log"))
        until(lambda: file.exists() and file.stat().st_size, "the scheduler")
        address = json.loads(file.read_text())["address"]
        alone = subprocess.run(
            command(choices, out, "--scheduler", address),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert alone.returncode == 2
        assert "has no workers: start some with `dask worker" in alone.stderr
        assert "Traceback" not in alone.stderr
        worker = [DASK, "worker", address, "--nworkers", "1", "--nthreads", "1", *quiet]
        logs = [tmp_path / f"worker-{i}.log" for i in (1, 2)]
        workers = [stack.enter_context(running([*worker, "--no-nanny"], log)) for log in logs]
        until(lambda: all("Registered to" in log.read_text() for log in logs), "the workers")
        run = command(choices, out, "--scheduler", address)
        process = stack.enter_context(running(run, tmp_path / "log"))
        until(lambda: len(parts(out)) >= 2 or process.poll() is not None, "the first parts")
        workers[0].send_signal(signal.SIGKILL)
        assert process.wait(300) == 0, (tmp_path / "log").read_text()
        assert workers[0].wait(30) == -signal.SIGKILL
        assert workers[1].poll() is None
    assert (out / store.TABLE).read_bytes() == undisturbed
