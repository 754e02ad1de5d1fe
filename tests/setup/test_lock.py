"""The lock is complete: whatever a locked package asks for, on any system, is locked too."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ")
SYSTEMS = {"linux": ("Linux", "x86_64"), "darwin": ("Darwin", "arm64")}
PLACES = [(python, system) for python in ("3.11", "3.12", "3.13") for system in SYSTEMS]


def environment(python: str, system: str) -> dict[str, str]:
    """Return what markers see with a Python on a system."""
    name, machine = SYSTEMS[system]
    return {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": system,
        "platform_system": name,
        "platform_machine": machine,
    }


def applies(marker: Marker | None, place: dict[str, str], extra: str = "") -> bool:
    return marker is None or marker.evaluate({**place, "extra": extra})


def entries(place: dict[str, str]) -> dict[str, str]:
    """Return the locked version of each package that is installed at a place."""
    found: dict[str, str] = {}
    for line in filter(str.strip, LOCK.splitlines()):
        requirement = Requirement(line.partition(" --hash")[0])
        if applies(requirement.marker, place):
            assert requirement.name not in found, f"{requirement.name} is locked twice"
            (pin,) = requirement.specifier
            assert pin.operator == "==", line
            found[canonicalize_name(requirement.name)] = pin.version
    return found


def declared() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = project["dependencies"] + project["optional-dependencies"]["dev"]
    return [Requirement(text) for text in named]


def asked_by(name: str, extras: set[str], place: dict[str, str]) -> list[Requirement]:
    """Return what an installed package asks for at a place; nothing where it is not installed."""
    try:
        texts = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    found = map(Requirement, texts)
    return [one for one in found if any(applies(one.marker, place, x) for x in {"", *extras})]


def gaps(locked: dict[str, str], first: list[Requirement], place) -> tuple[list[str], set[str]]:
    """Return what is asked for and not locked, and all that is asked for."""
    missing: list[str] = []
    known: dict[str, set[str]] = {}
    queue = [("pyproject.toml", one) for one in first if applies(one.marker, place)]
    while queue:
        who, one = queue.pop()
        name = canonicalize_name(one.name)
        if name not in locked or not one.specifier.contains(locked[name], prereleases=True):
            missing.append(f"{who} asks for {one}; locked: {locked.get(name, 'nothing')}")
        elif name not in known or not one.extras <= known[name]:
            known[name] = known.get(name, set()) | one.extras
            queue += [(name, next_) for next_ in asked_by(name, known[name], place)]
    return missing, set(known)


@pytest.mark.parametrize(("python", "system"), PLACES)
def test_whatever_a_locked_package_asks_for_is_locked(python, system):
    place = environment(python, system)
    missing, _ = gaps(entries(place), declared(), place)
    assert missing == [], "run make lock"


def test_nothing_is_locked_that_nothing_asks_for():
    places = [environment(*place) for place in PLACES]
    asked = set().union(*(gaps(entries(place), declared(), place)[1] for place in places))
    locked = set().union(*(entries(place) for place in places))
    # what is asked for only by packages that are installed elsewhere cannot be known here
    elsewhere = {name for name in locked if not installed(name)}
    assert locked - asked - elsewhere == set()


def installed(name: str) -> bool:
    try:
        return bool(importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return False


def test_a_gap_would_be_seen():
    place = environment("3.12", "linux")
    locked = entries(place)
    # pytest-cov asks for coverage with an extra, papermill for aiohttp on one Python alone
    for name, who in (("coverage", "pytest-cov"), ("aiohttp", "papermill")):
        without = {other: version for other, version in locked.items() if other != name}
        missing, _ = gaps(without, declared(), place)
        assert any(text.startswith(f"{who} asks for {name}") for text in missing)


def test_every_entry_has_hashes():
    for line in filter(str.strip, LOCK.splitlines()):
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", line), line
