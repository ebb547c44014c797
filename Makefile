# Two commands do everything on a fresh machine with Python 3.11 or newer:
#   make demo    installs into .venv and runs the main job on real sample files against a local sandbox
#   make test    linter, formatter, types, import contract, and all tests with branch coverage
# While working:
#   make quick   what most often goes wrong, in under a minute
#   make lint    the linters alone
#   make docs    the documentation as a site, in build/docs

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := -m pytest -n auto --dist loadfile
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

# A whole run of the tests starts hundreds of processes, each of which would compile the package again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test quick lint docs bench clean

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "batchupdate needs Python 3.11 or newer; say which with: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(PIP) -e '.[test]'
	@touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(PIP) -e '.[docs]'
	@touch $@

demo: $(VENV)/installed
	$(BIN)/batchupdate demo

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy tests/typing
	$(BIN)/lint-imports
	$(BIN)/zizmor --offline --quiet --strict-collection --persona pedantic .github

quick: $(VENV)/installed-test
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/lint-imports
	TEST_QUICK=1 $(BIN)/python $(PYTEST) -q -m 'not slow and not torture and not third_party'

test: lint
	$(BIN)/coverage erase
	$(BIN)/coverage run $(PYTEST)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

docs: $(VENV)/installed-docs
	$(BIN)/sphinx-build -W --keep-going --quiet -E -a -b html docs build/docs
	@echo "Open build/docs/index.html"

bench: $(VENV)/installed-test
	$(PIP) -e '.[bench]'
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/check.py
	$(BIN)/python benchmarks/reader.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/throughput.py
	$(BIN)/python benchmarks/batches.py
	$(BIN)/python benchmarks/report_html.py
	$(BIN)/python benchmarks/rate_kept.py
	$(BIN)/python benchmarks/limiter_sim.py
	$(BIN)/python benchmarks/limiter_turn.py
	$(BIN)/python benchmarks/limiter_real.py

clean:
	rm -rf $(VENV) build dist docs/reference .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis
