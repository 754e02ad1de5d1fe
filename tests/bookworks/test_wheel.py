"""The library and its data as one file beside the notebooks, which pip installs."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from base64 import urlsafe_b64encode

import pytest
from tea_book import Tea

from bookworks import _wheel
from bookworks.book import Book

PROJECT = '[project]\nname = "tea-house"\nversion = "1.2.0"\nrequires-python = ">=3.11"\n'
LOCK = """\
numpy==2.4.6 ; python_version >= '3.0' \\
    --hash=sha256:00
numpy==1.0 ; python_version < '3.0' \\
    --hash=sha256:01
pandas==3.1.1 \\
    --hash=sha256:02
ipykernel==7.2.0 \\
    --hash=sha256:03
"""


@pytest.fixture
def book(tmp_path) -> Book:
    tea = Tea(tmp_path / "tea")
    tea.edit("_config.yml", "bookworks_prefix", "bookworks_packages: [shop]\n    bookworks_prefix")
    for name in ("__init__.py", "leaves.py"):
        tea.write(f"lib/shop/{name}", "import json\nimport pandas as pd\nfrom . import other\n")
    tea.write("lib/shop/__pycache__/leaves.pyc", "compiled")
    tea.write("data/leaves.csv", "leaf,kg\n")
    tea.write("pyproject.toml", PROJECT)
    tea.write("requirements.lock", LOCK)
    return Book.read(tea.root)


def test_the_wheel_holds_library_data_and_what_was_read_with_pins(book, tmp_path):
    read = ["static/tea.css", "data/leaves.csv", "no-such/file", "_config.yml", "code/harvest.md"]
    _wheel.write(book, tmp_path, read)
    packed = zipfile.ZipFile(tmp_path / "tea_house-1.2.0-py3-none-any.whl")
    about = "tea_house-1.2.0.dist-info"
    assert sorted(packed.namelist()) == [
        "shop/__init__.py",
        *("shop/data/leaves.csv", "shop/leaves.py", "shop/static/tea.css"),
        *(f"{about}/{name}" for name in ("METADATA", "RECORD", "WHEEL")),
    ]
    said = packed.read(f"{about}/METADATA").decode()
    assert "Name: tea-house\nVersion: 1.2.0\nRequires-Python: >=3.11\n" in said
    wanted = [line.removeprefix("Requires-Dist: ") for line in said.splitlines() if "Dist" in line]
    assert wanted == [
        *("numpy==2.4.6 ; python_version >= '3.0'", "numpy==1.0 ; python_version < '3.0'"),
        *("pandas==3.1.1", "ipykernel", "nbclient"),
    ], "what is imported and what that needs, whatever the Python; Jupyter as it is there"
    rows = dict(row.split(",")[:2] for row in packed.read(f"{about}/RECORD").decode().split())
    digest = urlsafe_b64encode(hashlib.sha256(packed.read("shop/leaves.py")).digest())
    assert rows["shop/leaves.py"] == f"sha256={digest.decode().rstrip('=')}"


def test_the_same_library_gives_the_same_bytes(book, tmp_path):
    for place in ("one", "other"):
        _wheel.write(book, tmp_path / place)
    name = _wheel.name(book)
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_a_book_without_a_library_has_no_wheel(book, tmp_path):
    (book.root / "pyproject.toml").unlink()
    assert _wheel.name(book) == ""
    assert _wheel.name(Book.read(Tea(tmp_path / "plain").root)) == ""


@pytest.mark.slow
def test_pip_installs_it(book, tmp_path):
    _wheel.write(book, tmp_path)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    place = tmp_path / "site"
    subprocess.run([*command, "--target", place, tmp_path / _wheel.name(book)], check=True)
    assert (place / "shop" / "data" / "leaves.csv").is_file()
