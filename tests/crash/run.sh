#!/usr/bin/env bash
# kill -9 under load, again and again: every call that a client saw answered must have its
# decision row, the chain must verify, and the process must restart by itself.
#
#   ATALAYA_BIN=path/to/atalaya KILLS=100 tests/crash/run.sh
set -euo pipefail
cd "$(dirname "$0")"
: "${ATALAYA_BIN:?set ATALAYA_BIN to the atalaya binary}"
exec python3 crash.py --bin "$ATALAYA_BIN" --kills "${KILLS:-100}"
