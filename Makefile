# Everything that a newcomer or CI types. Each target sets up what it needs, in .venv, and nowhere else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help serve demo demo-web test check unit format bench docs lock clean interop-setup

help: ## this list
	@echo "Watchword: make ..."
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

serve: $(VENV)/serve.stamp ## the authorization server, on an embedded database in ./watchword-data
	@$(BIN)/watchword serve

demo: $(VENV)/serve.stamp ## the whole story on loopback, told step by step
	@$(BIN)/python -m examples.demo

demo-web: $(VENV)/serve.stamp ## a small web shop to sign in to with your browser; stays up until Ctrl-C
	@$(BIN)/python -m examples.demo.web

test: $(VENV)/dev.stamp $(VENV)/interop.stamp ## all tests; sets up what they need
	$(PYTEST) -n 2 --dist loadgroup

check: $(VENV)/dev.stamp ## format, lint, types, imports, house rules, unit tests; under 90 seconds
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m tools.house_rules
	$(BIN)/python -m tools.standards --check
	$(PYTEST) -q tests/unit tests/architecture

unit: $(VENV)/dev.stamp ## the quick tests alone
	$(PYTEST) -q tests/unit

format: $(VENV)/dev.stamp ## put the code into the house's form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/dev.stamp ## measure: CPU time per operation and ratios; takes some minutes
	$(BIN)/python -m benchmarks

docs: $(VENV)/dev.stamp ## write docs/standards.md anew from docstrings and tests
	$(BIN)/python -m tools.standards

lock: ## compile the locked requirements anew (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --extra server --extra postgres --extra fastapi --extra starlette --extra keyring \
	  --group test --group check --group build pyproject.toml -o requirements/dev.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --extra server --extra postgres --extra fastapi --extra starlette --group build \
	  -c requirements/dev.txt pyproject.toml -o requirements/serve.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --group interop -c requirements/dev.txt -o requirements/interop.txt
	cd tests/interop && npm install --package-lock-only

interop-setup: $(VENV)/interop.stamp # other people's clients, which tests/interop runs; part of `make test`

clean: ## remove the environment and what was built
	rm -rf tests/interop/node_modules $(VENV) dist build .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Watchword needs Python 3.11 or newer; say which: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "Python cannot make environments here. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/serve.stamp: requirements/serve.txt pyproject.toml | $(BIN)/python
	@test -e $(VENV)/dev.stamp || $(BIN)/python -m pip install --quiet --require-hashes -r requirements/serve.txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/serve.stamp

# In an environment of their own: what they need must not be taken for something that Watchword needs.
$(VENV)/interop.stamp: requirements/interop.txt tests/interop/package-lock.json | $(BIN)/python
	@test -x $(VENV)/interop/bin/python || $(PYTHON) -m venv $(VENV)/interop
	$(VENV)/interop/bin/python -m pip install --quiet --require-hashes -r requirements/interop.txt
	@if command -v npm >/dev/null; then \
	  echo "npm ci in tests/interop" && cd tests/interop && npm ci --silent; \
	else \
	  echo "There is no npm here, so the JavaScript clients of tests/interop cannot be tried. On Debian: apt-get install nodejs npm" >&2; \
	fi
	@if command -v npm >/dev/null; then touch $@; fi
