#!/usr/bin/env bash
# Rules and events of the corpora, both engines in one run. Usage: bench/sigma/run.sh [SHARED]
set -euo pipefail
cd "$(dirname "$0")"
shared=${1:-../../shared/sigma}
[ -d "$shared" ] || shared=../../../shared/sigma
# The other engine names a newer compiler than it needs.
cargo build --release --ignore-rust-version --quiet
binary=${CARGO_TARGET_DIR:-target}/release/atalaya-bench-sigma
"$binary" "$shared/sigmahq_rules.jsonl" "$shared/events_windows.jsonl" "$shared/events_ai.jsonl"
"$binary" pack:300 "$shared/events_ai.jsonl"
"$binary" keys:1000000
