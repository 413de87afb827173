//! The detectors, in the order in which documentation lists them. To add one: a folder with
//! its `patterns.yml` (and code, if words are not enough), and one line in the list below.

pub(crate) mod chaff;
pub(crate) mod crescendo;
pub(crate) mod personal_data;
pub(crate) mod secrets;
pub(crate) mod threat_intelligence;

use std::borrow::Cow;

use atalaya_model::{Finding, SegmentKind, Span, ThreatCategory};

use crate::normalise::{Text, Trick, View, Views};

/// The pattern files of the built-in detectors: name, text.
pub(crate) const PATTERN_FILES: &[(&str, &str)] = &[
    (
        "direct_injection/patterns.yml",
        include_str!("direct_injection/patterns.yml"),
    ),
    (
        "indirect_injection/patterns.yml",
        include_str!("indirect_injection/patterns.yml"),
    ),
    (
        "jailbreak/patterns.yml",
        include_str!("jailbreak/patterns.yml"),
    ),
    (
        "prompt_extraction/patterns.yml",
        include_str!("prompt_extraction/patterns.yml"),
    ),
    (
        "hidden_payload/patterns.yml",
        include_str!("hidden_payload/patterns.yml"),
    ),
    ("secrets/patterns.yml", include_str!("secrets/patterns.yml")),
    (
        "tool_poisoning/patterns.yml",
        include_str!("tool_poisoning/patterns.yml"),
    ),
    (
        "exfiltration/patterns.yml",
        include_str!("exfiltration/patterns.yml"),
    ),
    (
        "malicious_code/patterns.yml",
        include_str!("malicious_code/patterns.yml"),
    ),
    (
        "memory_poisoning/patterns.yml",
        include_str!("memory_poisoning/patterns.yml"),
    ),
    (
        "model_extraction/patterns.yml",
        include_str!("model_extraction/patterns.yml"),
    ),
    (
        "resource_exhaustion/patterns.yml",
        include_str!("resource_exhaustion/patterns.yml"),
    ),
];

/// A detector that is code: a classifier, a parser, a checksum. Sees one segment at a time in
/// every way it can be read, and adds findings with spans in the segment's own text.
///
/// Detectors are pure: no clock, no randomness, no IO; the same segment gives the same findings.
pub trait Detector: Send + Sync + std::fmt::Debug {
    /// Name, the first part of its rule ids.
    fn name(&self) -> &'static str;

    /// What tells two builds of the detector apart; part of the rule set's hash.
    fn version(&self) -> &str;

    /// Looks at a segment.
    fn detect(&self, segment: &Reading<'_>, found: &mut Vec<Finding>);
}

/// A segment in every way it can be read.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    pub(crate) index: u32,
    pub(crate) kind: SegmentKind,
    pub(crate) original: &'a str,
    pub(crate) views: &'a Views,
    pub(crate) pattern_score: u8,
}

impl<'a> Reading<'a> {
    /// Index of the segment in the call.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// What the segment is.
    #[must_use]
    pub const fn kind(&self) -> SegmentKind {
        self.kind
    }

    /// The text as written (up to the inspection limit).
    #[must_use]
    pub const fn original(&self) -> &'a str {
        self.original
    }

    /// Score (0-100) of the worst finding that patterns made in this segment: what a costly
    /// detector needs to know to look only where patterns leave doubt.
    #[must_use]
    pub const fn pattern_score(&self) -> u8 {
        self.pattern_score
    }

    /// Number of ways to read it; view 0 is the folded original, the others are what tricks hid.
    #[must_use]
    pub const fn view_count(&self) -> usize {
        self.views.len()
    }

    /// A view's folded text: lower case, compatibility forms and accents resolved, nothing
    /// invisible.
    #[must_use]
    pub fn folded(&self, view: usize) -> &'a str {
        self.views.get(view).map_or("", |v| v.folded())
    }

    /// A view's text with its case: the original, or what was decoded.
    #[must_use]
    pub fn plain(&self, view: usize) -> &'a str {
        self.views.plain(view, self.original)
    }

    /// Name of the trick that was undone to get a view; `None` for view 0.
    #[must_use]
    pub fn trick(&self, view: usize) -> Option<&'static str> {
        self.views
            .get(view)
            .and_then(View::trick)
            .map(Trick::as_str)
    }

    /// The span of the original text (on character boundaries) from which a span of a view's
    /// folded text came.
    #[must_use]
    pub fn to_original(&self, view: usize, folded: Span) -> Span {
        on_boundaries(
            self.original,
            self.views.to_original(view, Text::Folded, folded),
        )
    }
}

/// The techniques that a finding of a category is evidence for, unless it names more precise ones.
pub(crate) fn atlas_of(category: ThreatCategory) -> Cow<'static, [Cow<'static, str>]> {
    let ids = category.atlas().iter();
    Cow::Owned(ids.map(|id| Cow::Borrowed(*id)).collect())
}

/// Widens a span to character boundaries within the text.
pub(crate) fn on_boundaries(text: &str, span: Span) -> Span {
    let start = text.floor_char_boundary(span.start);
    let end = text.ceil_char_boundary(span.end.max(start));
    Span::new(start, end)
}

/// A built-in check that a pattern can ask for by name.
#[derive(Clone, Copy)]
pub(crate) struct Check {
    name: &'static str,
    run: fn(&str) -> bool,
}

impl Check {
    /// Whether it is for tokens of a provider's format, which end where the format ends.
    pub(crate) fn is_of_token(self) -> bool {
        matches!(self.name, "token" | "github_crc")
    }

    /// Whether a match passes.
    pub(crate) fn passes(self, matched: &str) -> bool {
        (self.run)(matched)
    }
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

const CHECKS: &[Check] = &[
    Check {
        name: "entropy",
        run: secrets::checks::is_random_value,
    },
    Check {
        name: "token",
        run: secrets::checks::is_random_token,
    },
    Check {
        name: "jwt",
        run: secrets::checks::is_jwt,
    },
    Check {
        name: "github_crc",
        run: secrets::checks::is_github_token,
    },
    Check {
        name: "url_password",
        run: secrets::checks::is_url_with_password,
    },
    Check {
        name: "not_placeholder",
        run: secrets::checks::is_no_placeholder,
    },
];

/// The check of a name.
pub(crate) fn check(name: &str) -> Option<Check> {
    CHECKS.iter().copied().find(|check| check.name == name)
}

/// The names of all checks.
pub(crate) fn check_names() -> String {
    CHECKS
        .iter()
        .map(|check| check.name)
        .collect::<Vec<_>>()
        .join(", ")
}
