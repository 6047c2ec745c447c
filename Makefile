# make demo   a sample organisation under load, then a server to look around in
# make test   everything that must hold; CI runs this
# make bench  figures as ratios to a bare net/http handler, all in one run
# make fuzz   each decoder for FUZZTIME
# make cluster three servers on one PostgreSQL, in full: 200,000 requests replayed, 2,000
#             races, faults; needs PostgreSQL's programs. make test runs less of the same
# make build  bin/bursar

FUZZTIME ?= 30s

.PHONY: demo test vet unit race sim crash bench cluster fuzz build golden

demo:
	go run ./cmd/bursar demo

build:
	go build -trimpath -o bin/bursar ./cmd/bursar

test: vet unit race

vet:
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "run gofmt on:" $$files; exit 1; fi
	go vet ./...

unit:
	go test -timeout 40m ./...

# The race detector makes everything slow, so the long property tests run short here.
race:
	go test -race -short -timeout 30m ./engine/... ./store/... ./httpapi/... ./client/... ./webhook/... ./sim/...

bench:
	go run ./bench

cluster:
	go test ./sim -run 'TestCluster$$|TestChaos' -clusterops 200000 -races 2000 -linear 100 -fault 5s -lock 30s -timeout 60m -v
	go run ./bench -cluster

# Regenerates the golden files; review the difference.
golden:
	go test ./engine -run Script -update
	go test ./httpapi -run 'Wire|OpenAPI' -update

fuzz:
	@set -e; for pkg in $$(go list ./...); do \
	  for f in $$(go test $$pkg -list '^Fuzz' | grep '^Fuzz' || true); do \
	    echo "$$pkg $$f"; go test $$pkg -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME); done; done
