//! What a rule becomes, and what is said about it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers of tests are tests; clippy's exemption covers only the test functions"
)]

mod builtin;
mod cases;
mod conversions;
mod corpora;
mod fix;
mod properties;
mod seed;
mod streams;
