# Verbs for a person. Everything is relative, so that the checkout may lie under a path with spaces.
# NIGHTSHELF_HOME chooses where nights are kept (default: .nightshelf/ in the checkout).

PYTHON ?= python3
SHOP ?= shops/demo.toml
NIGHT ?= 2017-12-01
PYTEST_ARGS ?=
COMPOSE ?= docker-compose

PY := .venv/bin/python
READY := .venv/ready

# A shell that forbids bytecode would have each of a night's processes compile what it imports.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup night test test-all fuzz bench bench-big soak lint up down status logs env backup restore clean
.DELETE_ON_ERROR:

help: ## List the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

night: $(READY) ## Run one night of the demo shop through Airflow and show the shelves
	@$(PY) -m nightshelf demo
	@$(PY) -m nightshelf night-by-airflow --shop "$(SHOP)" --as-of "$(NIGHT)"

PYTEST := -m pytest -n logical --maxprocesses 4 --dist loadfile

test: $(READY) ## Run the tests but those marked long (minutes)
	@echo "The long tests stay out: make test-all runs them too, as continuous integration does"
	@$(PY) $(PYTEST) -m "not long" $(PYTEST_ARGS)

test-all: $(READY) ## Run all the tests: whole nights of many small shops, faults, real shops (a quarter of an hour)
	@$(PY) $(PYTEST) $(PYTEST_ARGS)

fuzz: $(READY) ## Read a million fuzzed lines of each kind: none may be lost (minutes)
	@NIGHTSHELF_FUZZ_LINES=1000000 $(PY) -m pytest tests/ingest/test_fuzz.py -q

bench: $(READY) ## Measure beside peers and limits: ingest, SQL, models, doors, publishing (half an hour, 6 GB of disk)
	@for of in ingest transform covisitation top_k ials ranking doors publish; do \
	  $(PY) benchmarks/$$of.py || exit; done

bench-big: $(READY) ## The same at the sizes of a shop with a million users (hours, 60 GB of disk)
	@$(PY) benchmarks/transform.py --events 100000000 --no-peers
	@for of in covisitation top_k ials ranking; do $(PY) benchmarks/$$of.py --big || exit; done
	@$(PY) benchmarks/doors.py --events 100000000
	@$(PY) benchmarks/publish.py --rows 50000000

soak: $(READY) ## Try every fault at every point: deaths, failing calls, full disks, thousands of readers, the stack on an engine (hours)
	@NIGHTSHELF_SOAK=1 $(PY) -m pytest tests/faults tests/dags/test_by_airflow.py tests/publishing/test_sink_postgres.py tests/stack -s

lint: $(READY) ## Check style: ruff's rules and its formatting
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

up: $(READY) ## Serve Airflow and MLflow on this machine until Ctrl-C; the demo shop is there to be triggered
	@test -n "$$NIGHTSHELF_SHOP" || $(PY) -m nightshelf demo
	@$(PY) -m nightshelf up

down: $(READY) ## End what `make up` serves
	@$(PY) -m nightshelf down

status: $(READY) ## Say what is up, where it listens and what memory it takes
	@$(PY) -m nightshelf status

logs: $(READY) ## Show the last lines of the servers' logs
	@$(PY) -m nightshelf logs

env: ## Write .env, a server's secrets, for docker-compose (docs/server.md)
	@"$(PYTHON)" stack/env.py

# Where .env is, the server is meant; else the home.
backup: FILE ?= backups/nightshelf-$(shell date +%Y%m%d-%H%M%S).tar
backup: ## Write everything into one file, FILE=…: the server's where .env is, else the home's
	@if [ -f .env ]; then COMPOSE="$(COMPOSE)" sh stack/backup.sh "$(FILE)"; \
	else $(MAKE) --no-print-directory $(READY) && $(PY) -m nightshelf backup "$(FILE)" && echo "$(FILE)"; fi

restore: ## Bring a backup back, FILE=…, and start the server again; REPLACE=yes removes what is there
	@[ -f "$(FILE)" ] || { echo "✗ '$(FILE)' is no file. Next: make restore FILE=backups/…" >&2; exit 2; }
	@if [ -f .env ]; then COMPOSE="$(COMPOSE)" sh stack/restore.sh "$(FILE)" $(if $(REPLACE),--replace); \
	else $(MAKE) --no-print-directory $(READY) && $(PY) -m nightshelf restore "$(FILE)" $(if $(REPLACE),--replace); fi

setup: $(READY) ## Create .venv from requirements.lock (the other verbs do it when needed)

clean: ## Remove .venv and caches; nights stay in the home
	@rm -rf .venv .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -not -path './.nightshelf/*' -prune -exec rm -rf {} +

# Exactly the lock, with hashes. uv comes out of the lock itself; where only pip knows the package
# index, pip does the work. The project goes in last, because `sync` removes what the lock lacks.
# Bytecode is left to the first imports: compiling all takes 30 s, what a night imports takes 14 s.
$(READY): requirements.lock pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "✗ Python 3.11, 3.12 or 3.13 is needed; '$(PYTHON)' is: $$("$(PYTHON)" --version 2>&1)" >&2; \
	  echo "  Next: install one of them, then run make again, or name it: make PYTHON=python3.12 …" >&2; \
	  exit 2; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "✗ '$(PYTHON)' has no venv and ensurepip modules." >&2; \
	  echo "  Next: install them (Debian, Ubuntu: apt install python3-venv), then run make again." >&2; \
	  exit 2; }
	@echo "Setting up .venv from requirements.lock (1.4 GB; about a minute, once)"
	@$(PY) -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear .venv
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > .venv/uv.lock
	@$(PY) -m pip install -qq --disable-pip-version-check --require-hashes --no-deps -r .venv/uv.lock
	@$(PY) -m uv pip sync $$([ -t 2 ] || echo --quiet) --require-hashes --python $(PY) requirements.lock || { \
	  echo "uv could not; pip tries (slower)"; \
	  $(PY) -m pip install -qq --disable-pip-version-check --require-hashes --no-deps -r requirements.lock; }
	@$(PY) -m uv pip install --quiet --python $(PY) --no-index --no-deps --no-build-isolation --editable .
	@$(PY) -c 'import nightshelf.cli, expectations'
	@touch $(READY)
