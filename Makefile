# The commands of this project: `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: browser-test help setup demo demo-fleet test test-compiled test-slow sweep fuzz bench-delivery chaos bench-simulator test-compiler bench-server bench-api bench-dashboard bench-soak bench-compiler bench-drift bench-cluster cluster-demo demo-drift demo-cascades demo-federated interop fuzz-dtls docs lint format types contracts check clean

help: ## List the commands.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

setup: $(VENV)/base.stamp ## Prepare .venv with everything that serving and the demo need.

$(VENV)/base.stamp: pyproject.toml simulator/pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; name one: make PYTHON=python3.12 ...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade pip
	$(PIP) install --constraint constraints.txt --editable . --editable ./simulator
	touch $@

$(VENV)/test.stamp: $(VENV)/base.stamp
	$(PIP) install --constraint constraints.txt --editable '.[test,lint,tensorflow]' --editable ./simulator
	$(PIP) install --constraint constraints.txt --editable '.[delta]' || echo 'No C compiler: deltas stay untested.'
	touch $@

$(VENV)/docs.stamp: $(VENV)/base.stamp
	$(PIP) install --constraint constraints.txt --editable '.[docs]'
	touch $@

demo: $(VENV)/base.stamp ## Carry a model through the whole service, on a simulated fleet.
	$(BIN)/lwm2m-ml demo $(ARGS)

demo-fleet: $(VENV)/base.stamp ## Roll a model out to 200 simulated devices; a bad version is caught and rolled back.
	$(BIN)/lwm2m-ml demo-fleet $(ARGS)

test: $(VENV)/test.stamp ## Run the tests.
	$(BIN)/python -m pytest -n 2 $(ARGS)

interop: $(VENV)/test.stamp ## Talk to an LwM2M client and server of others (needs a JDK and Maven).
	$(BIN)/python -m pytest -n 2 -m interop tests/interop $(ARGS)

test-compiler: $(VENV)/test.stamp ## Prove real models on every target against LiteRT (minutes).
	$(BIN)/python -m pytest -n 2 -m slow tests/compiler $(ARGS)

bench-server: $(VENV)/base.stamp ## Load the server, side by side with aiocoap and libcoap.
	$(BIN)/python -c 'import uvloop' 2>/dev/null || $(PIP) install --constraint constraints.txt --editable '.[fast]'
	$(BIN)/python benchmarks/server/bench_server.py $(ARGS)
	$(BIN)/python benchmarks/server/dtls_sessions.py

bench-api: $(VENV)/base.stamp ## Page through 10,000 devices by the API; a page may take 100 ms.
	$(BIN)/python benchmarks/api/bench_pages.py $(ARGS)

bench-dashboard: $(VENV)/test.stamp ## Open the fleet page with 10,000 devices in a real browser; a step may take 2 s (needs chromium).
	$(BIN)/python benchmarks/api/bench_fleet_page.py $(ARGS)

bench-scale: $(VENV)/base.stamp ## Let 100,000 devices register at once: memory, lists, and a restart after SIGKILL (many minutes).
	$(BIN)/python benchmarks/scale/bench_scale.py $(ARGS)

bench-soak: $(VENV)/base.stamp ## Load the server for ten minutes; time and memory must stay within limits.
	$(BIN)/python benchmarks/server/endurance.py $(ARGS)

bench-compiler: $(VENV)/test.stamp ## Compare the compiler's modules with recorded figures of other compilers.
	$(BIN)/python benchmarks/compiler/bench_compiler.py $(ARGS)

demo-drift: $(VENV)/test.stamp ## Let inputs drift until a model is retrained with what was captured, and the drift is gone.
	$(BIN)/python -m lwm2m_ml_simulator.demonstration.drift --retrain examples/zoo/retrain_gestures.py $(ARGS)

demo-federated: $(VENV)/test.stamp ## Let 100 devices that know two digits each teach each other all ten; compare with TensorFlow.
	$(BIN)/python -m lwm2m_ml_simulator.demonstration.federated --central examples/digits/train_head.py $(ARGS)

