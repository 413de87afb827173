//! What a rule becomes, and what is said about it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers of tests are tests; clippy's exemption covers only the test functions"
)]

mod backends;
mod builtin;
mod cases;
mod conversions;
mod corpora;
mod differences;
mod fix;
mod outputs;
mod properties;
mod seed;
mod streams;
