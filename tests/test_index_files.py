"""The simulated panel and the reader's own: what is written, read and refused."""

from __future__ import annotations

import os
import subprocess
import sys

import jupytext
import numpy as np
import pandas as pd
import pytest

from conftest import ROOT
from ftz import index
from ftz.errors import EstimationError, PanelError
from printproof.errors import RecordError
from study import indicators, published, register, replication
from study import simulated as command
from study.paths import data_dir
from study.witness._sample import Sample

PATH = data_dir() / "index" / "simulated.csv"


# --- the simulated panel ---


def test_the_file_says_first_of_all_that_it_is_simulated():
    first = PATH.read_text("utf-8").splitlines()[0]
    assert first.startswith("# SIMULATED") and "No number below was measured" in first
    shipped = indicators.load_indicators()
    assert shipped.simulated and "SIMULATED" in repr(shipped)
    assert shipped.indicators.shape == (130, 61) and len(shipped.matched) == 85


def test_the_command_writes_the_file_that_is_shipped(capsys, tmp_path):
    assert command._main(["--check"]) == 0
    other = tmp_path / "other.csv"
    assert command._main(["--seed", "7", "--out", str(other)]) == 0
    assert other.read_bytes() != PATH.read_bytes()
    assert command._main(["--check", "--out", str(other)]) == 1
    assert command._main(["--check", "--seed", "7", "--out", str(other)]) == 0
    assert "the file would change" in capsys.readouterr().out


@pytest.mark.parametrize("variable", ["lnHQD", *replication.SUB_INDICES.values()])
def test_the_simulated_panel_has_the_printed_moments(variable):
    """Mean, standard deviation, least and greatest value, digit by digit, from the file."""
    shipped, record = indicators.load_indicators(), published.load("yan_ye_wang")
    built = index.build(shipped.indicators, shipped.tree, command.FLAT_MEANS)
    name = "index" if variable == "lnHQD" else variable
    logs = np.log(built.scores[name])[(shipped.frame["matched"] == 1).to_numpy()]
    for column, number in (
        ("n", logs.count()),
        ("mean", logs.mean()),
        ("sd", logs.std(ddof=1)),
        ("min", logs.min()),
        ("max", logs.max()),
    ):
        cell = record.get(replication.cell("table2", variable, column, "value"))
        assert cell.format(float(number)) == cell.text


def test_every_simulated_indicator_reaches_both_ends_once_and_has_its_sign():
    shipped = indicators.load_indicators()
    scaled = index.build(shipped.indicators, shipped.tree, command.FLAT_MEANS).normalised
    assert (scaled == 0).sum().eq(1).all() and (scaled == 1).sum().eq(1).all()
    assert (shipped.indicators > 0).all(axis=None)
    for name in ("exited_firms", "existing_firms"):
        best = scaled[name].idxmax()
        values = shipped.indicators[name]
        wanted = values.min() if name == "exited_firms" else values.max()
        assert values[best] == wanted


def test_treatment_is_the_register_s_and_as_many_rows_match_as_are_printed():
    frame = indicators.load_indicators().frame
    assert (frame["FTZ"] == register.PAPER.treatment(frame)).all()
    record = published.load("yan_ye_wang")
    mean = record.get(replication.cell("table2", "FTZ", "mean", "value"))
    assert mean.format(frame.loc[frame["matched"] == 1, "FTZ"].mean()) == mean.text


@pytest.mark.parametrize("seed", range(4))
def test_another_seed_meets_the_same_moments(seed):
    frame, wanted = Sample.printed().rows, command._printed_moments()
    tree = indicators.load_tree()
    drawn = command._simulate_like(tree, frame, wanted, {}, seed)
    logs = np.log(index.build(drawn, tree, command.FLAT_MEANS).scores)
    logs = logs[(frame["matched"] == 1).to_numpy()]
    for name, moments in wanted.items():
        found = logs[name].agg(["mean", "std", "min", "max"]).tolist()
        goal = [moments.mean, moments.sd, moments.low, moments.high]
        assert found == pytest.approx(goal, abs=1e-6)


def test_a_draw_that_cannot_have_the_moments_is_refused():
    with pytest.raises(EstimationError, match="cannot be bent"):
        command._with_moments(np.linspace(0, 1, 50), command._Moments(0.5, 0.9, 0.0, 1.0))
    crowded = {n: command._Moments(4.55, 0.01, 4.5, 4.59) for n in ("vitality", "innovation")}
    crowded["index"] = command._Moments(2.0, 0.1, 1.8, 2.2)
    frame = Sample.printed().rows
    with pytest.raises(EstimationError, match="no room"):
        command._simulate_like(indicators.load_tree(), frame, crowded, {}, 0)


# --- the reader's own ---


def write(tmp_path, text):
    path = tmp_path / "mine.csv"
    path.write_text(text, "utf-8")
    return path


SMALL = (
    "city,year,attraction_of_capital,industry_concentration,rain\n"
    "Beijing,2019,1.5,20,3\n"
    "Beijing,2020,,21,4\n"
    "Tianjin,2019,2.5,30,5\n"
    "Tianjin,2020,2.0,31,6\n"
)


