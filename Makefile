# Stakewarden's commands. Every target sets itself up; nothing is installed outside this folder.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
NODE   := contracts/node_modules/.stamp
LINTER := tests/deploy/node_modules/.stamp
PROOFS := .venv-proofs
WORKERS ?= 3

# The service starts dozens of times in the tests: compiling it anew at each start costs minutes.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run devnet test check format bench drills prove prove-contracts pin abi migration clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

run: $(VENV)/.runtime $(NODE) ## start Stakewarden; without settings, on the embedded chain
	@$(BIN)/stakewarden run $(if $(PORT),--port $(PORT))

test: $(VENV)/.dev $(NODE) $(LINTER) ## all tests
	@$(BIN)/python -m tests.needs
	cd contracts && node_modules/.bin/forge test
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

check: $(VENV)/.dev $(NODE) ## lint, format, types, import order, Solidity format
	$(BIN)/ruff check monitor tests benchmarks
	$(BIN)/ruff format --check monitor tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd contracts && node_modules/.bin/forge fmt --check

format: $(VENV)/.dev $(NODE) ## put code in shape
	$(BIN)/ruff format monitor tests benchmarks
	$(BIN)/ruff check --fix monitor tests benchmarks
	cd contracts && node_modules/.bin/forge fmt

bench: $(VENV)/.dev $(NODE) ## measure what the documentation claims
	$(BIN)/python -m benchmarks

drills: $(VENV)/.dev $(NODE) ## all drills on one devnet, in order: exactly what each says must come of it
	$(BIN)/python -m tests.service.drills

prove: drills ## all drills; then kill -9 the service fifty times during drills, on each database: nothing lost, nothing twice
	$(BIN)/python -m tests.service.kill --kills 50 --store sqlite $(if $(SEED),--seed $(SEED))
	$(BIN)/python -m tests.service.kill --kills 50 --store postgresql $(if $(SEED),--seed $(SEED))

prove-contracts: $(VENV)/.dev $(PROOFS)/.stamp $(NODE) ## the guardian's proofs by halmos, each with twins that must fail; and slither, with an answer to each finding
	$(BIN)/python -m tests.proofs
	$(BIN)/python -m tests.proofs.slither

pin: ## renew the pinned requirements (needs uv)
	cd requirements && for f in runtime dev proofs; do uv pip compile --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet $$f.in -o $$f.txt || exit 1; done

abi: $(VENV)/.runtime $(NODE) ## renew the committed interface and code of the guardian's contracts
	@$(BIN)/python -m monitor.devnet.committed

clean: ## remove what was built here
	rm -rf $(VENV) $(PROOFS) .stakewarden contracts/out contracts/cache contracts/node_modules tests/deploy/node_modules build *.egg-info .pytest_cache .mypy_cache .ruff_cache

# ---- set-up, with one clear line for what is missing

.PHONY: needs-python needs-node
needs-python:
	@command -v $(PYTHON) >/dev/null || { echo "Python is missing: sudo apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, this is $$($(PYTHON) -V): use make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv is missing: sudo apt-get install python3-venv"; exit 1; }
needs-node:
	@command -v node >/dev/null || { echo "Node.js is missing: sudo apt-get install nodejs npm"; exit 1; }
	@command -v npm >/dev/null || { echo "npm is missing: sudo apt-get install npm"; exit 1; }
	@node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' || { echo "Node.js 18 or newer is needed, this is $$(node --version)"; exit 1; }

$(BIN)/python: | needs-python
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml | $(BIN)/python
	@echo "installing Python packages into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@echo "installing what checks and tests need ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

$(PROOFS)/.stamp: requirements/proofs.txt | needs-python
	@echo "installing halmos and slither into $(PROOFS) ..."
	@$(PYTHON) -m venv $(PROOFS)
	@$(PROOFS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/proofs.txt
	@touch $@

$(NODE): contracts/package.json contracts/package-lock.json | needs-node
	@echo "installing anvil, forge and solc into contracts/node_modules ..."
	@cd contracts && npm install --no-save --no-audit --no-fund --loglevel=error
	@touch $@

$(LINTER): tests/deploy/package.json tests/deploy/package-lock.json | needs-node
	@echo "installing the linter of docker-compose.yml into tests/deploy/node_modules ..."
	@cd tests/deploy && npm ci --no-audit --no-fund --loglevel=error
	@touch $@
