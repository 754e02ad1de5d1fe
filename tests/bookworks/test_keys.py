"""What a process reads is recorded; a key changes with it, and with nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bookworks import _keys
from bookworks._errors import BookError
from bookworks._execution import jobs, joined
from bookworks._execution import kernel_environment as environment
from bookworks._keys import Inputs
from bookworks._store import Execution, Store
from bookworks.book import Book


def test_a_start_up_file_of_the_reader_runs_in_no_kernel(tea, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONSTARTUP", "start.py")
    assert environment(Book.read(tea.root), tmp_path / "record")["PYTHONSTARTUP"] == ""


def record(tea, code: str, tmp_path: Path, **more: str) -> Inputs:
    """Run a program as a kernel would run it, in the book's folder; return what it read."""
    book, path = Book.read(tea.root), tmp_path / "record"
    subprocess.run(
        [sys.executable, "-c", code],
        env={**environment(book, path), **more},
        cwd=tea.root,
        check=True,
    )
    return Inputs.read(path, book.root, code)


def read(inputs: Inputs) -> set[str]:
    """Return the files that count, but for modules that are nowhere, which Python looks for."""
    return {n for n, then in inputs.files.items() if then != "missing" or not n.endswith(".py")}


RECORDER = Path(_keys.__file__).parent / "_recorder"
READS = {
    "open": ("open('leaves.csv').read()", {"leaves.csv"}),
    "by a path": ("import pathlib; pathlib.Path('leaves.csv').read_bytes()", {"leaves.csv"}),
    "low level": ("import os; os.close(os.open('leaves.csv', os.O_RDONLY))", {"leaves.csv"}),
    "a database": ("import sqlite3; sqlite3.connect('leaves.csv')", {"leaves.csv"}),
    "not there": ("try: open('none.csv')\nexcept OSError: pass", {"none.csv"}),
    "an import": ("import shop.leaves", {"shop/__init__.py", "shop/leaves.py"}),
    "a child": (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'open(\"leaves.csv\")'])",
        {"leaves.csv"},
    ),
    "another folder": ("import os; os.chdir('shop'); open('../leaves.csv')", {"leaves.csv"}),
    "its own work": ("open('new.txt', 'w').write('1'); open('new.txt').read()", set()),
    "the system": ("open('/etc/hosts').read(); import json, numpy", set()),
}


@pytest.mark.parametrize("name", READS)
def test_what_is_read_is_recorded(tea, tmp_path, name):
    code, files = READS[name]
    assert read(record(tea, code, tmp_path)) == files


def test_a_module_is_recorded_although_its_bytecode_is_read(tea, tmp_path):
    shutil.move(tea.root / "shop", tmp_path / "path" / "shop")  # read as Python does
    code = "import sys; sys.dont_write_bytecode = False; import shop.leaves"
    more = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPATH": f"{RECORDER}:{tmp_path / 'path'}"}
    os.utime(tmp_path / "path" / "shop" / "leaves.py", (1, 1))  # no passing file of this run
    record(tea, code, tmp_path, **more)
    assert list(tmp_path.glob("path/shop/__pycache__/leaves*.pyc"))
    assert str(tmp_path / "path/shop/leaves.py") in record(tea, code, tmp_path, **more).files


def test_a_picture_bears_no_time(tea, tmp_path):
    for name in ("one.svg", "other.svg"):
        record(tea, f"from matplotlib.figure import Figure; Figure().savefig({name!r})", tmp_path)
    assert (tea.root / "one.svg").read_text() == (tea.root / "other.svg").read_text()


def test_a_program_that_imports_the_recorder_is_recorded_once(tea, tmp_path):
    code = "from bookworks import _keys; import shop.leaves"
    for _ in range(2):  # the second time, the compiled module is read
        files = record(tea, code, tmp_path).files
        assert "shop/leaves.py" in files and not [name for name in files if ".code" in name]


def linked(tea, to: str) -> None:
    (tea.root / "link.csv").unlink(missing_ok=True)
    (tea.root / "link.csv").symlink_to(to)


