# lunasite: `make demo` shows it, `make test` proves it. `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
PY := .venv/bin/python
PORT ?= 8000
# The CPU index named on PyTorch's install page; without it pip takes PyPI's torch, on Linux the CUDA build.
TORCH_INDEX ?=
PIP_INSTALL = $(PY) -m pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
SERVICES := .services/env
# The address that pages and mails name, unless SITE_URL says another.
ADDRESS = SITE_URL=$${SITE_URL:-http://localhost:$(PORT)}
# What `make services` started, if it did: engine, PostgreSQL, S3 server.
WITH_SERVICES := set -a; [ ! -f $(SERVICES) ] || . $(SERVICES); set +a;
FAST := not (engine or registry or s3 or browser or postgres or slow or realdata or training or image)
SLOW := slow and not (engine or registry or s3 or browser or postgres or realdata or training or image)

.PHONY: help demo run test fast slow lint format docs screenshots services stop-services bench chaos chaos-outages fuzz mutants lock sbom

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22

.venv/ready: requirements.txt constraints.txt requirements.lock
	@$(PYTHON) -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "lunasite needs Python 3.11 or newer with venv (Debian: python3-venv); say which: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(PIP_INSTALL) --require-hashes --no-deps -r requirements.lock
	$(PIP_INSTALL) -r requirements.txt  # torch, which the lock leaves out
	touch $@

.venv/ready-dev: .venv/ready requirements-training.txt requirements-tracing.txt requirements-dev.txt requirements-apart.txt
	$(PIP_INSTALL) -r requirements-dev.txt
	$(PIP_INSTALL) --no-deps -r requirements-apart.txt
	touch $@

demo: .venv/ready ## a site with made-up data: web and worker, no Docker needed
	DATA_DIR=$${DATA_DIR:-var/demo} LUNASITE_DEMO=1 LOG_LEVEL=$${LOG_LEVEL:-WARNING} $(ADDRESS) $(PY) manage.py start --demo --port $(PORT)

run: .venv/ready ## the real site: migrate, then web and workers until Ctrl-C
	$(ADDRESS) $(PY) manage.py start --port $(PORT)

test: .venv/ready-dev ## everything that can run here; what is skipped is listed with its reason
	@$(WITH_SERVICES) $(PY) .ci/test_suite

fast: .venv/ready-dev ## the part that needs no service and is not slow, about two minutes on two quiet cores
	PYTHONDONTWRITEBYTECODE= $(PY) -m pytest -q -n 2 --nomigrations -m "$(FAST)"

slow: .venv/ready-dev ## the rest of what needs no service: tests that each take long
	PYTHONDONTWRITEBYTECODE= $(PY) -m pytest -q -n 2 -m "$(SLOW)"

lint: .venv/ready-dev ## ruff, mypy, import-linter, djlint, actionlint
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy lunasite submissions inference leaderboard
	cd client && ../.venv/bin/mypy lunasite.py  # apart: it has the name of the site's own package
	.venv/bin/lint-imports --no-logo
	.venv/bin/djlint --quiet --check templates
	.venv/bin/djlint --quiet --lint templates
	.venv/bin/actionlint .github/workflows/*.yml
	$(PY) manage.py makemigrations --check --dry-run

format: .venv/ready-dev ## let ruff and djlint lay the code out
	.venv/bin/ruff check --fix --quiet . ; .venv/bin/ruff format --quiet .
	.venv/bin/djlint --quiet --reformat templates

docs: .venv/ready-dev ## the documentation as a site in site/; links checked, nothing from outside
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --quiet --strict
	$(PY) docs/site/check.py site

screenshots: .venv/ready-dev ## renew the pictures in docs/images: a demo of its own, light, dark and phone
	.ci/screenshots

services: .venv/ready-dev ## start engine, PostgreSQL and S3 server for the tests (needs root on a bare machine)
	.ci/services

stop-services: ## end what `make services` started
	.ci/services stop

bench: bench-statistics bench-coverage bench-leaderboard bench-csv bench-inference bench-containers bench-uploads bench-memory bench-load bench-leakage ## all benchmarks

# bench_<name>.py lies in benchmarks/ or in the folder of its subject; an unknown name must not end as if it had run.
bench_file = $(or $(firstword $(wildcard $(addsuffix /bench_$(subst -,_,$*).py,benchmarks benchmarks/*))),$(error there is no benchmark '$*'))
bench-%: .venv/ready-dev
	@$(WITH_SERVICES) PYTHONPATH=. $(PY) $(bench_file)

chaos: .venv/ready-dev ## kill workers at random moments over CSVs and containers, then the outages below
	@$(WITH_SERVICES) PYTHONPATH=. $(PY) benchmarks/chaos_csv.py --kills 200
	@$(WITH_SERVICES) PYTHONPATH=. $(PY) benchmarks/chaos_containers.py --kills 50
	@PYTHONPATH=. $(PY) benchmarks/chaos_outages.py
	@PYTHONPATH=. $(PY) benchmarks/chaos_upgrade.py

chaos-outages: .venv/ready-dev ## take storage, database, hosts away under load; prints fault, lost, doubled, by hand, seconds
	@PYTHONPATH=. $(PY) benchmarks/chaos_outages.py

fuzz: .venv/ready-dev ## five minutes of broken CT headers
	$(PY) -m inference.tests.ct.fuzz_metaimage --seconds 300

mutants: .venv/ready-dev ## change the code in 400 places, one at a time; a test must notice nine of ten
	$(PY) -m benchmarks.mutants

# Tools of a release, apart from what the site and its tests import.
.venv/tools/ready: .venv/ready
	$(PYTHON) -m venv .venv/tools
	.venv/tools/bin/python -m pip install --quiet --disable-pip-version-check pip-tools==7.6.2 cyclonedx-bom==7.5.0
	touch $@

lock: .venv/ready-dev .venv/tools/ready ## pin what the direct dependencies pull in, with hashes
	$(PY) .ci/lock
	$(PY) .ci/hashes .venv/tools/bin/pip-compile

sbom: .venv/tools/ready ## the release's list of parts (CycloneDX) in dist/sbom.json
	mkdir -p dist
	{ cat requirements.lock; grep '^torch==' requirements.txt; } > dist/parts.txt
	.venv/tools/bin/cyclonedx-py requirements dist/parts.txt --of JSON --output-reproducible -o dist/sbom.json
	rm dist/parts.txt
