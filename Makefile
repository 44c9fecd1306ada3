# Everything happens in .venv, which `.ci/setup` makes and keeps up to date; nothing needs to be activated.
#
#   ARGS    passed on: make train ARGS="task=plug", make test ARGS="-k geometry"
#   PYTHON  the interpreter that .venv is made from: make setup PYTHON=python3.12
#   WORKERS test processes, 2 unless told

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
WORKERS ?= 2
ARGS ?=
BIN := .venv/bin

export PYTHON
# A sourced ROS installation must not leak into the environment.
unexport PYTHONPATH PYTHONHOME
# Found out by the set-up, see .ci/setup; what the caller chose wins.
export MUJOCO_GL ?= $(shell cat .venv/mujoco_gl 2>/dev/null)

# One thread a process: the test processes share the cores already.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1

.PHONY: help setup train test lint format typecheck check clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: ## make .venv, or bring it up to date
	@bash .ci/setup

train: setup ## set up, then train the peg in a graph of ROS 2 processes; ARGS are passed on: ARGS="task=plug seed=1"
	$(BIN)/robot-rl up train_peg $(ARGS)

test: setup lint typecheck ## set up, then lint, check types and run the tests
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

lint: setup ## ruff: rules and format, changing nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup ## ruff: format, and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

typecheck: setup ## mypy
	$(BIN)/mypy

check: lint typecheck ## lint and types, without the tests

clean: ## remove .venv and every cache
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
