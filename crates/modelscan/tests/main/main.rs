//! Crafted files: none with a disallowed global passes, none that is malformed crashes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests are tests; clippy's exemption covers only the test functions"
)]

mod archives;
mod assembler;
mod disguises;
mod evasions;
mod formats;
mod look_alikes;
mod mutations;
mod signatures;
