//! Rules and correlations over one stream of events: what an event matches, and which
//! correlations it completes.
//!
//! Windows slide and are closed, by the events' own time. An event that comes late is put where
//! it belongs, and windows after it are looked at again, as long as it is not later than
//! [`Limits::lateness`] within its group. Values of `group-by` and of `value_count` are compared
//! as everywhere in Sigma, without regard to case.
//!
//! State is bounded: beyond [`Limits::keys_max`] groups the one that was quiet for longest is
//! forgotten, beyond [`Limits::events_per_key_max`] events of a group the oldest; both are
//! counted in [`Counts`]. An expression with `not` is decided at the event, not when the window
//! closes: an alert that waits is an alert too late.

mod plan;
mod snapshot;
mod state;
mod window;

use std::time::Duration;

use self::plan::Plan;
use self::state::State;
use self::window::Entry;
use crate::ir::{Collection, LogSource, Target};
use crate::matcher::{Allowed, EventError, Matcher, Scratch, time};

pub use self::snapshot::SnapshotError;

/// Fields that tell when an event was, the first that is there and can be read.
pub const TIME_FIELDS: &[&str] = &[
    "TimeGenerated",
    "timestamp",
    "@timestamp",
    "_time",
    "UtcTime",
    "EventTime",
    "SystemTime",
    "TimeCreated",
    "time",
    "ts",
    "eventTime",
    "date",
];

/// What state may grow to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Groups of all correlations together.
    pub keys_max: usize,
    /// Events of one group; more where a threshold needs them.
    pub events_per_key_max: usize,
    /// How much later than the newest of its group an event may come.
    pub lateness: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            keys_max: 1_000_000,
            events_per_key_max: 10_000,
            lateness: Duration::from_secs(300),
        }
    }
}

/// What happened to state; nothing is lost silently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Groups that were forgotten because there were too many.
    pub evicted_keys: u64,
    /// Events that were forgotten because their group had too many.
    pub evicted_events: u64,
    /// Events that came too late for their group.
    pub late_events: u64,
    /// Events without a time that could be read; they got the time of the event before.
    pub untimed_events: u64,
}

/// A rule that an event matches, or a correlation that it completes.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Which.
    pub target: Target,
    /// Milliseconds since 1970; `None` for a rule about single events.
    pub time_ms: Option<i64>,
    /// The fields of `group-by` and their values.
    pub group: Vec<(String, String)>,
    /// What was computed over the window.
    pub value: f64,
    /// The events in the window by the numbers that the caller gave them.
    pub events: Vec<u64>,
}

/// Compiled rules and correlations with their state.
#[derive(Debug)]
pub struct Engine {
    matcher: Matcher,
    scratch: Scratch,
    plans: Vec<Plan>,
    /// By rule: whether its matches are alerts.
    alerting: Vec<bool>,
    /// By rule: correlations that it is part of, and its place in them.
    users: Vec<Vec<(usize, usize)>>,
    time_fields: Vec<u32>,
    state: State,
    limits: Limits,
    last_time: i64,
    matched: Vec<u32>,
}

/// Something that a correlation counts: an event of a rule, or an alert of another correlation.
struct Happening<'h> {
    time: i64,
    event: u64,
    /// Group values of the inner correlation.
    inherited: &'h [(String, String)],
}

impl Engine {
    /// Compiles a collection.
    ///
    /// # Errors
    /// Texts of the rules that are too much for one automaton.
    pub fn new(collection: &Collection, limits: Limits) -> Result<Self, String> {
        let mut names: Vec<String> = TIME_FIELDS.iter().map(|name| (*name).to_owned()).collect();
        for correlation in &collection.correlations {
            names.extend(plan::fields(correlation, collection));
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let matcher = Matcher::with_fields(collection, &names)?;
        let plans: Vec<Plan> = collection
            .correlations
            .iter()
            .map(|correlation| Plan::new(correlation, collection, &matcher, limits))
            .collect();
        let mut users = vec![Vec::new(); collection.rules.len()];
        for (index, correlation) in collection.correlations.iter().enumerate() {
            for (place, reference) in correlation.rules.iter().enumerate() {
                if let Some(Target::Rule(rule)) = reference.target
                    && let Some(users) = users.get_mut(rule)
                {
                    users.push((index, place));
                }
            }
        }
        let rules = 0..collection.rules.len();
        Ok(Self {
            alerting: rules
                .map(|rule| collection.raises_alerts(Target::Rule(rule)))
                .collect(),
            time_fields: TIME_FIELDS
                .iter()
                .filter_map(|name| matcher.field(name))
                .collect(),
            scratch: Scratch::default(),
            state: State::default(),
            matched: Vec::new(),
            last_time: 0,
            matcher,
            plans,
            users,
            limits,
        })
    }

    /// The rules that events of a log source may match.
    #[must_use]
    pub fn allowed(&self, source: &LogSource) -> Allowed {
        self.matcher.allowed(source)
    }

    /// The compiled rules.
    #[must_use]
    pub const fn matcher(&self) -> &Matcher {
        &self.matcher
    }

    /// The rules that the last event matched, also those that raise no alerts.
    #[must_use]
    pub fn matched(&self) -> &[u32] {
        &self.matched
    }

    /// What happened to state so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.state.counts
    }

