//! The ports of the crates, joined.

mod alert_log;
mod approval_desk;
mod lake_tables;
mod no_tables;
mod recorder;
mod rule_engine;

pub use alert_log::AlertLog;
pub use approval_desk::ApprovalDesk;
pub use lake_tables::LakeTables;
pub(crate) use lake_tables::ticks;
pub(crate) use no_tables::NoTables;
pub use recorder::{Durable, JournalRecorder};
pub use rule_engine::RuleEngine;
