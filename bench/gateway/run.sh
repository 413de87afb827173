#!/usr/bin/env bash
# What the gateway costs beside a bare proxy, in one run: builds both optimised, prints ratios.
#
#   bench/gateway/run.sh [--check] [--seconds S] [--rounds N]
set -euo pipefail
cd "$(dirname "$0")/../.."
target="${CARGO_TARGET_DIR:-target}"
if [ -z "${ATALAYA_BIN:-}" ]; then
  cargo build --release -p atalaya
  ATALAYA_BIN="$target/release/atalaya"
fi
cargo build --release -p atalaya-bench-gateway
exec "$target/release/atalaya-bench-gateway" run --atalaya "$ATALAYA_BIN" "$@"
