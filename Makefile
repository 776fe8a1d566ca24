# `make app` opens the dashboard, `make test` runs the checks; both install everything they need into a fresh clone.
# Needs make and Python 3.11 or newer. Everything created here is in .venv and .cache.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PORT ?= 8866
BIN := .venv/bin

# Stamp files, newer than the files they depend on, so that a second run installs nothing.
INSTALLED := .venv/.installed
BROWSER := .venv/.browser
TORCH := .cache/torch
TORCH_INSTALLED := $(TORCH)/.installed

# Compiled JAX functions are kept between test runs.
export JAX_COMPILATION_CACHE_DIR ?= $(CURDIR)/.cache/jax
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS ?= 0

.PHONY: help app classroom lab site handouts test test-full test-torch check-format lint types audit unit notebooks format docs docs-version lock thumbnails words plotly clean

help:
	@echo "make app     open the dashboard (PORT=$(PORT))"
	@echo "make classroom  open the dashboard for a class: light kernels, one engine for all"
	@echo "make lab     open the notebooks in JupyterLab"
	@echo "make site    write the course as plain files into .cache/site (ADDRESS=https://... is where they will be found, LANGUAGES=en,zh in which languages)"
	@echo "make handouts  write a handout and slides of each chapter as PDF into .cache/handouts"
	@echo "make test    run the checks that every change must pass"
	@echo "make test-full  run further cases of these checks"
	@echo "make test-torch  test nv.trace with PyTorch, which is installed apart"
	@echo "make format  format the code"
	@echo "make docs    build the documentation into .cache/docs"
	@echo "make docs-version  add this version's documentation to those in VERSIONS=.cache/versions"
	@echo "make lock    regenerate requirements.lock from pyproject.toml"
	@echo "make thumbnails  redraw the cards of the home page"
	@echo "make words  bring the catalogues of translations up to date, and say what they lack"
	@echo "make plotly  regenerate the plotly.js of the pages (needs npm)"
	@echo "make clean   remove everything that make created"

$(INSTALLED): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "ntkviz needs Python 3.11 or newer: install it, or run make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Installing ntkviz into .venv (once; a few minutes) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(BROWSER): $(INSTALLED)
	@$(BIN)/python tests/browser/install.py
	@touch $@

app: $(INSTALLED)
	@$(BIN)/python -m ntkviz.app.serve notebooks --port=$(PORT) --Dashboard.stored=.cache/chapters

classroom: $(INSTALLED)
	@$(BIN)/python -m ntkviz.app.classroom notebooks --port=$(PORT) --Dashboard.stored=.cache/chapters

lab: $(INSTALLED)
	@$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) \
		--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate notebooks

# A PDF of each chapter's steps to hand out, and one to show.
handouts: site $(BROWSER)
	@$(BIN)/python tests/browser/handouts.py .cache/site .cache/handouts

# What is known of each chapter is kept in .cache/chapters until the chapter or the code that it uses changes; the dashboard
# shows it to readers before they have a kernel.
site: $(INSTALLED)
	@$(BIN)/python -m ntkviz site .cache/site --cache=.cache/chapters --address=$(ADDRESS) --live=$(LIVE) \
		--languages=$(LANGUAGES)

# Checks that read the code use one processor each; the audit and the installation of a browser wait for the network.
test: $(INSTALLED)
	@$(MAKE) --jobs=3 check-format lint types audit $(BROWSER)
	@$(MAKE) unit notebooks

check-format: $(INSTALLED)
	$(BIN)/ruff format --check .

lint: $(INSTALLED)
	$(BIN)/ruff check .

types: $(INSTALLED)
	$(BIN)/mypy

# Fails on known vulnerabilities in dependencies; if the service cannot be reached, only reports that.
audit: $(INSTALLED)
	@$(BIN)/python tests/audit.py

# Tests compile thousands of functions and call each only a few times: without XLA's optimisations they take two thirds
# of the time. Tests that sample wide networks would take three times as long without any optimisation.
unit test-full notebooks: export XLA_FLAGS := --xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false

WIDE = $$(grep -rl --include="test_*.py" "mark\.wide" tests)

