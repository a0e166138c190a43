# The commands of this repository; `make help` lists them.
# Each makes the virtual environment if it is missing, and mends it when what it is made from has changed.

PYTHON ?= python3
VENV ?= .venv
SWEEP ?= norm=bn,none opt=sgd,adam
ARGS ?=
SITE ?= site

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
EXTRAS := tests/third_party/ablate-extras
WRAPPERS := tests/third_party/ablate-pytorch-optimizer tests/third_party/ablate-timm

.DEFAULT_GOAL := help
.PHONY: help sweep test ray lint docs bench alarms notebooks release constraints oldest clean

help: ## list the commands
	@sed -nE 's/^([a-z]+):.*## /\1\t/p' Makefile | expand -t 14

sweep: $(VENV)/.installed ## train the four arms of norm=bn,none opt=sgd,adam; SWEEP="…" for others
	$(BIN)/python -m ablate -m $(SWEEP)

test: $(VENV)/.installed-launchers $(VENV)/.installed-extras $(VENV)/.installed-wrappers ## run the tests; ARGS="-k norm" goes to pytest
	PYTHONPATH=$(abspath $(VENV)/extras) $(BIN)/python -m pytest -n auto $(ARGS)

ray: $(VENV)/.installed-ray ## install Ray, 240 MB, and test sweeps on clusters of it
	$(BIN)/python -m pytest tests/test_ray.py $(ARGS)

lint: $(VENV)/.installed ## check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed-docs ## build the site of docs/ into site/; what is not right there, a dead link for one, fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --site-dir $(SITE)
	@echo "To read it: python3 -m http.server --directory $(SITE)"

bench: $(VENV)/.installed ## measure speed and memory, and write docs/performance.md; ARGS="--quick" to try it
	$(BIN)/python -m benchmarks.performance $(ARGS)

alarms: $(VENV)/.installed ## count how often the statistics call an effect where there is none
	$(BIN)/python benchmarks/false_alarms.py $(ARGS)

notebooks: $(VENV)/.installed ## execute the tutorials and write them with their outputs; ARGS="batch_normalisation" for one
	$(BIN)/python -m tests.notebooks $(ARGS)

release: $(VENV)/.installed ## build and check both files of a release, date the changelog; VERSION=0.2.0 for the next one
	$(BIN)/python -m release $(VERSION)

constraints: ## renew constraints.txt: the newest versions that pyproject.toml allows, torch aside
	scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	grep '^torch==' constraints.txt > "$$scratch/torch.txt" && \
	$(PYTHON) -m venv "$$scratch/venv" && \
	"$$scratch/venv/bin/pip" install --quiet --editable '.[dev,docs,hub,launchers,ray]' --constraint "$$scratch/torch.txt" && \
	"$$scratch/venv/bin/pip" install --quiet --no-deps pytorch_optimizer timm torchvision==0.28.0 && \
	"$$scratch/venv/bin/pip" freeze --exclude-editable | sed 's/+cpu$$//' > "$$scratch/pins.txt" && \
	{ grep '^#' constraints.txt; cat "$$scratch/pins.txt"; } > "$$scratch/new.txt" && \
	cp "$$scratch/new.txt" constraints.txt

oldest: ## renew constraints-oldest.txt: the oldest versions that pyproject.toml allows, torch aside
	scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	grep '^torch==' constraints.txt > "$$scratch/torch.txt" && \
	$(PYTHON) -m venv "$$scratch/venv" && "$$scratch/venv/bin/pip" install --quiet uv && \
	"$$scratch/venv/bin/uv" pip compile --quiet --resolution lowest-direct --python-version 3.11 --no-header \
		--no-annotate --constraint "$$scratch/torch.txt" --extra test pyproject.toml > "$$scratch/pins.txt" && \
	{ grep '^#' constraints-oldest.txt; grep -vE '^(cuda|nvidia|triton)' "$$scratch/pins.txt"; } > "$$scratch/new.txt" && \
	cp "$$scratch/new.txt" constraints-oldest.txt

clean: ## remove the environment, builds and caches; outputs/ stays
	rm -rf .venv build dist site *.egg-info
	for folder in $(EXTRAS) $(WRAPPERS); do rm -rf $$folder/build $$folder/*.egg-info; done
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find ablate plugins conf tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV): a minute or two, once."
	@$(PIP) --editable '.[dev]' --constraint constraints.txt
	@touch $@

$(VENV)/.installed-launchers: $(VENV)/.installed
	@$(PIP) --editable '.[dev,hub,launchers]' --constraint constraints.txt
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	@$(PIP) --editable '.[dev,docs]' --constraint constraints.txt
	@touch $@

$(VENV)/.installed-ray: $(VENV)/.installed
	@$(PIP) --editable '.[dev,hub,launchers,ray]' --constraint constraints.txt
	@touch $@

# Somebody else's plugin, installed as a person would install it, but into a folder of its own: the tests see it, and
# nothing else does. A build folder left behind would keep modules that have been renamed.
$(VENV)/.installed-extras: $(VENV)/.installed $(EXTRAS)/pyproject.toml $(wildcard $(EXTRAS)/*.py $(EXTRAS)/*/*.yaml)
	rm -rf $(EXTRAS)/build $(VENV)/extras
	@$(PIP) --no-deps --target $(VENV)/extras ./$(EXTRAS)
	@touch $@

# Libraries of hundreds of techniques and the few lines that wrap each. In one more folder, which tests/test_wrappers.py
# alone looks into: to import them takes seconds. Without what they depend on, so that torch stays the one that is pinned.
$(VENV)/.installed-wrappers: $(VENV)/.installed $(foreach folder,$(WRAPPERS),$(wildcard $(folder)/*.toml $(folder)/*.py))
	rm -rf $(addsuffix /build,$(WRAPPERS)) $(VENV)/wrappers
	@$(PIP) --no-deps --target $(VENV)/wrappers --constraint constraints.txt \
		pytorch_optimizer timm torchvision $(addprefix ./,$(WRAPPERS))
	@touch $@
