"""Make a release: of a commit, never of a working folder, and whole or not at all.

1. The version is a semantic one with a dated section in ``CHANGELOG.md``.  It is written where
   it stands; where that changed a file, the command ends and asks for a commit.
2. The commit is checked out twice.  One book is built from clean, the other upon a build of
   the commit before it, and no setting of the shell reaches them.  Their sites must be the same.
3. Source, site (with the licences of all that it bundles), notebooks and a list of packages go
   to ``_build/release/VERSION/`` with their checksums, and what ``bookworks_release`` in
   ``_config.yml`` names.  Times are the commit's, so that it alone decides the bytes.
"""

from __future__ import annotations

import datetime
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from bookworks import _bom, _secrets
from bookworks._errors import BookError, near
from bookworks._files import as_json, below, pack, read_json, read_text, sha256, write_if_new
from bookworks.book import NOTEBOOKS, Book

SEMVER = re.compile(r"(?:(?:0|[1-9]\d*)\.){2}(?:0|[1-9]\d*)(?:-[\da-zA-Z.-]+)?(?:\+[\da-zA-Z.-]+)?")
#: What a version's line looks like in YAML, TOML and Python.
_VERSION = re.compile(r'^((?:__version__|version)(?:: | = )"?)[^"\s]+', re.M)
#: What ``bookworks_release`` may hold: the archives' name, files with the version, files to lay
#: beside the archives, archives of folders, licence texts that packages do not ship.
SETTINGS: Mapping[str, Any] = {"name": "", "versions": [], "files": [], "parts": {}, "licences": {}}
#: All that a build sees of the shell.
PASSED = ("PATH", "HOME", "TMPDIR")


@dataclass(frozen=True)
class Release:
    """What is released: version, date, commit and its time, and the words of the changelog."""

    version: str
    date: str
    commit: str
    epoch: int
    notes: str


def settings(book: Book) -> dict[str, Any]:
    stated = book.setting("release")
    for key, value in stated.items():
        if key not in SETTINGS or not isinstance(value, type(SETTINGS[key])):
            raise BookError(f"bookworks_release: {key}: {value}: no such key{near(key, SETTINGS)}")
    return {**SETTINGS, "name": book.root.name, **stated}


def notes(changelog: str, version: str) -> tuple[datetime.date, str]:
    """Return date and text of a version's section of the changelog, or say what it lacks."""
    if not SEMVER.fullmatch(version):
        raise BookError(f"{version!r} is no semantic version: write one like 1.2.3")
    head = rf"^## \[{re.escape(version)}\](?:[ ]*[-\u2013:][ ]*(\S+))?[^\n]*$"
    found = re.search(head + r"\n(.*?)(?=^## \[|\Z)", changelog, re.MULTILINE | re.DOTALL)
    line = f"'## [{version}] - YYYY-MM-DD'"
    if found is None:
        raise BookError(f"CHANGELOG.md has no section {line}: rename [Unreleased] to it")
    try:
        date = datetime.date.fromisoformat(found[1] or "")
    except ValueError:
        raise BookError(f"CHANGELOG.md: write the date of this section, {line}") from None
    if not found[2].strip():
        raise BookError(f"CHANGELOG.md: section {line} is empty: say what changed")
    return date, found[2].strip() + "\n"


def write_version(root: Path, names: list[str], version: str, date: datetime.date) -> list[str]:
    """Write version, and in a citation file the date, where they stand; return what changed."""
    changed = []
    for name in names:
        text = read_text(root / name)
        new, count = _VERSION.subn(rf"\g<1>{version}", text, count=1)
        if not count:
            raise BookError(f"{name} has no line with the version")
        if name.endswith(".cff"):
            new = re.sub(r"^date-released: .*\n", "", new, flags=re.M)
            new = re.sub(r"^(version: .*\n)", rf"\1date-released: {date}\n", new, flags=re.M)
        if write_if_new(root / name, new):
            changed.append(name)
    return changed


