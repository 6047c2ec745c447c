#!/usr/bin/env bash
# Calls a played provider through a real gateway by the SDKs of OpenAI and Anthropic, for
# JavaScript and for Go, and sends traces by OpenTelemetry's exporters. Their packages are in no
# module of Bursar's.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r scripts/sdks/. "$work"
go build -o "$work/bursar" ./cmd/bursar
cd "$work"

npm ci --no-fund --no-audit --silent
mkdir go
mv main.go.txt go/main.go
cat >go/go.mod <<MOD
module sdks

go 1.26

require (
	github.com/anthropics/anthropic-sdk-go/v2 v2.15.0
	github.com/openai/openai-go/v3 v3.98.0
)
MOD
(cd go && go mod tidy >/dev/null 2>&1 && go build -o ../sdks-go .)
node sdks.mjs "$work/bursar" "$work/sdks-go"
node traces.mjs "$work/bursar"
