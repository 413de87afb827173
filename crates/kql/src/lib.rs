//! KQL, the Kusto query language: text to a bound tree, or diagnostics that say what to mend.
//!
//! ```
//! use atalaya_kql::{BindOptions, LogTables, bind};
//!
//! let options = BindOptions { now_ticks: 638_000_000_000_000_000, strict: false };
//! let bound = bind("AIGuardrailDecisions | summarize count() by UserId", &LogTables, options);
//! let query = bound.query.expect("it binds");
//! assert_eq!(query.root.schema[1].name, "count_");
//! ```
//!
//! The lexer and parser go on after an error and keep spans; the binder resolves names and types
//! with Kusto's rules, tracks whether rows have an order, and knows which conditions can never
//! hold. Where real Kusto refuses but the meaning is clear, a query runs with a warning
//! ([`BindOptions::strict`] refuses it). Left out: execution (`query`), storage, IO.
//!
//! Nothing here asks for a clock, files, threads or a network, and nothing below it brings an
//! operating system along, so that it builds for `wasm32-unknown-unknown` too:
//! `cargo build -p atalaya-kql --target wasm32-unknown-unknown` where that target is installed;
//! `tests/pure.rs` holds it to that everywhere else.

mod assist;
pub mod ast;
mod binder;
pub mod bound;
mod catalog;
pub mod catalogue;
mod format;
pub mod lexer;
mod parser;

pub use assist::{Completion, CompletionKind, Hover, complete, hover};
pub use binder::{
    BindOptions, Bound, Question, QuestionKind, bind, bind_with, check_stored_function,
};
pub use catalog::{Catalog, LogTables, RuleTables, WATCHLIST, columns, live_watchlist};
pub use format::format;
pub use parser::{DEPTH_MAX, Parsed, parse};

pub(crate) use atalaya_yaml::nearest;
