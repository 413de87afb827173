//! The catalogue as shipped, diagnostics as rendered, and scheduling against a scripted engine.
//! Whether rules find what they should is tested with the real engine, by `atalaya rules test`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests are tests; clippy's exemption covers only the test functions"
)]

#[cfg(test)]
mod analytics;
#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod coverage;
#[cfg(test)]
mod diagnostics;
#[cfg(test)]
mod scheduling;
mod stream;
#[cfg(test)]
mod world;
