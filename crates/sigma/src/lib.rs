//! Sigma rules (specification 2.1): read, checked, matched against streams of events, converted.
//!
//! ```text
//! text ── parse ──▶ ir::Collection (rules, correlations, filters, remarks, fixes)
//!                        │
//!                        ├─▶ matcher, correlate   JSON events in, matches out
//!                        ├─▶ convert::…           queries
//!                        └─▶ explain              why an event did or did not match
//! ```
//!
//! Many rules in the wild are valid and dead: `"> 20"` is the text `> 20`, and no field holds it.
//! Such parts are read as what is meant, and a remark shows the standard form. Matching follows
//! the specification: values are compared without regard to case, `*` and `?` are wildcards.

mod check;
pub mod convert;
pub mod correlate;
mod duration;
pub mod explain;
pub mod ir;
pub mod matcher;
pub mod pipeline;
mod read;
mod standard;
pub mod taxonomy;
pub mod testing;

pub use atalaya_model::{Diagnostic, Level, Span};
pub use check::check;
pub use duration::write as write_duration;
pub use read::{Problem, TEXT_BYTES_MAX, parse, parse_files};
pub use standard::apply as apply_edits;

/// Codes of diagnostics about Sigma rules.
pub mod code {
    /// A required part is missing.
    pub const MISSING: &str = "SIG001";
    /// The condition names a selection that is not there.
    pub const UNKNOWN_SELECTION: &str = "SIG002";
    /// The condition cannot be read.
    pub const CONDITION: &str = "SIG003";
    /// A modifier that is not known, or does not go with another.
    pub const MODIFIER: &str = "SIG004";
    /// A value that its modifier cannot use.
    pub const VALUE: &str = "SIG005";
    /// A correlation that is not complete.
    pub const CORRELATION: &str = "SIG006";
    /// A filter that is not complete, or is for no rule.
    pub const FILTER: &str = "SIG007";
    /// An `action` that is not known, or has nothing to act on.
    pub const ACTION: &str = "SIG008";
    /// A level that is not one of the five.
    pub const LEVEL: &str = "SIG009";
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
    /// An aggregation of the first Sigma: `| count() > 5`.
    pub const LEGACY: &str = "SIG015";
    /// Two rules have the same id or name.
    pub const DUPLICATE_ID: &str = "SIG016";
    /// A correlation without `group-by`.
    pub const NO_GROUP: &str = "SIG017";
    /// A condition that never holds.
    pub const NEVER: &str = "SIG018";
    /// A condition that always holds.
    pub const ALWAYS: &str = "SIG019";
    /// A field that the log source does not have.
    pub const UNKNOWN_FIELD: &str = "SIG020";
    /// A log source that is none of the log tables.
    pub const UNKNOWN_SOURCE: &str = "SIG021";
    /// A placeholder that nothing resolves.
    pub const PLACEHOLDER: &str = "SIG022";
    /// The rule cannot be said in the language.
    pub const CONVERSION: &str = "SIG030";
    /// The language says part of the rule only nearly.
    pub const LOSSY: &str = "SIG031";
    /// A processing pipeline that cannot be read.
    pub const PIPELINE: &str = "SIG032";
}
