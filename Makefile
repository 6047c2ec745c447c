# make demo   a sample organisation under load, then a server to look around in
# make test   everything that must hold; CI runs this
# make bench  figures as ratios to a bare net/http handler, all in one run
# make fuzz   each decoder for FUZZTIME
# make deps   what the tests need besides Go: PostgreSQL
# make build  bin/bursar

FUZZTIME ?= 30s

.PHONY: demo deps test vet unit race sim crash bench fuzz build golden

demo:
	go run ./cmd/bursar demo

build:
	go build -trimpath -o bin/bursar ./cmd/bursar

deps:
	scripts/test-deps.sh

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

# Regenerates the golden files; review the difference.
golden:
	go test ./engine -run Script -update
	go test ./httpapi -run 'Wire|OpenAPI' -update

fuzz:
	@set -e; for pkg in $$(go list ./...); do \
	  for f in $$(go test $$pkg -list '^Fuzz' | grep '^Fuzz' || true); do \
	    echo "$$pkg $$f"; go test $$pkg -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME); done; done
