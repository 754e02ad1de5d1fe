"""What a release is made with (a CycloneDX list of packages) and whose files its site holds."""

from __future__ import annotations

import base64
import datetime
import hashlib
import re
import uuid
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name as canonical

from bookworks._errors import BookError
from bookworks._files import below

#: Name, version and the rest of an entry of a lock.
ENTRY = re.compile(r"^([\w.-]+)(?:\[[^\]\n]*\])?==([^\s;\\]+)(.*?)(?=^\S|\Z)", re.M | re.S)
_LICENCE = re.compile(r"licen[cs]e|copying|notice|\bofl\b", re.I)


def licences(name: str, version: str) -> list[dict[str, Any]]:
    """Return the licence that an installed package states, in the terms of CycloneDX."""
    try:
        about = distribution(name).metadata
    except PackageNotFoundError:  # of another system or another Python
        return []
    if about["Version"] != version:
        return []
    # not by index: the two kinds of importlib's metadata differ in what a missing field gives
    for expression in about.get_all("License-Expression") or ():
        return [{"expression": expression}]
    stated = [c.rpartition(" :: ")[2] for c in about.get_all("Classifier") or [] if "License" in c]
    lines = "".join(about.get_all("License") or ()).strip().splitlines()
    names = lines if len(lines) == 1 and len(lines[0]) < 80 else stated or lines[:1]
    return [{"license": {"name": one}} for one in names]


def bill(lock: str, name: str, version: str, commit: str, epoch: int) -> dict[str, Any]:
    """Return the packages of a lock (its text) as a CycloneDX 1.6 document of a release."""
    components = []
    for match in ENTRY.finditer(lock):
        package, number = canonical(match[1]), match[2]
        purl = f"pkg:pypi/{package}@{number}"
        digests = sorted(set(re.findall(r"--hash=sha256:([0-9a-f]{64})", match[3])))
        one = {"type": "library", "bom-ref": purl, "name": package, "version": number}
        one |= {"purl": purl, "licenses": licences(package, number)}
        one |= {"hashes": [{"alg": "SHA-256", "content": digest} for digest in digests]}
        components.append({key: value for key, value in one.items() if value})
    if not components:
        raise BookError("the lock names no package: run make lock")
    moment = datetime.datetime.fromtimestamp(epoch, datetime.UTC)
    itself = {"type": "application", "bom-ref": name, "name": name, "version": version}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{name}:{commit}')}",
        "version": 1,
        "metadata": {"timestamp": f"{moment:%Y-%m-%dT%H:%M:%SZ}", "component": itself},
        "components": sorted(components, key=lambda one: str(one["purl"])),
    }


@cache
def _installed() -> dict[str, tuple[Distribution, frozenset[str]]]:
    return {
        name: (package, frozenset(f.hash.value for f in package.files or () if f.hash and f.size))
        for name, package in sorted({canonical(one.name): one for one in distributions()}.items())
    }


def licence_texts(site: Path, root: Path, own: Mapping[str, Sequence[str]]) -> dict[str, bytes]:
    """Return the licences of packages whose files a site holds, by digest or as ``own`` says."""
    raw = (hashlib.sha256(path.read_bytes()).digest() for path in below(site).values())
    digests = {base64.urlsafe_b64encode(digest).rstrip(b"=").decode() for digest in raw}
    found: dict[str, bytes] = {}
    lines = ["The site holds files of these packages; beside each, where its licence was found.\n"]
    for name, (package, files) in _installed().items():
        if name not in own and digests.isdisjoint(files):
            continue
        texts = [file for file in package.files or () if _LICENCE.search(file.name)]
        sources = {str(file): Path(str(package.locate_file(file))) for file in texts}
        sources |= {file: root / file for file in own.get(name, ())}
        sources = {
            said: path for said, path in sources.items() if path.suffix not in (".py", ".pyc")
        }
        if not sources:
            raise BookError(
                f"{name} gives files to the site and ships no licence: put the text into the "
                f"repository and name it under bookworks_release: licences: {{{name}: [file]}}"
            )
        for said, path in sources.items():
            found[f"{name}/{path.name}"] = path.read_bytes()
            origin = "this book's source" if path.is_relative_to(root) else "the package"
            lines.append(f"{name} {package.version}: {name}/{path.name} ({origin}, {said})")
    return {**found, "LICENCES.txt": ("\n".join(lines) + "\n").encode()}
