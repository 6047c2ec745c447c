#!/usr/bin/env bash
# Installs what the tests need besides Go and Node, where it is missing, from Debian's
# packages: PostgreSQL's programs (no server is started: the tests start their own),
# Chromium, Python for its SDK, and what the README's commands use.
set -euo pipefail

missing=()
command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
[ -x /usr/bin/chromium ] || missing+=(chromium fonts-inter)
for program in curl jq; do
  command -v $program >/dev/null || missing+=($program)
done
/usr/bin/python3 -c 'import httpx, mypy' 2>/dev/null || missing+=(python3 python3-httpx python3-mypy)
if [ ${#missing[@]} = 0 ]; then
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  echo "The tests need ${missing[*]}: PostgreSQL 13 or newer (initdb, pg_ctl, postgres), /usr/bin/chromium, python3, curl, jq; install them." >&2
  exit 1
fi
sudo=
if [ "$(id -u)" != 0 ]; then sudo=sudo; fi
# Debian would make and start a cluster.
$sudo mkdir -p /etc/postgresql-common
if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
  echo 'create_main_cluster = false' | $sudo tee /etc/postgresql-common/createcluster.conf >/dev/null
fi
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
