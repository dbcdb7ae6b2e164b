# PYTHON makes the virtual environment, PORT is where the service of `make demo` answers, ROUNDS is for `make benchmark`.
PYTHON ?= python3
ROUNDS ?= 5
DEMO = build/my-service
TEMPLATE = '{{cookiecutter.project_slug}}' hooks cookiecutter.json
CODE = hooks tests docs benchmarks local_extensions.py

# Projects are installed by the uv of .venv, several times faster than by pip, from the index that pip would use.
UV_DEFAULT_INDEX ?= $(or $(PIP_INDEX_URL),$(shell .venv/bin/python -m pip config get global.index-url 2>/dev/null))
UV_PYTHON_DOWNLOADS = never
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export UV_DEFAULT_INDEX UV_PYTHON_DOWNLOADS

# Packages belong into .venv, whatever a pip.conf or the environment says.
export PIP_USER = no
unexport PIP_PREFIX PIP_ROOT PIP_TARGET

.PHONY: help demo newest test lint check format lock benchmark picture

help: ## this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

demo: .venv/installed ## a project with the default answers in build/, running on http://127.0.0.1:7000 (PORT=7001)
	@if [ ! -d $(DEMO) ]; then \
		.venv/bin/cookiecutter --no-input --default-config --output-dir build . && touch build/generated; \
	elif [ -n "$$(find $(TEMPLATE) -type f -newer build/generated | grep -v -e _cache/ -e __pycache__)" ]; then \
		echo 'The template has changed since $(DEMO) was generated; to start afresh: rm -r $(DEMO)'; \
	fi
	@exec $(MAKE) --no-print-directory --directory $(DEMO) run

newest: .venv/installed ## the checks of a project in build/newest, with the newest versions of everything that it allows
	rm -rf build/newest
	.venv/bin/cookiecutter --no-input --default-config --output-dir build/newest .
	$(MAKE) --directory build/newest/my-service upgrade
	$(MAKE) --directory build/newest/my-service check  # which installs what `upgrade` has pinned

test: .venv/installed-dev ## all tests of the template, generated projects included
	.venv/bin/pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

lint: .venv/installed-dev ## format, lint and types of the template itself
	.venv/bin/ruff format --check $(CODE)
	.venv/bin/ruff check $(CODE)
	.venv/bin/mypy

check: lint test ## what CI runs

format: .venv/installed-dev ## format the code and repair what lint can repair
	.venv/bin/ruff format $(CODE)
	.venv/bin/ruff check --fix $(CODE)

COMPILE = .venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-annotate --custom-compile-command 'make lock'
# What docs/observability.md tells to add to a project, and the package that it warns of.
OBSERVABILITY = { sed -n 's/^+ *"\(.*>=[^"]*\)".*/\1/p' docs/observability.md; echo opentelemetry-instrumentation-sqlalchemy; }

# An environment for each version of Python, with the packages of a project and those of its peers.
BENCHMARK = build/benchmark-$(shell $(PYTHON) -c 'import platform; print(platform.python_version())')

benchmark: .venv/installed ## compares a service with others in docs/performance.md (ROUNDS=1, PYTHON=python3.13)
	@$(MAKE) --no-print-directory $(BENCHMARK)/installed
	@rm -rf $(BENCHMARK)/my-service
	@.venv/bin/cookiecutter --no-input --default-config --output-dir $(BENCHMARK) . >/dev/null
	@cd $(BENCHMARK)/my-service && PYTHONPATH=$(CURDIR) ../bin/python -m chassis.dev.postgres temporary -- \
		../bin/python -m benchmarks . $(ROUNDS)

build/benchmark-%/installed: benchmarks/requirements.txt
	@echo 'Installing benchmarks/requirements.txt into $(@D)'
	@.venv/bin/uv venv --quiet --clear --python $(PYTHON) $(@D)
	@.venv/bin/uv pip install --quiet --compile-bytecode --require-hashes --python $(@D)/bin/python -r $<
	@touch $@

lock: .venv/installed ## requirements*.txt anew from pyproject.toml, for all platforms
	$(COMPILE) pyproject.toml --output-file requirements.txt
	$(COMPILE) pyproject.toml --group dev --constraint requirements.txt --output-file requirements-dev.txt
	$(COMPILE) --group clients --output-file tests/clients/requirements.txt
	$(COMPILE) --group pyproject.toml:benchmark '{{cookiecutter.project_slug}}/requirements.txt' \
		--constraint '{{cookiecutter.project_slug}}/requirements-dev.txt' --output-file benchmarks/requirements.txt
	$(OBSERVABILITY) | $(COMPILE) - --constraint '{{cookiecutter.project_slug}}/requirements-dev.txt' \
		--output-file tests/observability.txt

picture: .venv/installed-dev ## docs/images/session.svg, recorded from a new session in a terminal
	.venv/bin/python docs/record_session.py

# From scratch, with the interpreter that $(PYTHON) is based on: $(PYTHON) may be the one in .venv.
.venv/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo 'Python 3.11 or newer is needed: name one, like in make demo PYTHON=python3.13' >&2; exit 1; }
	@echo 'Installing requirements.txt into .venv'
	@set -e; python=$$($(PYTHON) -c 'import os, sys; print(os.path.realpath(sys.executable))'); rm -rf .venv; \
		"$$python" -m venv .venv; \
		.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.venv/installed-dev: .venv/installed requirements-dev.txt
	@echo 'Installing requirements-dev.txt into .venv'
	@.venv/bin/uv pip install --quiet --require-hashes --python .venv/bin/python -r requirements-dev.txt
	@touch $@
