# Orkesta: `make run` and `make test` are all a newcomer needs. `make help` lists the rest.

SHELL := /bin/sh
# The tests start dozens of processes: each would compile all of the project again.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
MANAGE := $(BIN)/python manage.py
PACKAGES := orkesta tenants prompts routing conversations

# The first of these that is new enough.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; \
	done)

# Named after what they installed, so that an unchanged file costs nothing and a changed one is seen.
hash = $(shell cat $(1) | sha256sum | cut -c1-16)
RUNTIME := $(VENV)/.installed-$(call hash,requirements.txt)
DEVELOPMENT := $(VENV)/.installed-dev-$(call hash,requirements.txt requirements-dev.txt)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help
help: ## What can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: $(RUNTIME) .env ## Server, worker and demo tenant on http://127.0.0.1:8000 (HOST=…, PORT=…)
	@exec $(MANAGE) serve --demo

.PHONY: test
test: $(DEVELOPMENT) ## The whole test suite (ARGS='-k words' narrows it)
	@$(BIN)/python -m pytest -n auto --dist loadgroup --no-loadscope-reorder -m 'not long' $(ARGS)

.PHONY: production
production: $(DEVELOPMENT) ## All tests of outages: web servers and workers on PostgreSQL and Valkey, which die
	@$(BIN)/python -m pytest tests/production tests/chaos $(ARGS)

.PHONY: chaos
chaos: $(DEVELOPMENT) ## Kill everything, for half an hour (TASKS=10000 KILLS=50 FREEZES=10 WORKERS=4 SEED=1)
	$(BIN)/python -m tests.chaos production --tasks $(or $(TASKS),10000) --kills $(or $(KILLS),50) \
		--freezes $(or $(FREEZES),10) --workers $(or $(WORKERS),4) --seed $(or $(SEED),1)
	$(BIN)/python -m tests.chaos embedded --tasks $(or $(EMBEDDED_TASKS),2000) --kills 100 --seed $(or $(SEED),1)
	$(BIN)/python -m tests.chaos streams --clients $(or $(CLIENTS),100) --tokens 500 --seed $(or $(SEED),1)
	$(BIN)/python -m tests.chaos failover --kills 20 --seed $(or $(SEED),1)

.PHONY: mutants
mutants: $(DEVELOPMENT) ## Plant bugs, one by one, and see the tests notice (ARGS='ticket' for those so named)
	@$(BIN)/python -m tests.mutants $(ARGS)

.PHONY: fuzz
fuzz: $(DEVELOPMENT) ## Ask every operation of the API's schema for long (EXAMPLES=500), and all properties of new examples
	@$(BIN)/python -m pytest -n auto --hypothesis-profile new -q \
		$$(grep -rlE '@given|RuleBasedStateMachine' --include='test_*.py' tests) --ignore tests/fuzz $(ARGS)
	@FUZZ_EXAMPLES=$(or $(EXAMPLES),500) $(BIN)/python -m pytest -n auto tests/fuzz --timeout 3600 $(ARGS)

.PHONY: check
check: $(DEVELOPMENT) ## Everything that must hold: what CI runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(PACKAGES)
	$(BIN)/lint-imports --no-logo
	$(CHECK_MANAGE) makemigrations --check --dry-run
	$(CHECK_MANAGE) check
	$(CHECK_MANAGE) spectacular --validate --fail-on-warn --file /dev/null
	$(CHECK_MANAGE) write_docs --check
	@$(MAKE) --no-print-directory test

# The settings of the tests: the same on every machine, whatever its .env says.
CHECK_MANAGE := DJANGO_SETTINGS_MODULE=tests.settings $(MANAGE)

.PHONY: format
format: $(DEVELOPMENT) ## Format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: lint
lint: $(DEVELOPMENT) ## Format, lint and import contracts, nothing changed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo

.PHONY: types
types: $(DEVELOPMENT) ## mypy --strict
	$(BIN)/mypy $(PACKAGES)

.PHONY: docs
docs: $(DEVELOPMENT) ## Write docs/settings.md and docs/errors.md from the code
	$(CHECK_MANAGE) write_docs

.PHONY: bench
bench: $(DEVELOPMENT) ## Measure: all scenarios, a few minutes (SCENARIO=A or "A C", SETUP=embedded)
	@$(BIN)/python -m bench --setup $(or $(SETUP),embedded) $(if $(SCENARIO),--scenario $(SCENARIO))

.PHONY: clean
clean: ## Remove caches; keeps the virtual environment, .env and the data in var/
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis static-collected
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +

# --- What the above need --------------------------------------------------------------------------

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Orkesta needs Python 3.11 or newer (Debian: apt install python3)." >&2; exit 1; }
	@echo "Making a virtual environment in $(VENV) …"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "Python cannot make virtual environments (Debian: apt install python3-venv)." >&2; exit 1; }

$(RUNTIME): | $(BIN)/python
	@test -e $(DEVELOPMENT) || { echo "Installing requirements; this happens once …"; \
		$(PIP) --requirement requirements.txt; }
	@touch $@

$(DEVELOPMENT): | $(BIN)/python
	@echo "Installing development requirements; this happens once …"
	@$(PIP) --requirement requirements-dev.txt
	@touch $@

# Secrets of this machine. Written whole or not at all, and readable by nobody else.
.env: | $(RUNTIME)
	@umask 077 && $(BIN)/python -m orkesta.env > .env.new && mv .env.new .env
