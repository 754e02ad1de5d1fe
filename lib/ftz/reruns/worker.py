"""``python -m ftz.reruns.worker JOB.json``: execute one run in a process of its own.

The parent writes the job, reads the outcome from the file that the job names, and sends
what this process says on its way to the run's log.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from ftz.reruns.chapters import notebook_text

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def main(arguments: list[str]) -> int:
    """Execute the job; return 0, also where the chapter raised: the outcome says so."""
    job = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    _follow(job["parent"])
    outcome = run(job)
    Path(job["outcome"]).write_text(json.dumps(outcome), encoding="utf-8")
    return 0


def _follow(parent: int) -> None:
    """End this process when its parent is gone, so that a killed run leaves nothing behind."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(3)

    threading.Thread(target=watch, daemon=True).start()


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Execute a chapter with parameters.

    Parameters
    ----------
    job : dict
        ``notebook`` (the path of the chapter as .ipynb), ``folder`` (where it runs),
        ``parameters``, ``chapter``.

    Returns
    -------
    dict
        ``notebook`` (its text, made the same every time) and ``headlines``, or ``error``;
        with an error in a cell, ``notebook`` is what was executed so far.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook
    from traitlets.config import Config

    from ftz.errors import FtzError
    from ftz.reruns.headlines import rendered_numbers

    partial = Path(job["outcome"]).with_suffix(".ipynb")
    chapter = load_notebook_node(job["notebook"])
    if job["parameters"]:  # checked long before: papermill would only warn
        chapter = parameterize_notebook(chapter, job["parameters"])
    with tempfile.TemporaryDirectory(prefix="ftz-") as sockets:
        transport = {"transport": "ipc", "connection_file": str(Path(sockets, "kernel.json"))}
        try:
            notebook = papermill.execute_notebook(
                chapter,
                str(partial),
                cwd=job["folder"],
                progress_bar=False,
                request_save_on_cell_execute=False,
                record_timing=False,
                config=Config({"KernelManager": transport}),
            )
        except PapermillExecutionError as error:
            print(_COLOURS.sub("", "\n".join(error.traceback)), file=sys.stderr)
            said = f"cell {error.exec_count} raised {error.ename}: {error.evalue}"
            return {"error": said, "notebook": partial.read_text(encoding="utf-8")}
    try:
        numbers = rendered_numbers(job["chapter"], notebook)
    except FtzError as error:
        return {"error": str(error), "notebook": canonical(notebook)}
    return {"notebook": canonical(notebook), "headlines": numbers}


def canonical(notebook: Any) -> str:
    """Return an executed notebook as text that is the same every time.

    Taken out: papermill's notes of when and how long, the kernel's version, ids.  Pieces
    of text that a kernel sent one after the other become one, because how it cuts them
    depends on the clock.
    """
    notebook.metadata = {
        key: notebook.metadata[key] for key in ("kernelspec",) if key in notebook.metadata
    }
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:04d}"
        tags = cell.metadata.get("tags", [])
        kept = {k: v for k, v in cell.metadata.items() if k in ("mystnb",)}
        cell["metadata"] = {**kept, **({"tags": list(tags)} if tags else {})}
        if cell.cell_type == "code":
            cell["outputs"] = _joined(cell.outputs)
    return notebook_text(notebook)


def _joined(outputs: list[Any]) -> list[Any]:
    joined: list[Any] = []
    for output in outputs:
        last = joined[-1] if joined else {}
        streams = output["output_type"] == "stream" == last.get("output_type")
        if streams and output["name"] == last["name"]:
            last["text"] += output["text"]
        else:
            joined.append(output)
    return joined


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
