#!/usr/bin/env bash
# Alerts per day that the built-in rules make of a generated week of benign traffic, and which
# techniques they find when attacks are mixed into it. Both fail beyond what is named here.
#
#   bench/week/run.sh [--seed N] [--mix company|uniform|busy] [--every MINUTES]
set -euo pipefail
cd "$(dirname "$0")/../.."
target="${CARGO_TARGET_DIR:-target}"
cargo build --release --workspace --bin atalaya-bench-week
week="$target/release/atalaya-bench-week"
"$week" --check 5 "$@"
for traces in attacks variations; do
  "$week" --traces "bench/week/traces/$traces.yml" "$@"
done