    /// How many groups are kept.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.state.len()
    }

    /// Takes an event and appends what it raises.
    ///
    /// # Errors
    /// The event is no JSON object.
    pub fn process(
        &mut self,
        event: &str,
        number: u64,
        allowed: Option<&Allowed>,
        out: &mut Vec<Alert>,
    ) -> Result<(), EventError> {
        let mut matched = std::mem::take(&mut self.matched);
        matched.clear();
        let result = self
            .matcher
            .matches(event, &mut self.scratch, allowed, &mut matched);
        for rule in &matched {
            let rule = *rule as usize;
            if self.alerting.get(rule).copied().unwrap_or(true) {
                out.push(Alert {
                    target: Target::Rule(rule),
                    time_ms: None,
                    group: Vec::new(),
                    value: 1.0,
                    events: vec![number],
                });
            }
        }
        let counts = matched.iter().any(|rule| !self.users_of(*rule).is_empty());
        if counts {
            let time = self.time_of(event);
            self.correlate(event, (&matched, time, number), out);
        }
        self.matched = matched;
        result
    }

    fn users_of(&self, rule: u32) -> &[(usize, usize)] {
        self.users.get(rule as usize).map_or(&[], Vec::as_slice)
    }

    fn time_of(&mut self, event: &str) -> i64 {
        for field in &self.time_fields {
            let text = self.matcher.value(event, &mut self.scratch, *field);
            if let Some(time) = text.and_then(time::milliseconds) {
                self.last_time = time;
                return time;
            }
        }
        self.state.counts.untimed_events += 1;
        self.last_time
    }

    fn correlate(
        &mut self,
        event: &str,
        (matched, time, number): (&[u32], i64, u64),
        out: &mut Vec<Alert>,
    ) {
        // An event counts once in a correlation, whichever of its rules it matches.
        let mut rules_by_plan: Vec<(usize, u64)> = Vec::new();
        for rule in matched {
            for (plan, place) in self.users_of(*rule) {
                match rules_by_plan.iter_mut().find(|(known, _)| known == plan) {
                    Some((_, rules)) => *rules |= 1 << place,
                    None => rules_by_plan.push((*plan, 1 << place)),
                }
            }
        }
        for (plan, rules) in rules_by_plan {
            let happening = Happening {
                time,
                event: number,
                inherited: &[],
            };
            self.happen(event, (plan, rules), &happening, out);
        }
    }

    fn happen(
        &mut self,
        event: &str,
        (index, rules): (usize, u64),
        happening: &Happening<'_>,
        out: &mut Vec<Alert>,
    ) {
        // Rules that call a group's field differently may put one event into several groups.
        let mut left = rules;
        while left != 0 {
            let place = left.trailing_zeros() as usize;
            let Some(group) = self.group(event, (index, place), happening) else {
                left &= left - 1;
                continue;
            };
            let mut together = 1_u64 << place;
            let others = left & !together;
            for other in (0..64).filter(|other| others & (1 << other) != 0) {
                if self.group(event, (index, other), happening).as_ref() == Some(&group) {
                    together |= 1 << other;
                }
            }
            left &= !together;
            self.add(event, (index, together), (happening, group), out);
        }
    }

    /// The values of the group's fields; `None` if one is not there.
    fn group(
        &mut self,
        event: &str,
        (index, place): (usize, usize),
        happening: &Happening<'_>,
    ) -> Option<Vec<(String, String)>> {
        let plan = self.plans.get(index)?;
        let mut group = Vec::with_capacity(plan.group_by.len());
        for (at, name) in plan.group_by.iter().enumerate() {
            let (field_name, field) = plan.fields.get(place)?.get(at)?;
            let inherited = happening
                .inherited
                .iter()
                .find(|(known, _)| known == field_name);
            let value = match inherited {
                Some((_, value)) => value.clone(),
                None => field.value(event, &self.matcher, &mut self.scratch)?,
            };
            group.push((name.clone(), value));
        }
        Some(group)
    }

    fn add(
        &mut self,
        event: &str,
        (index, rules): (usize, u64),
        (happening, group): (&Happening<'_>, Vec<(String, String)>),
        out: &mut Vec<Alert>,
    ) {
        let Some(plan) = self.plans.get(index) else {
            return;
        };
        let Some(value) = plan.value(event, &self.matcher, &mut self.scratch) else {
            return;
        };
        let entry = Entry {
            time: happening.time,
            value,
            rules,
            event: happening.event,
            fired: false,
        };
        let key = plan::key(index, &group);
        let fired = self.state.add(&key, entry, plan, self.limits);
        let parents = plan.users.clone();
        let alerts = plan.raises_alerts;
        for fired in fired {
            for (parent, place) in &parents {
                let inner = Happening {
                    time: fired.time,
                    event: fired.events.last().copied().unwrap_or(happening.event),
                    inherited: &group,
                };
                self.happen(event, (*parent, 1 << place), &inner, out);
            }
            if alerts {
                out.push(Alert {
                    target: Target::Correlation(index),
                    time_ms: Some(fired.time),
                    group: group.clone(),
                    value: fired.value,
                    events: fired.events,
                });
            }
        }
    }

    /// The state as bytes, to go on with after a restart.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        snapshot::write(&self.state, &self.plans, self.last_time)
    }

    /// Goes on with a snapshot. Correlations that are not there any more, or mean something else
    /// now, begin anew; gives how many groups were taken over.
    ///
    /// # Errors
    /// What is no snapshot, or of another version.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<usize, SnapshotError> {
        let (state, last_time, taken) = snapshot::read(bytes, &self.plans, self.limits)?;
        self.state = state;
        self.last_time = last_time;
        Ok(taken)
    }

    /// Other rules from now on; correlations that still mean the same keep their state.
    ///
    /// # Errors
    /// The rules cannot be compiled; then those before stay in force.
    pub fn reload(&mut self, collection: &Collection) -> Result<(), String> {
        let mut next = Self::new(collection, self.limits)?;
        let counts = self.state.counts;
        next.restore(&self.snapshot())
            .map_err(|error| error.to_string())?;
        next.state.counts = counts;
        *self = next;
        Ok(())
    }
}
