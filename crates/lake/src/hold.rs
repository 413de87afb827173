//! Legal holds: days of tables that stay, whatever their retention says.
//!
//! Files hold whole days, so a hold does too. Who orders a hold and why is control state; here is
//! only what it means for files. Merging and vacuuming go on: they move rows and lose none.

use atalaya_model::Timestamp;

use crate::time::day_of;

/// Rows that must not be deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LegalHold {
    /// Tables; all if empty.
    pub tables: Vec<String>,
    /// Rows from here on…
    pub from: Timestamp,
    /// …up to here; without end if absent.
    pub until: Option<Timestamp>,
}

impl LegalHold {
    /// Whether a day of a table is held.
    pub(crate) fn covers(&self, table: &str, day: i32) -> bool {
        let names = self.tables.is_empty() || self.tables.iter().any(|held| held == table);
        names && day >= day_of(self.from.0) && self.until.is_none_or(|until| day <= day_of(until.0))
    }
}
