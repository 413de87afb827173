//! KQL as an analyst meets it: what binds, what is refused, and what is said about it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "helpers of tests are tests; clippy's exemption covers only the test functions"
)]

mod assist;
mod cases;
mod corpus;
mod pure;
mod robust;