def git(root: Path, *arguments: str) -> str:
    # a hook of git, say, sets which repository is meant, and it is not a checkout's
    shell = {name: value for name, value in os.environ.items() if name[:4] != "GIT_"}
    command = ["git", *arguments]
    run = subprocess.run(command, cwd=root, env=shell, capture_output=True, encoding="utf-8")
    if run.returncode:
        raise BookError(f"git {arguments[0]}: {run.stderr.strip()}")
    return run.stdout.strip()


def commit(root: Path) -> tuple[str, int]:
    """Return the commit that is checked out and its time; refuse where a file was changed."""
    changed = git(root, "status", "--porcelain", "--untracked-files=no")
    if changed:
        raise BookError(f"commit these first, a release is made of a commit:\n{changed}")
    return git(root, "rev-parse", "HEAD"), int(git(root, "log", "-1", "--format=%ct"))


def tracked(root: Path) -> dict[str, Path | bytes]:
    """Return the files of a commit; refuse what would lead out of its folder, or is no file."""
    names = git(root, "ls-files", "-z").strip("\0").split("\0")
    for path in (root / name for name in names):
        if not (path.is_file() and path.resolve().is_relative_to(root.resolve())):
            raise BookError(f"{path} is no file of this folder: a release cannot hold it")
    return {name: root / name for name in names}


def new(root: Path, target: Path, about: Release) -> None:
    """Refuse a version that stands for another commit already, as a tag or as a release."""
    tags = git(root, "tag", "--list", about.version, f"v{about.version}").split()
    made = {git(root, "rev-list", "-n", "1", tag) for tag in tags}
    made.add(read_json(target / "manifest.json").get("commit", about.commit))
    for other in made - {about.commit}:
        raise BookError(f"{about.version} was made of commit {other[:12]}: choose a new version")


def environment(book: Book, source: Path, epoch: int) -> dict[str, str]:
    inside = [Path(entry) for entry in sys.path if Path(entry).is_relative_to(book.root)]
    own = [source / entry.relative_to(book.root) for entry in inside if ".venv" not in entry.parts]
    passed = {name: os.environ[name] for name in PASSED if name in os.environ}
    return passed | {
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "NO_COLOR": "1",
        "SOURCE_DATE_EPOCH": str(epoch),
        book.setting("prefix") + "RELEASE": "1",
        # the checkout's library, where the book has one, and no settings of the home folder
        "PYTHONPATH": os.pathsep.join(map(str, own)),
        "PYTHONNOUSERSITE": "1",
        "IPYTHONDIR": str(source.with_name("ipython")),
        "JUPYTER_CONFIG_DIR": str(source.with_name("jupyter")),
    }


def build(source: Path, variables: Mapping[str, str]) -> Path:
    command = [str(Path(sys.executable).with_name("jb")), "build", ".", "-n", "-W", "--keep-going"]
    # a session of its own, so that its kernels end with it
    run = subprocess.Popen(command, cwd=source, env=dict(variables), start_new_session=True)
    try:
        code = run.wait()
    except BaseException:
        os.killpg(run.pid, signal.SIGTERM)
        run.wait()
        raise
    if code:
        raise BookError("the book does not build: see what it says above")
    return source / "_build" / "html"


def differences(one: Path, other: Path) -> list[str]:
    """Say for each file of two folders that is not the same where it first differs."""
    first, second = below(one), below(other)
    alone = {name: "the first" if name in first else "the second" for name in first.keys() ^ second}
    told = {name: f"{name}: only in {build} build" for name, build in alone.items()}
    for name in first.keys() & second:
        a, b = first[name].read_bytes(), second[name].read_bytes()
        if a != b:
            pairs = enumerate(zip(a, b, strict=False))
            place = next((i for i, (x, y) in pairs if x != y), min(len(a), len(b)))
            around = slice(max(0, place - 40), place + 40)
            told[name] = f"{name}, byte {place}: {a[around]!r} and {b[around]!r}"
    return [told[name] for name in sorted(told)]


