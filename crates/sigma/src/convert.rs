//! Rules in other languages.

pub mod kql;
