"""Make a release: ``make release VERSION=1.2.3``.

What is released is a commit, never a working folder.

1. ``VERSION`` is a semantic version with a dated section in ``CHANGELOG.md``.
2. Version and date are written into ``CITATION.cff``, ``pyproject.toml`` and the library.  Where
   that changed a file, the command ends and asks for a commit.
3. The commit is checked out twice, into two folders, and the book is built in each from
   clean, with all times pinned to the commit.  The two sites must be the same, byte by byte.
4. Site, notebooks and witness panels are zipped; with the notes and the citation file they go to
   ``_build/release/VERSION/``, and a manifest and ``SHA256SUMS`` say what is in them.

The archives depend on the commit and on nothing else: names are sorted, times are the
commit's, permissions are fixed.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

#: https://semver.org, its own regular expression without names.
SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-((0|[1-9]\d*|\d*[a-zA-Z-][\da-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][\da-zA-Z-]*))*))?"
    r"(\+([\da-zA-Z-]+(\.[\da-zA-Z-]+)*))?"
)

#: Where the version stands, and in which words.
VERSIONED = {
    "CITATION.cff": re.compile(r"^(version: ).*$", re.MULTILINE),
    "pyproject.toml": re.compile(r'^(version = )".*"$', re.MULTILINE),
    "lib/ftz/__init__.py": re.compile(r'^(__version__ = )".*"$', re.MULTILINE),
}


class ReleaseError(Exception):
    """Why there is no release, and what to do about it."""


# -- version, changelog, citation -------------------------------------------------------


def notes(changelog: str, version: str) -> tuple[datetime.date, str]:
    """Return the date and the text of a version's section of the changelog.

    Raises
    ------
    ReleaseError
        If the version is not a semantic one, or its section is missing, undated or empty.
    """
    if not SEMVER.fullmatch(version):
        raise ReleaseError(f"{version!r} is no semantic version: write one like 1.2.3")
    head = rf"^## \[{re.escape(version)}\](?:[ ]*[-\u2013:][ ]*(\S+))?[^\n]*$"
    found = re.search(head + r"\n(.*?)(?=^## \[|\Z)", changelog, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ReleaseError(
            f"CHANGELOG.md has no section '## [{version}] - YYYY-MM-DD': rename [Unreleased] to it"
        )
    try:
        date = datetime.date.fromisoformat(found[1] or "")
    except ValueError:
        raise ReleaseError(
            f"CHANGELOG.md, section [{version}]: write the date, '## [{version}] - YYYY-MM-DD'"
        ) from None
    if not found[2].strip():
        raise ReleaseError(f"CHANGELOG.md, section [{version}] is empty: say what changed")
    return date, found[2].strip() + "\n"


def versioned(name: str, text: str, version: str, date: datetime.date) -> str:
    """Return a file's text with version, and in the citation file the date, put in."""
    mark = "" if name.endswith(".cff") else '"'
    changed, count = VERSIONED[name].subn(lambda m: f"{m[1]}{mark}{version}{mark}", text, count=1)
    if not count:
        raise ReleaseError(f"{name} has no line with the version")
    if name == "CITATION.cff":
        changed = re.sub(r"^date-released: .*\n", "", changed, flags=re.MULTILINE)
        line = f"date-released: {date.isoformat()}\n"
        changed = re.sub(r"^(version: .*\n)", lambda m: m[1] + line, changed, flags=re.MULTILINE)
    return changed


def write_version(root: Path, version: str, date: datetime.date) -> list[str]:
    """Write the version where it stands; return the names of the files that changed."""
    changed = []
    for name in VERSIONED:
        path = root / name
        old = path.read_text(encoding="utf-8")
        new = versioned(name, old, version, date)
        if new != old:
            path.write_text(new, encoding="utf-8")
            changed.append(name)
    return changed


# -- the commit -------------------------------------------------------------------------


def git(root: Path, *arguments: str) -> str:
    """Run git and return what it prints."""
    run = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    if run.returncode:
        raise ReleaseError(f"git {arguments[0]}: {run.stderr.strip()}")
    return run.stdout.strip()


def commit(root: Path) -> tuple[str, int]:
    """Return the commit that is checked out and its time in seconds.

    Raises
    ------
    ReleaseError
        If a file of the commit was changed since.
    """
    changed = git(root, "status", "--porcelain", "--untracked-files=no")
    if changed:
        raise ReleaseError(f"commit these first, a release is made of a commit:\n{changed}")
    return git(root, "rev-parse", "HEAD"), int(git(root, "log", "-1", "--format=%ct"))


def check_out(root: Path, target: Path) -> None:
    """Put the commit, with its history and nothing else, into a new folder."""
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    git(root, "clone", "--quiet", "--no-hardlinks", str(root), str(target))


def build(source: Path, epoch: int) -> Path:
    """Build the book of a checkout from clean and return the folder of its pages."""
    inherited = {name: value for name, value in os.environ.items() if name != "FTZ_DATA"}
    environment = {
        **inherited,
        "SOURCE_DATE_EPOCH": str(epoch),
        "FTZ_RELEASE": "1",
        "PYTHONPATH": str(source / "lib"),
        "NO_COLOR": "1",
        "TZ": "UTC",
    }
    command = [str(Path(sys.executable).with_name("jb")), "build", ".", "-n", "-W", "--keep-going"]
    if subprocess.run(command, cwd=source, env=environment).returncode:
        raise ReleaseError(f"the book does not build in {source}: see what it says above")
    return source / "_build" / "html"


