"""Sphinx extension: a built page tells nothing of the machine that built it.

When all is written, every file of the site is searched for the folder of the checkout, for
the home of whoever builds, and for the value of each environment variable whose name says
that it is a secret.  One find ends the build; the message names the file and the kind of
thing found, never the secret itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

from sphinx.errors import SphinxError

from bookworks._files import below

#: Names of environment variables whose values nobody may read.
SECRET_NAME = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|API_?KEY|PRIVATE_?KEY|CREDENTIAL", re.I)

#: A shorter value, and a shorter path, would be found in every text.
SHORTEST, SHORTEST_PATH = 8, 6


class SecretError(SphinxError):
    category = "The site is not to be published"


def forbidden(source: Path, environment: Mapping[str, str]) -> dict[str, bytes]:
    """Return what may not stand in a page, by the words that name it in the message."""
    home = environment.get("HOME", "").rstrip("/") + "/"
    places = {"the folder of the checkout": str(source.resolve()), "the home folder": home}
    found = {kind: text for kind, text in places.items() if len(text) >= SHORTEST_PATH}
    return {kind: os.fsencode(text) for kind, text in found.items()} | secrets(environment)


def secrets(environment: Mapping[str, str]) -> dict[str, bytes]:
    """Return the values of an environment that nobody may read, by the words that name them."""
    return {
        # what is no text (an undecodable byte) is looked for byte by byte
        f"the value of {name}": os.fsencode(value.strip())
        for name, value in sorted(environment.items())
        if SECRET_NAME.search(name) and len(value.strip()) >= SHORTEST
    }


def held(path: Path, needles: Mapping[str, bytes]) -> list[str]:
    """Return the kinds of needles that a file holds, which need not fit into the memory."""
    if not path.stat().st_size:
        return []
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as text:
        # not by find, which is slow where much of a needle repeats
        return [kind for kind, needle in needles.items() if re.search(re.escape(needle), text)]


def leaks(site: Path, needles: Mapping[str, bytes]) -> Iterator[str]:
    """Yield a line for each thing that a file of a site holds and may not hold."""
    for name, path in below(site).items():
        try:
            yield from (f"{name}: holds {kind}" for kind in held(path, needles))
        except OSError as error:
            yield f"{name}: cannot be read, so nobody knows what it tells ({error.strerror})"


def search_site(app: Any, exception: Exception | None) -> None:
    if exception or app.builder.format != "html":
        return
    found = list(leaks(Path(app.outdir), forbidden(Path(app.srcdir), os.environ)))
    if found:
        remedy = "A cell prints it, or a file in _static holds it: take it out and build again."
        raise SecretError("\n".join([*found, remedy]))


def setup(app: Any) -> None:
    app.connect("build-finished", search_site, priority=900)
