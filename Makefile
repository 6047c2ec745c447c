# make demo   a sample organisation under load, then a server to look around in
# make check  a minute or two, while working: vet, layout, the wire format, short tests
# make test   everything that must hold; CI runs this
# make bench  figures as ratios to a bare net/http handler, all in one run
# make fuzz   each decoder for FUZZTIME
# make deps   what the tests need besides Go and Node: PostgreSQL, Chromium, curl, jq
# make cluster three servers on one PostgreSQL, in full: 200,000 requests replayed, 2,000
#             races, faults; needs PostgreSQL's programs. make test runs less of the same
# make attack what hostile clients, full disks and damaged files do to a server, each with
#             its figure and goal; BEFORE=path sets another binary's figures beside
# make flips  FLIPS single bits flipped in the files of an embedded store, none of which may be served
# make model  MODELOPS operations of the model test on each store; make test runs fewer
# make build  bin/bursar
# make deploy-check  what is in deploy/, with promtool, yamllint, helm and nginx where they are

FUZZTIME ?= 30s
FLIPS ?= 10000
MODELOPS ?= 1000000

.PHONY: demo deps check test vet unit race clients ui crash bench attack flips cluster model fuzz build golden deploy-check

demo:
	go run -v ./cmd/bursar demo

build:
	go build -trimpath -o bin/bursar ./cmd/bursar

deps:
	scripts/test-deps.sh

test: deps vet unit race clients ui

check: vet
	go test -short . ./record/... ./catalogue/... ./ledger/... ./engine ./transfer ./store/mem ./httpapi ./client ./spendtoken ./mcp ./gateway ./otlp ./webui
	go test -short ./store/sqlite -run Power

vet:
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "run gofmt on:" $$files; exit 1; fi
	go vet ./...

# The simulation runs by itself: in it servers, networks and PostgreSQL keep to times that
# other packages' tests beside it would use up.
unit:
	go test -timeout 40m $$(go list ./... | grep -v /sim$$)
	go test -timeout 40m ./sim
	cd envoy && go vet ./... && go test -count=1 ./...
	cd bench/logs && go vet ./...
	cd bench/logs && go vet ./...

# The race detector makes everything slow, so the long property tests run short here.
race:
	go test -race -short -timeout 30m ./record/... ./catalogue/... ./ledger/... ./engine/... ./transfer/... ./store/... ./httpapi/... ./client/... ./spendtoken ./mcp ./gateway/... ./otlp/... ./webhook/... ./sim/...

# What linters and generators of clients make of openapi.json, providers' SDKs of the gateway, and
# the SDKs for Python and TypeScript.
clients:
	scripts/api-clients.sh
	scripts/gateway-sdks.sh
	scripts/sdk-python.sh
	scripts/sdk-typescript.sh

# The web interface: its own checks, that webui/dist is what its source builds, and every
# flow and screen in a real browser.
ui:
	cd webui && npm ci --no-fund --no-audit && npm run check && ./check-dist.sh && npm run e2e

bench:
	go run ./bench
	go run ./bench/gateway

attack:
	go run ./attack $(if $(BEFORE),-before $(BEFORE))

flips:
	go test ./store/sqlite -run TestFlippedBitIsNotServed -flips $(FLIPS) -timeout 2h -v

cluster:
	go test ./sim -run 'TestCluster$$|TestChaos' -clusterops 200000 -races 2000 -linear 100 -fault 5s -lock 30s -timeout 60m -v
	go run ./bench -cluster

model:
	go test ./sim -run 'AgreesWithModel|AgreeWithModel' -ops $(MODELOPS) -nodesops $(MODELOPS) -sqliteops $(MODELOPS) -pgops $(MODELOPS) -timeout 12h -v

# Regenerates the golden files; review the difference.
golden:
	go test ./engine -run Script -update
	go test ./httpapi -run TestOpenAPICurrent -update
	go test ./httpapi -run Wire -update
	go test ./cmd/bursar -run TestReadme -update
	python3 sdk/python/generate.py
	node sdk/typescript/types.mjs

fuzz:
	@set -e; for pkg in $$(go list ./...); do \
	  for f in $$(go test $$pkg -list '^Fuzz' | grep '^Fuzz' || true); do \
	    echo "$$pkg $$f"; go test $$pkg -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME); done; done

# The Go tests are part of make test, too: dashboard, rules and the operator's page against
# a real server.
deploy-check:
	go test ./cmd/bursar -run 'TestDeployed|TestDashboard|TestOperating|TestReady'
	@have() { command -v $$1 >/dev/null || { echo "skipped: there is no $$1"; false; }; }; \
	if have promtool; then promtool check rules deploy/prometheus/rules.yml && promtool test rules deploy/prometheus/rules_test.yml || exit 1; fi; \
	if have yamllint; then yamllint -c deploy/.yamllint deploy || exit 1; fi; \
	if have helm; then helm lint --strict deploy/helm/bursar || exit 1; \
	  for set in database.existingSecret= database.existingSecret=db,adminKey.existingSecret=key,serviceMonitor.enabled=true; do \
	    helm template bursar deploy/helm/bursar --kube-version 1.31 --set $$set >/dev/null || exit 1; done; fi; \
	if have nginx; then conf=$$(mktemp) && sed 's/server bursar-[0-9]:/server 127.0.0.1:/' deploy/nginx/nginx.conf >$$conf && nginx -t -q -c $$conf || exit 1; rm -f $$conf; fi
