"""A release is made of a commit, whole or not at all, and of nothing that the shell sets."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import nbformat
import pytest
import yaml
from small import write, write_book

from bookworks import _bom, _release
from bookworks._errors import BookError
from bookworks._files import below, pack
from bookworks.book import NOTEBOOKS, Book

MACHINERY = Path(_release.__file__).parent

CHANGES = """# Changelog

## [Unreleased]

- Not yet.

## [1.2.0] - 2026-03-04

### Added

- A chapter.

## [1.1.0]: first light

- Everything.

## [1.0.0] - 2026-01-01

"""

CHAPTER = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# Sums

```{code-cell} ipython3
import crumbs
print("crumbs", crumbs.COUNT)
```
"""

LOCK = """\
numpy==2.4.6 \\
    --hash=sha256:{0} \\
    --hash=sha256:{1}
Typing_Extensions==0.0.1 ; python_version < '3.12' \\
    --hash=sha256:{0}
sphinx==7.4.7
""".format("a" * 64, "b" * 64)

SETTINGS = {
    "name": "bread",
    "versions": ["lib/crumbs/__init__.py"],
    "files": ["LICENSE"],
    "parts": {"grain": "data"},
    "licences": {"sphinx-mathjax-offline": ["texts/apache.txt"]},
}
OF_THE_BOOK = {
    "bookworks_release": SETTINGS,
    "bookworks_prefix": "BREAD_",
    "bookworks_packages": ["crumbs"],
}


# -- version and changelog ----------------------------------------------------------------


def test_notes_are_the_version_s_own_section():
    date, text = _release.notes(CHANGES, "1.2.0")
    assert date == datetime.date(2026, 3, 4)
    assert text == "### Added\n\n- A chapter.\n"


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("1.2", "no semantic version"),
        ("v1.2.0", "no semantic version"),
        ("01.2.0", "no semantic version"),
        ("../../1.2.0", "no semantic version"),
        ("1.3.0", r"has no section '## \[1.3.0\] - YYYY-MM-DD'"),
        ("1.1.0", "write the date"),
        ("1.0.0", "say what changed"),
    ],
)
def test_a_version_that_cannot_be_released_is_told_why(version, words):
    with pytest.raises(BookError, match=words):
        _release.notes(CHANGES, version)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        (
            "CITATION.cff",
            "cff-version: 1.2.0\nversion: 0.1.0\ndate-released: 2020-01-01\n",
            "cff-version: 1.2.0\nversion: 7.8.9-rc.1\ndate-released: 2031-02-03\n",
        ),
        (
            "pyproject.toml",
            'name = "x"\nversion = "0.1.0"\n',
            'name = "x"\nversion = "7.8.9-rc.1"\n',
        ),
        ("x.py", '__version__ = "0.1.0"  # now\n', '__version__ = "7.8.9-rc.1"  # now\n'),
    ],
)
def test_the_version_is_written_where_the_project_keeps_it(tmp_path, name, before, after):
    write(tmp_path, name, before)
    date = datetime.date(2031, 2, 3)
    assert _release.write_version(tmp_path, [name], "7.8.9-rc.1", date) == [name]
    assert (tmp_path / name).read_text("utf-8") == after
    assert _release.write_version(tmp_path, [name], "7.8.9-rc.1", date) == []


def test_a_file_without_a_version_is_named(tmp_path):
    write(tmp_path, "CITATION.cff", "title: x\n")
    with pytest.raises(BookError, match=r"CITATION\.cff has no line"):
        _release.write_version(tmp_path, ["CITATION.cff"], "1.0.0", datetime.date(2026, 1, 1))


# -- a repository and what is packed of it ------------------------------------------------


def commit(root: Path, words: str) -> None:
    """Commit all files of a folder."""
    who = ["-c", "user.name=x", "-c", "user.email=x@y.z"]
    _release.git(root, "add", ".")
    _release.git(root, *who, "commit", "-q", "-m", words)


