"""A package index on localhost, of packages that are made here, and a checkout that uses it."""

from __future__ import annotations

import hashlib
import inspect
import io
import os
import shutil
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def wheel(folder, name, version, files, requires=(), extras=()):
    """Write a wheel of some files into a folder and return its name."""
    stem = f"{name.replace('-', '_')}-{version}"
    about = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    about += [f"Requires-Dist: {text}" for text in requires]
    about += [f"Provides-Extra: {text}" for text in extras]
    tag = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {**files, f"{stem}.dist-info/METADATA": "\n".join(about) + "\n"}
    files = {**files, f"{stem}.dist-info/WHEEL": tag}
    record = "".join(f"{path},,{len(text.encode())}\n" for path, text in files.items())
    record += f"{stem}.dist-info/RECORD,,\n"
    with zipfile.ZipFile(f"{folder}/{stem}-py3-none-any.whl", "w") as archive:
        for path, text in {**files, f"{stem}.dist-info/RECORD": record}.items():
            archive.writestr(path, text)
    return f"{stem}-py3-none-any.whl"


#: What stands in for setuptools: it builds a wheel that says which release built it.
BACKEND = f"""
import tomllib
import zipfile
from pathlib import Path

BY = "%s"

{inspect.getsource(wheel)}

def project():
    return tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]

def build_wheel(folder, config_settings=None, metadata_directory=None):
    about = project()
    return wheel(folder, about["name"], about["version"], {{"built.py": f"BY = {{BY!r}}"}})

def build_editable(folder, config_settings=None, metadata_directory=None):
    about = project()
    stem = f"__editable__.{{about['name']}}-{{about['version']}}"  # as setuptools does
    files = {{f"{{stem}}.pth": str(Path("lib").resolve())}}
    return wheel(folder, about["name"], about["version"], files, about.get("dependencies", []))
"""


def project_file(name: str, *requires: str) -> str:
    listed = ", ".join(f'"{one}"' for one in requires)
    return (
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        f'[project]\nname = "{name}"\nversion = "1.0"\ndependencies = [{listed}]\n'
    )


class Index:
    """Folders as PEP 503 wants them: one a package, each a listing of links."""

    def __init__(self, root: Path):
        self.root = root

    def folder(self, name: str) -> Path:
        path = self.root / "simple" / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def wheel(self, name: str, version: str, files=None, **about) -> str:
        """Offer a wheel and return its entry for a lock."""
        folder = self.folder(name)
        files = files or {f"{name}.py": f"VERSION = {version!r}\n"}
        return self.entry(name, version, folder / wheel(folder, name, version, files, **about))

    def source(self, name: str, version: str) -> str:
        """Offer a source distribution and return its entry for a lock."""
        path = self.folder(name) / f"{name}-{version}.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            content = project_file(name).encode()
            entry = tarfile.TarInfo(f"{name}-{version}/pyproject.toml")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        return self.entry(name, version, path)

    @staticmethod
    def entry(name: str, version: str, path: Path) -> str:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return f"{name}=={version} \\\n    --hash=sha256:{digest}\n"

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Serve it on localhost and yield its address."""
        handler = partial(QuietHandler, directory=str(self.root))
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}/simple"
            server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


class Checkout:
    """A small checkout with the Makefile and the script of this one."""

    def __init__(self, root: Path, lock: str, pyproject: str):
        self.root, self.venv = root, root / ".venv"
        (root / "tools").mkdir(parents=True)
        (root / "lib").mkdir()
        shutil.copy(ROOT / "Makefile", root)
        shutil.copy(ROOT / "tools" / "setup_environment.py", root / "tools")
        (root / "requirements.lock").write_text(lock, encoding="utf-8")
        (root / "pyproject.toml").write_text(pyproject, encoding="utf-8")
        (root / "lib" / "small.py").write_text("", encoding="utf-8")

    def start(self, *arguments: str, **settings: str | None) -> subprocess.Popen[str]:
        """Start ``make setup`` with some variables set, or unset where they are None."""
        values = {"PATH": "/nowhere", **settings}
        surroundings = {**os.environ, **{k: v for k, v in values.items() if v is not None}}
        for name in [*(k for k, v in values.items() if v is None), "PIP_FIND_LINKS"]:
            surroundings.pop(name, None)
        return subprocess.Popen(
            [str(shutil.which("make")), "--no-print-directory", "setup", *arguments],
            cwd=self.root,
            env=surroundings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def make(self, *arguments: str, **settings: str | None) -> tuple[int, str]:
        """Run ``make setup`` and return exit code and output."""
        child = self.start(*arguments, **settings)
        out, _ = child.communicate()
        return child.returncode, out

    def says(self, code: str) -> str:
        """Return what the environment's Python prints."""
        command = [str(self.venv / "bin" / "python"), "-c", code]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
