# Every target that needs a tool at a fixed version gets it from .ci/tools, which keeps it in the user's cache folder.
SHELL      := bash
.DEFAULT_GOAL := help

FUZZTIME   ?= 10s
BENCHTIME  ?= 1s
BENCH      ?= .
REFERENCE  ?= 2000000
ROUNDS     ?= 3
TESTFLAGS  ?=
CHAOSTIME  ?= 30m
ALERTKILLS ?= 200
STORM      ?= 50000
SOAKTIME   ?= 10m

.PHONY: help build demo test race check generated bench profile fuzz chaos soak clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

build: ## build bin/freshet, one static program
	CGO_ENABLED=0 go build -trimpath -o bin/freshet ./cmd/freshet

demo: ## a small shop, an incident, an alert and the web page, with nothing to set up
	go run ./cmd/freshet demo

test: ## all tests, with real Kafka, kafka-python, kcat, telemetrygen, amtool and a browser; says what was missing
	@.ci/test $(TESTFLAGS)

# Left out are packages that start no goroutine and hold no lock, and the chaos tests: what these add are kills.
raceless := /(detect|rules|deploy)(/|$$)|/ingest/(event|format|otlp|deadletter)$$|/alert/(chart|redact)$$|/dashboards$$|/browsertest$$|/cmd/freshet/(bench|chaos|config)$$

race: ## tests that need no tools under the race detector, the whole program in cmd/freshet/e2e included
	go test -race -parallel 6 -timeout 15m $$(go list ./... | grep -Ev '$(raceless)')

check: ## formatting, vet, linters, the import table, generated files, shell scripts
	@.ci/check

generated: ## write the generated files anew
	go generate ./...

# Benchmarks with real Kafka where it can be had, else without what needs it, which says so.
benchmark = run=; if deploy/kafka/kafka.sh fetch; then run='deploy/kafka/kafka.sh with 1 --'; fi; \
	REFERENCE=$(REFERENCE) $$run go test -run '^$$' -benchtime $(BENCHTIME) -benchmem -timeout 2h

bench: ## benchmarks, and the reference job of REFERENCE logs in ROUNDS; BENCH selects by name, BENCHTIME sets the time of each
	@ROUNDS=$(ROUNDS); export ROUNDS; $(benchmark) -bench '$(BENCH)' ./...

profile: ## CPU and heap profiles of the detector in the reference job, in the folder profiles
	@mkdir -p profiles
	@ROUNDS=1 PROFILE=$(CURDIR)/profiles; export ROUNDS PROFILE; $(benchmark) -bench '^BenchmarkReference$$' ./cmd/freshet/bench

fuzz: ## each fuzz target for FUZZTIME
	@FUZZTIME=$(FUZZTIME) .ci/fuzz

chaos: ## the detector under disturbances for CHAOSTIME, on three nodes of real Kafka (CHAOSSEED repeats a run); ALERTKILLS kills and stops of the alerter and of its broker, a storm of STORM findings
	FRESHET_KAFKA_PROXIED=1 CHAOSTIME=$(CHAOSTIME) deploy/kafka/kafka.sh with 3 -- \
		go test -count=1 -v -timeout 24h -run '^TestChaos$$' ./cmd/freshet/chaos
	ALERTKILLS=$(ALERTKILLS) deploy/kafka/kafka.sh with 3 -- \
		go test -count=1 -v -timeout 24h -run '^TestAlerterChaos$$' ./cmd/freshet/chaos
	STORM=$(STORM) go test -count=1 -v -timeout 1h -run '^TestStorm$$' ./cmd/freshet/chaos

soak: ## the detector's memory over SOAKTIME, on real Kafka
	SOAKTIME=$(SOAKTIME) deploy/kafka/kafka.sh with 1 -- go test -count=1 -v -timeout 24h -run '^TestSoak$$' ./cmd/freshet/chaos

clean: ## delete what build made
	rm -rf bin profiles
