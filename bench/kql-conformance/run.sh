#!/usr/bin/env bash
# Recorded answers of Microsoft's own engine, asked of Atalaya, duckdb-kql and chdb's KQL dialect in
# one run and judged by one comparison.
#
#   bench/kql-conformance/run.sh [CASES.jsonl] [--notes FOLDER] [--only atalaya,duckdb-kql,chdb]
#
# Needs Python 3.11+ with venv; the peers come from PyPI. Without CASES it takes the corpus beside
# the checkout.
set -euo pipefail
cd "$(dirname "$0")/../.."
cases=../shared/kql/emulator.jsonl
if [ $# -gt 0 ] && [ "${1#--}" = "$1" ]; then
  cases=$1
  shift
fi
if [ ! -f "$cases" ]; then
  echo "there are no recorded cases at $cases: name the file" >&2
  exit 2
fi
target="${CARGO_TARGET_DIR:-target}"
cargo build --release --workspace --example answers
work="${ATALAYA_BENCH_DIR:-$target/bench-kql}"
mkdir -p "$work"
if [ ! -x "$work/venv/bin/python" ]; then
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet duckdb==2.0.1 duckdb-kql==1.1.2 pytz chdb==4.4.0
fi
exec "$work/venv/bin/python" bench/kql-conformance/compare.py "$cases" \
  --answers "$target/release/examples/answers" "$@"
