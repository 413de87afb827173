//! KQL, the Kusto query language: text to a bound tree, or diagnostics that say what to mend.
pub mod bound;
