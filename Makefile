# The commands of the book.  `make help` lists them.
#
# Only make and Python >= 3.11 with venv are needed: everything else is installed
# into .venv, in the versions and with the hashes of requirements.lock.

# The interpreter that makes .venv; without one an existing .venv is kept, and
# python3 makes a new one.
PYTHON ?=
PORT   ?= 8000
# Tests at a time.
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)
# A file stays with one worker, in the order of tests/conftest.py: the longest begin first.
BY_FILE := --dist loadfile --no-loadscope-reorder
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

# What a caller has set for another project must not reach this one: PYTHONPATH, PYTHONHOME, and
# PYTHONSTARTUP, which every kernel would run.
unexport $(filter-out PYTHON PYTHONPYCACHEPREFIX,$(filter PYTHON%,$(.VARIABLES)))

# Chapters that hold code: MyST text notebooks name their kernel in the header.
CODE_CHAPTERS = $(shell grep -rls --include='*.md' --exclude-dir='.*' '^kernelspec:' book notebooks)
SOURCES := lib tests tools benchmarks $(wildcard book/_ext)
WORDS := lib tests tools benchmarks book notebooks reruns README.md CHANGELOG.md CONTRIBUTING.md \
  data/DATASHEET.md Makefile pyproject.toml

.DEFAULT_GOAL := help

.PHONY: help
help:  ## list the targets
	@echo "make TARGET, where TARGET is one of:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "Variables: PYTHON=python3.12 (the interpreter that makes .venv), PORT=8000 (make serve),"
	@echo "           FTZ_JOBS=2 (chapters executed at a time),"
	@echo "           WORKERS=2 (tests run at a time), ARGS='-k did' (passed to pytest)."

.PHONY: setup
setup: $(READY)  ## install the locked packages into .venv, where they are not yet

.PHONY: book
ifdef PANEL
book: $(READY)  ## execute all chapters, write _build/html; PANEL=p.csv SPEC=s.yml: your panel's book
	@test -n "$(SPEC)" || { echo "make book PANEL=... needs SPEC=spec.yml beside it (ftz new-panel writes one)"; exit 2; }
	@echo "==> building the book of $(PANEL), described by $(SPEC)"
	@$(BIN)/ftz check "$(PANEL)" --spec "$(SPEC)"
	$(BIN)/ftz book "$(PANEL)" --spec "$(SPEC)"
else
book: $(READY)
	@test -z "$(SPEC)" || { echo "make book SPEC=... needs PANEL=panel.csv beside it"; exit 2; }
	@mkdir -p _build || { echo "_build is no folder: delete it (rm _build) and build again"; exit 1; }
	@echo "==> building the book: chapters that changed are executed, warnings are errors"
	$(BIN)/jb build . -n -W --keep-going
	@echo "==> the book: _build/html/index.html  (make serve shows it at http://localhost:$(PORT))"
endif

.PHONY: test
test: $(READY)  ## run all tests: library, notebooks, the built book, the repository
	@echo "==> testing: library, every notebook, the built book, the repository"
	@echo "    (make cover leaves out the parts that execute chapters)"
	$(BIN)/python -m pytest -n $(WORKERS) $(BY_FILE) -m "not nightly" $(ARGS)

# The outputs are kept by content, and `make book` sets its pages from them.
.PHONY: notebooks
notebooks: $(READY)  ## execute every chapter through nbmake, where no execution holds
	$(BIN)/python -m pytest -n $(WORKERS) tests/test_notebooks.py $(ARGS)

# Chapters are read as scripts, in which prose becomes comments: so long lines and
# docstrings are not looked at.  (`jupytext --check` would write the chapter back.)
.PHONY: lint
lint: $(READY)  ## check style and format of the library, the tests and the chapters' code
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/lint-imports
	$(BIN)/python tools/reachable.py
	@echo "==> checking the code of $(words $(CODE_CHAPTERS)) chapters"
	@rm -rf _build/lint && $(BIN)/python tools/chapter_code.py _build/lint $(CODE_CHAPTERS)
	@$(BIN)/ruff check --quiet --no-respect-gitignore --config 'extend-exclude = []' \
	  --ignore D,E402,E501,B018 _build/lint

.PHONY: spelling
spelling: $(READY)  ## look for misspelt words in code, prose and settings
	$(BIN)/codespell $(WORDS)

.PHONY: types
types: $(READY)  ## check the library's types (mypy, strict)
	$(BIN)/mypy

.PHONY: links
links: $(READY)  ## check every link inside the built book
	@$(BIN)/bookworks links $(ARGS)

