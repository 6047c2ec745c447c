#!/usr/bin/env bash
# The TypeScript SDK: its types are those of httpapi/openapi.json, and it governs calls by the
# packages of OpenAI, Anthropic and Vercel, of a played provider, against a real server.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/bursar" ./cmd/bursar
cd sdk/typescript
npm ci --no-fund --no-audit --silent
npm run --silent check
npm run --silent build
BURSAR="$work/bursar" npm test --silent
