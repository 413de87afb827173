//! A second opinion: a costlier judge, asked only where the built-in one is in doubt.

use std::ops::RangeInclusive;

/// A judge of whole texts that takes its time, such as a transformer.
///
/// It is asked for user text and for material, once for a segment at most, and only if the
/// built-in classifier's score lies in the band for which it was added. Inside of that band its
/// word is the score. The same text should give the same opinion; where a limit on time cut it
/// short, it says so, and so does the verdict.
pub trait SecondOpinion: Send + Sync + std::fmt::Debug {
    /// What tells two judges apart; part of the rule set's hash.
    fn version(&self) -> &str;

    /// Reads a text, which may be long and hostile.
    fn read(&self, text: &str) -> Opinion;
}

/// What a judge says of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Opinion {
    /// Probability of an attack, 0 to 1, of what was read; `None` if nothing was.
    pub probability: Option<f32>,
    /// Whether everything was read. If not, the score is not lowered, and the segment is reported
    /// as `Unjudged` (`limit_reached`).
    pub complete: bool,
}

/// A judge, and when it is asked.
#[derive(Debug)]
pub(crate) struct Second {
    pub(crate) judge: Box<dyn SecondOpinion>,
    pub(crate) band: RangeInclusive<u8>,
}

impl Second {
    /// The score after asking, and whether everything was read; `None` if there is no doubt.
    pub(crate) fn ask(&self, threat: u8, text: &str) -> Option<(u8, bool)> {
        if !self.band.contains(&threat) {
            return None;
        }
        let opinion = self.judge.read(text);
        let said = opinion.probability.map(to_score);
        let score = match said {
            Some(said) if opinion.complete => said,
            // What was not read may be what the first judge saw.
            Some(said) => said.max(threat),
            None => threat,
        };
        Some((score, opinion.complete))
    }
}

/// Truncation keeps a score below a threshold that it has not reached.
fn to_score(probability: f32) -> u8 {
    if probability.is_finite() {
        (probability.clamp(0.0, 1.0) * 100.0) as u8
    } else {
        0
    }
}