# -- bytes ------------------------------------------------------------------------------


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def files(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by their sorted names."""
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    return dict(sorted(found.items()))


def differences(one: Path, other: Path) -> list[str]:
    """Say for each file of two folders that is not the same where it first differs."""
    first, second = files(one), files(other)
    told = []
    for name in sorted({*first, *second}):
        if name not in first or name not in second:
            told.append(f"{name}: only in {'the first' if name in first else 'the second'} build")
            continue
        a, b = first[name].read_bytes(), second[name].read_bytes()
        if a != b:
            place = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), -1)
            place = min(len(a), len(b)) if place < 0 else place
            around = slice(max(0, place - 40), place + 40)
            told.append(f"{name}, byte {place}: {a[around]!r} and {b[around]!r}")
    return told


def pack(archive: Path, contents: Mapping[str, bytes], epoch: int) -> None:
    """Write a ZIP archive that depends on names, bytes and the time only."""
    moment = datetime.datetime.fromtimestamp(max(epoch, 315619200), datetime.UTC)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, moment.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            out.writestr(entry, contents[name])


def folder_bytes(folder: Path, under: str, leave_out: Iterable[str] = ()) -> dict[str, bytes]:
    """Return the bytes of a folder's files by the name they get in an archive."""
    skip = set(leave_out)
    return {f"{under}/{n}": p.read_bytes() for n, p in files(folder).items() if n not in skip}


def notebook_bytes(source: Path, under: str) -> dict[str, bytes]:
    """Return every text notebook of the chapters as a Jupyter notebook without outputs."""
    import jupytext
    import nbformat

    found = {}
    for path in sorted([*source.glob("notebooks/**/*.md"), *source.glob("book/*.md")]):
        text = path.read_text(encoding="utf-8")
        if "\nkernelspec:" not in text.split("\n---", 1)[0]:
            continue
        notebook = jupytext.reads(text, fmt="md:myst")
        for number, cell in enumerate(notebook.cells):
            cell["id"] = f"cell-{number}"  # else a new one every time
        notebook.nbformat, notebook.nbformat_minor = 4, 5
        name = path.relative_to(source).with_suffix(".ipynb").as_posix()
        found[f"{under}/{name}"] = (nbformat.writes(notebook) + "\n").encode()
    return found


def write_release(source: Path, site: Path, target: Path, about: Mapping[str, str | int]) -> None:
    """Write the archives, the manifest and the checksums of a built checkout.

    Parameters
    ----------
    source : pathlib.Path
        The checkout: its notebooks and ``data/witness``.
    site : pathlib.Path
        The folder of its pages.
    target : pathlib.Path
        Where the release goes; what is there is deleted.
    about : mapping
        ``version``, ``date``, ``commit``, ``epoch``, ``notes``.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    version, epoch = str(about["version"]), int(about["epoch"])
    name = f"ftz-monograph-{version}"
    contents = {
        f"{name}-site.zip": folder_bytes(site, f"{name}-site", {".buildinfo"}),
        f"{name}-notebooks.zip": notebook_bytes(source, f"{name}-notebooks"),
        f"{name}-witness.zip": folder_bytes(source / "data/witness", f"{name}-witness"),
    }
    for archive, inside in contents.items():
        if not inside:
            raise ReleaseError(f"{archive} would be empty")
        pack(target / archive, inside, epoch)
    (target / "NOTES.md").write_text(str(about["notes"]), encoding="utf-8")
    shutil.copyfile(source / "CITATION.cff", target / "CITATION.cff")
    manifest = {key: about[key] for key in ("version", "date", "commit")}
    manifest["python"] = platform.python_version()
    manifest["lock"] = sha256(source / "requirements.lock")
    manifest["archives"] = {
        archive: {entry: hashlib.sha256(data).hexdigest() for entry, data in sorted(inside.items())}
        for archive, inside in contents.items()
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    (target / "manifest.json").write_text(text + "\n", encoding="utf-8")
    sums = [f"{sha256(path)}  {entry}\n" for entry, path in files(target).items()]
    (target / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")


# -- the command ------------------------------------------------------------------------


def release(root: Path, version: str, builds: int = 2) -> Path:
    """Make a release of the commit that is checked out, and return its folder."""
    date, text = notes((root / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    changed = write_version(root, version, date)
    if changed:
        raise ReleaseError(
            f"{version} now stands in {', '.join(changed)}: commit, then run this command again"
        )
    identity, epoch = commit(root)
    below = root / "_build" / "release"
    sites = []
    for number in range(1, builds + 1):
        source = below / f"checkout-{number}"
        check_out(root, source)
        print(f"==> build {number} of {builds}", flush=True)
        sites.append(build(source, epoch))
    for other in sites[1:]:
        told = differences(sites[0], other)
        if told:
            shown = "\n".join(told[:40])
            raise ReleaseError(
                f"two builds of {identity[:12]} differ in {len(told)} files:\n{shown}"
            )
    about = {
        "version": version,
        "date": date.isoformat(),
        "commit": identity,
        "epoch": epoch,
        "notes": text,
    }
    write_release(below / "checkout-1", sites[0], below / version, about)
    for number in range(1, builds + 1):
        shutil.rmtree(below / f"checkout-{number}")
    return below / version


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 1 where there is no release."""
    parser = argparse.ArgumentParser(prog="make release", description=__doc__.splitlines()[0])
    parser.add_argument("version", help="a semantic version, as 1.2.3")
    parser.add_argument("--builds", type=int, default=2, help="how many builds must agree")
    options = parser.parse_args(arguments)
    try:
        target = release(ROOT, options.version, options.builds)
    except ReleaseError as error:
        print(f"No release: {error}", file=sys.stderr)
        return 1
    print(f"==> {target.relative_to(ROOT)}")
    print((target / "SHA256SUMS").read_text(encoding="utf-8"), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