def grow(tea) -> None:
    tea.edit("leaves.csv", "4", "44")


def shadow(tea) -> None:
    tea.write("shop/leaves/__init__.py", "")


def own(tea) -> None:
    tea.write("own.py", "")


# a program, and what is done to the book after it: each time the program has to run again
CHANGES = {
    "a file is there": ("import os; os.path.exists('own.py')", own),
    "a file is there, by its path": ("import pathlib; pathlib.Path('own.py').is_file()", own),
    "a file is there, by a pattern": ("import glob; glob.glob('own.py')", own),
    "a file may be read": ("import os; os.access('own.py', os.R_OK)", own),
    "a module is there": ("try: import own\nexcept ImportError: pass", own),
    "a package is there": (
        "import importlib.util; importlib.util.find_spec('shop.own')",
        lambda t: t.write("shop/own/__init__.py", ""),
    ),
    "a package comes before a module": ("import shop.leaves", shadow),
    "a size": ("import os; os.path.getsize('leaves.csv')", grow),
    "read and written": ("open('leaves.csv', 'r+').read()", grow),
    "mapped into memory": ("import os; os.open('leaves.csv', os.O_RDWR)", grow),
    "opened by C, after a look": ("import os; os.path.isdir('leaves.csv')", grow),
    "a database by its address": (
        "import sqlite3; sqlite3.connect('file:leaves.csv?mode=ro', uri=True)",
        grow,
    ),
    "a link leads elsewhere": ("open('link.csv')", lambda t: linked(t, "leaves.csv")),
    "a command names it": ("import subprocess; subprocess.run(['cat', 'leaves.csv'])", grow),
    "a shell names it": ("import os; os.system('wc <leaves.csv >/dev/null')", grow),
    "a command in a folder names it": (
        "import subprocess; subprocess.run(['cat', 'leaves.py'], cwd='shop')",
        lambda t: t.edit("shop/leaves.py", "/ 2", "/ 3"),
    ),
    "a child that is cut off names it": (
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, '-I', '-c', 'open(\"leaves.csv\")'])",
        grow,
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_program_rests_on_what_it_saw_in_any_way(tea, tmp_path, name):
    linked(tea, "recipe.txt")
    program, change = CHANGES[name]
    inputs = record(tea, program, tmp_path)
    assert inputs.changed(tea.root) == []
    change(tea)
    assert len(inputs.changed(tea.root)) == 1


def test_what_was_not_there_and_was_then_made_is_no_input(tea, tmp_path):
    code = "import os\nif not os.path.exists('new.txt'): open('new.txt', 'w').write('1')"
    assert read(record(tea, code, tmp_path)) == set()


@pytest.mark.parametrize(
    "code",
    [
        "from IPython.display import Markdown; Markdown('**tea**')",
        "import pathlib; pathlib.Path('tea ' * 99).exists()",
        "import os; os.listdir('shop/__pycache__'); os.stat('shop/__pycache__/old')",
    ],
    ids=["a text that is shown", "a text too long for a name", "what Python keeps"],
)
def test_what_is_no_file_of_the_book_is_no_input(tea, tmp_path, code):
    tea.write("shop/__pycache__/old", "")
    assert read(record(tea, f"try: exec({code!r})\nexcept OSError: pass", tmp_path)) == set()


def test_a_compiler_of_functions_finds_no_marks_in_them(tea, tmp_path):
    tea.write("mod.py", "import numba\n\n@numba.njit\ndef f(x):\n    return x + 1\n")
    inputs = record(tea, "import mod; assert mod.f(1) == 2", tmp_path)
    tea.edit("mod.py", "x + 1", "x + 2")
    assert inputs.changed(tea.root) == ["mod.py"]


