//! The classifier's word on a segment, together with what patterns found there.
//!
//! Patterns are evidence, the classifier is the judge: it weighs the whole text, and a pattern's
//! score enters its log-odds. The outcome is a rarity among innocent texts of the same kind and
//! length, and that is what the ThreatScore of an attack by words means: 60 is about one innocent
//! text in four hundred, 70 one in a thousand.
//!
//! Left alone: findings that are facts (secrets, personal data, code) and patterns that a user
//! added, who asked for exactly those.

use atalaya_model::{Finding, Role, SegmentKind, Span, ThreatCategory};

use super::scratch::Scratch;
use super::{Inspector, ranges};
use crate::classifier::{Kind, Model, Score, length_class};
use crate::detectors::{atlas_of, on_boundaries};
use crate::language::Language;
use crate::normalise::Text;

/// Rarity and ThreatScore; straight lines between.
const SCALE: &[(f32, f32)] = &[
    (0.0, 0.0),
    (1.0, 12.0),
    (2.0, 40.0),
    (2.7, 60.0),
    (3.0, 70.0),
    (4.0, 92.0),
    (5.0, 100.0),
];
/// A pattern this sure stands for itself in a long text of a user: few of those were there to
/// calibrate with.
const CERTAIN_PATTERN: u8 = 85;
/// Classes of length from which on a text is long.
const CERTAIN_LENGTH_MIN: usize = 2;
/// The least that such a text scores.
const CERTAIN_SCORE: u8 = 82;
/// Unless one innocent text in ten looks worse.
const DOUBT_RARITY: f32 = 1.0;
/// Where even a sure pattern would not lift a window to this, patterns are not looked for: such a
/// text would not be worth a note.
const GATE_RARITY: f32 = 1.75;
/// Nor where the worst window of a text, with a sure pattern, stays below this: nothing would come of
/// it.
const HOPE_RARITY: f32 = 1.75;
/// Short texts between these rarities are also read with their words in the opposite order.
const DOUBTFUL: std::ops::Range<f32> = 0.5..2.0;
const DOUBTFUL_BYTES_MAX: usize = 2_000;
/// Words in any order make sense more often than letters.
const WORD_ORDER_HANDICAP: f32 = 0.2;
/// What is hidden as a whole and suspicious by itself is more so for being hidden.
const DISGUISE_RARITY: f32 = 0.8;
/// From this score on the classifier reports a finding of its own.
pub(super) const FINDING_SCORE_MIN: u8 = 20;

/// The categories that words alone make.
pub(super) const fn is_by_words(category: ThreatCategory) -> bool {
    matches!(
        category,
        ThreatCategory::PromptInjection
            | ThreatCategory::IndirectPromptInjection
            | ThreatCategory::Jailbreak
            | ThreatCategory::SystemPromptExtraction
            | ThreatCategory::HiddenPayload
            | ThreatCategory::ToolPoisoning
            | ThreatCategory::MemoryPoisoning
    )
}

/// The weights that a role is read with; `None` for what the application or the model says.
pub(super) const fn kind_of(role: Role) -> Option<Kind> {
    match role {
        Role::User => Some(Kind::User),
        Role::Document | Role::ToolOutput | Role::ToolDefinition => Some(Kind::Material),
        Role::Instruction | Role::Model => None,
    }
}

/// The worst reading of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judged {
    pub(super) view: usize,
    pub(super) score: Score,
    pub(super) threat: u8,
}

