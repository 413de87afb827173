//! Streaming analytics: what no query over one window can say, because it needs what was usual,
//! what came before, or everybody at once.
//!
//! Events go in, findings come out; no IO, no clock, no randomness. One [`Engine`] runs all
//! analytics over each event once. What it remembers is bounded: a caller costs less than a
//! kilobyte whatever it does (`caller`), what is shared has a named limit each (`world`), and
//! whoever has to go is counted. State survives a restart as a versioned snapshot.
//!
//! An analytic is one file in `analytics/`: its parameters with defaults, and a function that
//! judges one event in the light of what is remembered. Its name, techniques, severity and
//! runbook stand in `rules/analytics/NAME.yml`, which is also where its parameters are set.
//!
//! Trade-offs. Sketches instead of exact sets: thresholds are set clear of their errors. Learning
//! before judging: what needs a baseline is silent until there is one, and says so. State is
//! per node: callers that spread over nodes are seen in part by each.
//!
//! Left out: clean-label poisoning, transfer attacks with one query, anything inside a model's
//! weights. No log shows them.

pub mod analytics;
mod caller;
mod engine;
pub mod event;
mod evidence;
mod finding;
pub mod manifest;
pub mod row;
mod sketch;
pub mod stats;
mod stored;
mod table;
mod world;

pub use analytics::{NAMES, Settings};
pub use engine::{Engine, Limits, SNAPSHOT_VERSION, SnapshotError, Stats};
pub use event::{Act, Event, Phase, Source};
pub use finding::{Finding, Reason};
pub use manifest::{Manifest, ManifestEntry, Manifests};