@pytest.fixture
def repository(tmp_path) -> Path:
    """Return a git repository of two commits that could be released."""
    root = tmp_path / "repository"
    pages = {"index.md": "# Bread\n\nFlour and $m$.\n"}
    write_book(root, pages, **OF_THE_BOOK)
    files = {
        "CITATION.cff": "version: 1.2.0\ndate-released: 2026-03-04\n",
        "lib/crumbs/__init__.py": '__version__ = "1.2.0"\nCOUNT = 7\n',
        "CHANGELOG.md": CHANGES,
        "LICENSE": "Do what you like.\n",
        "texts/apache.txt": "Apache License\n",
        "requirements.lock": LOCK,
        "pyproject.toml": '[project]\nname = "bread"\nversion = "1.2.0"\n',
        ".gitignore": "_build/\n__pycache__/\n",
        "data/grain.csv": "kind\nrye\n",
        "run": "#!/bin/sh\n",
        "面包.txt": "\n",
    }
    for name, text in files.items():
        write(root, name, text)
    (root / "run").chmod(0o755)
    # the build sees the library of the checkout and no other
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(MACHINERY, root / "lib" / MACHINERY.name, ignore=skip)
    _release.git(root, "init", "-q")
    commit(root, "one")
    write(root, "_static/bread.css", "p { color: brown }\n")
    write_book(
        root,
        {**pages, "sums.md": CHAPTER, "loaf.md": "# The loaf\n\nIt weighs $m$.\n"},
        **OF_THE_BOOK,
        html_css_files=["bread.css"],
    )
    commit(root, "two")
    return root


def _site(folder: Path, text: str = "<p>面包</p>\n") -> Path:
    write(folder, "index.html", text)
    write(folder, f"{NOTEBOOKS}/sums.ipynb", "{}\n")
    return folder


def _fake_build(pages: list[str]):
    def build(source: Path, variables: dict[str, str]) -> Path:
        return _site(source / "_build" / "html", pages.pop(0))

    return build


def unpacked(target: Path, where: Path) -> Path:
    """Unpack all archives of a release side by side."""
    for archive in target.glob("*.zip"):
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(where)
    return where


