# `make` alone lists the targets.
PYTHON ?=
export PYTHON
BIN := .venv/bin
# Two workers at least: tests wait for processes and sockets more than they compute.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); [ $$n -gt 2 ] && echo $$n || echo 3)
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/ready: requirements.lock pyproject.toml scripts/venv.sh
	@sh scripts/venv.sh

.PHONY: demo
demo: .venv/ready ## run a real connector into a real table on this machine, and show the counts
	@$(BIN)/syncctl demo

.PHONY: serve
serve: .venv/ready ## run all functions, Postgres and the warehouse on this machine (port 3043) until Ctrl-C
	@$(BIN)/syncctl serve

.PHONY: test
test: .venv/ready ## run every test that needs no cluster
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

.PHONY: check
check: .venv/ready ## ruff, mypy strict, import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: .venv/ready ## let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: bench
bench: .venv/ready ## measure, as ratios in one run, and write bench/results/
	$(BIN)/python -m bench

.PHONY: lock
lock: .venv/ready ## resolve the newest allowed versions into requirements.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-annotate \
	  --no-header --extra dev --python-version 3.11 pyproject.toml -o requirements.lock

.PHONY: clean
clean: ## remove the virtual environment and caches (not the embedded edition's data)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
