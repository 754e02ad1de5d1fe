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
from pathlib import Path
from typing import Any

from sphinx.errors import SphinxError

#: Names of environment variables whose values nobody may read.
SECRET_NAME = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|API_?KEY|PRIVATE_?KEY|CREDENTIAL", re.I)

#: A shorter value would be found in every text.
SHORTEST = 8


class SecretError(SphinxError):
    """Something of the machine got into the site."""

    category = "The site is not to be published"


def forbidden(source: Path, environment: Mapping[str, str]) -> dict[str, bytes]:
    """Return what may not stand in a page, by what it is.

    Parameters
    ----------
    source : pathlib.Path
        The folder of the book.
    environment : mapping of str
        Usually ``os.environ``.

    Returns
    -------
    dict of bytes
        What is looked for, by the words that name it in the message.
    """
    found = {"the folder of the checkout": str(source.resolve())}
    home = environment.get("HOME", "").rstrip("/")
    if home.count("/") >= 1:
        found["the home folder"] = home + "/"
    for name, value in sorted(environment.items()):
        if SECRET_NAME.search(name) and len(value.strip()) >= SHORTEST:
            found[f"the value of {name}"] = value.strip()
    return {kind: text.encode() for kind, text in found.items() if len(text) > 1}


def leaks(site: Path, needles: Mapping[str, bytes]) -> Iterator[str]:
    """Yield a line for each file of a site that holds what it may not hold."""
    for path in sorted(path for path in site.rglob("*") if path.is_file()):
        content = path.read_bytes()
        for kind, needle in needles.items():
            if needle in content:
                yield f"{path.relative_to(site).as_posix()}: holds {kind}"


def search_site(app: Any, exception: Exception | None) -> None:
    """Search a finished site; end the build where something is found."""
    if exception or app.builder.format != "html":
        return
    found = list(leaks(Path(app.outdir), forbidden(Path(app.srcdir), os.environ)))
    if found:
        remedy = "A cell prints it, or a file in _static holds it: take it out and build again."
        raise SecretError("\n".join([*found, remedy]))


def setup(app: Any) -> dict[str, Any]:
    """Connect the hook to Sphinx, after all that write."""
    app.connect("build-finished", search_site, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
