#!/bin/sh
# Proves that dist is what the source builds, byte for byte.
set -eu
cd "$(dirname "$0")"
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
[ -d node_modules ] || npm ci --no-fund --no-audit
node build.mjs "$built/dist" >/dev/null
diff -r dist "$built/dist"
echo "dist matches its source"