MODULE = """\
import functools

RATE = 2

def brewed(x: int = 3) -> int:
    \"\"\"Brew.\"\"\"
    def again(y):
        return RATE * y
    return again(x)

def spilled(x):
    \"\"\"Spill.\"\"\"
    return x - 1

def poured():
    yield 1

class Cup:
    \"\"\"A cup.\"\"\"
    size = 2

    @property
    def full(self):
        return self.size

    def broken(self):
        return None

if RATE:
    def warm():
        return 1
else:
    def warm():
        return 2
"""
BREWS = "import mod; mod.brewed(); mod.Cup().full; mod.warm(); mod.poured()"
ROUND = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BREWS!r}])"
# what is changed, into what, and whether a program that brews has to run again
MEANT = {
    "a function that is not entered": ("x - 1", "x - 2", False),
    "a method that is not entered": ("return None", "return 1", False),
    "a branch that is not entered": ("return 2", "return 3", False),
    "a comment": ("RATE = 2", "# a rate\nRATE = 2  # cups", False),
    "layout": ("RATE * y", "(RATE\n                * y)", False),
    "a docstring": ("Brew.", "Brew tea.", False),
    "a docstring that goes": ('    """A cup."""\n', "", False),
    "a function that is entered": ("return again(x)", "return again(x + 1)", True),
    "a function inside it": ("RATE * y", "RATE + y", True),
    "a property": ("return self.size", "return 5", True),
    "a branch that is entered": ("return 1\nelse", "return 4\nelse", True),
    "a constant": ("RATE = 2", "RATE = 3", True),
    "a default": ("x: int = 3", "x: int = 4", True),
    "an attribute": ("size = 2", "size = 3", True),
    "a decorator of what is not entered": ("def spilled", "@functools.cache\ndef spilled", True),
    "a name": ("def spilled", "def spilt", True),
    "a generator that was not begun": ("yield 1", "print(1)", True),
    "what does not compile": ("x - 1", "x -", True),
    "what compiles to nothing": ("return x - 1", "nonlocal x", True),
}


@pytest.mark.parametrize("name", MEANT)
@pytest.mark.parametrize("program", [BREWS, ROUND], ids=["here", "in a child"])
def test_of_a_module_counts_what_it_means_to_a_program(tea, tmp_path, program, name):
    tea.write("mod.py", MODULE)
    inputs = record(tea, program, tmp_path)
    assert inputs.modules["mod.py"][1:] == ["Cup.full", "brewed", "warm"]
    assert Inputs(**json.loads(json.dumps(vars(inputs)))) == inputs
    old, new, counts = MEANT[name]
    tea.edit("mod.py", old, new)
    assert inputs.changed(tea.root) == ["mod.py"] * counts


LOOKING = {
    "at a docstring": "print(mod.spilled.__doc__)",
    "by help": "help(mod.spilled)",
    "at source": "import inspect; inspect.getsource(mod.spilled)",
    "at the file": "open(mod.__file__).read()",
    "at a docstring by its name": "print(getattr(mod.spilled, '__doc__'))",
    "at lines, by a format": "import logging; logging.basicConfig(format='%(lineno)d')",
    "at code": "print(mod.spilled.__code__.co_consts)",
    "through a module": "import look; look.at(mod)",
    "by a traceback": "import traceback\ntry: mod.brewed('a', 1)\nexcept TypeError: pass\n"
    "try: mod.brewed(None)\nexcept TypeError: traceback.print_exc()",
}


@pytest.mark.parametrize("name", LOOKING)
def test_a_program_that_looks_at_text_rests_on_text(tea, tmp_path, name):
    tea.write("mod.py", MODULE)
    tea.write("look.py", "def at(module):\n    print(module.spilled.__doc__)\n")
    inputs = record(tea, f"import mod; {LOOKING[name]}", tmp_path)
    tea.edit("mod.py", "RATE = 2", "# a rate\nRATE = 2")
    assert inputs.changed(tea.root) == ["mod.py"]


