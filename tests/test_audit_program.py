"""The command ``printproof``, and the one file that holds it."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from fractions import Fraction
from pathlib import Path

import pytest
from scipy import stats

from printproof import __main__ as program
from printproof._exact import critical
from printproof.program import write

EXAMPLE = Path(__file__).parent.parent / "data/examples/grunfeld.yml"
WRONG = """
p:
  declare: {scale: linear}
  table1: {columns: [att, se, t], rows: {a: ["0.52", "0.21", "2.84"], b: ["1", "2", "0.5"]}}
"""


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    return write(tmp_path_factory.mktemp("program") / "printproof.pyz")


def alone(packed, folder, *arguments):
    """Run the file by a Python that sees no package, in a folder that holds nothing else."""
    command = [sys.executable, "-I", "-S", str(packed), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_one_file_imports_and_checks_a_paper_with_python_alone(packed, tmp_path):
    (tmp_path / "a.csv").write_text("Table 1,,\n,t,n\nx,1,2\n")
    (tmp_path / "p.yml").write_text(WRONG)
    found = alone(packed, tmp_path, "check", "p.yml", "--json", "--out", "out")
    verdicts = [json.loads(line)["verdict"] for line in found.stdout.splitlines()]
    assert verdicts.count("impossible") == 1 and found.returncode == 0, found.stderr
    (proof,) = (tmp_path / "out/certificates").glob("*.json")
    assert "holds." in alone(packed, tmp_path, "verify", str(proof), "--record", "p.yml").stdout
    assert "table1" in alone(packed, tmp_path, "import", "a.csv").stdout
    (tmp_path / "a.html").write_text("<table><tr><td>1</td></tr></table>")
    refused = alone(packed, tmp_path, "import", "a.html")
    assert refused.returncode == 2 and refused.stderr.strip().endswith("needs pip install lxml")


def test_the_file_is_small_and_the_same_each_time(packed, tmp_path):
    assert write(tmp_path / "again.pyz").read_bytes() == packed.read_bytes()
    assert packed.stat().st_size < 400_000
    with zipfile.ZipFile(packed) as archive:
        names = archive.namelist()
    assert {"LICENSE", "yaml/LICENSE"} <= set(names) and not any("witness" in n for n in names)


def test_commands_in_process(tmp_path, capsys):
    path = tmp_path / "p.yml"
    path.write_text(WRONG)
    assert program.main(["check", str(path), "--strict"]) == 1
    assert "IMPOSSIBLE" in capsys.readouterr().out
    assert program.main(["explain", "a/ATT/statistic", str(path)]) == 0
    assert "IMPOSSIBLE  statistic" in capsys.readouterr().out
    assert program.main(["explain", "elsewhere", str(path)]) == 2
    assert "has no cell 'elsewhere'" in capsys.readouterr().err
    assert program.main(["explain", "capital/mean", str(EXAMPLE)]) == 0
    assert program.main(["pack", str(tmp_path / "x.pyz")]) == 0
    assert "wrote" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        program.main(["check"])


@pytest.mark.parametrize("df", [None, 1, 2, 3, 11, 100, 9_999, 10_001, 300_000_000])
@pytest.mark.parametrize("level", ["0.5", "0.1", "0.05", "0.001", "0.000001"])
def test_critical_values_are_those_of_the_distributions(level, df):
    span = critical(Fraction(level), df)
    wanted = (stats.norm if df is None else stats.t(df)).isf(float(level) / 2)
    assert span.low < wanted < span.high
    assert float((span.low + span.high) / 2) == pytest.approx(wanted, rel=1e-10)
