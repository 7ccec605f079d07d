# Everything a developer and CI run. `make serve` and `make test` work on a fresh machine with Python 3.11 or later.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
HOST ?= 127.0.0.1
PORT ?= 8000

.DEFAULT_GOAL := help
.PHONY: help serve test check lint types imports unit test-ray format bench walkthrough lock image-check clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-11s %s\n", $$1, $$2}'

serve: $(VENV)/.serve ## Build the environment and serve on HOST:PORT (127.0.0.1:8000)
	$(BIN)/skelmap serve --host $(HOST) --port $(PORT)

test: lint types imports unit ## Everything CI runs: format and lint, types, import rules, tests

check: test ## The same under another name

lint: $(VENV)/.test ## Formatting and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.test ## Strict types
	$(BIN)/mypy

imports: $(VENV)/.test ## Who may import whom
	$(BIN)/lint-imports

unit: $(VENV)/.test ## Tests
	$(BIN)/pytest -n auto

test-ray: $(VENV)/.test ## The long tests of Ray as well: lost nodes, processes and drivers; minutes, 2 GB
	$(BIN)/pytest -m ray --log-cli-level INFO

format: $(VENV)/.test ## Rewrite files in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.test ## Ratios against the peers, from one run on this machine
	$(INSTALL) --no-deps rtmlib==0.0.16
	$(BIN)/python -m benchmarks.stages
	$(BIN)/python -m benchmarks.people

walkthrough: $(VENV)/.train ## Both stages of distillation in small, on the annotated photos in DATA=FOLDER
	@test -n "$(DATA)" || { echo 'DATA=FOLDER is needed: a folder with train.json, val.json and the photos'; exit 2; }
	$(BIN)/python -m training.walkthrough "$(DATA)"

lock: $(VENV)/.test ## The image's lock files again, after a change of pyproject.toml or constraints.txt
	$(INSTALL) uv
	$(BIN)/python deploy/image/lock.py

image-check: $(VENV)/.test ## Build and run the container image in a fresh Debian root; as root, with debootstrap
	$(BIN)/pytest -m image

clean: ## Remove the environment and every cache
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

$(VENV)/.serve: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable '.[cpu]'
	touch $@

$(VENV)/.train: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable '.[cpu,train]'
	touch $@ $(VENV)/.serve

$(VENV)/.test: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable '.[cpu,controlnet,ray,telemetry,train,test]'
	touch $@ $(VENV)/.serve $(VENV)/.train
