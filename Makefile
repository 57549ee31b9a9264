# causeway. `make` alone lists the targets.
SHELL   := /bin/bash
GO      ?= go
LINE    ?= static
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X main.version=$(VERSION)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck

.DEFAULT_GOAL := help
.PHONY: help build setup tools test lint e2e demo demo-route lab lab-down bench golden docs clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/causeway
	@mkdir -p bin
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/causeway ./cmd/causeway

setup: ## install the Debian packages that tests and lab need (root)
	@scripts/setup.sh

tools: setup ## build etcd and kube-apiserver for the tests, get newer nginx releases
	@scripts/build-kubernetes.sh apiserver
	@scripts/nginx-releases.sh

test: tools ## run every test that needs no node
	@scripts/gotest.sh -p 3 ./...

lint: ## gofmt, go vet, staticcheck, import rules
	@files=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$files" ]; then echo "gofmt -w these: $$files"; exit 1; fi
	$(GO) vet ./...
	@mkdir -p bin
	$(GO) build -o bin/staticcheck $(STATICCHECK)
	bin/staticcheck ./...
	cd lab && $(GO) vet -tags e2e ./... && ../bin/staticcheck -tags e2e ./...
	$(GO) test -count=1 -run 'TestImportRules' ./internal/house

lab: build lab-tools ## bring the lab up and leave it up (LINE=fleet: with a second cluster; vpn, hub: packets follow the configuration)
	@cd lab && $(GO) run . up --line $(LINE)

lab-down: ## take the lab away
	@cd lab && $(GO) run . down

demo: build lab-tools ## the whole main job in the lab, from nothing to nothing
	@cd lab && $(GO) run . demo

demo-route: build lab-tools ## the routed way in the lab: VPN, BGP and the peerings, with real packets
	@cd lab && $(GO) run . demo --route

e2e: build lab-tools ## the demo's assertions, and more, as tests
	@scripts/gotest.sh -C lab -tags e2e ./...

.PHONY: lab-tools
lab-tools: setup
	@scripts/build-kubernetes.sh all
	@scripts/nginx-releases.sh

bench: build tools ## speed and memory, as ratios within one run
	$(GO) run ./bench

golden: ## rewrite the golden files after a wanted change
	$(GO) test ./probe ./templates ./kubeconfig ./internal/ui ./internal/gcptest/discovery ./exposer/... ./cmd/... -update

docs: ## make docs/troubleshooting.md from the catalogue
	$(GO) test ./internal/explain -run TestTroubleshootingPage -update

clean: ## remove what the build made
	rm -rf bin
