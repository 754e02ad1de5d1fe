"""The ensemble: every member meets the print, any number of workers, killed and resumed."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from ftz.errors import EstimationError
from study import witness
from study.paths import data_dir
from study.witness import _ensemble as ensemble
from study.witness import _estimands
from study.witness.__main__ import main

FOLDER = data_dir() / "witness"


@pytest.fixture(scope="module")
def stored():
    return pd.read_csv(FOLDER / "ensemble.csv")


def test_the_file_is_the_one_that_the_manifest_describes(stored):
    about = json.loads((FOLDER / "ensemble.json").read_text("utf-8"))
    digest = hashlib.sha256((FOLDER / "ensemble.csv").read_bytes()).hexdigest()
    assert about["sha256"]["ensemble.csv"] == digest
    assert about["members"] == len(stored)
    assert stored["member"].tolist() == list(range(len(stored)))


def test_members_differ(stored):
    assert stored["event study: 2013"].nunique() == len(stored)
    assert stored.filter(like="correlation: ").std().min() > 0.005


def test_every_quantity_belongs_to_a_group(stored):
    names = [c for c in stored.columns if c != "member"]
    assert {n.split(": ")[0] for n in names} == set(_estimands.GROUPS)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """One member from one worker."""
    folder = tmp_path_factory.mktemp("one")
    assert main(["--ensemble", "1", "--out", str(folder), "--workers", "1", "--quiet"]) == 0
    return folder


def test_members_are_those_of_the_file_and_meet_every_cell(drawn, stored):
    """The shipped quantities are drawn again, and held against the book's own estimators."""
    again = pd.read_csv(drawn / "ensemble.csv")
    shared = [c for c in stored.columns if c in again.columns]
    pd.testing.assert_frame_equal(
        again[shared], stored.loc[:0, shared], check_dtype=False, rtol=1e-4, atol=1e-5
    )
    panels = pd.read_csv(drawn / "panels.csv.gz")
    for _, panel in panels.groupby("member"):
        frame = panel.drop(columns="member").reset_index(drop=True)
        compared = witness.check(frame)
        asked = compared[compared["asked"]]
        assert len(asked) == 136 and (asked["verdict"] == "reproduced").all()
        assert ensemble.meets(frame)


@pytest.mark.nightly
def test_two_workers_and_a_kill_give_the_same_bytes(tmp_path):
    folder, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    both = ["--ensemble", "2", "--seed", "1", "--quiet"]
    assert main([*both, "--out", str(undisturbed), "--workers", "1"]) == 0
    command = [sys.executable, "-m", "study.witness", *both, "--out", str(folder), "--workers", "2"]
    process = subprocess.Popen(command, start_new_session=True)
    deadline = time.monotonic() + 240
    while not list((folder / "panels").glob("[0-9]*.csv")) and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = {p.name: p.stat().st_mtime_ns for p in (folder / "panels").glob("[0-9]*.csv")}
    assert kept
    subprocess.run(command, check=True, timeout=400)
    for name, when in kept.items():  # nothing was done twice
        assert (folder / "panels" / name).stat().st_mtime_ns == when
    for name in ("ensemble.csv", "panels.csv.gz", "manifest.json"):
        assert (folder / name).read_bytes() == (undisturbed / name).read_bytes()


def test_a_folder_of_another_run_is_refused(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"seed": 9, "record": "x"}))
    with pytest.raises(EstimationError, match="holds another ensemble"):
        ensemble.run(1, 1, tmp_path, progress=False)


def test_an_empty_ensemble_is_refused(tmp_path, capsys):
    assert main(["--ensemble", "0", "--out", str(tmp_path / "none")]) == 2
    assert "at least one member" in capsys.readouterr().err
    assert not Path(tmp_path / "none").exists()


def test_a_damaged_panel_does_not_meet_the_print():
    frame = pd.read_csv(FOLDER / "panel.csv")
    assert ensemble.meets(frame)
    row = frame.index[frame["matched"] == 1][30]
    frame.loc[row, "lnHQD"] += 0.05
    assert not ensemble.meets(frame)
