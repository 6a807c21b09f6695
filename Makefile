# Two commands do everything on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV ?= .venv
# The exact set of versions the project was tested with: make test CONSTRAINTS=constraints.txt
CONSTRAINTS ?=
# Options of the benchmarks: make bench BENCH='--only metrics --threads 1'
BENCH ?=
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
DEMO := demo

.PHONY: help demo test test-slow lint audit bench bench-compare docs clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

$(BIN)/reproduce: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) install $(if $(CONSTRAINTS),-c $(CONSTRAINTS)) -e .
	@touch $@

$(VENV)/tested: $(BIN)/reproduce
	$(PIP) install $(if $(CONSTRAINTS),-c $(CONSTRAINTS)) -e '.[dev]'
	@touch $@

demo: $(BIN)/reproduce  ## Table 1 on embedded synthetic images, with an HTML report
	$(BIN)/reproduce table1 --preset demo --stack on --data-root $(DEMO)/data --store $(DEMO)/store --out $(DEMO)/report

test: $(VENV)/tested  ## The test suite
	$(BIN)/python -m pytest -m 'not slow' -n logical --maxprocesses 4 --dist loadfile

test-slow: $(VENV)/tested  ## The tests that take minutes
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/tested  ## ruff and pyright
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

audit: $(VENV)/tested  ## Unsafe constructs in the source, known holes in what is installed
	$(BIN)/bandit -q -r -c pyproject.toml datasets methods harness tables reports
	$(BIN)/pip-audit --skip-editable

$(VENV)/benched: $(BIN)/reproduce
	$(PIP) install $(if $(CONSTRAINTS),-c $(CONSTRAINTS)) -e '.[bench,test]'
	@touch $@

bench: $(VENV)/benched  ## Benchmarks: ratios against peers in one run; make bench BENCH='--only metrics'
	$(BIN)/python tests/benchmarks/run.py $(BENCH)

bench-compare: $(BIN)/reproduce  ## How the ratios drifted between the newest two results
	$(BIN)/python tests/benchmarks/compare.py

docs: $(VENV)/tested  ## The documentation site, into build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

clean:  ## Remove what make made
	rm -rf $(VENV) $(DEMO) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
