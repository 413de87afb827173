//! What a protocol owes: nothing unread, spans that point into the body, edits that leave the
//! rest alone, answers in the right shape. Cases are data, in `tests/cases/<protocol>/`.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests are tests; clippy's exemption covers only the test functions"
)]

mod answers;
mod cases;
mod coverage;
mod json;
mod properties;
mod readers;
