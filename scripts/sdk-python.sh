#!/usr/bin/env bash
# Tests sdk/python against a real server and a played provider, with the standard library alone
# and, where they are installed, with httpx and mypy. PYTHON names another Python.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=${PYTHON:-/usr/bin/python3}
command -v "$python" >/dev/null || python=python3
go build -o "$work/bursar" ./cmd/bursar
export BURSAR="$work/bursar" PYTHONDONTWRITEBYTECODE=1
cd sdk/python

"$python" generate.py --check
if "$python" -c 'import mypy' 2>/dev/null; then
  "$python" -m mypy --strict --cache-dir "$work/mypy" bursar
else
  echo "skipped: $python has no mypy to check the types"
fi
"$python" -m unittest discover -t . -s tests
