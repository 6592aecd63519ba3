# `make` alone prints this list.
.DEFAULT_GOAL := help
SHELL := bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Some machines export this; without byte code every import takes three times as long.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install run test journeys long check lint types rules release reproduce docs site bench bench-deploy bench-cluster bench-walk simulate soak fuzz models tables spark bounds mutants examples requirements clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(READY) ## make .venv with everything that is needed
$(READY): engine/requirements/dev.txt engine/pyproject.toml $(wildcard engine/walk/*.[ch]) engine/walk/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed (make PYTHON=python3.12)")'
	@echo "making $(VENV) (once, about a minute)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -oE '^uv==[^ ]+' engine/requirements/dev.txt)"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode --requirement engine/requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable engine
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --reinstall engine/walk
	@touch $@

run: $(READY) ## run the reference pipeline on real data
	@$(BIN)/waypost run pipeline

BUMP := auto
FOLDER := .

# What was typed reaches the shell as variables: it is no part of a command.
export BUMP FOLDER TARGET
release: $(READY) ## cut and push a release: make release BUMP=auto [FOLDER=components-repo|engine]
	@$(BIN)/waypost release "$$BUMP" --folder "$$FOLDER" --push

reproduce: $(READY) ## execute a release from its tag and compare: make reproduce TARGET=URL@VERSION
	@$(BIN)/waypost reproduce "$$TARGET"

test: $(READY) ## run the tests (some minutes; the slow ones are `make journeys`)
	@cd engine && ../$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not journey"
	@cd components-repo && ../$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not journey"

journeys: $(READY) ## run the slow tests: releases, bundles, workflows, broken servers
	@cd engine && ../$(BIN)/python -m pytest -n 2 --dist loadgroup -m "journey and not long"
	@cd components-repo && ../$(BIN)/python -m pytest -n 2 --dist loadgroup -m journey

long: $(READY) ## the longest journeys, which CI runs beside `make check`: our own workflows, killed servers, W&B, S3
	@cd engine && ../$(BIN)/python -m pytest -n 2 --dist loadgroup -m long

fuzz: $(READY) ## attempt 5,000 hostile trees, bundles, models, bodies and texts each (`make check`: 300 each)
	@cd engine && FUZZ_CASES=5000 ../$(BIN)/python -m pytest -n 2 -m journey tests/test_fuzz_*.py

models: $(READY) ## ask random models of every kind about 2,000 random tables each (a quarter of an hour)
	@cd engine && RANDOM_TABLES=2000 ../$(BIN)/python -m pytest -n 2 --timeout 0 tests/test_random_models.py

tables: $(READY) ## two large tables from a file to a server, by configuration alone (some minutes)
	@cd engine && ../$(BIN)/python -m pytest tests/slow_tables.py

build/spark: $(READY)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --target $@ pyspark

spark: build/spark ## a promoted model on Spark, as docs/spark.md has it (a minute; needs Java)
	@cd engine && PYTHONPATH="$(abspath build/spark)" ../$(BIN)/python -m pytest tests/slow_spark.py

MUTANTS := VIRTUAL_ENV=../$(VENV) ../$(BIN)/uv run --active --no-project --with mutmut==3.8.1 python -m tests.mutants

mutants: $(READY) ## change the rules one at a time: which change does no unit test notice? (an hour; 95 % is the floor)
	@mkdir -p engine/build && cd engine && $(MUTANTS) run >build/mutants.log 2>&1 && $(MUTANTS) score

lint: $(READY) ## style, types, import contracts, workflows, forms, locks, records: about a minute
	@$(MAKE) --no-print-directory --jobs=2 types rules

types: $(READY) ## the half of `make lint` that mypy does
	@cd engine && ../$(BIN)/mypy
	@cd components-repo && ../$(BIN)/mypy

rules: $(READY) ## the other half: style, documentation, import contracts, workflows, forms, locks, records
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@cd components-repo && ../$(BIN)/python -m docs.component_tables --check
	@cd engine && ../$(BIN)/python -m docs.verbs --check
	@cd engine && ../$(BIN)/python -m docs.pictures --check
	@cd engine && ../$(BIN)/python -m docs.python_api --check
	@cd engine && ../$(BIN)/python -m docs.site
	@cd engine && ../$(BIN)/python -m docs.rules --check
	@cd engine && ../$(BIN)/python -m docs.schemas --check
	@cd engine && ../$(BIN)/lint-imports --no-cache
	@cd engine && ../$(BIN)/python -m pytest -q --no-header tests/unit/test_house.py
	@PRE_COMMIT_HOME=$(VENV)/pre-commit $(BIN)/pre-commit run --all-files
	@$(BIN)/waypost release check-records
	@$(BIN)/waypost release check-records -C components-repo
	@$(BIN)/waypost release check-records -C engine
	@$(BIN)/waypost check components-repo

# Fast tests and journeys at once: they are collected once, and no core waits for the last one of a part.
check: lint ## all that a change has to pass: lint, types, imports, workflows, records, tests, coverage
	@cd engine && ../$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not long" --cov --cov-report=
	@cd components-repo && ../$(BIN)/python -m pytest -n 2 --dist loadgroup
	@cd engine && ../$(BIN)/coverage report

docs: $(READY) ## write what follows from the code: the tables of the components' READMEs, docs/verbs.md, docs/rules.md, docs/schemas, docs/python-api.md, pictures
	@cd engine && for page in verbs rules schemas pictures python_api; do ../$(BIN)/python -m docs.$$page || exit 1; done
	@cd components-repo && ../$(BIN)/python -m docs.component_tables && ../$(BIN)/python -m docs.component_schemas

site: $(READY) ## build the documentation as a site: build/site/index.html
	@cd engine && ../$(BIN)/python -m docs.site

bench: $(READY) ## measure Waypost and its peers side by side, write engine/benchmarks/RESULTS.md (some 15 minutes)
	@cd engine && ../$(BIN)/python -m benchmarks.bench

bench-deploy: $(READY) ## measure serving and scoring beside their peers (some 15 minutes; needs wrk)
	@cd engine && ../$(BIN)/python -m benchmarks.deploy

ROWS := 10000000

FORM := parquet

bench-cluster: $(READY) ## two workers of a cluster against one, what dies on the way, warm steps: make bench-cluster [ROWS=10000000] [FORM=parquet|csv] (eight minutes)
	@cd engine && ../$(BIN)/python -m benchmarks.cluster --rows $(ROWS) --form $(FORM)
	@cd engine && ../$(BIN)/python -m benchmarks.cluster_steps

bench-walk: $(READY) ## measure the walk through a forest: extension, ONNX Runtime, scikit-learn (a minute)
	@cd engine && ../$(BIN)/python -m benchmarks.walk

simulate: $(READY) ## thousands of steps and hundreds of workers in simulated time: figures, and docs/scaling.svg (a minute)
	@cd engine && ../$(BIN)/python -m benchmarks.simulate

MINUTES := 60

soak: $(READY) ## a server under mixed load for an hour, and what it holds on to: make soak [MINUTES=60]
	@cd engine && ../$(BIN)/python -m benchmarks.soak --minutes $(MINUTES)

examples: $(READY) ## write the data of pipeline/examples anew
	@$(BIN)/python pipeline/examples/make_data.py

RESOLUTION := lowest-direct

bounds: $(READY) ## run the tests with the lowest allowed dependencies, or the newest: make bounds RESOLUTION=highest
	@$(BIN)/python engine/requirements/bounds.py $(RESOLUTION) build/bounds
	@cd engine && ../build/bounds/bin/python -m pytest -n 2 --dist loadgroup -m "not journey"

UPGRADE := --upgrade

requirements: $(READY) ## move all locks to the newest versions, the library's first; UPGRADE= keeps them and adds what is new
	@$(MAKE) --no-print-directory -C components-repo requirements UV="$(abspath $(BIN))/uv" UPGRADE=$(UPGRADE)
	@$(BIN)/python engine/requirements/compile.py $(UPGRADE)

clean: ## remove .venv and what tools left behind
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist engine/build engine/src/*.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
