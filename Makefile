# Each target does its own set-up and can be repeated.

BINARY := .build/release/billing-service
VENV := .venv
SHELL_SCRIPTS := $(wildcard scripts/*.sh) scripts/pre-commit .ci/run docs/clients/client.sh

# A flag for each word of FILTER. They are regular expressions, so they are quoted.
FILTER_FLAGS = $(foreach filter,$(FILTER),--filter '$(filter)')

# Optimized, to try more inputs; with assertions, to find more faults.
# Both sanitizers in one flag: the compiler uses only the last one, and SwiftPM passes them in any order.
FUZZ_FLAGS := --scratch-path .build/fuzz --sanitize fuzzer -Xswiftc -sanitize=fuzzer,address -Xcc -fsanitize=address \
	-Xswiftc -O -Xswiftc -assert-config -Xswiftc Debug -Xswiftc -DFUZZING

.DEFAULT_GOAL := help
.PHONY: help run assets test test-asan test-tsan lint format hooks outdated fuzz simulate picture bench bench-budget \
	bench-bulk bench-guards bench-replicas clean collection image test-image setup setup-assets setup-bench setup-lint \
	setup-test

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: setup assets ## Build, and serve on 127.0.0.1:8080 with an embedded sandbox instead of Zoom.
	swift build --configuration release --static-swift-stdlib --product billing-service
	exec $(BINARY) serve --sandbox

assets: setup-assets ## Make the files that are put into the program: openapi.yaml as JSON, and the renderer of /api.
	$(VENV)/bin/python scripts/assets.py

test: setup-test lint assets ## Run every test, and check openapi.yaml and the running service against each other.
	swift build --build-tests
	scripts/run-tests.py
	@$(MAKE) --no-print-directory --jobs=3 --keep-going --output-sync=target $(CHECKS)

# Each is a script with that name. They wait more than they compute, so several run at once, the longest first.
CHECKS := check-pages fuzz-openapi check-openapi check-clients check-dashboard check-client check-collection check-container
.PHONY: $(CHECKS)

$(CHECKS):
	$(VENV)/bin/python scripts/$@.py .build/debug/billing-service

picture: setup-test ## Make the picture of the operator's page for the README: three minutes.
	swift build --configuration release --static-swift-stdlib --product billing-service
	$(VENV)/bin/python scripts/check-pages.py $(BINARY) --picture docs/images/operator-page.png

lint: setup-lint ## Check the format of the Swift sources, and lint the scripts with ruff and shellcheck.
	swift format lint --strict --recursive Package.swift Sources Tests
	$(VENV)/bin/ruff check --quiet
	$(VENV)/bin/shellcheck $(SHELL_SCRIPTS)

format: setup-lint ## Format the Swift sources, and mend what ruff can mend in the scripts.
	swift format --in-place --recursive Package.swift Sources Tests
	$(VENV)/bin/ruff check --quiet --fix

hooks: setup-lint ## Install the pre-commit hook: lint and tidy checks of what is staged, in seconds.
	@mkdir -p "$$(git rev-parse --git-path hooks)"
	ln -sf "$(CURDIR)/scripts/pre-commit" "$$(git rev-parse --git-path hooks)/pre-commit"

outdated: ## List the pinned dependencies, and the newest release of each.
	@scripts/outdated.py

test-asan: export ASAN_OPTIONS := quarantine_size_mb=1
test-asan: export LSAN_OPTIONS := suppressions='$(CURDIR)/scripts/leaks.txt':print_suppressions=0
test-asan: export SANITIZER := address
test-asan: setup-test ## Run every test, or those of FILTER, with AddressSanitizer, which also finds leaks.
	swift build --build-tests
	scripts/run-tests.py --log .build/test-output-asan.log $(FILTER_FLAGS)

test-tsan: export SANITIZER := thread
test-tsan: export TSAN_OPTIONS := suppressions='$(CURDIR)/scripts/races.txt'
test-tsan: setup-test ## Run every test, or those of FILTER, with ThreadSanitizer, one at a time.
	swift build --build-tests --sanitize thread --scratch-path .build/tsan
	scripts/run-tests.py --log .build/tsan/test-output.log --sanitize thread --scratch-path .build/tsan --no-parallel $(FILTER_FLAGS)

fuzz: setup ## Fuzz every parser of input from peers, for SECONDS (60) each.
	swift build $(FUZZ_FLAGS) --product Fuzz
	@for target in $(notdir $(wildcard Tests/Fuzz/Corpus/*)); do \
	  mkdir -p .build/fuzz/found/$$target; echo "== $$target"; \
	  .build/fuzz/debug/Fuzz $$target -max_total_time=$(or $(SECONDS),60) -timeout=10 -max_len=20000 -verbosity=0 \
	    -print_final_stats=1 -artifact_prefix=.build/fuzz/$$target- .build/fuzz/found/$$target Tests/Fuzz/Corpus/$$target \
	    || { echo "Copy the named file to Tests/Fuzz/Corpus/$$target: it becomes a test."; exit 1; }; \
	done

bench: setup-bench ## Measure CPU and memory beside nghttpd, nginx, h2o, HAProxy, Envoy, Go and node: requests, connections, streams, attacks.
	swift build --configuration release --static-swift-stdlib --product billing-service
	swift build --configuration release --static-swift-stdlib --product CacheLoad
	.build/release/CacheLoad 1000000
	.build/release/CacheLoad 1000000 random
	.build/release/CacheLoad model 10000000 1
	Benchmarks/cached.py --output .build/bench
	Benchmarks/cpu-per-request.py
	Benchmarks/cpu-per-request.py --tls
	Benchmarks/connections.py
	Benchmarks/miss.py
	Benchmarks/bulk-beside-files.py --accounts 300000 --only clear,tls
	Benchmarks/stalled-reader.py --accounts 300000 --seconds 10
	Benchmarks/beside-stream.py
	Benchmarks/changes.py
	Benchmarks/attacks.py
	Benchmarks/malloc.py

bench-guards: setup-bench ## Check instructions, allocations and system calls of a cached request against their limits.
	swift build --configuration release --static-swift-stdlib --product billing-service
	swift build --configuration release --static-swift-stdlib --product RequestCost
	Benchmarks/guards.py

bench-replicas: setup-test ## Measure four replicas that share Zoom's rate limit through Redis, also while replicas are killed, and a new replica that streams a million accounts from Redis: 15 minutes.
	swift build --configuration release --static-swift-stdlib --product billing-service
	swift build --configuration release --static-swift-stdlib --product CacheLoad
	Benchmarks/replicas.py
	Benchmarks/cold-replica.py
	Benchmarks/invalidation.py

simulate: setup ## Simulate replicas that share rates, keys and tokens, with faults, for ten minutes; SIMULATION names one.
	swift build --configuration release --static-swift-stdlib --product Simulate
	.build/release/Simulate $(or $(SECONDS),600) $(or $(SIMULATION),all)

bench-bulk: setup-bench ## Measure streams of a million accounts beside nghttpd and nginx with a file of the same bytes, exports and restarts: 20 minutes.
	swift build --configuration release --static-swift-stdlib --product billing-service
	swift build --configuration release --static-swift-stdlib --product CacheLoad
	Benchmarks/bulk-beside-files.py --output .build/bench
	Benchmarks/export-speed.py
	Benchmarks/restart.py

bench-budget: setup-test ## Measure the use of Zoom's rate limit, also when others use it or Zoom fails: 15 minutes.
	swift build --configuration release --static-swift-stdlib --product billing-service
	Benchmarks/budget.py
	Benchmarks/tokens.py

collection: setup-test ## Make a collection for Postman and Bruno from openapi.yaml.
	$(VENV)/bin/python scripts/collection.py .build/billing-service.postman_collection.json

image: ## Build the image billing-service:VERSION, and its SBOM, with docker, podman or buildah.
	scripts/image.sh

test-image: image ## Test the image as operators run it: read-only root, no capabilities, no privileges.
	scripts/test-image.sh

clean: ## Remove everything that make has built or installed in this folder.
	rm -rf .build $(VENV)

setup:
	@scripts/install-packages.sh ca-certificates libhiredis-dev libnghttp2-dev libsqlite3-dev libssl-dev pkg-config zlib1g-dev

setup-assets:
	@scripts/install-packages.sh ca-certificates python3-venv
	@test -x $(VENV)/bin/python || python3 -m venv $(VENV)
	@$(VENV)/bin/pip --quiet install --no-deps --requirement scripts/requirements-assets.txt

setup-lint:
	@scripts/install-packages.sh ca-certificates git python3-venv
	@test -x $(VENV)/bin/python || python3 -m venv $(VENV)
	@$(VENV)/bin/pip --quiet install --requirement scripts/requirements-lint.txt

setup-test: setup setup-assets setup-lint
	@scripts/install-packages.sh \
		chromium curl fonts-dejavu-core golang-go haproxy jq libgoogle-gson-java nghttp2-client nghttp2-server nginx-light \
		nodejs openjdk-17-jdk-headless openssl prometheus redis-server sqlite3 systemd tinyproxy-bin
	@$(VENV)/bin/pip --quiet install --requirement scripts/requirements.txt

setup-bench: setup-test
	@scripts/install-packages.sh binutils golang-golang-x-net-dev h2o libjemalloc2 nghttp2-proxy strace valgrind
