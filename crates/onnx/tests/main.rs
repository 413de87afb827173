//! A second opinion as its user meets it: files that open or say why not, texts that are judged.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod opening;
mod reading;
mod tiny;
