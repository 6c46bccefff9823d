# Lookalike. `make help` lists the targets; all of them are safe to repeat.
#
# SIMD=1  Pillow-SIMD in Pillow's place (0 puts Pillow back)     GPU=1  faiss-gpu and a CUDA torch instead of faiss-cpu
# Said once to `make setup`, they stay until said otherwise.

SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
STAMPED := $(notdir $(wildcard $(VENV)/.setup-*))
SIMD ?= $(if $(findstring simd1,$(STAMPED)),1,0)
GPU ?= $(if $(findstring gpu1,$(STAMPED)),1,0)
STAMP := $(VENV)/.setup-simd$(SIMD)-gpu$(GPU)
PILLOW_SIMD := $(shell sed -n 's/^pillow-simd==//p' constraints.txt)

PHOTOS ?=
DATA ?= ./data
PORT ?= 8000
CHECK ?=
ARGS ?=
export PHOTOS DATA PORT
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
PIP := $(BIN)/python -m pip

BENCHMARKS := decode_simd batch_index http_search local_features local_codes local_index vision_models meaning_quality text_search words filters indexing_again duplicates duplicate_pairs start_stop judgement judgement_fit sentences overload

.PHONY: help setup demo serve test soak lint check quick-tests format bench docs-pictures clean

help: ## list the targets
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' Makefile | expand -t 24
	@echo
	@echo "  make demo PHOTOS=~/Pictures DATA=./data PORT=8000    your own photos; CHECK=1: try every kind of search and leave"
	@echo "  make setup SIMD=1                                    Pillow-SIMD in Pillow's place (SIMD=0: back again)"
	@echo "  make setup GPU=1                                     faiss-gpu and a CUDA torch"
	@echo "  make test ARGS='-k phash'                            arguments for pytest"

setup: $(STAMP) ## the virtual environment .venv with every dependency, at the pinned versions

$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@rm -f $(VENV)/.setup-*
	@$(if $(filter 1,$(SIMD)),$(check_simd_headers))
	@# Pillow and Pillow-SIMD share the folder PIL/, the two faiss wheels the folder faiss/: the old one goes before the new one comes.
	@$(PIP) uninstall --quiet --yes pillow-simd $(if $(filter 1,$(GPU)),faiss-cpu,faiss-gpu) 2>/dev/null || true
	@echo "installing the dependencies into $(VENV) (the first time takes a few minutes)"
	@$(PIP) install --quiet --no-compile -c constraints.txt -e '.[$(if $(filter 1,$(GPU)),gpu,cpu),semantic,int8,ocr,learned-descriptors,raw,dev]'
	@$(if $(filter 1,$(SIMD)),$(install_simd))
	@# With every core, once, rather than by each process that imports a package; some packages hold files of other Pythons.
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib/python3*/site-packages >/dev/null 2>&1 || true
	@touch $@
	@echo "ready: $(BIN)/lookalike --help"

$(BIN)/python:
	@for python in python3.11 python3.12 python3.13 python3; do \
	    $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	    exec $$python -m venv $(VENV); \
	done; \
	echo "No Python 3.11 or newer with the venv module was found (on Debian and Ubuntu: apt install python3 python3-venv)." >&2; exit 1

define check_simd_headers
printf '#include <stddef.h>\n#include <stdio.h>\n#include <jpeglib.h>\n#include <zlib.h>\n' | $(CC) -E - >/dev/null 2>&1 || { \
    echo "Pillow-SIMD is built from source and needs a C compiler and the headers of libjpeg and zlib." >&2; \
    echo "On Debian and Ubuntu: apt install gcc libjpeg-dev zlib1g-dev (see docs/getting-started.md for more formats)." >&2; \
    exit 1; }
endef

define install_simd
echo "building Pillow-SIMD $(PILLOW_SIMD) from source"; \
$(PIP) uninstall --quiet --yes pillow; \
CC="$(CC)$(if $(shell grep -m1 -o -w avx2 /proc/cpuinfo 2>/dev/null), -mavx2)" \
    $(PIP) install --quiet --no-cache-dir --no-deps --no-binary pillow-simd pillow-simd==$(PILLOW_SIMD) || { \
    $(PIP) install --quiet -c constraints.txt pillow; \
    echo "Pillow-SIMD could not be built (the reason is above); Pillow is back in its place." >&2; exit 1; }; \
$(BIN)/python -c 'from PIL import features as f; \
    packages = {"webp": "libwebp-dev", "libtiff": "libtiff-dev", "littlecms2": "liblcms2-dev", "avif": "libavif-dev"}; \
    missing = [name for name in packages if not f.check(name)]; \
    print("Pillow-SIMD was built without", ", ".join(missing), "(no headers): pictures that need it are refused as unsupported.") if missing else None; \
    print("On Debian and Ubuntu: apt install", *map(packages.get, missing), "&& make -B setup SIMD=1") if missing else None'
endef

demo: setup ## start the service, index PHOTOS (default: sample photographs), say what to try, open the page
	@$(BIN)/python -m graph.cli.demo --photos "$$PHOTOS" --data "$$DATA" --port "$$PORT" $(if $(filter-out 0,$(CHECK)),--check)

serve: setup ## start the service on PORT with the data in DATA, until Ctrl-C
	@$(BIN)/lookalike serve --data "$$DATA" --port "$$PORT"

test: setup ## the whole test suite (ARGS: arguments for pytest)
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

soak: setup ## minutes of load and deaths (ARGS: arguments for pytest)
	@$(BIN)/python -m pytest --soak $(ARGS) tests

lint: setup ## format, lint and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

check: setup ## format, lint, types and the quick unit tests, the types beside the tests
	@$(MAKE) --jobs 2 --output-sync=target lint quick-tests

quick-tests: setup
	@$(BIN)/python -m pytest --quiet -n 2 --dist worksteal -m "not slow" tests/unit

format: setup ## put the code into the project's format, and make the async client anew from the blocking one
	@$(BIN)/python -m lookalike_client.generate
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup ## every benchmark, beside its baseline; results in benchmarks/results/
	@set -e; for name in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$name; done

docs-pictures: setup ## the pictures of docs/how-it-works.md, drawn by the code that they show
	@$(BIN)/python -m docs.pictures.draw

clean: ## remove what make and the tools made (.venv, build/, caches); never photos or data
	@rm -rf $(VENV) {.,lookalike_client}/{build,*.egg-info} .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
