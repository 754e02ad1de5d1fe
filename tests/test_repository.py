"""What is in the repository, and what must never be."""

from __future__ import annotations

import ast
import doctest
import importlib
import json
import re
import subprocess
import warnings
from pathlib import Path

import jupytext
import pytest

from conftest import ROOT, code_chapters
from prose import prose_lines

#: What a walk over the folder leaves out where git cannot say what is ignored.
IGNORED = {"_build", "build", "dist", "__pycache__"}


def _from_git() -> list[Path] | None:
    """Return the files git tracks or would add, or None where git knows nothing of the folder."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        top = subprocess.run(
            ["git", "rev-parse", "--show-toplevel"], cwd=ROOT, capture_output=True, text=True
        )
        listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    if top.returncode or listing.returncode or Path(top.stdout.strip()).resolve() != ROOT:
        return None
    return [ROOT / name for name in listing.stdout.split("\0") if name]


def _from_walk() -> list[Path]:
    warnings.warn("no git repository here: the folder is walked instead", stacklevel=2)
    files = []
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") and part not in (".ci", ".gitignore") for part in parts)
        made = IGNORED.intersection(parts) or any(part.endswith(".egg-info") for part in parts)
        if path.is_file() and not hidden and not made:
            files.append(path)
    return files


def _repository() -> list[Path]:
    found = _from_git()
    files = _from_walk() if found is None else found
    return sorted(path for path in files if path.is_file())


FILES = _repository()


def _texts(*suffixes: str) -> list[tuple[str, str]]:
    """Return name and text of the files that are text (with one of the suffixes, if any)."""
    found = []
    for path in FILES:
        content = path.read_bytes()
        if b"\0" in content or (suffixes and path.suffix not in suffixes):
            continue
        found.append((path.relative_to(ROOT).as_posix(), content.decode("utf-8")))
    return found


def _matches(pattern: str, texts: list[tuple[str, str]]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in texts
        for number, line in enumerate(text.splitlines(), start=1)
        if re.search(pattern, line)
    ]


# -- files ------------------------------------------------------------------------------


def test_the_repository_was_found():
    names = {path.relative_to(ROOT).as_posix() for path in FILES}
    assert {"README.md", "Makefile", "_toc.yml", "requirements.lock", ".ci/run"} <= names


def test_no_file_is_large():
    large = [path for path in FILES if path.stat().st_size > 2 * 1024 * 1024]
    assert not large


def test_no_notebook_carries_outputs():
    for path in FILES:
        if path.suffix == ".ipynb":
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


def test_no_registry_address():
    # written in two pieces, or this file would hold what it forbids
    hosts = "|".join(("pypi" + r"\.org", "python" + "hosted", "registry" + r"\.npmjs"))
    options = "--(extra-)" + "?index-url"
    assert not _matches(f"{hosts}|{options}", _texts())


def test_no_absolute_path_of_a_machine():
    folders = "|".join(("work", "root", "tmp", "home", "Users", "opt"))
    assert not _matches(rf"(?<![\w.:/$)}}])/({folders})/\w", _texts())


def test_readme_names_the_two_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in ("make book", "make test", "make help", "jb build ."):
        assert command in readme


# -- text notebooks ---------------------------------------------------------------------


def _cells(chapter: Path) -> list:
    return jupytext.read(chapter, fmt="md:myst").cells


def _draws(source: str) -> bool:
    """Tell whether a cell's last line hands a figure to the page."""
    if source.lstrip().startswith(("%", "!")):
        return False
    body = ast.parse(source).body
    if not body or not isinstance(body[-1], ast.Expr):
        return False
    last = ast.unparse(body[-1])
    return bool(re.match(r"(ftz\.)?figures\.|fig\w*$|plt\.|sns\.", last) or ".plot" in last)


@pytest.mark.parametrize(
    ("source", "draws"),
    [
        ("figures.psm.density(scores)", True),
        ("fig = figures.psm.density(scores)\nfig", True),
        ("frame.plot.line()", True),
        ("frame.describe()", False),
        ("figures = 3", False),
    ],
)
def test_a_cell_that_draws_is_recognised(source, draws):
    assert _draws(source) is draws


@pytest.mark.parametrize("chapter", code_chapters(), ids=lambda path: path.stem)
def test_every_cell_that_draws_has_alt_text_caption_and_name(chapter):
    for cell in _cells(chapter):
        if cell.cell_type == "code" and _draws(cell.source):
            options = cell.metadata.get("mystnb", {})
            figure = options.get("figure", {})
            assert len(options.get("image", {}).get("alt", "").split()) >= 4, cell.source
            assert figure.get("name") and figure.get("caption"), cell.source