@pytest.mark.parametrize(
    ("cell", "looks"),
    [
        ("%matplotlib inline\n!ls\nprint('help?')  # really?", False),
        ("mod.brewed?", True),
        ("?mod", True),
        ("%pdoc mod", True),
        ("import doctest", True),
    ],
)
def test_a_cell_that_asks_ipython_for_text_rests_on_text(cell, looks):
    assert _keys._looks(cell) is looks


def test_a_module_is_what_it_says_and_not_what_its_time_says(tea, tmp_path):
    program = "import mod; open('said.txt', 'w').write(str(mod.RATE))"
    for rate in (2, 3):  # the same size, the same time, the same path
        tea.write("mod.py", f"RATE = {rate}\n")
        os.utime(tea.root / "mod.py", (1, 1))
        record(tea, program, tmp_path)
        assert (tea.root / "said.txt").read_text() == str(rate)
    for kept in (tea.root / "_build" / ".code").iterdir():
        kept.write_bytes(kept.read_bytes()[:-5])
    record(tea, program, tmp_path)
    assert (tea.root / "said.txt").read_text() == "3"


def test_a_record_that_could_not_be_written_is_none(tea, tmp_path):
    lose = "import os; os.unlink(os.environ['BOOKWORKS_RECORD']); open('leaves.csv')"
    with pytest.raises(BookError, match="could not be written down; is the disk full"):
        record(tea, lose, tmp_path)


def test_a_listing_follows_names_and_imports_do_not_count(tea, tmp_path):
    inputs = record(tea, "import os, shop.leaves; os.listdir('static')", tmp_path)
    assert set(inputs.folders) == {"static"}
    tea.write("static/tea.css", "changed")
    assert inputs.changed(tea.root) == []
    tea.write("static/new.css", "")
    assert inputs.changed(tea.root) == ["static"]


def test_variables_with_the_prefix_count_when_they_are_looked_up(tea, tmp_path, monkeypatch):
    code = "import os; os.environ.get('TEA_SUGAR'); os.environ.get('COFFEE'); os.environ.copy()"
    monkeypatch.setenv("TEA_MILK", "yes")
    inputs = record(tea, code, tmp_path)
    assert inputs.variables == {"TEA_SUGAR": None}
    monkeypatch.setenv("TEA_SUGAR", "two")
    assert inputs.changed(tea.root) == ["TEA_SUGAR"]


@pytest.mark.parametrize(
    "code", ["os.getenvb(b'TEA_MILK')", "dict(os.environ.items())", "os.system('echo $TEA_MILK')"]
)
def test_a_variable_counts_however_it_is_looked_up(tea, tmp_path, monkeypatch, code):
    monkeypatch.setenv("TEA_MILK", "yes")
    assert record(tea, f"import os; {code}", tmp_path).variables == {"TEA_MILK": "yes"}


def test_variables_of_the_machinery_do_not_reach_a_kernel(tea, tmp_path, monkeypatch):
    monkeypatch.setenv("TEA_JOBS", "2")
    code = "import os; assert 'TEA_JOBS' not in os.environ"
    assert set(record(tea, code, tmp_path).variables) == {"TEA_JOBS"}


@pytest.mark.parametrize("ahead", [0, 366 * 86_400])
def test_a_file_of_the_reader_s_own_counts_wherever_it_is(tea, tmp_path, ahead):
    own = tmp_path / "own 茶.csv"
    own.write_text("1\n")
    os.utime(own, times=(time.time() + ahead - 60,) * 2)
    inputs = record(tea, f"open({str(own)!r}).read()", tmp_path)
    assert set(inputs.files) == {str(own)}
    own.write_text("2\n")
    assert inputs.changed(tea.root) == [str(own)]