def test_a_release_holds_what_its_checksums_say(repository, monkeypatch):
    monkeypatch.setattr(_release, "build", _fake_build(["<p>a</p>"] * 6))
    target = _release.release(Book.read(repository), "1.2.0")
    sums = (target / "SHA256SUMS").read_bytes()
    assert target == _release.release(Book.read(repository), "1.2.0")
    assert (target / "SHA256SUMS").read_bytes() == sums, "twice the same bytes"
    assert target == repository / "_build/release/1.2.0"
    assert [path.name for path in target.parent.iterdir()] == ["1.2.0"], "checkouts are gone"
    archives = {f"bread-1.2.0-{part}.zip" for part in ("source", "site", "notebooks", "grain")}
    others = {"NOTES.md", "CITATION.cff", "LICENSE", "manifest.json", "bread-1.2.0.cdx.json"}
    assert {path.name for path in target.iterdir()} == archives | others | {"SHA256SUMS"}
    for line in (target / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((target / name).read_bytes()).hexdigest() == digest
    manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["commit"] == _release.git(repository, "rev-parse", "HEAD")
    assert manifest["date"] == "2026-03-04"
    assert set(manifest["archives"]) == archives
    for archive, inside in manifest["archives"].items():
        with zipfile.ZipFile(target / archive) as opened:
            assert opened.namelist() == sorted(inside)
            for name, digest in inside.items():
                assert hashlib.sha256(opened.read(name)).hexdigest() == digest


def test_the_source_archive_is_the_commit(repository, tmp_path, monkeypatch):
    write(repository, "untracked.txt", "mine\n")
    monkeypatch.setattr(_release, "build", _fake_build(["<p>a</p>"] * 3))
    target = _release.release(Book.read(repository), "1.2.0")
    source = unpacked(target, tmp_path / "deposit") / "bread-1.2.0-source"
    tracked = _release.git(repository, "ls-files", "-z").strip("\0").split("\0")
    assert sorted(below(source)) == sorted(tracked)
    assert "面包.txt" in tracked and "untracked.txt" not in tracked
    for name in tracked:
        assert (source / name).read_bytes() == (repository / name).read_bytes()
    with zipfile.ZipFile(target / "bread-1.2.0-source.zip") as opened:
        modes = {e.filename: e.external_attr >> 16 for e in opened.infolist()}
    assert modes["bread-1.2.0-source/run"] == 0o100755
    assert modes["bread-1.2.0-source/LICENSE"] == 0o100644


def test_an_archive_depends_on_names_and_bytes_only(tmp_path):
    for place, order in (("one", 1), ("two", -1)):
        for name in ("a.txt", "b/c.txt")[::order]:
            path = write(tmp_path / place, name, name)
            os.utime(path, (1_000_000_000 * order + 2_000_000_000,) * 2)
            path.chmod(0o644 if order > 0 else 0o600)
        pack(tmp_path / f"{place}.zip", {**below(tmp_path / place)}, 1772582400)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as opened:
        assert {entry.date_time for entry in opened.infolist()} == {(2026, 3, 4, 0, 0, 0)}
    with pytest.raises(BookError, match=r"empty\.zip would be empty"):
        pack(tmp_path / "empty.zip", {}, 0)


def test_sites_that_differ_are_told_apart(tmp_path):
    one, two = _site(tmp_path / "one"), _site(tmp_path / "two", "<p>面粉</p>\n")
    write(one, "a.css", "p {}")
    write(two, "new.html", "")
    write(one, "more.txt", "abc")
    write(two, "more.txt", "abcd")
    told = _release.differences(one, two)
    assert [re.split("[:,]", line)[0] for line in told] == [
        *("a.css", "index.html", "more.txt", "new.html"),
    ]
    assert "only in the first build" in told[0] and "only in the second build" in told[3]
    # 面 has three bytes, and 包 and 粉 differ in their first
    assert "index.html, byte 6: " in told[1] and "more.txt, byte 3: " in told[2]


# -- what is no release -------------------------------------------------------------------


def test_only_a_commit_is_released(repository):
    write(repository, "LICENSE", "Do not.\n")
    with pytest.raises(BookError, match=r"commit these first(.|\n)*LICENSE"):
        _release.release(Book.read(repository), "1.2.0")


def test_a_version_that_is_new_is_written_and_to_be_committed(repository):
    write(repository, "CHANGELOG.md", CHANGES.replace("1.2.0", "1.3.0"))
    with pytest.raises(
        BookError, match=r"1\.3\.0 now stands in CITATION\.cff, lib/crumbs/__init__"
    ):
        _release.release(Book.read(repository), "1.3.0")


def test_a_version_stands_for_one_commit(repository, monkeypatch):
    monkeypatch.setattr(_release, "build", _fake_build(["<p>a</p>"] * 3))
    _release.release(Book.read(repository), "1.2.0")
    write(repository, "LICENSE", "Do it.\n")
    commit(repository, "three")
    said = r"1\.2\.0 was made of commit \w{12}: choose a new"
    with pytest.raises(BookError, match=said):
        _release.release(Book.read(repository), "1.2.0")
    shutil.rmtree(repository / "_build")
    _release.git(repository, "tag", "v1.2.0", "HEAD~1")
    with pytest.raises(BookError, match=said):
        _release.release(Book.read(repository), "1.2.0")


def test_a_release_holds_no_secret_and_nothing_from_beside_it(repository, tmp_path, monkeypatch):
    # what a hook of git sets would lead to another repository
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("TEA_TOKEN", "of-the-finest-leaves")
    monkeypatch.setattr(_release, "build", _fake_build(["<p>a</p>"] * 3))
    write(repository, "notes.txt", "for-me: of-the-finest-leaves\n")
    commit(repository, "three")
    with pytest.raises(BookError, match=r"notes\.txt holds the value of TEA_TOKEN: take it out"):
        _release.release(Book.read(repository), "1.2.0")
    write(tmp_path, "key", "mine\n")
    (repository / "link").symlink_to(tmp_path / "key")
    commit(repository, "four")
    with pytest.raises(BookError, match="link is no file of this folder"):
        _release.release(Book.read(repository), "1.2.0")


def test_builds_that_differ_are_no_release(repository, monkeypatch):
    monkeypatch.setattr(_release, "build", _fake_build(["<p>a</p>", "<p>old</p>", "<p>b</p>"]))
    with pytest.raises(BookError, match=r"differ in 1 files:\nindex\.html, byte 3: b'<p>a"):
        _release.release(Book.read(repository), "1.2.0")
    assert list((repository / "_build/release").iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, OSError("disk full")])
