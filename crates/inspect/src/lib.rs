//! Inspection: what is in a call that should not be there? Segments in, verdict out.
//!
//! Pure: no IO, no clock, no randomness, so a verdict can be reproduced from the text and the
//! hash of the rule set alone (but for a [`SecondOpinion`] that was added and cut short by its limit
//! on time, which the verdict then says). The order of work, for every segment:
//!
//! 1. [`normalise`]: every way the text can be read, each with the way back to its bytes;
//! 2. [`prefilter`]: one pass for the literal beginnings of all patterns;
//! 3. [`patterns`]: a lazy DFA on a bounded window at each of those places;
//! 4. [`detectors`]: what words cannot say (checksums, entropy), [`classifier`] and [`suffix`]: what
//!    was learned;
//! 5. [`detectors`] again, for what only the conversation as a whole shows;
//! 6. [`scoring`]: findings become one `ThreatScore` with reasons.
//!
//! Trade-off: everything is bounded (bytes, views, matches, windows). What a bound left out is
//! reported as [`Unjudged`](atalaya_model::Unjudged), never as "nothing found".
//!
//! Left out: thresholds and what to do about a score (the policy crate), conversations over
//! several calls (the detection rules), media.

pub mod classifier;
mod context;
mod detectors;
mod inspector;
pub mod language;
mod normalise;
mod patterns;
mod prefilter;
mod scoring;
mod second_opinion;
mod simhash;
pub mod suffix;

pub use self::detectors::threat_intelligence::{BundleError, ThreatIntelligence};
pub use self::detectors::{Detector, Reading};
pub use self::inspector::{Builder, Explanation, Inspector, Limits, Scratch, Weight};
pub use self::patterns::Case;
pub use self::scoring::FINDINGS_MAX;
pub use self::second_opinion::{Opinion, SecondOpinion};
pub use self::simhash::simhash;
