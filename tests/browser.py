"""A real browser for the tests: Debian's chromium, driven by playwright, and nothing from afar."""

from __future__ import annotations

import functools
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

#: No sandbox (CI runs as root in a container), no graphics card, no calls home.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

#: A page that says no more than this many entries of a kind has shown all it can show.
FEW = 4


class _Quiet(SimpleHTTPRequestHandler):
    """Serves files and keeps silent about it."""

    def log_message(self, *arguments: Any) -> None:
        """Say nothing: the requests of a test are no news."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on a free port of this machine; yield the address, with a slash at its end."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


def chromium() -> str:
    """Return the path of chromium; skip the test where there is none, and fail it in CI."""
    found = os.environ.get("FTZ_CHROMIUM") or shutil.which("chromium")
    if found:
        return found
    missing = (
        "NO BROWSER: chromium is not installed, so no page was looked at (apt install chromium)"
    )
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(missing)
    pytest.skip(missing)


@contextmanager
def opened() -> Iterator[Any]:
    """Open the browser; yield playwright's handle to it."""
    path = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def page_of(browser: Any, *, width: int = 1280, height: int = 900, **context: Any) -> Iterator[Any]:
    """Open a page of its own, with nothing remembered from others, and with no fading colours."""
    size = {"width": width, "height": height}
    window = browser.new_context(viewport=size, reduced_motion="reduce", **context)
    try:
        yield window.new_page()
    finally:
        window.close()


def settle(page: Any) -> None:
    """Wait until formulae are typeset."""
    page.evaluate("window.MathJax?.startup?.promise ?? null")


def set_theme(page: Any, theme: str) -> None:
    """Switch the colours as the theme's own button does; without the wait for a fade."""
    page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)


def thin_out(page: Any) -> None:
    """Leave a few of each kind of entry that a page repeats hundreds of times.

    Docstrings of the library, lines of a table and lines of source look the same in their
    hundreds, and axe-core's time grows with their number.
    """
    page.evaluate(
        """few => {
          for (const kind of ["dl.py", "tbody > tr", "div.citation", "table.indextable li",
                              "pre > span[id^=line-]"]) {
            const seen = new Map();
            for (const element of document.querySelectorAll(kind)) {
              const count = (seen.get(element.parentElement) ?? 0) + 1;
              seen.set(element.parentElement, count);
              if (count > few) element.remove();
            }
          }
        }""",
        FEW,
    )


def violations(page: Any, *, only: tuple[str, ...] = ()) -> list[str]:
    """Return what axe-core finds that is serious or critical, a line each.

    Parameters
    ----------
    page
        As it stands open.
    only : tuple of str, optional
        Names of rules; all rules unless given.
    """
    from axe_playwright_python.sync_playwright import Axe

    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if only:
        options["runOnly"] = {"type": "rule", "values": list(only)}
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}, {len(rule['nodes'])} times): "
        f"{rule['nodes'][0]['html'][:200]}"
        for rule in found
        if rule["impact"] in {"serious", "critical"}
    ]
