#!/usr/bin/env bash
# The official SDKs, once against a scripted model server and once through the gateway: what they
# see must be the same. Then calls that the gateway blocks, and bad requests with curl.
#
#   ATALAYA_BIN=path/to/atalaya tests/sdk/run.sh
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
: "${ATALAYA_BIN:?set ATALAYA_BIN to the atalaya binary}"
ATALAYA_BIN="$(cd "$(dirname "$ATALAYA_BIN")" && pwd)/$(basename "$ATALAYA_BIN")"

# One environment per set of versions, outside the tree, so that the next run is quick.
cache="${XDG_CACHE_HOME:-$HOME/.cache}/atalaya-sdk"
version="$(cksum <"$here/requirements.txt" | cut -d' ' -f1)"
venv="$cache/venv-$version"
if [ ! -e "$venv/.ready" ]; then
  echo "installing the SDKs into $venv" >&2
  rm -rf "$venv"
  mkdir -p "$cache"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  touch "$venv/.ready"
fi
exec "$venv/bin/python" "$here/conformance.py" --bin "$ATALAYA_BIN" "$@"
