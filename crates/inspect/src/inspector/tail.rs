//! The end of a user's text: a suffix that a search put together is a finding of its own, whatever
//! stands before it.

use atalaya_model::{Finding, Role, SegmentKind, Span, ThreatCategory};

use super::classify::threat_score;
use super::{Inspector, Scratch};
use crate::detectors::{atlas_of, on_boundaries};
use crate::language::{Family, Language};
use crate::normalise::Tricks;
use crate::suffix::Tail;

impl Inspector {
    /// The suffix of a segment that was read, if it ends with one.
    pub(super) fn suffix(&self, role: Role, original: &str, scratch: &Scratch) -> Option<Tail> {
        let model = self.model.as_ref().filter(|_| role == Role::User)?;
        // What is disguised looks like noise as it is written; what it hides has been judged.
        let is_plain = scratch.views.tricks() == Tricks::default()
            && (1..scratch.views.len()).all(|view| scratch.views.is_word_order(view));
        if !is_plain {
            return None;
        }
        let tail = model.suffix().tail(original)?;
        // Words of other languages look like noise to somebody who knows English only.
        let folded = scratch.views.get(0)?.folded();
        (Language::of(folded).family() == Family::English).then_some(tail)
    }

    /// Reports it.
    pub(super) fn report_suffix(
        &self,
        (index, kind): (u32, SegmentKind),
        original: &str,
        scratch: &mut Scratch,
    ) {
        let Some(tail) = self.suffix(kind.role(), original, scratch) else {
            return;
        };
        scratch.findings.push(Finding {
            category: ThreatCategory::Jailbreak,
            score: threat_score(tail.rarity),
            rule: "classifier.adversarial_suffix".into(),
            segment: index,
            kind,
            span: on_boundaries(original, Span::new(tail.start, original.len())),
            atlas: atlas_of(ThreatCategory::Jailbreak),
        });
    }
}
