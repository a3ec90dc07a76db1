# `make help` lists the targets. Each is one line of work; long ones have their results in docs/.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

GO ?= go
FUZZTIME ?= 10s

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 16

.PHONY: tools
tools:
	@command -v $(GO) >/dev/null || { echo "onsight needs Go 1.26 or newer: https://go.dev/dl/"; exit 1; }
	@command -v $${CC:-cc} >/dev/null || { if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq gcc libc6-dev; else echo "onsight needs a C compiler for SQLite: install gcc"; exit 1; fi; }
	@command -v curl >/dev/null || { if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq curl; else echo "without curl, the examples of docs/api.md are not tested"; fi; }

.PHONY: build
build: tools ## Build the programs into bin/
	@$(GO) build -o bin/ ./cmd/...

.PHONY: demo
demo: build ## A living network on loopback, the explorer on it, names looked up
	@scripts/demo

.PHONY: check
check: tools ## What a commit must pass: format, vet, staticcheck, all tests that are not cached
	@scripts/stages fmt vet static quick

.PHONY: test
test: tools ## Everything that CI runs
	@scripts/stages fmt vet static race ranges accuracy kill bench-once demo clean

.PHONY: bench
bench: tools ## Measure side by side, and print the ratios of docs/benchmarks.md
	@scripts/stages bench

.PHONY: bench-attack
bench-attack: tools ## Measure a good client while another process attacks the server
	@scripts/stages bench-attack

.PHONY: fuzz
fuzz: tools ## Fuzz every parser for FUZZTIME (10s) each
	@scripts/fuzz $(FUZZTIME)

.PHONY: ranges
ranges: tools ## Hold ranges of a million names to what is promised of them: half a minute, 1.5 GB
	@scripts/stages ranges

.PHONY: torture-courier
torture-courier: tools ## Send and fetch over 1,000 schedules of trouble, and kill who does 200 times
	@scripts/stages courier

.PHONY: torture-kill
torture-kill: tools ## Kill the indexer 1,000 times at named points and compare digests
	@scripts/stages kill-1000
