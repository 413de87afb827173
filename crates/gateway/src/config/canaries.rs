//! Canaries that the gateway inserts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::canary::PLACE;

/// Canaries that the gateway puts at the end of a call's system prompt, to know the prompt again
/// when an answer repeats it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InsertedCanaries {
    /// Whether calls get one. It changes what is sent: off, a call that needs no change is
    /// forwarded byte for byte. Calls without a system prompt stay as they are.
    pub insert: bool,
    /// What has a canary of its own: `caller`, `session` (the caller, where there is none) or
    /// `call`. One per call makes providers' prompt caches useless behind the system prompt.
    pub per: CanaryPer,
    /// After this time there is another one, seconds; old ones are known all the same.
    pub rotation_s: u64,
    /// The sentence that is added; `{canary}` is where the canary stands.
    pub sentence: String,
}

impl Default for InsertedCanaries {
    fn default() -> Self {
        Self {
            insert: false,
            per: CanaryPer::default(),
            rotation_s: 604_800,
            sentence: "Document reference: {canary}".to_owned(),
        }
    }
}

impl InsertedCanaries {
    /// The number of the period that a time (microseconds since 1970) falls into.
    #[must_use]
    pub fn period(&self, now_us: i64) -> i64 {
        let seconds = i64::try_from(self.rotation_s.max(1)).unwrap_or(i64::MAX);
        now_us.div_euclid(1_000_000).div_euclid(seconds)
    }

    /// Key, problem and remedy of what cannot work.
    #[must_use]
    pub fn problem(&self) -> Option<(&'static str, &'static str, &'static str)> {
        if self.sentence.matches(PLACE).count() != 1 {
            return Some((
                "sentence",
                "the sentence of inserted canaries has no place for one",
                "write {canary} in it, once",
            ));
        }
        (self.rotation_s == 0).then_some((
            "rotation_s",
            "canaries cannot change every 0 seconds",
            "write a number above 0, or `per: call`",
        ))
    }
}

/// What has a canary of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CanaryPer {
    /// A caller.
    Caller,
    /// A session of a caller.
    #[default]
    Session,
    /// A call.
    Call,
}
