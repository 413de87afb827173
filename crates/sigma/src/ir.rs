//! The one form of a rule that everything else starts from: the streaming matcher, the
//! converters, processing pipelines, explanations.
//!
//! ```text
//! YAML ── read ──▶ ir::Collection ──┬─ matcher       (streams of JSON events)
//!                       ▲           ├─ convert/…     (query languages)
//!                       └─ pipeline │                (renames fields, adds conditions, …)
//!                                   └─ explain
//! ```
//!
//! What has been done by the time a rule is here: `action: global|repeat|reset` are merged,
//! modifiers are applied (`contains: a` is the pattern `*a*`, `base64offset` is three patterns),
//! selections are put into conditions, `1 of x_*` is an `or`, filters are joined to the rules
//! that they name, legacy aggregations (`| count() > 5`) are correlations, references between
//! rules are indexes. What has not: fields keep their Sigma names, placeholders (`%admins%`) are
//! kept as such, nothing is simplified or reordered, so that a query reads like its rule.

mod collection;
mod correlation;
mod expr;
mod rule;
mod value;

pub use collection::{Collection, Edit, Target};
pub use correlation::{
    Alias, Bound, Correlation, CorrelationCondition, CorrelationKind, Reference, RuleExpr,
    Threshold,
};
pub use expr::{Expr, Item, Position, RegexFlags, Test, TimePart};
pub use rule::{Condition, Filter, FilterRules, LogSource, Metadata, Related, Rule, Selection};
pub use value::{Network, Number, Operator, Part, Pattern};
