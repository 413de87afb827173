//! Baselines at work: who calls a route far more than is normal for the hour, said as an alert that
//! explains itself, and as a watchlist that rules can join.
//!
//! The node hands in counts; this module decides. An hour is compared with what was normal before
//! it began, so that an attack does not become its own baseline. An anomaly is no attack: the alert
//! names no technique and starts no runbook by itself, and it is of low severity unless the limit
//! is exceeded by far.

use std::collections::BTreeMap;

use atalaya_model::{Alert, AlertStatus, Entity, EntityKind, Severity, Timestamp};
use atalaya_store::{DocumentStore, NewAlert, StoreError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::baseline::{BaselineConfig, Basis, Series};
use crate::ids::{sha256_hex, uuid_of};
use crate::typed::{self, Stored};

/// The watchlist that rules find baselines under.
pub const WATCHLIST: &str = "Baselines";
/// The rule that alerts name.
pub const RULE: &str = "baseline-volume";
/// Most callers and routes that are kept; those with the highest limits first.
pub const ROWS_MAX: usize = 20_000;
/// From how many times the limit on an anomaly is more than a remark.
const FAR: f64 = 3.0;

/// When an hour is unusual.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BaselineWatch {
    /// Whether calls are compared with baselines at all.
    pub enabled: bool,
    /// Days of history.
    pub history_days: u32,
    /// Weeks that the same hour of the week needs; before that all hours are compared with.
    pub weeks_min: usize,
    /// Active hours that a caller and route need at all; before that there is a cold start, and
    /// nothing is unusual.
    pub hours_min: usize,
    /// From how many robust deviations above the median on an hour is unusual.
    pub deviations: f64,
    /// Fewer calls in an hour than this are never unusual.
    pub calls_min: u64,
    /// How often the running hour is looked at, seconds.
    pub interval_s: u64,
}

impl Eq for BaselineWatch {}

impl Default for BaselineWatch {
    fn default() -> Self {
        let baseline = BaselineConfig::default();
        Self {
            enabled: true,
            history_days: 28,
            weeks_min: baseline.weeks_min,
            hours_min: baseline.hours_min,
            deviations: baseline.deviations,
            calls_min: 50,
            interval_s: 60,
        }
    }
}

/// What is normal for one caller on one route in one hour: a row of the watchlist.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Row {
    /// The caller again, under the name that watchlists are joined by.
    pub search_key: String,
    /// `UserId`.
    pub caller: String,
    /// `RouteName`.
    pub route: String,
    /// The hour that it is said of, RFC 3339.
    pub hour: String,
    /// Calls in the middle hour.
    pub median: f64,
    /// Robust deviation.
    pub deviation: f64,
    /// From here on an hour is unusual.
    pub limit: f64,
    /// `hour_of_week`, `all_hours`, `cold_start`.
    pub basis: String,
    /// Hours that it was computed from.
    pub samples: u64,
}

/// The baselines of the running hour.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Baselines {
    /// The hour, as it begins.
    pub hour: Timestamp,
    /// One row per caller and route.
    pub rows: Vec<Row>,
}

impl Stored for Baselines {
    const KIND: &'static str = "baselines";

    fn id(&self) -> String {
        "current".to_owned()
    }

    fn status(&self) -> String {
        "current".to_owned()
    }