# The last tests, which run alone on the machine, check that the dashboard answers within a second. Workers take single
# tests from each other (worksteal): if they took whole files, one would wait for the other's last file. In the browser
# they take all tests of a chapter, for which its page is opened once (loadscope).
unit: $(INSTALLED) $(BROWSER)
	$(BIN)/pytest -m "not browser and not wide and not full" --numprocesses=2 --dist=worksteal
	XLA_FLAGS="$$XLA_FLAGS --xla_backend_optimization_level=1" $(BIN)/pytest -m "wide and not full" $(WIDE) \
		--numprocesses=2 --dist=worksteal
	$(BIN)/pytest tests/browser -m "not wide and not alone and not full" --numprocesses=2 --dist=loadscope
	XLA_FLAGS= $(BIN)/pytest tests/browser -m "alone and not full"

# Further architectures, models and seeds of checks of which `make test` runs some cases (tests/selection.py).
test-full: $(INSTALLED) $(BROWSER)
	$(BIN)/pytest -m "full and not browser and not wide" --numprocesses=2 --dist=worksteal
	XLA_FLAGS="$$XLA_FLAGS --xla_backend_optimization_level=1" $(BIN)/pytest -m "wide and full" $(WIDE) \
		--numprocesses=2 --dist=worksteal
	$(BIN)/pytest tests/browser -m "full and not wide" --numprocesses=2 --dist=loadscope

# Every notebook runs from top to bottom in a fresh kernel without an error.
notebooks: $(INSTALLED)
	$(BIN)/pytest --nbval-lax notebooks --numprocesses=2 --dist=loadfile

# PyTorch is too large for every checkout: it has an environment of its own, which also sees the packages in .venv.
$(TORCH_INSTALLED): $(INSTALLED) requirements-torch.txt
	@echo "Installing PyTorch into $(TORCH) ..."
	@test -x $(TORCH)/bin/python || $(BIN)/python -m venv $(TORCH)
	@path='import sysconfig; print(sysconfig.get_path("purelib"))'; \
	echo "import site; site.addsitedir('$$($(BIN)/python -c "$$path")')" > "$$($(TORCH)/bin/python -c "$$path")/ntkviz.pth"
	@$(TORCH)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-torch.txt
	@touch $@

test-torch: export XLA_FLAGS := --xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false
test-torch: $(TORCH_INSTALLED)
	$(TORCH)/bin/python -m pytest -o addopts="--strict-markers --strict-config -ra" tests/tracing/pytorch

format: $(INSTALLED)
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

docs: $(INSTALLED)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "Open .cache/docs/index.html in a browser."

# Beside the documentation of earlier versions, in a folder that a web server can publish as it is.
docs-version: VERSIONS ?= .cache/versions
docs-version: $(INSTALLED)
	@version=$$($(BIN)/python -c 'from importlib import metadata; print(metadata.version("ntkviz"))'); \
	NTKVIZ_DOCS_MENU=mike NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --site-dir "$(abspath $(VERSIONS))/$$version"
	@$(BIN)/python docs/versions.py $(VERSIONS)

COMPILE = $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links
COURSE = --extra app --extra cluster --extra flax --extra equinox --extra haiku --group build

# Binder installs what the course needs of it, without the tools of the tests.
lock: $(INSTALLED)
	@$(COMPILE) --upgrade $(COURSE) --extra tinygp --extra test pyproject.toml -o requirements.lock
	@echo "# What the course needs of ../requirements.lock; \`make lock\` writes both." > binder/requirements.txt
	@$(COMPILE) --no-annotate $(COURSE) pyproject.toml -c requirements.lock >> binder/requirements.txt

thumbnails: $(INSTALLED)
	@$(BIN)/python -m ntkviz.app.thumbnails

words: $(INSTALLED)
	@$(BIN)/python -m ntkviz.app.translation.update

# The dashboard's plots need only a third of plotly.js, in the version that the locked plotly uses.
plotly: VENDOR := ntkviz/app/static/vendor
plotly: $(INSTALLED)
	@version=$$($(BIN)/python -c 'import plotly.offline; print(plotly.offline.get_plotlyjs_version())'); \
	cd $(VENDOR) && npm pack --silent plotly.js-cartesian-dist-min@$$version && \
	tar xzf *.tgz --strip-components=1 package/plotly-cartesian.min.js package/LICENSE && rm *.tgz && mv LICENSE plotly.LICENSE

clean:
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
