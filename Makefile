# `make` alone lists the targets.
PYTHON ?=
export PYTHON
# A package called `common` there would hide this project's.
unexport PYTHONPATH
BIN := .venv/bin
# Two workers at least: tests wait for processes and sockets more than they compute.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); [ $$n -gt 2 ] && echo $$n || echo 3)
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Rebuilt too if PYTHON names another Python than its own, or if this folder was moved.
ifneq ($(shell PYTHON='$(PYTHON)' sh scripts/venv.sh --fits && echo yes),yes)
.PHONY: .venv/ready
endif
.venv/ready: requirements.lock pyproject.toml scripts/venv.sh
	@sh scripts/venv.sh

.PHONY: demo
demo: .venv/ready ## run a real connector into a real table on this machine, and show the counts
	@$(BIN)/syncctl demo

.PHONY: serve
serve: .venv/ready ## run all functions, Postgres and the warehouse on this machine (port 3043) until Ctrl-C
	@$(BIN)/syncctl serve

# Tests that need root or other systems have targets of their own.
BRIEF := --ignore tests/cluster --ignore tests/fresh

# TESTS="tests/unit tests/integration/test_store.py" runs only these.
.PHONY: test
test: .venv/ready ## run every test that needs no cluster, except the kills
	$(BIN)/python -m pytest $(TESTS) $(BRIEF) -m "not kills" -n $(WORKERS) --dist loadgroup

.PHONY: test-faults
test-faults: .venv/ready ## provoke every fault of docs/reference/faults.md that needs no cluster, with the kills
	$(BIN)/python -m pytest $(BRIEF) -m "fault or kills" -n $(WORKERS) --dist loadgroup

.PHONY: test-kills
test-kills: .venv/ready ## kill every part in the middle of a sync, a few hundred times
	$(BIN)/python -m pytest $(BRIEF) -m kills -n $(WORKERS) --dist loadgroup

# TESTS as for `test`. Processes that are killed leave no figures.
.PHONY: coverage
coverage: .venv/ready ## run `make test` with a report of the lines that ran; details in build/coverage/html
	@$(BIN)/coverage erase
	@ended=0; $(BIN)/coverage run -m pytest $(TESTS) $(BRIEF) -m "not kills" -n $(WORKERS) --dist loadgroup || ended=$$?; \
	$(BIN)/coverage combine --quiet; $(BIN)/coverage html --quiet; $(BIN)/coverage report --skip-covered; exit $$ended

# CELLS="trixie-* bookworm-root-demo" runs only these; with TESTS, `make test` runs only those there.
CELLS ?=

.PHONY: test-fresh
test-fresh: .venv/ready ## run `make demo` and `make test` in new minimal Debians, as root and as a user (needs root)
	FRESH_CELLS="$(CELLS)" FRESH_TESTS="$(TESTS)" $(BIN)/python -m pytest tests/fresh

.PHONY: fuzz
fuzz: .venv/ready ## run the property tests with new examples for BUDGET seconds (300); SEED=N repeats a round
	@$(BIN)/python -m tests.fuzz --workers $(WORKERS) --seconds $(or $(BUDGET),300) $(if $(SEED),--seed $(SEED))

# What it sends is in build/fuzz-api; a failure comes with the curl command that repeats it.
.PHONY: fuzz-api
fuzz-api: .venv/ready ## requests made from openapi.json, for BUDGET seconds (300); SEED=N repeats a round
	@$(BIN)/python -m tests.fuzz_api --seconds $(or $(BUDGET),300) $(if $(SEED),--seed $(SEED))

.PHONY: check
check: .venv/ready ## ruff, mypy strict, import directions, what is generated: faults.md, the syncs' CRD, openapi.json, vendor.json
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.faults --check
	$(BIN)/python -m tools.syncs --check
	$(BIN)/python -m tools.events --check
	$(BIN)/python -m tools.openapi --check
	$(BIN)/python -m tools.vendor --check

