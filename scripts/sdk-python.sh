#!/usr/bin/env bash
# Tests sdk/python against a real server and a played provider, with the standard library alone
# and, where they are to be had, with httpx, mypy and the packages openai and anthropic. PYTHON
# names another Python.
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

if "$python" -m venv "$work/venv" >"$work/log" 2>&1 && "$work/venv/bin/pip" install -q --disable-pip-version-check --retries 0 --timeout 5 openai anthropic >"$work/log" 2>&1; then
  "$work/venv/bin/python" -m unittest tests.packages
else
  echo "skipped: the packages openai and anthropic cannot be installed: $(tail -1 "$work/log")"
fi