def write_release(book: Book, site: Path, target: Path, about: Release) -> None:
    said, lock = settings(book), book.root / "requirements.lock"
    name = f"{said['name']}-{about.version}"
    texts = _bom.licence_texts(site, book.root, said["licences"])
    contents: dict[str, dict[str, Path | bytes]] = {
        "source": tracked(book.root),
        "site": {one: path for one, path in below(site).items() if one != ".buildinfo"}
        | {f"licences/{one}": text for one, text in texts.items()},
        # with the wheel that each installs in its first cell
        "notebooks": {**below(site / NOTEBOOKS)},
        **{part: {**below(book.root / folder)} for part, folder in said["parts"].items()},
    }
    secrets = _secrets.secrets(os.environ)
    for file in (one for inside in contents.values() for one in inside.values()):
        if isinstance(file, Path) and (found := _secrets.held(file, secrets)):
            raise BookError(f"{file.relative_to(book.root)} holds {found[0]}: take it out")
    target.mkdir(parents=True)
    manifest = {**asdict(about), "python": platform.python_version(), "lock": sha256(lock)}
    manifest["archives"] = archives = {}
    for part, inside in contents.items():
        put = {f"{name}-{part}/{one}": content for one, content in inside.items()}
        archive = target / f"{name}-{part}.zip"
        archives[archive.name] = pack(archive, put, about.epoch)
    packages = _bom.bill(read_text(lock), said["name"], about.version, about.commit, about.epoch)
    (target / f"{name}.cdx.json").write_text(as_json(packages), encoding="utf-8")
    (target / "NOTES.md").write_text(manifest.pop("notes"), encoding="utf-8")
    (target / "manifest.json").write_text(as_json(manifest), encoding="utf-8")
    for file in ("CITATION.cff", *said["files"]):
        shutil.copyfile(book.root / file, target / Path(file).name)
    sums = [f"{sha256(path)}  {entry}\n" for entry, path in below(target).items()]
    (target / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")


def build_twice(book: Book, below: Path, identity: str, epoch: int) -> tuple[Path, Path]:
    """Check a commit out twice and build it, from clean and upon the commit before it."""
    sites = []
    for number in (1, 2):
        source = below / f"checkout-{number}"
        bytewise = ("-c", "core.autocrlf=false", "--no-hardlinks")
        git(book.root, "clone", "--quiet", *bytewise, str(book.root), str(source))
        variables = environment(book, source, epoch)
        parents = git(source, "log", "-1", "--format=%P").split()
        if number == 2 and parents:
            click.echo(f"==> building the commit before it, {parents[0][:12]}", err=True)
            git(source, "checkout", "--quiet", parents[0])
            try:
                build(source, variables)
            except BookError:
                click.echo("==> it does not build; the next build starts from what it left")
            git(source, "checkout", "--quiet", identity)
        click.echo(f"==> build {number} of 2", err=True)
        sites.append(build(source, variables))
    return sites[0], sites[1]


def release(book: Book, version: str) -> Path:
    root, said = book.root, settings(book)
    date, text = notes(read_text(root / "CHANGELOG.md"), version)
    changed = write_version(root, ["CITATION.cff", *said["versions"]], version, date)
    if changed:
        where = ", ".join(changed)
        raise BookError(f"{version} now stands in {where}: commit, then run this command again")
    about = Release(version, date.isoformat(), *commit(root), text)
    target = book.build / "release" / version
    new(root, target, about)
    tracked(root)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=target.parent) as name:
        below = Path(name)
        clean, upon = build_twice(book, below, about.commit, about.epoch)
        if told := differences(clean, upon):
            words = f"a clean build and one upon the commit before it differ in {len(told)} files:"
            raise BookError("\n".join([words, *told[:40]]))
        write_release(Book.read(clean.parents[1]), clean, below / "release", about)
        if target.exists():  # goes with the drafts
            os.replace(target, below / "before")
        os.replace(below / "release", target)
    return target


@click.command("release")
@click.argument("version")
def command(version: str) -> None:
    """Build the book of a commit twice and pack what can be deposited, as VERSION (1.2.3)."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    target = release(Book.find(), version)
    click.echo(f"==> {target}\n{(target / 'SHA256SUMS').read_text(encoding='utf-8')}", nl=False)
