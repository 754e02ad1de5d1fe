"""Make ``.venv`` what ``requirements.lock`` says, or see that it is: ``make setup``.

The lock is complete, so nothing is resolved and nothing is decided on the day: pip fetches the
files that the lock names and compares their hashes, and ``pip check`` sees that none is missing.
(A resolver refuses a lock with hashes as soon as a newer release exists of a package that another
one asks for with an extra, as in ``coverage[toml]``: pypa/pip#9644.)

``setup_environment.py [--python NAME] [--venv FOLDER]``
    The checkout's own environment.  Any Python from 3.6 on runs this with nothing installed, so
    that one that is too old can say so and offer those that are not.
``setup_environment.py --here``
    The environment of the Python that runs it: conda's, Binder's, your own.
"""

import argparse
import configparser
import contextlib
import csv
import hashlib
import json
import os
import re
import shutil
import signal
import site
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

try:
    import fcntl
except ImportError:
    sys.exit("The book is set up on Linux or on a Mac with an Apple chip: this is neither.")

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)
TOO_OLD = "Python {} is too old: the book needs 3.11 or later."
#: What builds the packages that come as source, and the library of the checkout.
BUILD_TOOLS = ("setuptools", "wheel")
#: Locked packages that have no wheel.
FROM_SOURCE = ("causaldata",)
#: Settings of pip that say how an index is reached stay in force.  Others would lead the packages
#: elsewhere (user, target, prefix) or change which are installed (constraint, no-binary).
KEPT = (
    *("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "cert"),
    *("client-cert", "proxy", "timeout", "default-timeout", "retries", "cache-dir"),
    *("no-cache-dir", "keyring-provider", "use-feature", "use-deprecated"),
)
#: Parts of the standard library that some builds and distributions of Python leave out.
NEEDED = ("venv", "ensurepip", "ssl", "sqlite3", "ctypes")
PROBE = """
import sys
for name in sys.argv[1:]:
    __import__(name)
print('%d.%d.%d' % sys.version_info[:3])
print(getattr(sys, '_base_executable', None) or sys.executable)
"""


class SetupError(Exception):
    """One line that says what is wrong and what to do."""


def say(text):
    """Print at once, in whatever encoding the names of files have."""
    sys.stdout.buffer.write(os.fsencode(text + "\n"))
    sys.stdout.buffer.flush()


def surroundings():
    """Return the environment variables without those that steer another project's Python."""
    kept = ("PYTHONPYCACHEPREFIX",)
    foreign = (
        "PYTHON",
        "SETUPTOOLS_",
        "__PYVENV",
        "VIRTUAL_ENV",
        "SOURCE_DATE_EPOCH",
        "DIST_EXTRA_CONFIG",
    )
    items = os.environ.items()
    return {name: text for name, text in items if name in kept or not name.startswith(foreign)}


#: What :func:`ask` says of a command that did not end in time.
LATE = "no answer in time"
#: The open lock of :func:`alone`.  Children hold it too: where this process is killed and pip
#: lives on, the next make waits for pip.
HELD = []


@contextlib.contextmanager
def running(command, settings, errors):
    """Start a command in the checkout; end it, and what it started, when we are ended."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": errors}
    options.update(cwd=str(ROOT), env=settings, pass_fds=HELD, start_new_session=True)
    child = subprocess.Popen(command, **options)
    try:
        yield child
    except BaseException:
        with contextlib.suppress(OSError):  # it has ended already
            os.killpg(child.pid, signal.SIGTERM)
        raise
    finally:
        child.wait()
        child.stdout.close()


def ask(command, seconds=30, settings=None):
    """Return exit code, output and errors of a command that should answer soon."""
    try:
        with running(command, settings or surroundings(), subprocess.PIPE) as child:
            out, err = child.communicate(timeout=seconds)
    except OSError as error:
        return 127, "", error.strerror or str(error)
    except subprocess.TimeoutExpired:
        return 124, "", LATE
    return child.returncode, os.fsdecode(out).strip(), os.fsdecode(err).strip()


# -- which Python -------------------------------------------------------------------------


class Interpreter:
    """What a command that should be a Python, and should import some modules, is found to be."""

    def __init__(self, command, *modules):
        code, out, err = ask([str(command), "-c", PROBE, *modules])
        lines = out.split("\n")[-2:]
        self.works = code == 0 and len(lines) == 2
        self.version, self.base = lines if self.works else ("", "")
        said = (err or out or f"exit code {code}").split("\n")
        self.words = said[-1 if said[0].startswith("Traceback") else 0].rstrip(".")

    def recent(self):
        """Tell whether it works and is recent enough."""
        return self.works and tuple(int(part) for part in self.version.split(".")) >= OLDEST


def choose(name):
    """Return the interpreter of a name.

    Raises
    ------
    SetupError
        If there is none, or if it leads to no Python, is too old, or cannot make environments.
    """
    path = shutil.which(os.path.expanduser(name))
    if path is None:
        raise SetupError(f"There is no '{name}'. {offer()}")
    found = Interpreter(path)
    version = found.version or "".join(re.findall(r"^Python (\S+)$", ask([path, "--version"])[1]))
    if version and not found.recent():
        raise SetupError(f"{TOO_OLD.format(version)} {offer()}")
    if not found.works:
        raise SetupError(f"'{name}' ({path}) leads to no Python: {found.words}. {offer()}")
    if not Interpreter(path, "venv", "ensurepip").works:
        remedy = "on Debian and Ubuntu: apt install python3-venv"
        raise SetupError(f"'{name}' has no venv module with pip ({remedy}). {offer()}")
    lacking = Interpreter(path, *NEEDED)
    if not lacking.works:
        raise SetupError(f"'{name}' lacks what the book needs: {lacking.words}. {offer()}")
    return found


def offer():
    """Name the interpreters on PATH that would do."""
    seen, names = set(), []
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        for path in sorted(Path(folder or ".").glob("python3*")):
            if re.match(r"python3(\.\d+)?$", path.name):
                found = Interpreter(path, *NEEDED)
                if found.recent() and os.path.realpath(found.base) not in seen:
                    seen.add(os.path.realpath(found.base))
                    short = path.name if shutil.which(path.name) == str(path) else str(path)
                    names.append((short, found.version))
    if not names:
        return "None on PATH would do: install Python 3.11 or later, with venv."
    there = ", ".join(f"{name} ({version})" for name, version in names)
    return f"Here there is {there}: make book PYTHON={names[0][0]}"


# -- the installation ---------------------------------------------------------------------


def locked():
    """Return the entries of the lock in their order: text and package."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return re.findall(r"^(([\w.-]+)==.*(?:\n[ \t].*)*)", lock, re.MULTILINE)


def canonical(name):
    """Return a package's name as locks spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def distribution(folder):
    """Return the name of the package whose ``.dist-info`` folder this is, as locks spell it."""
    return canonical(Path(folder).name.split("-")[0])


def project():
    """Return the name of the checkout's own distribution."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return re.search(r'^name = "(.*)"', text, re.MULTILINE).group(1)


def steps(python, tools):
    """Return what is done and its command; ``tools`` is a file with the build tools' entries."""
    install = [python, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-compile"]
    fixed = [*install, "--require-hashes", "--use-pep517", "--only-binary=:all:"]
    every = [*fixed, f"--no-binary={','.join(FROM_SOURCE)}", "-r", "requirements.lock"]
    return [
        ("the locked build tools", [*fixed, "-r", tools]),
        (f"the {len(locked())} entries of requirements.lock", every),
        ("the library of this checkout", [*install, "-e", "."]),
    ]


def install(python, begin=lambda: None, dropped=()):
    """Install lock and checkout for an interpreter, and see that nothing is missing.

    ``begin`` is called before anything is changed; ``dropped`` is taken away.

    Raises
    ------
    SetupError
        If a step fails, or if the lock is incomplete.
    """
    settings = pip_settings(python)
    with tempfile.TemporaryDirectory() as scratch:
        tools = Path(scratch) / "build-tools.txt"
        entries = [text + "\n" for text, name in locked() if name in BUILD_TOOLS]
        tools.write_text("".join(entries), encoding="utf-8")
        drop = [python, "-m", "pip", "uninstall", "-y", *dropped]
        last = [("what the lock no longer names", drop)] if dropped else []
        for what, command in steps(python, str(tools)) + last:
            say(f"    {what}")
            follow(what, command, settings, begin)
    begin()
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(ask([python, "-c", where], 30, settings)[1])
    anchor(packages)
    say("    is anything missing?")
    check(python, settings)
    # Where PYTHONDONTWRITEBYTECODE is set, every kernel would compile its imports anew, which
    # takes three times as long.  A book is built without bytecode too, so no failure counts.
    say("    bytecode, once for all kernels")
    ask([python, "-m", "compileall", "-q", "-j", "0", str(packages)], 3600, settings)


def anchor(packages):
    """Let an environment find the library by a relative path, where that is plain ASCII.

    Python reads the files that name such paths in the encoding of the locale.  With Chinese
    characters in one, and LC_ALL=POSIX, Python 3.11 does not even start.
    """
    for path in packages.glob(f"__editable__.{project().replace('-', '_')}-*.pth"):
        library = os.fsdecode(path.read_bytes()).strip()
        nearby = os.path.relpath(library, str(packages))
        if os.path.isabs(library) and all(ord(letter) < 128 for letter in nearby):
            path.write_text(nearby + "\n", encoding="ascii")


def pip_settings(python):
    """Return the variables for pip: of the user's settings those that say how an index is reached.

    Raises
    ------
    SetupError
        If pip cannot read them.
    """
    # not `pip config list`: where PIP_USER is set, that lists the settings of the user alone
    # (nor with pip's other variables: PIP_QUIET would hide the list)
    settings = {name: text for name, text in surroundings().items() if name[:4] != "PIP_"}
    named = {name: os.environ[name] for name in ("PIP_CONFIG_FILE",) if name in os.environ}
    question = dict(settings, PIP_QUIET="0", **named)
    code, out, err = ask([python, "-m", "pip", "config", "debug"], 30, question)
    if code:
        words = (err or out).split("\n")[-1]
        raise SetupError(f"pip does not run, or cannot read its settings: {words}")
    files = {}
    for kind, lines in re.findall(r"^(\w+):\n((?:  .*\n)*)", out + "\n", re.MULTILINE):
        files[kind] = re.findall(r"^  (.*), exists: True$", lines, re.MULTILINE)
    stated = configparser.RawConfigParser(strict=False)
    stated.optionxform = lambda name: name.lower().replace("_", "-")
    if os.environ.get("PIP_CONFIG_FILE") != os.devnull:
        for kind in ("global", "user", "site", "env"):  # pip's own order: the last one counts
            stated.read(files.get(kind, []))
    for key in KEPT:
        name = "PIP_" + key.upper().replace("-", "_")
        for section in filter(stated.has_section, ("global", "install")):
            if stated.get(section, key, fallback=""):
                settings[name] = " ".join(stated.get(section, key).strip().split("\n"))
        if os.environ.get(name):
            settings[name] = os.environ[name]
    if not os.access(os.path.expanduser("~"), os.W_OK):
        settings.setdefault("PIP_NO_CACHE_DIR", "1")
    settings.update(PIP_CONFIG_FILE=os.devnull, PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1")
    settings["LC_ALL"] = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"
    settings.update(PIP_PROGRESS_BAR="off", PIP_NO_COLOR="1", PYTHONNOUSERSITE="1")
    settings["PIP_ROOT_USER_ACTION"] = "ignore"
    return settings


def follow(what, command, settings, begin):
    """Run pip; say how far it is, when it begins to change something, and what errors mean.

    Raises
    ------
    SetupError
        If it fails.
    """
    lines, fetched = [], 0
    with running(command, settings, subprocess.STDOUT) as child:
        for line in child.stdout:
            lines.append(line.decode("utf-8", "replace").strip())
            if lines[-1].startswith(("Collecting ", "Processing ")):
                fetched += 1
                if fetched % 50 == 0:
                    say(f"      {fetched} fetched")
            if lines[-1].startswith("Installing collected packages"):
                begin()
                if fetched >= 50:
                    say(f"      {fetched} fetched; unpacking them")
    if child.returncode:
        for line in [line for line in lines if line.startswith("ERROR")] or lines[-5:]:
            say(f"      {line}")
        raise SetupError(f"{what}: {meaning(' '.join(lines))}")


def meaning(words):
    """Return what pip's words mean for a reader, and the remedy."""
    if "o space left" in words:
        places = f".venv's, or that of {tempfile.gettempdir()} (TMPDIR)"
        return f"the disk is full ({places}): about 2 GB are needed; then run the command again."
    if "No matching distribution" not in words:
        return "not installed, for the reason above; then run the command again."
    if "Ignoring indexes" in words:
        return "pip's setting no-index forbids the index, and its links have no such file."
    if "CERTIFICATE_VERIFY_FAILED" in words:
        return "the index's certificate is not trusted: see the clock, and pip's setting cert."
    if "not a trusted or secure host" in words:
        return "pip does not ask an index over http: use https, or pip's setting trusted-host."
    if re.search(r"Retrying|onnection|Temporary failure", words):
        return "the package index was not reached; with a network, run the command again."
    place = f"this Python on {os.uname().sysname} {os.uname().machine}"
    return f"the index has no such file for {place}, or was not reached."


def check(python, settings):
    """See that each locked package finds what it asks for.

    What others ask for, in an environment that is not ours, is theirs.

    Raises
    ------
    SetupError
        If one does not: the lock is incomplete.
    """
    code, out, err = ask([python, "-m", "pip", "check"], 300, settings)
    lines = re.findall(r"^\S+ \S+ (?:requires|has requirement|is not supp).*$", out, re.MULTILINE)
    if code and not lines:
        raise SetupError(f"pip check: {err or out}")
    ours = {project(), *(name for _, name in locked())}
    mine = [line for line in lines if canonical(line.split()[0]) in ours]
    for line in mine:
        say(f"      {line}")
    if mine:
        raise SetupError("requirements.lock is incomplete: run make lock, then the command again.")


# -- the checkout's own environment -------------------------------------------------------


@contextlib.contextmanager
def alone():
    """Wait until no other make installs."""
    with open(__file__, encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("==> another make is installing: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:  # a file system without locks
            pass
        HELD.append(file.fileno())
        yield
        HELD.clear()


class Venv:
    """The environment of the checkout.

    ``.ready`` is written last and says for what it was made; ``.begun`` stands until then.
    """

    def __init__(self, folder):
        self.folder, self.python = folder, folder / "bin" / "python"
        self.ready, self.begun = folder / ".ready", folder / ".begun"

    def stamp(self):
        """Return what the stamp says, or nothing."""
        try:
            said = json.loads(self.ready.read_text(encoding="utf-8"))
            return said if {"asked", "base", "checkout", "digests", "version"} <= set(said) else {}
        except (OSError, ValueError, TypeError):
            return {}

    def library(self):
        """Return the address of the checkout whose library is in it."""
        name = project().replace("-", "_")
        for path in self.folder.glob(f"lib/python*/site-packages/{name}-*/direct_url.json"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                return json.loads(path.read_text(encoding="utf-8"))["url"]
        return ""

    def packages(self):
        """Return the locked packages in it that are as they were installed, by their folders."""
        names = {name for _, name in locked()}
        found = self.folder.glob("lib/python*/site-packages/*.dist-info")
        mine = [path for path in found if distribution(path) in names]
        return sorted(str(path.relative_to(self.folder)) for path in mine if whole(path))

    def fault(self, asked):
        """Return what must be done (``make``, ``install``, nothing) and why.

        Any interpreter will do where none was asked for.
        """
        if not self.folder.is_dir():
            return "make", "a new environment"
        found, stamp = Interpreter(self.python, "pip"), self.stamp()
        if self.begun.exists():
            return "make", "its installation was interrupted"
        if found.words == LATE:
            raise SetupError(f"{self.python}: {LATE}. Run the command again on a calmer machine.")
        if not found.works:
            return "make", f"it is half made ({found.words})"
        if not stamp:
            return "make", "it does not say what is in it"
        if stamp["checkout"] != str(ROOT):
            return "make", f"it was made for {stamp['checkout']}"
        if stamp["version"] != found.version:
            return "make", f"it was made by Python {stamp['version']}"
        if asked and asked != stamp["asked"]:
            named = choose(asked)
            if (named.version, named.base) != (stamp["version"], stamp["base"]):
                return "make", f"PYTHON={asked} is another Python ({named.version})"
        for name, before in stamp["digests"].items():
            if digest(name) != before:
                return "install", f"{name} changed"
        if self.library() != ROOT.as_uri():
            return "install", "the library in it is not that of this checkout"
        for name in sorted(set(stamp.get("packages", ["a package"])) - set(self.packages())):
            return "install", f"{Path(name).stem} is not as it was installed"
        return "", ""

    def repair(self, asked):
        """Do what must be done, if anything.

        Raises
        ------
        SetupError
            If it cannot be done.
        """
        if not self.fault(asked)[0]:
            return
        with alone():
            task, why = self.fault(asked)  # another make may have done it meanwhile
            if not task:
                return
            said = self.stamp()
            if task == "make":
                named = choose(asked or "python3")
                said = {"checkout": str(ROOT), "version": named.version, "base": named.base}
            say(f"==> {self.folder.name}: {why}; installing for Python {said['version']}")
            if task == "make":
                self.make(named.base)
            digests = {name: digest(name) for name in ("requirements.lock", "pyproject.toml")}
            install(str(self.python), self.begun.touch, self.lost(said))
            self.finish(dict(said, asked=asked, digests=digests, packages=self.packages()))

    def lost(self, said):
        """Return the packages that the lock no longer names; let pip fetch anew those not whole."""
        names, dropped = {name for _, name in locked()}, []
        for folder in sorted(set(said.get("packages", ())) - set(self.packages())):
            name = distribution(folder)
            if name in names:
                shutil.rmtree(str(self.folder / folder), ignore_errors=True)
            else:
                dropped.append(name)
        return dropped

    def make(self, base):
        """Make it anew, with pip and nothing else.

        Raises
        ------
        SetupError
            If it cannot be made, or if what stands there is something else.
        """
        say("    a virtual environment")
        marks = (self.ready, self.begun, self.folder / "pyvenv.cfg")
        ours = self.folder.is_dir() and not self.folder.is_symlink()
        ours = ours and (any(mark.exists() for mark in marks) or not os.listdir(str(self.folder)))
        if os.path.lexists(str(self.folder)) and not ours:
            raise SetupError(f"{self.folder} is no environment: move it away, then try again.")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.begun.touch()  # first and throughout: whoever is killed here begins again
        for path in self.folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(str(path))
            elif path != self.begun:
                path.unlink()
        bare = [base, "-m", "venv", "--without-pip", str(self.folder)]
        pip = [str(self.python), "-m", "ensurepip", "--default-pip"]
        for command in (bare, pip, [str(self.folder / "bin" / "pip"), "--version"]):
            code, out, err = ask(command, seconds=300)
            if code:
                plain = re.fullmatch(r"[\w /.,+@~-]*", str(self.folder))
                remedy = "" if plain else "; give the checkout's folder a plainer name"
                lines = f"{out}\n{err}".strip().split("\n")
                words = [line for line in lines if "o space left" in line] or lines
                raise SetupError(f"{self.folder} cannot be made: {words[-1]}{remedy}")

    def finish(self, said):
        """Say for what it was made."""
        draft = self.folder / ".ready.draft"
        draft.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
        draft.replace(self.ready)
        self.begun.unlink()


def whole(package):
    """Tell whether each file of an installed package is there, as long as when it was installed."""
    try:
        with open(str(package / "RECORD"), encoding="utf-8", newline="") as file:
            rows = [(path, int(size)) for path, _, size in csv.reader(file) if size]
        return all(os.stat(f"{package.parent}/{path}").st_size == size for path, size in rows)
    except (OSError, ValueError):
        return False


def digest(name):
    """Return the SHA-256 of a file of the checkout."""
    return hashlib.sha256((ROOT / name).read_bytes()).hexdigest()


def here():
    """Install into the environment of the Python that runs this.

    Raises
    ------
    SetupError
        If it is too old, or is the system's own.
    """
    if sys.version_info < OLDEST:
        raise SetupError(TOO_OLD.format(sys.version.split()[0]))
    system = Path(sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED"
    if sys.prefix == sys.base_prefix and system.exists():
        raise SetupError(
            "This is the system's Python: activate an environment first, or run make setup."
        )
    names = {name for _, name in locked()}
    before = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    before += [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    for folder in filter(None, before):
        for path in Path(folder).glob("*.dist-info"):
            if distribution(path) in names:
                remedy = "unset PYTHONPATH and export PYTHONNOUSERSITE=1, then try again"
                raise SetupError(f"{path} would be read in place of the locked one: {remedy}.")
    say(f"==> {sys.prefix}: installing (a minute or two)")
    install(sys.executable)


def main():
    """Read the command line, do it, and return the exit code."""
    parser = argparse.ArgumentParser(description="Make .venv what requirements.lock says.")
    parser.add_argument("--python", default="", help="the interpreter that makes it (python3)")
    parser.add_argument("--venv", default=".venv", help="its folder")
    parser.add_argument(
        "--here", action="store_true", help="install into this Python's environment"
    )
    asked = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        here() if asked.here else Venv(ROOT / asked.venv).repair(asked.python)
    except SetupError as refusal:
        say(str(refusal))
        return 1
    except OSError as error:
        say(f"{error.filename or 'setup'}: {error.strerror or error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted: the next make begins again")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
