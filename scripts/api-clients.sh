#!/usr/bin/env bash
# Holds httpapi/openapi.json to what tools make of it: redocly finds nothing to complain of,
# and clients that openapi-typescript and oapi-codegen generate compile, with a caller.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r scripts/clients/. "$work"
cp httpapi/openapi.json "$work"
cd "$work"

npm ci --no-fund --no-audit --silent
export REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true
npx redocly lint --max-problems 50 openapi.json
npx openapi-typescript openapi.json -o bursar.d.ts >/dev/null
npx tsc --noEmit --strict --skipLibCheck false --lib es2022 bursar.d.ts client.ts
echo "the client of openapi-typescript compiles"

mkdir bursar
mv main.go.txt main.go
cat >go.mod <<MOD
module clients

go 1.26
MOD
GOFLAGS=-mod=mod go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -generate types,client -package bursar -o bursar/bursar.go openapi.json
go mod tidy >/dev/null 2>&1
go build ./...
echo "the client of oapi-codegen compiles"
