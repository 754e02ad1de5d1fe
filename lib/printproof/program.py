"""The audit as one file: download it, run it with Python alone, and no manuscript goes anywhere.

A *zipapp* holds this package, without the search for witnesses and the trials, and PyYAML.  It
imports the standard library and itself; HTML and Excel files need ``lxml`` and ``openpyxl``
where it runs.
"""

from __future__ import annotations

import importlib.util
import zipfile
from importlib import metadata
from pathlib import Path

#: Parts of the package that need NumPy and SciPy.
_LEFT_OUT = {"trial.py", "witness", "__pycache__"}
_MAIN = "from printproof.__main__ import main\n\nraise SystemExit(main())\n"


def write(path: Path) -> Path:
    """Write the program; the same sources give the same bytes.

    Parameters
    ----------
    path : pathlib.Path
        ``printproof.pyz``, say; run it with ``python printproof.pyz check paper.yml``.
    """
    here = Path(__file__).parent
    files = _sources(here)
    found = importlib.util.find_spec("yaml")
    assert found is not None and found.origin is not None, "PyYAML is not installed"
    files |= _sources(Path(found.origin).parent)
    files["LICENSE"] = here.parents[1] / "LICENSE"
    for licence in metadata.files("PyYAML") or []:
        if licence.name == "LICENSE":
            files["yaml/LICENSE"] = Path(str(licence.locate()))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        out.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            contents = {name: source.read_bytes() for name, source in files.items()}
            for name, content in sorted({**contents, "__main__.py": _MAIN.encode()}.items()):
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, 8, 9)
    path.chmod(0o755)
    return path


def _sources(folder: Path) -> dict[str, Path]:
    return {
        f"{folder.name}/{source.relative_to(folder).as_posix()}": source
        for source in folder.rglob("*.py")
        if not _LEFT_OUT & set(source.relative_to(folder).parts)
    }


__all__ = ["write"]