impl Inspector {
    /// Scores one view, and notes where patterns could make a difference to the judgement.
    pub(super) fn read(&self, role: Role, folded: &str, scratch: &mut Scratch) -> Option<Score> {
        scratch.ranges.clear();
        let (Some(model), Some(kind)) = (&self.model, kind_of(role)) else {
            scratch.ranges.push(0..folded.len());
            return None;
        };
        let score = model.score(folded, kind, &mut scratch.memo, &mut scratch.windows);
        match score {
            Some(score) => {
                let table = model.table(kind);
                let needed =
                    |rarity| table.log_odds(rarity, score.windows) + table.easing() - table.pattern;
                // In long texts a sure pattern stands for itself.
                let is_long =
                    kind == Kind::User && length_class(score.windows) >= CERTAIN_LENGTH_MIN;
                if is_long || score.worst >= needed(HOPE_RARITY) {
                    for range in scratch.windows.reaching(needed(GATE_RARITY)) {
                        ranges::add(&mut scratch.ranges, range);
                    }
                }
            }
            None => scratch.ranges.push(0..folded.len()),
        }
        score
    }

    /// Whether a text is short, written plainly, and neither innocent nor an attack for sure.
    pub(super) fn leaves_doubt(&self, role: Role, text: &str, scratch: &Scratch) -> bool {
        let (Some(model), Some(kind)) = (&self.model, kind_of(role)) else {
            return false;
        };
        let [Some(score)] = scratch.scores.as_slice() else {
            return false;
        };
        let rarity = model.table(kind).rarity(score.worst, score.windows);
        text.len() <= DOUBTFUL_BYTES_MAX && DOUBTFUL.contains(&rarity)
    }

    /// Judges a segment by its worst view; `patterns` is the worst score of patterns, 0 to 100.
    pub(super) fn judge(&self, kind: Kind, patterns: u8, text: &Scratch) -> Option<Judged> {
        let table = self.model.as_ref()?.table(kind);
        // What would come of it in no language needs none.
        let judged = self.judge_as(kind, (patterns, table.easing()), text)?;
        if judged.threat < FINDING_SCORE_MIN && text.findings.is_empty() {
            return Some(judged);
        }
        let family = text
            .views
            .get(0)
            .map_or(Language::UNKNOWN, |view| Language::of(view.folded()));
        let level = table.families[family.family().number()];
        self.judge_as(kind, (patterns, level), text)
    }

    /// Judges as if innocent texts lay higher by `level` log-odds.
    fn judge_as(&self, kind: Kind, (patterns, level): (u8, f32), text: &Scratch) -> Option<Judged> {
        let table = self.model.as_ref()?.table(kind);
        let mut worst: Option<(usize, Score, f32)> = None;
        let whole = text.scores.first().copied().flatten();
        for (view, score) in text.scores.iter().enumerate() {
            let Some(score) = *score else { continue };
            let log_odds = score.worst - level + table.pattern * f32::from(patterns) / 100.0;
            // What is a disguise as a whole is judged as what it hides, anything else as a part
            // of the text.
            let is_disguised = text.views.is_disguised(view);
            let windows = if is_disguised {
                score.windows
            } else {
                score.windows.max(whole.map_or(0, |whole| whole.windows))
            };
            let mut rarity = table.rarity(log_odds, windows);
            if text.views.is_word_order(view) {
                rarity -= WORD_ORDER_HANDICAP;
            } else if is_disguised && rarity >= DOUBT_RARITY {
                rarity += DISGUISE_RARITY;
            }
            if worst.is_none_or(|(_, _, before)| rarity > before) {
                worst = Some((view, score, rarity));
            }
        }
        let (view, score, rarity) = worst?;
        let windows = score.windows.max(whole.map_or(0, |whole| whole.windows));
        let certain = kind == Kind::User
            && length_class(windows) >= CERTAIN_LENGTH_MIN
            && patterns >= CERTAIN_PATTERN
            && rarity >= DOUBT_RARITY;
        let floor = if certain { CERTAIN_SCORE } else { 0 };
        Some(Judged {
            view,
            score,
            threat: threat_score(rarity).max(floor),
        })
    }

    /// Asks the second judge about the worst reading, if there is doubt. `false` if it was cut
    /// short.
    pub(super) fn ask_again(&self, judged: &mut Judged, original: &str, text: &Scratch) -> bool {
        let Some(second) = &self.second else {
            return true;
        };
        let Some((threat, complete)) =
            second.ask(judged.threat, text.views.plain(judged.view, original))
        else {
            return true;
        };
        judged.threat = threat;
        complete
    }

