//! Behaviour of the engine as an analyst sees it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers of tests are tests; clippy's exemption covers only the test functions"
)]

mod cases;
mod correlations;
mod engine;
mod explain;
mod hunting;
mod library;
mod made_up;
mod memory;
mod places;
mod recorded;
mod seed;
mod sigma;
mod support;