def test_content_counts_and_time_does_not(tea, tmp_path):
    inputs = record(tea, "open('leaves.csv')", tmp_path)
    os.utime(tea.root / "leaves.csv")
    assert inputs.changed(tea.root) == []
    text = (tea.root / "leaves.csv").read_text()
    tea.write("leaves.csv", text.replace("3", "8"))
    os.utime(tea.root / "leaves.csv", (1, 1))
    assert inputs.changed(tea.root) == ["leaves.csv"]
    tea.write("leaves.csv", text.replace("3", "7"))
    os.utime(tea.root / "leaves.csv", (1, 1))
    state = Inputs({"leaves.csv": _keys.state(tea.root / "leaves.csv")})
    tea.write("leaves.csv", text.replace("3", "6"))
    os.utime(tea.root / "leaves.csv", (1, 1))  # as large, and as old
    assert state.changed(tea.root) == ["leaves.csv"]
    (tea.root / "leaves.csv").unlink()
    assert inputs.changed(tea.root) == ["leaves.csv"]


def test_inputs_survive_json_and_a_record_that_was_cut_off(tea, tmp_path):
    inputs = record(tea, "open('leaves.csv'); open('recipe.txt')", tmp_path)
    assert Inputs(**json.loads(json.dumps(vars(inputs)))) == inputs
    path = tmp_path / "record"
    path.write_bytes(path.read_bytes()[:-20])
    assert set(Inputs.read(path, tea.root).files) == {"leaves.csv"}


def test_the_environment_follows_the_lock(tmp_path):
    before = _keys.environment(tmp_path)
    (tmp_path / "requirements.lock").write_text("tea==1\n")
    assert _keys.environment(tmp_path) != before


def test_a_store_gives_what_still_holds_and_heals_what_does_not(tea, tmp_path):
    store = Store(tmp_path / "store", tea.root)
    inputs = record(tea, "open('leaves.csv')", tmp_path)
    one = Execution("abc", inputs, [{"count": 1, "outputs": []}], {"name": "python"}, 1.5)
    store.put("a/page", one)
    assert store.get("a/page", "abc") == one
    assert store.get("a/page", "abx") is None
    tea.edit("leaves.csv", "3", "8")
    assert store.get("a/page", "abc") is None
    assert store.why("a/page", "abc") == ["leaves.csv"]
    tea.edit("leaves.csv", "8", "3")
    assert store.get("a/page", "abc") == one
    (kept,) = (tmp_path / "store").rglob("*.json")
    kept.write_text(kept.read_text().replace("1.5", "2.5"))
    assert store.get("a/page", "abc") is None and not kept.exists()


def test_a_store_keeps_the_newest_few(tea, tmp_path):
    store = Store(tmp_path / "store", tea.root)
    for number in range(12):
        store.put("page", Execution(f"{number:032d}"[::-1], Inputs(), [], {}, 0.0))
        for path in (tmp_path / "store").rglob("*.json"):  # the clock was ahead until now
            os.utime(path, (2e9, 2e9))
    assert len(list((tmp_path / "store").rglob("*.json"))) == 8
    last = f"{20:032d}"[::-1]
    store.put("page", Execution(last, Inputs(), [], {}, 0.0))
    assert store.get("page", last)


def test_a_tree_counts_in_a_hidden_folder_too(tmp_path):
    (tmp_path / ".books" / "static").mkdir(parents=True)
    for colour in ("red", "blue"):
        (tmp_path / ".books" / "static" / "a.css").write_text(colour)
        (tmp_path / colour).write_text(_keys.tree(tmp_path / ".books", ["static"]))
    assert (tmp_path / "red").read_text() != (tmp_path / "blue").read_text()


@pytest.mark.parametrize("said", ["many", "0", "-1", "1.5"])
def test_a_number_of_jobs_that_is_none_is_refused(tea, monkeypatch, said):
    monkeypatch.setenv("TEA_JOBS", said)
    with pytest.raises(BookError, match="TEA_JOBS"):
        jobs(Book.read(tea.root))


def test_pieces_of_a_stream_become_one():
    def piece(text: str, name: str = "stdout") -> dict[str, str]:
        return {"output_type": "stream", "name": name, "text": text}

    outputs = [piece("a"), piece("b"), piece("c", "stderr"), piece("d")]
    assert [output["text"] for output in joined(outputs)] == ["ab", "c", "d"]
