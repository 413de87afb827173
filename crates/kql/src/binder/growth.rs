//! How far a query may grow when names and functions are put in: `let b = a + a; let c = b + b; …`
//! doubles with every line.

use atalaya_model::Span;

use super::Binder;

/// Most parts (expressions, columns of operators) of a bound query.
const PARTS_MAX: usize = 500_000;

/// What has been made so far.
#[derive(Debug, Default)]
pub(super) struct Growth {
    made: usize,
    has_outgrown: bool,
}

/// After so many diagnostics nobody reads suggestions.
const SUGGESTIONS_MAX: usize = 100;

impl Binder<'_> {
    /// The name that was probably meant.
    pub(super) fn nearest<'n>(
        &self,
        wrong: &str,
        known: impl Iterator<Item = &'n str>,
    ) -> Option<&'n str> {
        if self.diagnostics.len() >= SUGGESTIONS_MAX {
            return None;
        }
        crate::nearest(wrong, known)
    }

    /// How many parts have been made.
    pub(super) fn made(&self) -> usize {
        self.growth.made
    }

    /// Counts parts that are made; nothing, and one complaint, when there are too many.
    pub(super) fn grow(&mut self, parts: usize, span: Span) -> Option<()> {
        if self.growth.has_outgrown {
            return None;
        }
        self.growth.made = self.growth.made.saturating_add(parts);
        if self.growth.made <= PARTS_MAX {
            return Some(());
        }
        self.growth.has_outgrown = true;
        let message = format!("with its names put in, the query has more than {PARTS_MAX} parts");
        let help = "use materialize() for row sets that are mentioned often".to_owned();
        self.error_help("KQL002", span, message, help);
        None
    }
}
