#!/usr/bin/env bash
# garak as an attacker through the gateway: no probe breaks it, every attempt has one decision.
#
#   ATALAYA_BIN=path/to/atalaya tests/garak/run.sh [--probes dan,encoding] [--cap 20]
#
# GARAK names a way to start garak ("python -m garak") where it is installed; by default it is
# installed into an environment of its own, which takes some gigabytes.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
: "${ATALAYA_BIN:?set ATALAYA_BIN to the atalaya binary}"
venv="${XDG_CACHE_HOME:-$HOME/.cache}/atalaya-garak/venv-0.17.1"
if [ -z "${GARAK:-}" ]; then
  if [ ! -e "$venv/.ready" ]; then
    echo "installing garak into $venv" >&2
    rm -rf "$venv"
    mkdir -p "$(dirname "$venv")"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check garak==0.17.1 botocore
    touch "$venv/.ready"
  fi
  GARAK="$venv/bin/python -m garak"
fi
python="${GARAK%% *}"
exec "$python" "$here/run.py" --bin "$ATALAYA_BIN" --garak "$GARAK" "$@"