.PHONY: cover
cover: $(READY)  ## the quick tests, with the coverage of the library
	$(BIN)/python -m pytest -n $(WORKERS) $(BY_FILE) -m "not slow and not nightly" \
	  --cov --cov-report=term --cov-fail-under=95 $(ARGS)

.PHONY: slow
slow: $(READY)  ## the other tests: notebooks, the built book, a page of each kind in the browser
	$(BIN)/python -m pytest -n $(WORKERS) $(BY_FILE) -m "slow and not nightly" $(ARGS)

.PHONY: nightly
nightly: $(READY)  ## Monte Carlo, kills under load, every page in the browser: what CI leaves
	$(BIN)/python -m pytest -n $(WORKERS) $(BY_FILE) -m nightly $(ARGS)

.PHONY: chapter
chapter: $(READY)  ## execute one chapter on its own: CHAPTER=notebooks/robustness.md
	@test -n "$(CHAPTER)" || { echo "name a chapter: make chapter CHAPTER=notebooks/robustness.md"; exit 2; }
	@$(BIN)/bookworks chapter $(CHAPTER) $(ARGS)

.PHONY: release
release: $(READY)  ## source, site, notebooks and witness, to be deposited: VERSION=1.2.3
	@test -n "$(VERSION)" || { echo "name a version: make release VERSION=1.2.3"; exit 2; }
	$(BIN)/bookworks release $(VERSION)

.PHONY: check
check: $(READY)  ## all that CI runs, and then the nightly tests
	bash .ci/run
	$(MAKE) nightly

.PHONY: serve
serve: book  ## build the book and serve it on localhost (PORT=8000)
	@echo "==> http://localhost:$(PORT)/  (Ctrl-C stops it)"
	@$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

.PHONY: witness
witness: $(READY)  ## make the witness panel again; N=100 SEED=1 draws an ensemble
	$(BIN)/python -m study.witness $(if $(N),--ensemble $(N)) $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: audit
audit: $(READY)  ## check all printed numbers; ledger and certificates in _build/audit
	$(BIN)/ftz audit --out _build/audit

.PHONY: rerun
rerun: $(READY)  ## run chapters anew with the parameters of reruns/*.yml (ARGS='--only NAME')
	$(BIN)/bookworks rerun $(ARGS)

.PHONY: multiverse
multiverse: $(READY)  ## estimate every defensible specification; PANEL=, SPEC=, ARGS='--workers 2'
	$(BIN)/ftz multiverse $(if $(PANEL),--panel "$(PANEL)") $(if $(SPEC),--spec "$(SPEC)") $(ARGS)

.PHONY: students
students: book  ## write notebooks without solutions and a checker to _build/students
	$(BIN)/bookworks students --out _build/students $(ARGS)

.PHONY: exercises
exercises: $(READY)  ## say which exercises pass in _build/students (ARGS=robustness: only that)
	$(BIN)/python _build/students/check.py $(ARGS)

.PHONY: bench
bench: $(READY)  ## measure a cold and a warm build and print the README's table
	$(BIN)/python benchmarks/build.py $(ARGS)

.PHONY: peers
peers: $(READY)  ## time estimators and the index against their peers
	$(BIN)/python -m pytest benchmarks/did.py benchmarks/matching.py benchmarks/inference.py benchmarks/index.py \
	  --benchmark-columns=min,median,rounds --benchmark-sort=name $(ARGS)

# Of .venv only uv is needed: a lock that is incomplete can still be renewed.
.PHONY: lock
lock: | $(BIN)/uv  ## write requirements.lock from pyproject.toml (ARGS=--upgrade for new versions)
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --extra dev $(ARGS) \
	  pyproject.toml --output-file requirements.lock

.PHONY: clean
clean:  ## delete what builds and tests wrote; keep .venv
	rm -rf _build .pytest_cache .ruff_cache .hypothesis .mypy_cache .coverage .coverage.*
	find lib tests benchmarks book -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: distclean
distclean: clean  ## delete .venv as well
	rm -rf $(VENV) lib/*.egg-info

# The environment.  Whether it is whole is a matter of content, which the script reads; any
# Python runs it, so that one that is missing, too old or a shim that leads to none is told.
.PHONY: $(READY)
$(READY):
	@for python in $(BIN)/python "$(PYTHON)" python3 python3.13 python3.12 python3.11 /usr/bin/python3; do \
	  test "$$("$$python" -ISc 'import sys; print(sys.version_info >= (3, 6))' 2>&1)" = True || continue; \
	  exec "$$python" -I tools/setup_environment.py --venv "$(VENV)" --python "$(PYTHON)"; \
	done; echo "No Python runs here: install 3.11 or later, or name one: make book PYTHON=python3.12"; exit 1

$(BIN)/uv:
	@$(MAKE) --no-print-directory setup