def test_figures_from_files_have_alt_text():
    for name, text in _texts(".md"):
        for block in re.findall(r"(?:```|:::)\{(?:figure|image)\}.*?(?:```|:::)\n", text, re.S):
            assert ":alt:" in block, f"{name}: {block}"
        assert not re.search(r"!\[\s*\]\(", text), f"{name}: an image without alt text"


# -- no result typed into prose ---------------------------------------------------------

#: Numbers with two or more decimals that may stand in prose, with the reason.
ALLOWED = {
    "0.66": "the caliper as the paper prints it: a heading and the text ask for its unit",
}

NUMBER = re.compile(r"(?<![\w.])\d+\.\d{2,}(?![\d.]*\.\d)(?!\w)")


def prose(text: str) -> str:
    """Return a chapter's text without header, code, mathematics, roles and addresses."""
    lines = (line for _, line in prose_lines(text))
    out = "\n".join(line for line in lines if not line.startswith("%"))
    out = re.sub(r"\$\$.*?\$\$|(?<!\\)\$[^$\n]+\$", " ", out, flags=re.S)
    out = re.sub(r"\{[\w:-]+\}`[^`]*`|`[^`]*`|https?://\S+|\b10\.\d{4,}/\S+", " ", out)
    return out


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("The effect is 0.191.", ["0.191"]),
        ("The effect is {glue:text}`did-coef:.3f`, and $0.05$ is a level.", []),
        ("```{code-cell} ipython3\nx = 0.191\n```\nIt fell by 12.34 per cent.", ["12.34"]),
        (":::{note}\nIt is 3.142.\n:::", ["3.142"]),
        ("In 2019, section 4.2, version 3.10.9.", []),
        ("````{solution} a\n```{code-cell} ipython3\n0.123\n```\nSo 0.456.\n````", ["0.456"]),
    ],
)
def test_typed_numbers_are_recognised(text, typed):
    assert NUMBER.findall(prose(text)) == typed


@pytest.mark.parametrize("chapter", code_chapters(), ids=lambda path: path.stem)
def test_no_result_is_typed_into_prose(chapter):
    captions = [
        str(part)
        for cell in _cells(chapter)
        for options in [cell.metadata.get("mystnb", {})]
        for part in (
            options.get("figure", {}).get("caption", ""),
            options.get("image", {}).get("alt", ""),
        )
    ]
    text = "\n".join([prose(chapter.read_text(encoding="utf-8")), *captions])
    typed = [number for number in NUMBER.findall(text) if number not in ALLOWED]
    assert not typed, f"glue these from the cell or the record that gives them: {typed}"


#: Modules whose docstrings show what a call returns.
EXAMPLES = [
    ".".join(path.relative_to(ROOT / "lib").with_suffix("").parts)
    for path in sorted((ROOT / "lib").rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("module", EXAMPLES)
def test_examples_in_docstrings_return_what_they_say(module):
    outcome = doctest.testmod(importlib.import_module(module))
    assert outcome.attempted and not outcome.failed


def attribute_docs(source: str) -> list[str]:
    """Return the first sentence of every property's docstring and of every ``#:`` comment."""
    found = []
    for node in ast.walk(ast.parse(source)):
        kinds = {getattr(d, "id", "") for d in getattr(node, "decorator_list", ())}
        if isinstance(node, ast.FunctionDef) and kinds & {"property", "cached_property"}:
            found.append((ast.get_docstring(node) or "").split("\n\n")[0])
    found += [
        re.sub(r"^\s*#: ?", "", block[0], flags=re.M)
        for block in re.finditer(r"(?:^[ ]*#:.*\n)+(?=[ ]*[A-Za-z])", source, re.M)
    ]
    return [" ".join(text.split()) for text in found]


@pytest.mark.parametrize("path", sorted((ROOT / "lib").rglob("*.py")), ids=lambda p: p.stem)
def test_no_description_of_an_attribute_is_taken_for_its_type(path):
    """Napoleon reads ``words: more words`` at the start of an attribute as type and text."""
    split = [
        text
        for text in attribute_docs(path.read_text(encoding="utf-8"))
        if re.match(r"[^.:`]*: ", text)
    ]
    assert not split, f"{path.name}: put a comma or a semicolon for the colon: {split}"
