//! The lake from the outside: what is in the journal is in the tables, exactly once, whenever the
//! process dies; what is ingested is typed or refused with a reason.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are tests; clippy's exemption covers only the test functions"
)]

mod exactly_once;
mod ingest;
mod maintenance;
mod settlement;
mod support;
mod tables;
