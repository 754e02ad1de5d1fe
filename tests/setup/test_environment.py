"""Setting up is a download, not a decision: ``make setup`` on other days and in odd places."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
from small_index import BACKEND, ROOT, Checkout, Index, project_file

SCRIPT = "tools/setup_environment.py"
BOGUS = {"PIP_USE_FEATURE": "bogus"}
BASE = getattr(sys, "_base_executable", sys.executable)


def script(root: Path = ROOT) -> ModuleType:
    """Return the script of a checkout as a module."""
    spec = importlib.util.spec_from_file_location("setup_environment", root / SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# -- which Python -------------------------------------------------------------------------


def command(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def interpreters(tmp_path) -> Path:
    """Return a folder for PATH: a Python too old, shims to none, two not whole, a good one."""
    folder = tmp_path / "bin"
    lies = "import sys; sys.version_info = (3, 9, 2); code = sys.argv.pop(1); exec(code)"
    command(
        folder / "python3",
        f"[ $1 = -c ] && shift && exec '{BASE}' -c '{lies}' \"$@\"; exec '{BASE}' \"$@\"",
    )
    command(folder / "python3.12", "echo 'pyenv: python3.12: command not found' >&2; exit 127")
    command(folder / "python3.9", "exit 0")
    for name, module in (("python3.13", "ensurepip"), ("python3.14", "sqlite3")):
        bare = tmp_path / name
        bare.mkdir()
        (bare / f"{module}.py").write_text("raise ImportError('built without it')")
        command(folder / name, f"PYTHONPATH='{bare}' exec '{BASE}' \"$@\"")
    command(folder / "python3.11", f"exec '{BASE}' \"$@\"")
    return folder


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("python3.10", "There is no 'python3.10'."),
        ("python3", "Python 3.9.2 is too old: the book needs 3.11 or later."),
        ("python3.12", "leads to no Python: pyenv: python3.12: command not found."),
        (
            "python3.13",
            "has no venv module with pip (on Debian and Ubuntu: apt install python3-venv)",
        ),
        ("python3.14", "lacks what the book needs: ImportError: built without it."),
        ("python3.9", "leads to no Python: exit code 0."),
        ("", "Python 3.9.2 is too old"),  # python3, unless another is named
    ],
)
def test_an_interpreter_that_will_not_do_is_told_with_those_that_will(
    interpreters, tmp_path, name, words
):
    checkout = Checkout(tmp_path / "checkout", "", project_file("small"))
    code, said = checkout.make(f"PYTHON={name}", PATH=str(interpreters))
    line, *rest = said.strip().split("\n")
    assert code and words in line
    good = ".".join(map(str, sys.version_info[:3]))
    assert line.endswith(f"Here there is python3.11 ({good}): make book PYTHON=python3.11")
    assert len(rest) == 1, "make's own line, and no other"
    assert not checkout.venv.exists()


def test_one_too_old_to_answer_is_told_by_its_own_words(tmp_path):
    checkout = Checkout(tmp_path / "checkout", "", project_file("small"))
    old = command(tmp_path / "old" / "py", '[ "$1" = --version ] && echo Python 2.4.1; exit 1')
    code, said = checkout.make(f"PYTHON={old}", PATH=os.path.dirname(BASE))
    assert code and said.startswith("Python 2.4.1 is too old")


def test_no_variable_of_another_project_s_python_reaches_a_command(tmp_path):
    text = f"include {ROOT / 'Makefile'}\nsay: ; @env\n"
    names = ("PYTHONPATH", "PYTHONSTARTUP", "PYTHONOPTIMIZE", "PYTHONWARNINGS")
    done = subprocess.run(
        ["make", "-f", "-", "say"],
        input=text,
        env={**os.environ, **dict.fromkeys(names, "/elsewhere"), "PYTHONPYCACHEPREFIX": "/kept"},
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert not [line for line in done.stdout.split("\n") if line.endswith("=/elsewhere")]
    assert "PYTHONPYCACHEPREFIX=/kept" in done.stdout


def test_where_no_python_runs_the_makefile_itself_says_so(tmp_path):
    checkout = Checkout(tmp_path / "checkout", "", project_file("small"))
    makefile = checkout.root / "Makefile"
    text = makefile.read_text(encoding="utf-8")
    assert "/usr/bin/python3" in text
    makefile.write_text(text.replace("/usr/bin/python3", "/no/python3"), encoding="utf-8")
    code, said = checkout.make()
    assert code and said.startswith("No Python runs here: install 3.11 or later")


# -- what pip may know --------------------------------------------------------------------


def test_of_pip_s_settings_those_that_reach_the_index_stay(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    settings = tmp_path / "pip.conf"
    settings.write_text(
        "[global]\ncert = /a folder/ca.pem\nuser = true\nindex-url = http://global/\n"
        "quiet = 2\nuse-feature = \nuse_feature = \n"
        "[install]\nindex_url = http://install/\nfind-links =\n    /one\n    /two\n"
        "no-binary = :all:\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    monkeypatch.setenv("PIP_PROXY", "http://proxy:3128")
    monkeypatch.setenv("PIP_TARGET", "/elsewhere")
    monkeypatch.setenv("PIP_PYTHON", "/elsewhere")
    for name in ("PYTHONPATH", "DIST_EXTRA_CONFIG"):  # this one leads setuptools
        monkeypatch.setenv(name, "/elsewhere")
    found = script().pip_settings(sys.executable)
    assert found["PIP_CERT"] == "/a folder/ca.pem"
    assert found["PIP_INDEX_URL"] == "http://install/"
    assert found["PIP_FIND_LINKS"] == "/one /two"
    assert found["PIP_PROXY"] == "http://proxy:3128"
    assert found["PIP_CONFIG_FILE"] == os.devnull
    dropped = {"PIP_USER", "PIP_TARGET", "PIP_NO_BINARY", "PYTHONPATH", "DIST_EXTRA_CONFIG"}
    assert not dropped & set(found)


def test_no_step_resolves_and_none_is_built_in_isolation():
    steps = [line for _, line in script().steps("python", "tools.txt")]
    assert len(steps) == 3
    for line in steps:
        assert {"--no-deps", "--no-build-isolation"} <= set(line)
        assert ("--require-hashes" in line) == ("-e" not in line)


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("Retrying (Retry(total=4)) ERROR: No matching distribution found for a", "not reached"),
        ("ERROR: No matching distribution found for numba==0.68.1", "has no such file for this"),
        ("Ignoring indexes: x ERROR: No matching distribution found for a", "no-index forbids"),
        ("SSL: CERTIFICATE_VERIFY_FAILED Retrying ERROR: No matching distribution", "the clock"),
        ("is not a trusted or secure host ERROR: No matching distribution", "trusted-host"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "the reason above"),
    ],
)
def test_pip_s_errors_are_told_apart(words, meaning):
    assert meaning in script().meaning(words)


def test_packages_that_would_be_read_in_place_of_the_locked_are_told(tmp_path, monkeypatch):
    (tmp_path / "PyYAML-1.0.dist-info").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    setup = script()
    with pytest.raises(setup.SetupError, match=r"PyYAML-1.0.dist-info would be read in place"):
        setup.here()


def test_conda_and_binder_leave_the_packages_to_the_script():
    environment = (ROOT / "environment.yml").read_text(encoding="utf-8")
    packages = re.findall(r"^ +- (.*)$", environment.partition("dependencies:")[2], re.MULTILINE)
    assert packages == ["python=3.11", "pip"]
    line = f"python {SCRIPT} --here"
    for name in ("environment.yml", "postBuild", "README.md"):
        assert line in (ROOT / name).read_text(encoding="utf-8"), name


# -- the installation ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["file", "link to nothing", "link to another", "folder"])
def test_what_is_no_environment_is_left_as_it_is(tmp_path, kind):
    setup, there, another = script(), tmp_path / "there", tmp_path / "another"
    if kind == "file":
        there.write_text("kept")
    elif kind == "link to nothing":
        there.symlink_to("nothing")
    else:
        (there if kind == "folder" else another).mkdir()
        (another if another.exists() else there).joinpath("thesis").write_text("kept")
    if kind == "link to another":
        (another / "pyvenv.cfg").write_text("")
        there.symlink_to(another)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(setup.SetupError, match="there is no environment: move it away"):
        setup.Venv(there).make(BASE)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_environment_that_answers_late_is_not_made_anew(tmp_path, monkeypatch):
    setup = script()
    monkeypatch.setattr(setup, "ask", lambda *_: (124, "", setup.LATE))
    with pytest.raises(setup.SetupError, match="no answer in time"):
        setup.Venv(tmp_path).fault("")


@pytest.mark.parametrize("line", ["exit 0", "sleep 9 & echo; wait"])
def test_an_interruption_ends_all_that_was_started_and_is_never_lost(line):
    setup, (reading, writing) = script(), os.pipe()
    setup.HELD.append(writing)
    begun = time.monotonic()
    with (
        pytest.raises(KeyboardInterrupt),
        setup.running(["sh", "-c", line], None, subprocess.PIPE) as child,
    ):
        child.stdout.readline() or child.wait()
        raise KeyboardInterrupt
    os.close(writing)
    assert os.read(reading, 1) == b"", "all who held it have ended"
    os.close(reading)
    assert time.monotonic() - begun < 8


@pytest.mark.slow
def test_a_folder_from_which_no_command_starts_is_told_before_anything_is_fetched(tmp_path):
    setup = script()
    with pytest.raises(setup.SetupError, match="give the checkout's folder a plainer name"):
        setup.Venv(tmp_path / "a $b").make(BASE)


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> Index:
    return Index(tmp_path_factory.mktemp("index"))


@pytest.fixture(scope="module")
def address(index):
    with index.serve() as address:
        yield address


@pytest.fixture(scope="module")
def lock(index) -> str:
    """Return a lock, whose packages the index offers in newer releases too."""
    backend = script().BUILD_TOOLS[0]
    entries = [
        index.wheel(backend, "1.0", {f"{backend}/build_meta.py": BACKEND % "1.0"}),
        index.wheel("measure", "1.0", requires=["ruler[inches]"]),
        index.wheel("ruler", "1.0", extras=["inches"]),
        index.source(script().FROM_SOURCE[0], "1.0"),
    ]
    index.wheel(backend, "2.0", {f"{backend}/build_meta.py": BACKEND % "2.0"})
    index.wheel("measure", "2.0", requires=["ruler[inches]"])
    index.wheel("ruler", "2.0", extras=["inches"])
    return "".join(entries)


def new_checkout(root: Path, lock: str) -> Checkout:
    return Checkout(root, lock, project_file("small", "measure"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory, lock, address) -> Checkout:
    """Return a checkout that was set up in a hostile place: once for the tests that follow."""
    root = tmp_path_factory.mktemp("odd") / "a folder 自贸区"
    checkout = new_checkout(root, lock)
    constraint = root.parent / "constraint.txt"
    constraint.write_text("ruler==2.0\n")
    code, said = checkout.make(
        f"PYTHON={BASE}",
        PIP_INDEX_URL=address,
        PIP_CONSTRAINT=str(constraint),
        PIP_TARGET="/elsewhere",
        PIP_USER="1",
        PIP_NO_BINARY=":all:",
        PIP_REQUIRE_VIRTUALENV="1",
        PYTHONPATH="/elsewhere",
        PYTHONHOME="/elsewhere",
        LC_ALL="POSIX",
        HOME="/proc/unwritable",
    )
    assert code == 0, said
    return checkout


def versions(checkout: Checkout) -> dict[str, str]:
    code = "import ruler, measure; print(ruler.VERSION, measure.VERSION)"
    return dict(zip(("ruler", "measure"), checkout.says(code).split(), strict=True))


@pytest.mark.slow
def test_the_locked_releases_are_installed_on_any_later_day(installed):
    assert versions(installed) == {"ruler": "1.0", "measure": "1.0"}
    assert installed.says("import small; print(small.__file__)").startswith(str(installed.root))


@pytest.mark.slow
def test_its_python_starts_in_any_locale_wherever_it_lies(installed):
    for locale in ("POSIX", "C.UTF-8"):
        command = [str(installed.venv / "bin" / "python"), "-c", "import small"]
        subprocess.run(command, env={"LC_ALL": locale}, check=True)


@pytest.mark.slow
def test_a_source_distribution_is_built_with_the_locked_tools(installed):
    assert installed.says("import built; print(built.BY)") == "1.0"


@pytest.mark.slow
def test_a_resolver_would_not_install_the_same_lock(installed, address, tmp_path):
    """Why the steps resolve nothing; later releases of pip may learn to."""
    pip = [str(installed.venv / "bin" / "python"), "-m", "pip"]
    version = subprocess.run([*pip, "--version"], capture_output=True, text=True).stdout.split()[1]
    if int(version.split(".")[0]) > 24:
        pytest.skip(f"pip {version}")
    chosen = [
        text for text, name in script(installed.root).locked() if name in ("ruler", "measure")
    ]
    (tmp_path / "lock.txt").write_text("\n".join(chosen) + "\n")
    line = [*pip, "install", "--dry-run", "--ignore-installed", "--require-hashes", "-r"]
    surroundings = {**os.environ, "PIP_INDEX_URL": address, "PIP_CONFIG_FILE": os.devnull}
    surroundings.pop("PIP_FIND_LINKS", None)
    done = subprocess.run(
        [*line, str(tmp_path / "lock.txt")], env=surroundings, capture_output=True, text=True
    )
    assert done.returncode and "must have their versions pinned" in done.stderr


@pytest.mark.slow
def test_what_is_whole_is_left_alone_offline_and_whatever_the_times(installed):
    before = (installed.venv / ".ready").stat().st_mtime_ns
    for name in ("requirements.lock", "pyproject.toml"):
        os.utime(installed.root / name)
    for arguments in ((), (f"PYTHON={BASE}",)):
        assert installed.make(*arguments, PIP_INDEX_URL="http://127.0.0.1:9/") == (0, "")
    assert (installed.venv / ".ready").stat().st_mtime_ns == before


def fault(checkout: Checkout, asked: str = "") -> tuple[str, str]:
    return script(checkout.root).Venv(checkout.venv).fault(asked)


@pytest.fixture
def copied(installed, tmp_path) -> Checkout:
    """Return a checkout into which the environment of another was copied."""
    there = new_checkout(tmp_path / "there", (installed.root / "requirements.lock").read_text())
    shutil.copytree(installed.venv, there.venv, symlinks=True)
    return there


def restamp(copied: Checkout, **changes: object) -> None:
    """Change what a stamp says."""
    stamp = copied.venv / ".ready"
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), **changes}))


@pytest.mark.slow
def test_the_environment_of_another_checkout_is_recognised(installed, copied):
    assert fault(copied) == ("make", f"it was made for {installed.root}")
    restamp(copied, checkout=str(copied.root))
    assert fault(copied) == ("install", "the library in it is not that of this checkout")


@pytest.mark.slow
def test_an_environment_that_is_not_whole_is_recognised(copied):
    restamp(copied, checkout=str(copied.root), version="3.11.0")
    assert fault(copied) == ("make", "it was made by Python 3.11.0")
    (copied.venv / ".ready").write_text("")
    assert fault(copied) == ("make", "it does not say what is in it")
    (pip,) = copied.venv.glob("lib/python*/site-packages/pip")
    shutil.rmtree(pip)
    assert fault(copied)[1].startswith("it is half made")
    (copied.venv / ".begun").touch()
    assert fault(copied) == ("make", "its installation was interrupted")
    shutil.rmtree(copied.venv)
    assert fault(copied) == ("make", "a new environment")


@pytest.mark.slow
def test_a_changed_lock_is_installed_by_one_make_while_another_waits(copied, lock, index, address):
    restamp(copied, checkout=str(copied.root))
    newer = index.wheel("ruler", "2.0", extras=["inches"])
    changed = re.sub(r"ruler==1.0 \\\n.*\n", newer.replace("\\", r"\\"), lock)
    (copied.root / "requirements.lock").write_text(changed)
    makes = [copied.start(f"PYTHON={BASE}", PIP_INDEX_URL=address) for _ in range(2)]
    said = [make.communicate()[0] for make in makes]
    assert [make.returncode for make in makes] == [0, 0], said
    assert sum("another make is installing" in text for text in said) == 1
    assert sum("the library of this checkout" in text for text in said) == 1
    assert versions(copied) == {"ruler": "2.0", "measure": "1.0"}

    (copied.root / "requirements.lock").write_text(lock)
    assert fault(copied) == ("install", "requirements.lock changed")
    for words, settings in (("not reached", {"PIP_RETRIES": "1"}), ("bogus", BOGUS)):
        code, said = copied.make(PIP_INDEX_URL="http://127.0.0.1:9/", **settings)
        assert code and words in said, "and what stood before still stands"
    (copied.root / "requirements.lock").write_text(changed)
    assert fault(copied) == ("", "")


@pytest.mark.slow
def test_what_was_changed_by_hand_is_put_right_and_what_is_no_longer_locked_goes(
    copied, lock, address
):
    restamp(copied, checkout=str(copied.root))
    (site,) = copied.venv.glob("lib/python*/site-packages")
    venv = script(copied.root).Venv(copied.venv)
    installed = venv.packages()
    (site / "ruler.py").write_text("VERSION = 'my own'")
    (site / "built.py").unlink()
    (info,) = site.glob("setuptools-*.dist-info")
    (info / "RECORD").unlink()
    assert [path for path in venv.packages() if "measure" not in path] == []

    (copied.root / "requirements.lock").write_text(re.sub(r"measure==1.0 \\\n.*\n", "", lock))
    (copied.root / "pyproject.toml").write_text(project_file("small", "ruler"))
    code, said = copied.make(PIP_INDEX_URL=address)
    assert code == 0, said
    assert venv.packages() == [path for path in installed if "measure" not in path]
    assert copied.says("import built, ruler; print(built.BY, ruler.VERSION)") == "1.0 1.0"
    assert not (site / "measure.py").exists()
    (site / "ruler.py").unlink()
    assert fault(copied) == ("install", "ruler-1.0 is not as it was installed")


@pytest.mark.slow
def test_an_installation_that_was_killed_begins_again_and_tells_a_gap_in_the_lock(
    tmp_path, lock, address
):
    checkout = new_checkout(tmp_path / "killed", re.sub(r"ruler==1.0 \\\n.*\n", "", lock))
    child = checkout.start(f"PYTHON={BASE}", PIP_INDEX_URL=address)
    for line in child.stdout:
        if "the locked build tools" in line:
            break
    children = subprocess.run(["pgrep", "-P", str(child.pid)], capture_output=True, text=True)
    for pid in [*children.stdout.split(), str(child.pid)]:
        os.kill(int(pid), 9)
    child.wait()
    assert fault(checkout) == ("make", "its installation was interrupted")

    code, said = checkout.make(f"PYTHON={BASE}", PIP_INDEX_URL=address)
    assert code and "interrupted" in said
    assert "measure 1.0 requires ruler, which is not installed" in said
    assert "requirements.lock is incomplete: run make lock" in said
    assert not (checkout.venv / ".ready").exists()
