//! What callers, models and the log see of the gateway.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests are tests; clippy's exemption covers only the test functions"
)]

mod adversary;
mod answer_places;
mod answer_tools;
mod answers;
mod bench;
mod bypasses;
mod callers;
mod canaries;
mod decisions;
mod enforcement;
mod evaluation;
mod failures;
mod forwarding;
mod http2;
mod identity;
mod legitimate;
mod resilience;
mod sessions;
mod smuggling;
mod sockets;
mod surfaces;
mod surfaces_elsewhere;
mod upstream;
