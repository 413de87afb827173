//! The journal from the outside: what it promises while it runs, when it is killed, when the disk
//! is full, and when somebody has tampered with it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests are tests; clippy's exemption covers only the test functions"
)]

mod append;
mod damage;
mod disk_full;
mod killed;
mod recovery;
mod support;
