#!/usr/bin/env bash
# Installs what the tests need besides Go, where it is missing: PostgreSQL's programs,
# from Debian's packages. No server is started: the tests start their own.
set -euo pipefail

if command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  echo "The tests need PostgreSQL 13 or newer (initdb, pg_ctl, postgres); install it." >&2
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
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
