//! An analyst's walk, as a new user would try it: a burst of attacks → the caller is blocked → alert
//! → incident → evidence → unblock → false positive → allowlist → replay shows it gone.
//!
//! Everything goes through the binary and the loopback: a node with a scripted model behind it,
//! and the commands beside it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    reason = "helpers of tests are tests; clippy's exemption covers only the test functions; the walk is one story"
)]

#[cfg(test)]
mod defaults;
#[cfg(test)]
mod node;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod walk;