def test_what_ends_early_leaves_nothing_and_takes_nothing_away(repository, monkeypatch, error):
    monkeypatch.setattr(_release, "build", _fake_build(["<p>a</p>"] * 6))
    target = _release.release(Book.read(repository), "1.2.0")
    before = (target / "SHA256SUMS").read_bytes()

    def fail(*_):
        raise error

    monkeypatch.setattr(_bom, "bill", fail)
    with pytest.raises(BaseException):  # noqa: B017 - of each kind
        _release.release(Book.read(repository), "1.2.0")
    assert [path.name for path in target.parent.iterdir()] == ["1.2.0"]
    assert (target / "SHA256SUMS").read_bytes() == before


@pytest.mark.parametrize(
    ("said", "words"), [({"licenses": {}}, "did you mean 'licences'"), ({"files": "x"}, "files")]
)
def test_a_setting_that_is_none_is_told(repository, said, words):
    config = yaml.safe_load((repository / "_config.yml").read_text("utf-8"))
    config["sphinx"]["config"]["bookworks_release"] = said
    write(repository, "_config.yml", yaml.safe_dump(config))
    with pytest.raises(BookError, match=words):
        _release.settings(Book.read(repository))


def test_no_setting_of_the_shell_reaches_a_build(repository, tmp_path, monkeypatch):
    for name in ("BREAD_DATA", "PYTHONSTARTUP", "JUPYTER_PATH", "IPYTHONDIR", "MPLBACKEND"):
        monkeypatch.setenv(name, "/mine")
    monkeypatch.setenv("SPHINXOPTS", "-D language=fr")
    monkeypatch.syspath_prepend(str(repository / "lib"))
    variables = _release.environment(Book.read(repository), tmp_path / "checkout-1", 5)
    assert not [name for name, value in variables.items() if "/mine" in value or "fr" in value]
    known = {"PATH", "HOME", "TMPDIR", "LANG", "TZ", "NO_COLOR", "SOURCE_DATE_EPOCH"}
    known |= {"BREAD_RELEASE", "PYTHONPATH", "PYTHONNOUSERSITE", "IPYTHONDIR", "JUPYTER_CONFIG_DIR"}
    assert set(variables) <= known
    # the library is the checkout's, not the working folder's
    assert variables["PYTHONPATH"] == str(tmp_path / "checkout-1" / "lib")


# -- packages and licences ----------------------------------------------------------------


def test_the_list_of_packages_says_what_the_lock_and_the_packages_say():
    made = _bom.bill(LOCK, "bread", "1.2.0", "c" * 40, 1772582400)
    assert made == _bom.bill(LOCK, "bread", "1.2.0", "c" * 40, 1772582400)
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")
    assert made["metadata"]["timestamp"] == "2026-03-04T00:00:00Z"
    numpy, sphinx, typing = made["components"]
    assert numpy["purl"] == "pkg:pypi/numpy@2.4.6"
    assert [one["content"] for one in numpy["hashes"]] == ["a" * 64, "b" * 64]
    assert "BSD-3-Clause" in json.dumps(numpy["licenses"])
    assert sphinx["licenses"] == [{"license": {"name": "BSD License"}}] and "hashes" not in sphinx
    # of another version than the installed one: nothing is said of its licence
    assert typing["name"] == "typing-extensions" and "licenses" not in typing
    with pytest.raises(BookError, match="names no package"):
        _bom.bill("# nothing\n", "bread", "1.2.0", "c" * 40, 0)