    fn facets(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// Caller and route → calls by hour.
pub type History = BTreeMap<(String, String), Series>;

impl Baselines {
    /// What is normal in the hour that begins at `hour`.
    #[must_use]
    pub fn of(history: &History, hour: Timestamp, watch: &BaselineWatch) -> Self {
        let config = BaselineConfig {
            weeks_min: watch.weeks_min,
            hours_min: watch.hours_min,
            deviations: watch.deviations,
        };
        let mut rows: Vec<Row> = history
            .iter()
            .map(|((caller, route), series)| {
                let normal = series.normal(hour, &config);
                Row {
                    search_key: caller.clone(),
                    caller: caller.clone(),
                    route: route.clone(),
                    hour: hour.to_rfc3339(),
                    median: normal.median,
                    deviation: normal.deviation,
                    limit: normal.limit,
                    basis: normal.basis.as_str().to_owned(),
                    samples: normal.samples as u64,
                }
            })
            .collect();
        if rows.len() > ROWS_MAX {
            rows.sort_by(|a, b| b.limit.total_cmp(&a.limit));
            rows.truncate(ROWS_MAX);
        }
        Self { hour, rows }
    }

    /// The alert that a count of the running hour is; none if it is normal, or nobody can say.
    #[must_use]
    pub fn judge(
        &self,
        (caller, route): (&str, &str),
        calls: u64,
        watch: &BaselineWatch,
        now: Timestamp,
    ) -> Option<NewAlert> {
        let row = self
            .rows
            .iter()
            .find(|row| row.caller == caller && row.route == route)?;
        #[expect(clippy::cast_precision_loss, reason = "counts of an hour are small")]
        let value = calls as f64;
        let is_known = row.basis != Basis::ColdStart.as_str();
        (is_known && calls >= watch.calls_min && value > row.limit)
            .then(|| alert(row, self.hour, calls, value, now))
    }

    /// Keeps the baselines, in place of those of the hour before.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn keep(&self, store: &dyn DocumentStore, now: Timestamp) -> Result<(), StoreError> {
        typed::insert(store, self, now).await?;
        typed::change(store, &self.id(), now, |kept: &mut Self| {
            let is_new = kept != self;
            kept.clone_from(self);
            (is_new, ())
        })
        .await?;
        Ok(())
    }
}

fn basis(row: &Row) -> String {
    if row.basis == Basis::HourOfWeek.as_str() {
        format!("the same hour of {} weeks before", row.samples)
    } else {
        format!(
            "{} active hours before; too few weeks yet for the hour of the week",
            row.samples
        )
    }
}

fn alert(row: &Row, hour: Timestamp, calls: u64, value: f64, now: Timestamp) -> NewAlert {
    let name = format!("baseline\0{}\0{}\0{}", row.caller, row.route, row.hour);
    let deviations = (value - row.median) / row.deviation.max(f64::MIN_POSITIVE);
    let explanation = format!(
        "{calls} calls since {}; normal are {:.0}, unusual is more than {:.0}, from {}",
        row.hour,
        row.median,
        row.limit,
        basis(row)
    );
    let details = [
        ("Explanation", explanation),
        ("Calls", calls.to_string()),
        ("Median", format!("{:.1}", row.median)),
        ("Limit", format!("{:.1}", row.limit)),
        ("Deviations", format!("{deviations:.1}")),
        ("Basis", row.basis.clone()),
        ("Samples", row.samples.to_string()),
        ("Route", row.route.clone()),
    ];
    let is_far = value > row.limit * FAR;
    let caller = Entity {
        kind: EntityKind::Caller,
        value: row.caller.clone(),
    };
    let group = format!("baseline\0{}\0{}", row.caller, row.route);
    NewAlert {
        alert: Alert {
            alert_id: uuid_of(&name),
            time_generated: now,
            rule_id: RULE.to_owned(),
            rule_name: "Far more calls than normal for the hour".to_owned(),
            rule_version: "1.0.0".to_owned(),
            rule_hash: sha256_hex(RULE.as_bytes()),
            severity: if is_far {
                Severity::Medium
            } else {
                Severity::Low
            },
            techniques: Vec::new(),
            atlas_release: atalaya_atlas::RELEASE.to_owned(),
            entities: vec![caller],
            first_seen: hour,
            last_seen: now,
            count: calls,
            record_ids: Vec::new(),
            details: details.map(|(name, text)| (name.to_owned(), text)).into(),
            status: AlertStatus::New,
        },
        group_key: sha256_hex(group.as_bytes()),
        dedup_key: sha256_hex(name.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use atalaya_model::{Severity, Timestamp};
    use atalaya_store::{DocumentFilter, DocumentStore as _, SqliteStore};

    use super::{BaselineWatch, Baselines, History};

    const HOUR: i64 = 3_600_000_000;

    fn history(hours: i64, calls: f64) -> History {
        let mut history = History::new();
        for hour in 0..hours {
            let series = history
                .entry(("batch".to_owned(), "chat".to_owned()))
                .or_default();
            series.add(Timestamp(hour * HOUR), calls);
        }
        history
    }

    #[test]
    fn an_unusual_hour_is_an_alert_that_explains_itself_once() {
        let (watch, hour) = (BaselineWatch::default(), Timestamp(48 * HOUR));
        let baselines = Baselines::of(&history(48, 100.0), hour, &watch);
        let judge = |route: &str, calls| {
            let now = Timestamp(hour.0 + 60_000_000);
            baselines.judge(("batch", route), calls, &watch, now)
        };
        assert!(judge("chat", 150).is_none());
        assert!(judge("other", 5_000).is_none(), "a route without history");
        let found = judge("chat", 200).unwrap();
        assert_eq!(found.alert.severity, Severity::Low);
        let text = &found.alert.details["Explanation"];
        assert!(
            text.contains("200 calls") && text.contains("normal are 100"),
            "{text}"
        );
        assert!(text.contains("48 active hours"), "{text}");
        let again = judge("chat", 2_000).unwrap();
        assert_eq!(found.dedup_key, again.dedup_key);
        assert_eq!(again.alert.severity, Severity::Medium);
    }

    #[test]
    fn a_cold_start_and_small_numbers_say_nothing() {
        let (watch, hour) = (BaselineWatch::default(), Timestamp(48 * HOUR));
        let young = Baselines::of(&history(5, 100.0), hour, &watch);
        assert_eq!(young.rows[0].basis, "cold_start");
        assert!(
            young
                .judge(("batch", "chat"), 9_999, &watch, hour)
                .is_none()
        );
        let quiet = Baselines::of(&history(48, 1.0), hour, &watch);
        assert!(quiet.judge(("batch", "chat"), 49, &watch, hour).is_none());
        assert!(quiet.judge(("batch", "chat"), 50, &watch, hour).is_some());
    }

    #[tokio::test]
    async fn the_baselines_of_the_hour_replace_those_before() {
        let store = SqliteStore::in_memory().unwrap();
        let watch = BaselineWatch::default();
        for hour in [40, 41, 41] {
            let baselines = Baselines::of(&history(40, 1.0), Timestamp(hour * HOUR), &watch);
            baselines
                .keep(&store, Timestamp(hour * HOUR))
                .await
                .unwrap();
        }
        let kept = store
            .documents(&DocumentFilter::of("baselines"))
            .await
            .unwrap();
        assert_eq!(kept.len(), 1);
        assert!(
            kept[0].body.contains("1970-01-02T17:00:00"),
            "{}",
            kept[0].body
        );
    }
}
