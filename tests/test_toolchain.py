"""The house around the chapters: versions that agree, commands that explain themselves."""

from __future__ import annotations

import re
import subprocess
import tomllib

import yaml

import ftz
from conftest import ROOT


def _project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_title_and_version_are_the_same_everywhere():
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert config["title"] == citation["title"]
    assert config["title"].lower() in readme.lower()
    assert config["author"] == citation["authors"][0]["name"]
    assert citation["version"] == _project()["version"] == ftz.__version__
    assert f"## [{citation['version']}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def _make(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_make_lists_every_target():
    targets = re.findall(
        r"^\.PHONY: ([\w-]+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE
    )
    listing = _make().stdout
    assert {"book", "test", "serve", "help", "witness", "lock", "lint", "check"} <= set(targets)
    for target in targets:
        assert re.search(rf"^  {target} +\S", listing, re.MULTILINE), target


def test_ci_runs_commands_that_the_readme_gives():
    """Each step stands in the README, and the last one ends with pytest's summary."""
    steps = re.findall(r"^make (.*)$", (ROOT / ".ci" / "run").read_text("utf-8"), re.MULTILINE)
    readme = (ROOT / "README.md").read_text("utf-8")
    assert steps[0] == "setup" and steps[-1] == "slow"
    assert {"lint", "spelling", "types", "notebooks", "book", "cover"} < set(steps)
    assert [step for step in steps if f"make {step}" not in readme] == []
