//! The nouns that every other crate shares. No IO, no clock, no protocol: only the shapes,
//! so that a finding means the same thing to the gateway, the log, a rule and the console.
//!
//! Left out on purpose: how a segment is cut out of bytes (`wire`), how it is scored
//! (`inspect`), what is done about it (`policy`), which columns a table has (`tables`).

pub mod alert;
pub mod category;
pub mod constraint;
pub mod decision;
pub mod diagnostic;
pub mod finding;
pub mod glob;
pub mod segment;
pub mod sensitive;
pub mod severity;
pub mod time;

pub use alert::{Alert, AlertStatus, Entity, EntityKind};
pub use category::ThreatCategory;
pub use constraint::{Constraints, Redaction};
pub use decision::{Decision, Mode};
pub use diagnostic::{Diagnostic, Level, SourceFile, Span};
pub use finding::{Finding, Unjudged, UnjudgedReason, Verdict};
pub use segment::{Role, Segment, SegmentKind};
pub use sensitive::Sensitive;
pub use severity::Severity;
pub use time::Timestamp;
