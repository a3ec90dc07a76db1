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

# The dashboard is built where its sources, or the API it is made for, changed.
.PHONY: frontend
frontend: frontend/dist/routes.json ## Build the dashboard into frontend/dist, which the next build embeds

frontend/dist/routes.json: frontend/node_modules/.package-lock.json api/openapi.json $(shell find frontend/src frontend/public frontend/scripts -type f ! -name schema.d.ts 2>/dev/null) $(wildcard frontend/*.html frontend/*.config.* frontend/tsconfig.json)
	@cd frontend && npm run --silent build

frontend/node_modules/.package-lock.json: frontend/package.json frontend/package-lock.json
	@command -v npm >/dev/null || { echo "the dashboard needs Node.js 20 and npm: https://nodejs.org"; exit 1; }
	@cd frontend && npm ci --silent --no-audit --no-fund && touch node_modules/.package-lock.json

.PHONY: chromium
chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq chromium >/dev/null; else echo "the pages are tested in Chromium: install it"; exit 1; fi; }

.PHONY: test-ui
test-ui: frontend chromium ## Test the dashboard: its types, its vectors, and its pages in a browser on a living network
	@$(MAKE) --no-print-directory build
	@cd frontend && npm run --silent check && npm test --silent && npm run --silent ui

.PHONY: bench-ui
bench-ui: frontend chromium ## Measure the pages in a browser on a slowed-down processor
	@$(MAKE) --no-print-directory build
	@cd frontend && node ui/bench.js

.PHONY: shots
shots: frontend chromium ## Take pictures of the pages into shots/
	@$(MAKE) --no-print-directory build
	@cd frontend && node ui/shots.js ../shots

.PHONY: demo
demo: frontend ## A living network on loopback, the explorer on it, names looked up
	@$(MAKE) --no-print-directory build
	@scripts/demo

.PHONY: check
check: tools ## What a commit must pass: format, vet, staticcheck, all tests that are not cached
	@scripts/stages fmt vet static quick

.PHONY: test
test: tools ## Everything that CI runs
	@scripts/stages frontend fmt vet static race properties ranges accuracy kill bench-once demo ui clean

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
