# `make demo` and `make test` are all that a visitor needs; both build what is missing.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALL_LOG := build/install.log
EXTRAS ?= dev
SOURCES := $(shell find tcpcheck bench -name '*.pyx' -o -name '*.pxd' -o -name '*.lark')

.PHONY: demo test lint docs bench clean

demo: $(INSTALLED)
	$(BIN)/tcpcheck verify specs/tw_syn.tcp

test: $(INSTALLED)
	$(BIN)/python -m pytest -n auto --dist loadfile

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/cython-lint --no-pycodestyle tcpcheck bench
	$(BIN)/python tools/build_warnings.py $(INSTALL_LOG)

docs: $(INSTALLED)
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/docs

bench: $(INSTALLED)
	$(BIN)/python bench/growth.py --json build/growth.json --svg build/growth.svg
	$(BIN)/python bench/figures.py --json build/figures.json
	$(BIN)/python bench/compare.py --json build/compare.json
	$(BIN)/python bench/tables.py build/compare.json build/figures.json

# The package in its own folder (editable), built here; what the compilers said is kept for `make lint`.
$(INSTALLED): pyproject.toml setup.py $(SOURCES)
	$(PYTHON) -m venv $(VENV)
	mkdir -p build
	rm -rf build/cython
	$(BIN)/python -m pip install -q --disable-pip-version-check 'setuptools>=77' 'cython>=3.1,<4' 'lark>=1.2,<2'
	$(BIN)/python -m pip install -v --disable-pip-version-check --no-build-isolation -e '.[$(EXTRAS)]' > $(INSTALL_LOG) 2>&1 \
		|| { tail -n 50 $(INSTALL_LOG); exit 1; }
	touch $@

clean:
	rm -rf build dist .venv *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find tcpcheck tests bench tools -name __pycache__ -prune -exec rm -rf {} +
	find tcpcheck bench -name '*.so' -delete -o -name '*.tables' -delete