def test_the_list_of_packages_meets_the_official_schema():
    schema = pytest.importorskip("cyclonedx.schema", reason="pip install cyclonedx-python-lib")
    validation = pytest.importorskip("cyclonedx.validation.json")
    text = json.dumps(_bom.bill(LOCK, "bread", "1.2.0", "c" * 40, 1772582400))
    strict = validation.JsonStrictValidator(schema.SchemaVersion.V1_6)
    assert strict.validate_str(text) is None


def test_each_package_that_gives_files_to_the_site_gives_its_licence(tmp_path):
    static = Path(sys.modules["sphinx"].__file__).parent / "themes" / "basic" / "static"
    (tmp_path / "html").mkdir()
    assert list(_bom.licence_texts(tmp_path / "html", tmp_path, {})) == ["LICENCES.txt"]
    shutil.copy(static / "doctools.js", tmp_path / "html" / "d.js")
    texts = _bom.licence_texts(tmp_path / "html", tmp_path, {})
    assert set(texts) == {"LICENCES.txt", "sphinx/LICENSE.rst"}
    assert b"sphinx 7.4.7: sphinx/LICENSE.rst (the package, " in texts["LICENCES.txt"]


def test_a_package_without_a_licence_stops_the_release(tmp_path):
    from bookworks._offline import mathjax_folder

    (tmp_path / "html").mkdir()
    shutil.copy(mathjax_folder() / "tex-mml-chtml.js", tmp_path / "html")
    with pytest.raises(BookError, match="sphinx-mathjax-offline gives files to the site"):
        _bom.licence_texts(tmp_path / "html", tmp_path, {})
    write(tmp_path, "apache.txt", "Apache License\n")
    own = {"sphinx-mathjax-offline": ["apache.txt"]}
    texts = _bom.licence_texts(tmp_path / "html", tmp_path, own)
    assert texts["sphinx-mathjax-offline/apache.txt"] == b"Apache License\n"
    assert b"(this book's source, apache.txt)" in texts["LICENCES.txt"]


# -- the whole way ------------------------------------------------------------------------


def _run(repository: Path, **variables: str) -> subprocess.Popen:
    code = "from bookworks._release import command; command()"
    return subprocess.Popen(
        [sys.executable, "-c", code, "1.2.0"],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(repository / "lib"), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
def test_a_small_book_is_released_and_runs_from_the_deposit(repository, tmp_path):
    run = _run(repository, BREAD_DATA="/mine", SPHINX_X="1")
    said = run.communicate(timeout=600)[0]
    assert run.returncode == 0, said
    assert "building the commit before it" in said
    place = unpacked(repository / "_build" / "release" / "1.2.0", tmp_path / "deposit")
    site, notebooks = place / "bread-1.2.0-site", place / "bread-1.2.0-notebooks"
    assert "bread.css?v=" in (site / "loaf.html").read_text("utf-8")
    assert (site / "licences" / "sphinx-mathjax-offline" / "apache.txt").is_file()
    assert (site / "licences" / "pydata-sphinx-theme" / "LICENSE").is_file()
    # the wheel beside the notebook is all that it needs
    notebook = nbformat.read(notebooks / "sums.ipynb", as_version=4)
    install, cell = [one for one in notebook.cells if one.cell_type == "code"]
    (wheel,) = notebooks.glob("*.whl")
    assert f"%pip install --quiet {wheel.name}" in install.source
    ran = subprocess.run(
        [sys.executable, "-c", cell.source],
        cwd=tmp_path,
        env={"PYTHONPATH": str(wheel)},
        capture_output=True,
        text=True,
    )
    assert ran.stdout == "crumbs 7\n", ran.stderr


@pytest.mark.slow
def test_a_release_that_is_terminated_leaves_nothing(repository):
    run = _run(repository)
    below = repository / "_build" / "release"
    until = time.monotonic() + 60
    while not list(below.glob(".making-*/checkout-1/_build/*")) and time.monotonic() < until:
        time.sleep(0.1)
    run.send_signal(signal.SIGTERM)
    said = run.communicate(timeout=60)[0]
    assert run.returncode == 143, said
    assert list(below.iterdir()) == []