    /// Brings the findings of a segment in line with the judgement.
    pub(super) fn apply(&self, judged: Judged, segment: (u32, SegmentKind), scratch: &mut Scratch) {
        let mut reported = false;
        for finding in &mut scratch.findings {
            if !is_by_words(finding.category) || self.is_added(&finding.rule) {
                continue;
            }
            // The worst one (they are sorted) stands for the judgement.
            finding.score = if reported {
                finding.score.min(judged.threat)
            } else {
                judged.threat
            };
            finding.score = finding.score.max(1);
            reported = true;
        }
        if !reported && judged.threat >= FINDING_SCORE_MIN {
            let finding = self.finding(judged, segment, scratch);
            scratch.findings.extend(finding);
        }
    }

    fn is_added(&self, rule: &str) -> bool {
        let added = self.rules.patterns.get(self.builtin_patterns..);
        added.is_some_and(|added| added.iter().any(|pattern| pattern.rule == rule))
    }

    fn finding(
        &self,
        judged: Judged,
        (index, kind): (u32, SegmentKind),
        scratch: &mut Scratch,
    ) -> Option<Finding> {
        let model = self.model.as_ref()?;
        let span = span(model, kind_of(kind.role())?, judged, scratch);
        let original = scratch.views.to_original(judged.view, Text::Folded, span);
        let (category, rule) = match kind.role() {
            Role::User => (ThreatCategory::PromptInjection, "classifier.user"),
            Role::ToolDefinition => (ThreatCategory::ToolPoisoning, "classifier.tool_definition"),
            _ => (
                ThreatCategory::IndirectPromptInjection,
                "classifier.material",
            ),
        };
        Some(Finding {
            category,
            score: judged.threat,
            rule: rule.into(),
            segment: index,
            kind,
            span: original,
            atlas: atlas_of(category),
        })
    }
}

/// From the first to the last token of the worst window that speaks for an attack.
fn span(model: &Model, kind: Kind, judged: Judged, scratch: &mut Scratch) -> Span {
    let folded = scratch
        .views
        .get(judged.view)
        .map_or("", |view| view.folded());
    let reasons = model.reasons(folded, kind, judged.score, &mut scratch.memo);
    let heavy = reasons
        .iter()
        .map(|reason| reason.weight)
        .fold(0.0, f32::max)
        / 4.0;
    let mut heavy = reasons.iter().filter(|reason| reason.weight >= heavy);
    let first = heavy.next().map_or(0, |reason| reason.start);
    let last = heavy.next_back().map_or(first, |reason| reason.end);
    let end = reasons
        .iter()
        .find(|reason| reason.start == first)
        .map_or(first, |reason| reason.end);
    on_boundaries(folded, Span::new(first, last.max(end)))
}

/// The ThreatScore of a rarity.
pub(super) fn threat_score(rarity: f32) -> u8 {
    let mut from = (f32::NEG_INFINITY, 0.0);
    for to in SCALE.iter().copied() {
        if rarity < to.0 {
            let share = if from.0.is_finite() {
                (rarity - from.0) / (to.0 - from.0)
            } else {
                return 0;
            };
            // Truncation keeps a score below a threshold that it has not reached.
            return (from.1 + share * (to.1 - from.1)) as u8;
        }
        from = to;
    }
    100
}

#[cfg(test)]
mod tests {
    use super::threat_score;

    #[test]
    fn rarer_is_never_lower() {
        assert_eq!(threat_score(-3.0), 0);
        assert_eq!(threat_score(2.0), 40);
        assert_eq!(threat_score(9.0), 100);
        let scores: Vec<u8> = (0..60).map(|i| threat_score(i as f32 / 10.0)).collect();
        assert!(scores.is_sorted());
    }
}