def test_a_reader_s_file_runs_with_gaps_and_a_partial_tree(tmp_path):
    mine = indicators.load_indicators(write(tmp_path, SMALL), controls=["rain"])
    assert not mine.simulated and mine.indicators.isna().sum().sum() == 1
    assert mine.frame["FTZ"].tolist() == [0, 1, 1, 1]  # from the register
    assert mine.frame["matched"].eq(1).all() and mine.frame["rain"].tolist() == [3, 4, 5, 6]
    assert len(mine.missing) == 59 and "59" not in repr(mine)
    built = index.build(
        mine.indicators, mine.tree, command.FLAT_MEANS, imputation="carry", partial="siblings"
    )
    assert built.scores.columns.tolist() == ["vitality", "synergism", "index"]
    assert built.shares[["vitality", "synergism"]].tolist() == [0.5, 0.5]


def test_a_variable_of_the_environment_names_the_reader_s_file(tmp_path, monkeypatch):
    monkeypatch.setenv("FTZ_INDICATORS", str(write(tmp_path, SMALL)))
    assert indicators.load_indicators(controls=["rain"]).source == "mine.csv"
    monkeypatch.delenv("FTZ_INDICATORS")
    assert indicators.load_indicators().source == "simulated.csv"


def test_a_comment_above_the_header_is_counted_in_the_rows(tmp_path):
    text = "# mine\n# two lines\n" + SMALL.replace("30", "many")
    with pytest.raises(PanelError, match=r"column industry_concentration, row 6: 'many' is not"):
        indicators.load_indicators(write(tmp_path, text), controls=["rain"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("city,", "town,", "column city: missing"),
        ("rain", "attraction_of_capitol", "attraction_of_capitol: unknown.*perhaps attraction_of"),
        ("rain", "xyz", "column xyz: unknown column; expected city, year, FTZ"),
        ("2.5", "a few", "column attraction_of_capital, row 4: 'a few' is not a number"),
        ("Beijing,2020", "Beijing,2019", "row 3: city and year stand twice"),
        ("Beijing,2020", "Beijing,", "column year, row 3: not a year"),
        ("Beijing,2020", "Beijing,2019.5", "column year, row 3: not a year"),
        ("rain", "FTZ", "column FTZ, row 2: not 0 or 1"),
    ],
)
def test_files_that_are_refused(tmp_path, old, new, message):
    controls = ["rain"] if "rain" not in old else []
    with pytest.raises(PanelError, match=message):
        indicators.load_indicators(write(tmp_path, SMALL.replace(old, new, 1)), controls=controls)


def test_more_refusals(tmp_path):
    for text, message in (
        ("city,year\nBeijing,2019\n", "no column is an indicator"),
        ("city,year,existing_firms\n", "there are no rows"),
        ("", "cannot be read"),
    ):
        with pytest.raises(PanelError, match=message):
            indicators.load_indicators(write(tmp_path, text))
    with pytest.raises(PanelError, match="cannot be read"):
        indicators.load_indicators(tmp_path / "nowhere.csv")
    with pytest.raises(PanelError, match="column snow: missing"):
        indicators.load_indicators(write(tmp_path, SMALL), controls=["snow", "rain"])
    with pytest.raises(RecordError, match="Atlantis"):
        indicators.load_indicators(
            write(tmp_path, SMALL.replace("Beijing", "Atlantis")), controls=["rain"]
        )


def test_the_shipped_file_is_read_as_it_was_drawn():
    shipped, frame = indicators.load_indicators(), Sample.printed().rows
    drawn = command._simulate_like(
        indicators.load_tree(),
        frame,
        command._printed_moments(),
        command._printed_effects(),
        command.SEED,
    )
    pd.testing.assert_frame_equal(shipped.indicators, drawn, rtol=1e-5)


@pytest.mark.nightly
@pytest.mark.parametrize("chapter", ["hqd-index", "index-and-estimate"])
def test_the_chapters_run_on_a_reader_s_partial_file_with_gaps(chapter, tmp_path):
    """Fourteen indicators of four dimensions, some fields empty, no FTZ and no matched."""
    shipped = indicators.load_indicators()
    leaves = shipped.tree.leaves
    names = [*leaves("synergism"), "3_year_firm_survival", *leaves("innovation")[:6]]
    names += leaves("economic_density")
    mine = shipped.indicators[names]
    holes = np.random.default_rng(0).random(mine.shape) < 0.03
    path = tmp_path / "mine.csv"
    mine.mask(holes).reset_index().to_csv(path, index=False)
    script = tmp_path / "chapter.py"
    jupytext.write(jupytext.read(ROOT / "notebooks" / f"{chapter}.md"), script, fmt="py:percent")
    environment = {**os.environ, "FTZ_INDICATORS": str(path), "IPYTHONDIR": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert not run.stderr


def test_another_process_replays_the_log_to_the_bit(tmp_path):
    """With another order of hashes, the log of a specification with many steps still holds."""
    shipped = indicators.load_indicators()
    spec = index.IndexSpec(
        outliers="winsorise_log", weights="pca", level_weights={1: "entropy"}, aggregation="topsis"
    )
    log = tmp_path / "log.json"
    log.write_text(index.build(shipped.indicators, shipped.tree, spec).to_json(), "utf-8")
    code = (
        "from pathlib import Path; from ftz import index; from study import indicators; "
        "p = indicators.load_indicators(); "
        f"index.replay(Path({str(log)!r}).read_text('utf-8'), p.indicators, p.tree)"
    )
    for seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stderr
