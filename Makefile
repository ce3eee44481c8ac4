# Two commands matter: `make demo` and `make test`. Both set up what they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
# Many tests wait for servers and clocks, so two workers share a core.
WORKERS ?= $(shell $(PYTHON) -c "import os; print(2 * os.cpu_count())")

.PHONY: demo test conformance browser campaigns audit setup setup-dev lint types lock clean

demo: $(VENV)/.runtime
	$(BIN)/otto-pipelines demo

test: $(VENV)/.dev lint types
	$(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=worksteal -m "not tryton and not campaign and not browser"

# Every warehouse adapter by the same cases, Tryton's and the loops of whole orders included.
conformance: $(VENV)/.dev
	$(BIN)/python -m pytest tests/conformance --timeout=1800

# The Dagster UI of a live demo, in a real browser (apt install chromium).
browser: $(VENV)/.dev
	$(BIN)/python -m pytest tests/browser

# The long form of what `make test` runs in short.
campaigns: $(VENV)/.dev
	$(BIN)/python -m pytest tests -m campaign --timeout=10800

# What is delivered: locked files, licences, known vulnerabilities (code 3: these were not audited).
audit: $(VENV)/.dev
	@$(BIN)/python -m tools.audit

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

setup: $(VENV)/.runtime
setup-dev: $(VENV)/.dev

# The locked files carry hashes, so plain pip and uv install exactly the same wheels.
$(BIN)/python:
ifdef UV
	uv venv --quiet --python $(PYTHON) $(VENV)
else
	$(PYTHON) -m venv $(VENV)
endif

define install
	@echo "installing $(1)"
	$(if $(UV),uv pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet) --require-hashes -r $(1)
	$(if $(UV),uv pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet) --no-deps --editable .
endef

$(VENV)/.runtime: $(BIN)/python requirements/runtime.txt pyproject.toml
	$(call install,requirements/runtime.txt)
	@touch $@

$(VENV)/.dev: $(BIN)/python requirements/dev.txt pyproject.toml
	$(call install,requirements/dev.txt)
	@touch $@ $(VENV)/.runtime

lock:
	uv pip compile --generate-hashes --universal --python-version 3.11 --no-header --no-annotate pyproject.toml -o requirements/runtime.txt
	uv pip compile --generate-hashes --universal --python-version 3.11 --no-header --no-annotate --extra postgres --extra dev pyproject.toml -o requirements/dev.txt

clean:
	rm -rf $(VENV) .demo build *.egg-info