demo-cascades: $(VENV)/test.stamp ## Let small models decide when larger ones run, on a device and behind a gateway; print what it saves.
	$(BIN)/python -m lwm2m_ml_simulator.demonstration.cascades --train examples/zoo/keywords.py $(ARGS)

bench-drift: $(VENV)/base.stamp ## Count false alarms of drift, and how soon real drift is seen.
	$(BIN)/python benchmarks/monitoring/bench_drift.py $(ARGS)

test-compiled: $(VENV)/test.stamp ## Compile what runs for each datagram, and run its tests on that (minutes).
	@package=$$($(BIN)/python benchmarks/server/compiled.py) || { [ $$? = 77 ] && exit 0 || exit 1; }; \
	export PYTHONPATH=$$package PYTHONSAFEPATH=1; \
	$(BIN)/python -c 'from lwm2m_ml.coap import codec; print(codec.__file__); assert codec.__file__.endswith(".so")' && \
	$(BIN)/python -m pytest -n 2 tests/coap/dtls12 tests/coap/test_*.py tests/logs tests/server $(ARGS)

test-slow: $(VENV)/test.stamp ## Run the tests that take minutes.
	$(BIN)/python -m pytest -n 2 -m slow $(ARGS)

fuzz: $(VENV)/test.stamp ## Send a million mutated manifests and descriptors through the verifier.
	$(BIN)/python -m pytest -m slow tests/module/test_fuzz.py $(ARGS)

bench-delivery: $(VENV)/test.stamp ## Measure deliveries: bytes and seconds per device, link and transport.
	$(BIN)/python benchmarks/delivery/bench_delivery.py $(ARGS)

sweep: $(VENV)/test.stamp ## Cut the power at every flash write and message of an update.
	$(BIN)/python -m lwm2m_ml_simulator.sweep $(ARGS)

fuzz-dtls: $(VENV)/test.stamp ## Fuzz DTLS with connection ids, guided by coverage (a million mutations; minutes).
	$(PIP) install --constraint constraints.txt --editable '.[fuzz]'
	$(BIN)/python tests/coap/dtls12/fuzz_dtls.py -runs=1000000 -max_len=600 -timeout=5 -rss_limit_mb=600 $(ARGS)

chaos: $(VENV)/base.stamp ## Bring a new version to 500 devices while everything goes wrong (minutes).
	$(BIN)/python benchmarks/chaos/chaos.py $(ARGS)

bench-simulator: $(VENV)/base.stamp ## Register 10,000 simulated devices in one process, and update 1,000 of them at once.
	$(BIN)/python benchmarks/simulator/bench_simulator.py $(ARGS)

docs: $(VENV)/docs.stamp ## Build the documentation as a site in build/site.
	$(BIN)/python tests/docs/objects_page.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	$(BIN)/python tests/docs/outside.py build/site

cluster-demo: $(VENV)/test.stamp ## Kill a node of a cluster in the middle of a campaign over 2,000 devices (needs nats-server, postgresql, nginx).
	$(BIN)/python -m lwm2m_ml_simulator.cluster $(ARGS)

bench-cluster: $(VENV)/test.stamp ## Measure what NATS and PostgreSQL take of a cluster, and simulate 10 million devices with it.
	$(BIN)/python benchmarks/cluster/measure.py
	$(BIN)/python benchmarks/cluster/simulate.py

browser-test: $(VENV)/test.stamp ## Use the dashboard in a real browser, as a new user does (needs chromium).
	$(BIN)/python -m pytest -m browser tests/browser $(ARGS)

lint: $(VENV)/test.stamp ## Check style and formatting.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/test.stamp ## Bring the code into the common format.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/test.stamp ## Check the types.
	$(BIN)/mypy

contracts: $(VENV)/test.stamp ## Check that the rooms import each other in the agreed direction only.
	$(BIN)/lint-imports

check: lint types contracts test ## Everything that CI checks.

clean: ## Remove the virtual environment and all caches.
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
