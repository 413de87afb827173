//! What a rule did last.

use atalaya_model::Timestamp;

/// State of one rule between runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleState {
    /// Rule id.
    pub rule_id: String,
    /// Version that ran last.
    pub rule_version: String,
    /// SHA-256 of the file of the rule that ran last, hexadecimal.
    pub rule_hash: String,
    /// When it ran last, successfully or not.
    pub last_run: Option<Timestamp>,
    /// End of the last window that was searched successfully: where the next one continues.
    pub cursor: Option<Timestamp>,
    /// When it last raised an alert.
    pub last_fired: Option<Timestamp>,
    /// Why the last run failed; `None` if it succeeded.
    pub last_error: Option<String>,
    /// Failed runs in a row.
    pub failures_in_a_row: u32,
    /// Duration of the last run, milliseconds.
    pub last_duration_ms: u64,
    /// Runs so far.
    pub runs_total: u64,
    /// Failed runs so far.
    pub failures_total: u64,
    /// Alerts raised so far.
    pub alerts_total: u64,
    /// Time that was never searched because the program was down for too long, milliseconds.
    pub skipped_ms_total: u64,
}
