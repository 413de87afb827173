//! Service-level clocks: how long until somebody looks, until it is contained, until it is closed.

use std::collections::BTreeMap;

use atalaya_model::{Severity, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Names of the clocks, in the order in which they run out.
pub const CLOCKS: [&str; 3] = ["acknowledge", "contain", "close"];

/// Time limits of one severity, minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Until somebody owns it.
    pub acknowledge_min: u64,
    /// Until it can do no more harm.
    pub contain_min: u64,
    /// Until it is closed.
    pub close_min: u64,
}

/// Time limits by severity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SlaConfig {
    /// `informational`, `low`, `medium`, `high`, `critical` → limits.
    pub limits: BTreeMap<String, Limits>,
}

impl Default for SlaConfig {
    fn default() -> Self {
        let limits = |acknowledge_min, contain_min, close_min| Limits {
            acknowledge_min,
            contain_min,
            close_min,
        };
        Self {
            limits: BTreeMap::from([
                ("critical".to_owned(), limits(15, 60, 3 * 1_440)),
                ("high".to_owned(), limits(60, 240, 5 * 1_440)),
                ("medium".to_owned(), limits(480, 1_440, 10 * 1_440)),
                ("low".to_owned(), limits(1_440, 3 * 1_440, 20 * 1_440)),
                (
                    "informational".to_owned(),
                    limits(3 * 1_440, 7 * 1_440, 30 * 1_440),
                ),
            ]),
        }
    }
}

/// What an incident's clocks show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// Since when they run.
    pub started: Timestamp,
    /// When somebody took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Timestamp>,
    /// When it was contained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contained: Option<Timestamp>,
    /// When it was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Timestamp>,
}

/// One clock, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SlaState {
    /// One of [`CLOCKS`].
    pub clock: &'static str,
    /// When it is due.
    pub due: Timestamp,
    /// When it was stopped.
    pub stopped: Option<Timestamp>,
    /// Whether it was, or is, too late.
    pub breached: bool,
}

impl Clocks {
    /// Reads the clocks.
    #[must_use]
    pub fn read(&self, severity: Severity, config: &SlaConfig, now: Timestamp) -> Vec<SlaState> {
        let Some(limits) = config.limits.get(severity.as_str()) else {
            return Vec::new();
        };
        // What is contained was looked at, and what is closed is contained.
        let contained = self.contained.or(self.closed);
        let acknowledged = self.acknowledged.or(contained);
        let minutes = [
            (limits.acknowledge_min, acknowledged),
            (limits.contain_min, contained),
            (limits.close_min, self.closed),
        ];
        let clocks = CLOCKS.into_iter().zip(minutes);
        clocks
            .map(|(clock, (minutes, stopped))| {
                let minutes = i64::try_from(minutes).unwrap_or(i64::MAX);
                let due = Timestamp(
                    self.started
                        .0
                        .saturating_add(minutes.saturating_mul(60_000_000)),
                );
                SlaState {
                    clock,
                    due,
                    stopped,
                    breached: stopped.unwrap_or(now) > due,
                }
            })
            .collect()
    }
}
