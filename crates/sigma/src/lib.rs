//! Sigma rules (specification 2.1): read, checked, converted to KQL over the log tables.
//!
//! ```text
//! text ── parse ──▶ Collection (rules, correlations, remarks) ── convert::kql ──▶ query
//! ```
//!
//! Many rules in the wild are valid and dead: `"> 20"` is the text `> 20`, and no field holds it.
//! Such parts are read as what is meant, and a remark shows the standard form. Matching follows
//! the specification: values are compared without regard to case, `*` and `?` are wildcards.
//!
//! Left out for now, and refused with a clear message: keyword searches, placeholders, filters,
//! `fieldref`, the encoding modifiers, and correlations other than `event_count` and
//! `value_count`.

mod condition;
pub mod convert;
mod document;
mod duration;
pub mod ir;
mod matcher;
mod parse;
mod rule;
mod standard;
pub mod taxonomy;

pub use parse::parse;
pub use rule::{
    Collection, Correlation, CorrelationKind, Expr, FieldMatch, LogSource, Match, Metadata, Number,
    Operator, SigmaRule,
};

/// Codes of diagnostics about Sigma rules.
pub mod code {
    /// A required part is missing.
    pub const MISSING: &str = "SIG001";
    /// The condition names a selection that is not there.
    pub const UNKNOWN_SELECTION: &str = "SIG002";
    /// The condition cannot be read.
    pub const CONDITION: &str = "SIG003";
    /// A modifier that is not known, or not supported here.
    pub const MODIFIER: &str = "SIG004";
    /// A value that its modifier cannot use.
    pub const VALUE: &str = "SIG005";
    /// A correlation that is not complete, or not supported here.
    pub const CORRELATION: &str = "SIG006";
    /// A comparison written as text: `"> 20"`.
    pub const DEAD_COMPARISON: &str = "SIG010";
    /// A range written as text: `"0.4..0.6"`.
    pub const DEAD_RANGE: &str = "SIG011";
    /// A threshold written as a selection of fields: `count: "> 10"`, `timespan: 24h`.
    pub const DEAD_THRESHOLD: &str = "SIG012";
    /// The rule has no id.
    pub const NO_ID: &str = "SIG013";
    /// A selection that the condition does not use.
    pub const UNUSED_SELECTION: &str = "SIG014";
    /// A field that the log source does not have.
    pub const UNKNOWN_FIELD: &str = "SIG020";
    /// A log source that is none of the log tables.
    pub const UNKNOWN_SOURCE: &str = "SIG021";
}
