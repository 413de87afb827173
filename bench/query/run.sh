#!/usr/bin/env bash
# Costs of KQL beside DataFusion's own SQL, DuckDB and chdb on the same files, in one run.
#
#   bench/query/run.sh [--rows N] [--rounds N] [--only NAME,…]
#
# Needs Python 3.11+ with venv; the peers come from PyPI.
set -euo pipefail
cd "$(dirname "$0")/../.."
rows=20000000
if [ "${1:-}" = --rows ]; then
  rows=$2
  shift 2
fi
target="${CARGO_TARGET_DIR:-target}"
cargo build --release --workspace --bin atalaya-bench-query
work="${ATALAYA_BENCH_DIR:-$target/bench-query}"
mkdir -p "$work"
# Named by what the lake writes: terms, and where identifiers lie.
data="$work/rows-$rows-values"
if [ ! -d "$data" ]; then
  "$target/release/atalaya-bench-query" generate "$work/partial" --rows "$rows"
  mv "$work/partial" "$data"
fi
if [ ! -x "$work/venv/bin/python" ]; then
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet duckdb==2.0.1 chdb==4.4.0 datafusion==55.0.0
fi
exec "$work/venv/bin/python" bench/query/compare.py "$data" \
  --binary "$target/release/atalaya-bench-query" "$@"
