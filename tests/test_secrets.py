"""Nothing of the machine reaches a page, and nothing of a reader's file is ever run."""

from __future__ import annotations

import ast

import pytest

from bookworks._secrets import leaks
from conftest import ROOT

# -- the site -----------------------------------------------------------------------------


@pytest.mark.slow
def test_the_whole_book_tells_no_place_of_this_machine(html):
    needles = [str(ROOT), str(html), "/home/", "/root/", "/tmp/"]
    assert list(leaks(html, {needle: needle.encode() for needle in needles})) == []


# -- the library --------------------------------------------------------------------------

#: Calls that run a text, and readers that build what a file tells them to.
FORBIDDEN_NAMES = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_ATTRIBUTES = {
    "os.system",
    "os.popen",
    "yaml.load",
    "yaml.load_all",
    "yaml.unsafe_load",
    "yaml.full_load",
    "pd.read_pickle",
    "pickle.load",
    "pickle.loads",
    "joblib.load",
    "pd.eval",
}
FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
FORBIDDEN_ARGUMENTS = {"shell", "allow_pickle"}


def dangers(text: str) -> list[str]:
    """Return line and name of each call in a program that would run what a file holds."""
    found, nodes = [], list(ast.walk(ast.parse(text)))
    safe = {
        node.name
        for node in nodes
        if isinstance(node, ast.ClassDef)
        and [ast.unparse(base) for base in node.bases] == ["yaml.SafeLoader"]
    }
    for node in nodes:
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if {ast.unparse(k.value) for k in node.keywords if k.arg == "Loader"} & safe:
                continue  # a loader that reads less than the safe one
            true = [k.arg for k in node.keywords if ast.unparse(k.value) != "False"]
            bad = {name} & (FORBIDDEN_NAMES | FORBIDDEN_ATTRIBUTES) | {*true} & FORBIDDEN_ARGUMENTS
            found += [f"{node.lineno}: {word}" for word in sorted(bad)]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            modules = {getattr(node, "module", None), *(alias.name for alias in node.names)}
            found += [f"{node.lineno}: {word}" for word in sorted(modules & FORBIDDEN_MODULES)]
    return found


#: The check of a student's answer runs the book's solution, in the student's own kernel.  What
#: records a kernel compiles the book's modules in Python's place, and keeps that as Python does.
RUN_ON_PURPOSE = {
    "lib/bookworks/_checker.py": ["exec", "eval", "compile", "compile"],
    "lib/bookworks/_recorder/sitecustomize.py": ["marshal", "compile"],
    "lib/bookworks/_recorder/bookworks_units.py": ["compile"],
}


@pytest.mark.parametrize(
    "line",
    [
        "eval('1')",
        "import pickle",
        "from pickle import loads",
        "yaml.load(text)",
        "subprocess.run(line, shell=True)",
        "np.load(path, allow_pickle=True)",
        "os.system('ls')",
    ],
)
def test_a_danger_is_seen(line):
    assert len(dangers(line)) == 1


def test_a_loader_that_adds_rules_to_the_safe_one_is_safe():
    own = "class Strict(yaml.SafeLoader): pass\nyaml.load(text, Loader={})"
    assert dangers(own.format("Strict")) == []
    assert dangers(own.format("yaml.Loader")) == ["2: yaml.load"]


@pytest.mark.parametrize(
    "path",
    sorted((*(ROOT / "lib").rglob("*.py"), *(ROOT / "book" / "_ext").glob("*.py"))),
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_a_file_is_data_and_never_code(path):
    words = [word.partition(": ")[2] for word in dangers(path.read_text(encoding="utf-8"))]
    assert words == RUN_ON_PURPOSE.get(path.relative_to(ROOT).as_posix(), [])
