//! Scheduled rules over the week, in the real engine.
//!
//! Windows have the rules' own lengths and end `every` apart, or at the rule's own frequency where
//! that is rarer. As in the scheduler, a story younger than its rule's suppression stays one
//! alert, and a story without new records raises nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use atalaya_detect::{Hit, Limits, QueryEngine, Rule, RuleCatalogue, evaluate};
use atalaya_model::Timestamp;
use atalaya_query::FileTables;
use atalaya_server::laboratory;

use crate::rows::{DAY, MINUTE, START};
use crate::source::{Hourly, Window};

/// Threads that run rules.
const WORKERS: usize = 2;

/// Something a rule raised.
#[derive(Clone, Debug)]
pub(crate) struct Alert {
    pub(crate) micros: i64,
    pub(crate) rule: String,
    pub(crate) entities: Vec<(String, String)>,
    pub(crate) group: Vec<String>,
    pub(crate) details: String,
}

/// Which windows are looked at.
#[derive(Clone, Copy)]
pub(crate) struct Schedule {
    /// Distance of windows, microseconds; 0: each rule's own.
    pub(crate) every: i64,
    pub(crate) start: i64,
    pub(crate) end: i64,
}

impl Schedule {
    pub(crate) const fn week(every: i64, days: i64) -> Self {
        Self {
            every,
            start: START,
            end: START + days * DAY,
        }
    }
}

/// An engine that sees one window at a time.
pub(crate) struct Looking {
    window: Arc<Window>,
    engine: Arc<dyn QueryEngine>,
}

impl Looking {
    pub(crate) fn new(hourly: &Hourly) -> Result<Self, String> {
        let window = Arc::new(Window::new(hourly.clone()));
        let tables = FileTables::before(Arc::clone(&window) as _);
        let engine = laboratory::engine_over(tables, 1)?;
        Ok(Self { window, engine })
    }

    /// What a rule finds in the window that ends at `now`.
    pub(crate) async fn hits(&self, rule: &Rule, now: i64) -> Result<Vec<Hit>, String> {
        let period = i64::try_from(rule.period.as_micros()).unwrap_or(i64::MAX);
        self.window.set(now - period, now);
        // A machine that is busy must not cut a window short.
        let limits = Limits {
            query_timeout: std::time::Duration::from_secs(3_600),
            ..Limits::default()
        };
        let found = evaluate(rule, self.engine.as_ref(), Timestamp(now), &limits).await;
        let found = found.map_err(|error| format!("{}: {error}", rule.origin))?;
        Ok(found.hits)
    }
}

/// All scheduled rules of the catalogue over the week.
pub(crate) fn all(
    catalogue: &RuleCatalogue,
    only: &str,
    hourly: &Hourly,
    schedule: Schedule,
) -> Result<Vec<Alert>, String> {
    let rules: Vec<&Arc<Rule>> = catalogue
        .rules()
        .filter(|rule| rule.analytic.is_none())
        .filter(|rule| only.is_empty() || rule.origin.to_string().contains(only))
        .collect();
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<Alert>, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let looking = Looking::new(hourly)?;
        let mut alerts = Vec::new();
        while let Some(rule) = rules.get(next.fetch_add(1, Ordering::Relaxed)) {
            let found = runtime.block_on(one(rule, &looking, schedule))?;
            for alert in found.iter().take(3) {
                eprintln!(
                    "{}: {} {}",
                    alert.rule,
                    alert.group.join(" "),
                    alert.details
                );
            }
            alerts.extend(found);
        }
        Ok(alerts)
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        let mut all = Vec::new();
        for worker in workers {
            let found = worker.join().map_err(|_| "a worker died".to_owned())?;
            all.extend(found?);
        }
        Ok(all)
    })
}

async fn one(rule: &Rule, looking: &Looking, schedule: Schedule) -> Result<Vec<Alert>, String> {
    let micros = |duration: std::time::Duration| i64::try_from(duration.as_micros()).unwrap_or(0);
    let hop = micros(rule.frequency).max(schedule.every).max(MINUTE);
    let suppression = micros(rule.suppression);
    let mut stories = Stories::default();
    let mut now = schedule.start + hop;
    while now <= schedule.end {
        for hit in looking.hits(rule, now).await? {
            stories.raise(&rule.origin.to_string(), hit, now, suppression);
        }
        now += hop;
    }
    Ok(stories.alerts)
}

/// What a rule raised before.
#[derive(Default)]
pub(crate) struct Stories {
    last: BTreeMap<Vec<String>, (i64, i64, u64)>,
    pub(crate) alerts: Vec<Alert>,
}

impl Stories {
    /// Raises a hit unless it is part of a story that was raised already.
    pub(crate) fn raise(&mut self, rule: &str, hit: Hit, now: i64, suppression: i64) {
        let mut key = vec![rule.to_owned()];
        key.extend(hit.group.iter().cloned());
        if let Some((raised, seen, _)) = self.last.get(&key)
            && (now - raised < suppression || hit.last_seen.0 <= *seen)
        {
            return;
        }
        self.last.insert(key, (now, hit.last_seen.0, hit.count));
        let entity = |entity: &atalaya_model::Entity| {
            (
                format!("{:?}", entity.kind).to_lowercase(),
                entity.value.clone(),
            )
        };
        let detail = |(name, value): (&String, &String)| {
            let short: String = value.chars().take(60).collect();
            format!("{name}={short}")
        };
        self.alerts.push(Alert {
            micros: now,
            rule: rule.to_owned(),
            entities: hit.entities.iter().map(entity).collect(),
            group: hit.group,
            details: hit.details.iter().map(detail).collect::<Vec<_>>().join(" "),
        });
    }
}