.PHONY: format
format: .venv/ready ## let ruff format the code and fix what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: bench
bench: .venv/ready ## measure, as ratios in one run, and write bench/results/
	$(BIN)/python -m bench

# All pictures are in build/console; four of them, made small, are those of the documents.
.PHONY: screenshots
screenshots: .venv/ready ## take pictures of the console's views, and write those of docs/images
	SCREENSHOTS=1 $(BIN)/python -m pytest tests/console/test_screens.py

.PHONY: soak
soak: .venv/ready ## mixed tasks and kills on this machine for BUDGET seconds (1800); SEED=N repeats the choices
	@$(BIN)/python -m bench.soak --seconds $(or $(BUDGET),1800) $(if $(SEED),--seed $(SEED))

# The answers are in build/survey; without one of its files that connector is asked again.
.PHONY: survey
survey: .venv/ready ## ask forty published connectors for spec and check, and write docs/reference/connectors.md
	@SYNCCTL_CONNECTORS=$(CURDIR)/build/survey/connectors $(BIN)/python -m tools.survey

.PHONY: images
images: ## build the images of the functions and the sidecar with docker, podman or buildah
	@sh images/build.sh

# Provides KUBECONFIG, the gateway's address, kubectl and kn.
CLUSTER := $(BIN)/python -m tools.cluster

.PHONY: cluster
cluster: .venv/ready ## start a Kubernetes and Knative of plain processes on this machine (the first time: build it)
	@$(CLUSTER) up
	@echo 'for a shell: eval "$$($(CLUSTER) env)"'

.PHONY: cluster-down
cluster-down: .venv/ready ## stop it and undo everything it changed; built programs stay in the cache
	@eval "$$($(CLUSTER) env)"; look="kubectl --request-timeout=5s get cronjob leave -n sync-functions"; \
	! $$look >/dev/null 2>&1 || sh knative/leave.sh || echo "Going down all the same."
	@$(CLUSTER) down --purge

# The limit of a test leaves out the fixtures, whose steps have their own: the first builds images and deploys.
.PHONY: test-cluster
test-cluster: .venv/ready ## run the tests that need a cluster: the one of KUBECONFIG, else `make cluster`
	@set -e; if [ -z "$$KUBECONFIG" ]; then $(CLUSTER) up; eval "$$($(CLUSTER) env)"; fi; \
	$(BIN)/python -m pytest -o timeout_func_only=true tests/cluster

COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate \
  --no-header --python-version 3.11

# Of the Kubernetes client's asynchronous twin, and of the framework's: the functions import none of them. pycparser
# only serves those who compile with cffi; the sidecar knows no time zone.
LEFT_OUT := aiohappyeyeballs aiohttp aiohttp-retry aiosignal anyio attrs durationpy frozenlist h11 multidict propcache \
  pycparser starlette uvicorn uvicorn-worker watchdog websocket-client yarl
LEFT_OUT_OF_SIDECAR := pycparser tzdata

.PHONY: lock
lock: .venv/ready ## resolve the newest allowed versions into requirements.lock, and each image's part of them
	$(COMPILE) pyproject.toml --upgrade --extra dev -o requirements.lock
	$(COMPILE) pyproject.toml --constraint requirements.lock --extra functions \
	  $(addprefix --no-emit-package ,$(LEFT_OUT)) -o images/functions/requirements.lock
	$(COMPILE) pyproject.toml --constraint requirements.lock \
	  $(addprefix --no-emit-package ,$(LEFT_OUT_OF_SIDECAR)) -o images/sidecar/requirements.lock
	$(COMPILE) images/development/requirements.in --constraint requirements.lock -o images/development/requirements.lock
	@$(MAKE) --no-print-directory .venv/ready
	$(BIN)/python -m scripts.licences

.PHONY: audit
audit: .venv/ready ## ask osv.dev for known vulnerabilities of all pinned packages
	@sh scripts/audit.sh

.PHONY: clean
clean: ## remove the virtual environment and caches (not the embedded edition's data)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
