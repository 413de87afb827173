//! Why the classifier judged a text as it did: the words that weighed most, as places in the text.
//!
//! A second reading of the worst window only, asked for by people; inspecting calls costs nothing
//! more for it. Places instead of words: an explanation may be written down where a text may not.

use atalaya_model::{SegmentKind, Span};

use super::scratch::Scratch;
use super::{Inspector, classify};
use crate::classifier::norm;
use crate::detectors::on_boundaries;
use crate::language::Language;
use crate::normalise::{Text, Trick, View};

/// Words of one explanation.
const WEIGHTS_MAX: usize = 12;

/// What made the classifier's score of a text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Explanation {
    /// The trick that was undone to read the worst window; `None` if it stands there as it is.
    pub trick: Option<&'static str>,
    /// The language that it was calibrated for, ISO 639-1; `und` if it could not be told.
    pub language: &'static str,
    /// Log-odds of the worst window.
    pub log_odds: f32,
    /// Where a suffix starts that a search put together, if the text ends with one.
    pub suffix: Option<usize>,
    /// What weighed most for or against an attack, the heaviest first.
    pub weights: Vec<Weight>,
}

/// A word that weighed, together with its sequences with the words before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weight {
    /// Where it stands in the text.
    pub span: Span,
    /// Its share of the log-odds; more than nothing speaks for an attack.
    pub log_odds: f32,
}

impl Inspector {
    /// Explains the classifier's score of a text; `None` if it has no say (another role, no words,
    /// switched off).
    #[must_use]
    pub fn explain(
        &self,
        text: &str,
        kind: SegmentKind,
        scratch: &mut Scratch,
    ) -> Option<Explanation> {
        let _ = self.inspect_text(text, kind, scratch);
        let reader = classify::kind_of(kind.role())?;
        let (model, judged) = (self.model.as_ref()?, scratch.judged?);
        let view = scratch.views.get(judged.view)?;
        let reasons = model.reasons(view.folded(), reader, judged.score, &mut scratch.memo);
        let scale = norm(u32::try_from(reasons.len()).unwrap_or(u32::MAX));
        let mut weights: Vec<Weight> = reasons
            .iter()
            .map(|reason| {
                let folded = on_boundaries(view.folded(), Span::new(reason.start, reason.end));
                let original = scratch.views.to_original(judged.view, Text::Folded, folded);
                Weight {
                    span: on_boundaries(text, original),
                    log_odds: reason.weight * scale,
                }
            })
            .collect();
        weights.sort_by(|a, b| b.log_odds.abs().total_cmp(&a.log_odds.abs()));
        weights.truncate(WEIGHTS_MAX);
        let suffix = self.suffix(kind.role(), text, scratch);
        Some(Explanation {
            suffix: suffix.map(|tail| tail.start),
            language: scratch
                .views
                .get(0)
                .map_or(Language::UNKNOWN, |whole| Language::of(whole.folded()))
                .code(),
            trick: View::trick(view).map(Trick::as_str),
            log_odds: judged.score.worst,
            weights,
        })
    }
}
