//! Rules and the alerts they raise.
//!
//! A rule is a file that an analyst writes: KQL in the shape of a Sentinel analytics rule, or
//! Sigma. The [`Scheduler`] runs each rule over its window through the [`QueryEngine`] port,
//! finds the records behind every result row, and turns rows into alerts that name rule,
//! version and hash. The store makes that idempotent: overlapping windows, restarts and a second
//! trigger do not raise an alert twice.
//!
//! Trade-off: a scheduled query sees a burst after the fact, within its frequency. What must be
//! stopped before it runs is the gateway's business.
//!
//! Left out: the query engine (`query`), the log of alerts (a sink in `server`), incidents.

mod analytics;
mod builtin;
mod catalogue;
mod duration;
mod evaluate;
mod evidence;
mod metrics;
mod pipeline;
mod port;
mod raise;
mod rule;
mod scheduler;
mod stream;
pub mod testing;
mod time;

pub use analytics::{AnalyticHit, AnalyticRunner};
pub use atalaya_sigma::correlate::Limits as CorrelationLimits;
pub use catalogue::{RuleCatalogue, RuleProblem};
pub use evaluate::{Evaluation, Hit, Limits, evaluate};
pub use metrics::Metrics;
pub use port::{
    AlertSink, Clock, Column, QueryEngine, QueryError, QueryRequest, SinkError, Table, TimeRange,
    alert_row,
};
pub use raise::Raised;
pub use rule::{
    AnalyticSpec, EntityMapping, Escalation, EscalationStep, EventGrouping,
    FILE_BYTES_MAX as RULE_FILE_BYTES_MAX, Language, Origin, Rule, RuleThreshold, StreamSpec,
    Trigger, TriggerOperator, code,
};
pub use scheduler::{Ports, RunReport, Scheduler, SchedulerConfig};
pub use stream::StreamStats;
pub use time::parse_timestamp;
