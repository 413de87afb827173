//! One rule, checked and ready to run.
//!
//! A rule in force is identified by id, version and the SHA-256 of its file: two rules with the
//! same id and version but different text can be told apart in every alert that they raised.

mod analytic;
mod check;
mod sigma;
mod threshold;
mod yaml;

pub use analytic::AnalyticSpec;
pub use threshold::RuleThreshold;

use std::path::PathBuf;
use std::time::Duration;

use atalaya_model::{Diagnostic, EntityKind, Severity};

/// Largest rule file that is read, bytes.
pub const FILE_BYTES_MAX: usize = 256 << 10;

/// Codes of diagnostics about rules.
pub mod code {
    /// The file is too large.
    pub const TOO_LARGE: &str = "RULE001";
    /// A duration cannot be read or is out of range.
    pub const DURATION: &str = "RULE002";
    /// A severity, operator or kind that is not known.
    pub const VALUE: &str = "RULE003";
    /// A technique id that no ATLAS release knows.
    pub const TECHNIQUE: &str = "RULE004";
    /// A technique id that was retired.
    pub const RETIRED: &str = "RULE005";
    /// The rule names no technique.
    pub const NO_TECHNIQUE: &str = "RULE006";
    /// An entity type that is not known.
    pub const ENTITY: &str = "RULE007";
    /// The window is shorter than the time between runs: events would be missed.
    pub const GAP: &str = "RULE008";
    /// A required text is empty.
    pub const EMPTY: &str = "RULE009";
    /// The query reads no known table.
    pub const SOURCE: &str = "RULE010";
    /// Two files have the same rule id.
    pub const DUPLICATE: &str = "RULE011";
    /// The file or folder cannot be read.
    pub const UNREADABLE: &str = "RULE012";
    /// The Sigma rule cannot be used.
    pub const SIGMA: &str = "RULE013";
}

/// Where a rule came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Compiled in; the path is relative to the `rules` folder.
    BuiltIn(&'static str),
    /// A file of the user.
    File(PathBuf),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BuiltIn(path) => write!(f, "builtin:{path}"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// What a rule is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// A Sentinel analytics rule with a KQL query.
    Kql,
    /// A Sigma rule, converted to KQL.
    Sigma,
    /// A streaming analytic with its parameters; it has no query.
    Analytic,
}

/// How the number of result rows is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerOperator {
    /// More rows than the threshold.
    GreaterThan,
    /// Fewer rows: the absence of something.
    LessThan,
    /// Exactly as many.
    Equal,
    /// Any other number.
    NotEqual,
}

/// When a result makes the rule fire, as in Sentinel: by its number of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Comparison.
    pub operator: TriggerOperator,
    /// Number of rows.
    pub threshold: usize,
}

impl Trigger {
    /// Whether a result of that many rows fires.
    #[must_use]
    pub const fn fires(self, rows: usize) -> bool {
        match self.operator {
            TriggerOperator::GreaterThan => rows > self.threshold,
            TriggerOperator::LessThan => rows < self.threshold,
            TriggerOperator::Equal => rows == self.threshold,
            TriggerOperator::NotEqual => rows != self.threshold,
        }
    }
}

/// Whether every result row is an alert, or all of them together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EventGrouping {
    /// One alert per row, or per entity where rows are single records.
    #[default]
    AlertPerResult,
    /// One alert per run.
    SingleAlert,
}

/// A ladder: how severe a row is by the number in one of its columns. A row below the first
/// step raises nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Escalation {
    /// The column.
    pub column: String,
    /// Steps, lowest first.
    pub steps: Vec<EscalationStep>,
}

impl Escalation {
    /// The severity of a number; `None` below the first step.
    #[must_use]
    pub fn severity_of(&self, number: f64) -> Option<Severity> {
        self.steps
            .iter()
            .rev()
            .find(|step| number >= step.at_least)
            .map(|step| step.severity)
    }
}

/// One step of the ladder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EscalationStep {
    /// From this number on.
    pub at_least: f64,
    /// This severe.
    pub severity: Severity,
}

/// A column whose value is what an alert is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityMapping {
    /// What kind of thing.
    pub kind: EntityKind,
    /// The column of the result.
    pub column: String,
}

/// A Sigma rule on the stream of rows: it is asked of each row as it arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSpec {
    /// Columns that keep the windows of a correlation apart, in the order of its `group-by`.
    pub group_by: Vec<String>,
    /// Whether its query joins a table with itself: too much to run on a schedule beside the
    /// stream, which finds the same.
    pub joins: bool,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Id: a UUID for rules in Sentinel's shape, by convention.
    pub id: String,
    /// Title.
    pub name: String,
    /// What it finds and why that matters.
    pub description: String,
    /// Version, `1.0.0`.
    pub version: String,
    /// SHA-256 of the file's bytes, hexadecimal.
    pub hash: String,
    /// Where it came from.
    pub origin: Origin,
    /// What it is written in.
    pub language: Language,
    /// The analytic, for rules that are one.
    pub analytic: Option<AnalyticSpec>,
    /// How it is judged on the stream of rows, for Sigma rules that can be.
    pub stream: Option<StreamSpec>,
    /// Whether the scheduler runs it.
    pub enabled: bool,
    /// How urgent an alert is, where no ladder says otherwise.
    pub severity: Severity,
    /// Severity by number.
    pub escalation: Option<Escalation>,
    /// The query.
    pub query: String,
    /// The query for the records behind a row, with `{Column}` for the row's values. Derived
    /// from `query` if absent.
    pub evidence_query: Option<String>,
    /// Time between runs.
    pub frequency: Duration,
    /// Length of the window.
    pub period: Duration,
    /// How late records may arrive.
    pub ingestion_delay: Duration,
    /// How long an ongoing story stays one alert.
    pub suppression: Duration,
    /// When a result fires.
    pub trigger: Trigger,
    /// One alert per row or per run.
    pub grouping: EventGrouping,
    /// What alerts are about.
    pub entities: Vec<EntityMapping>,
    /// ATLAS technique ids.
    pub techniques: Vec<String>,
    /// Release that the ids refer to.
    pub atlas_release: String,
    /// Known log tables that the query reads, in order.
    pub tables: Vec<&'static atalaya_tables::Table>,
    /// Benign causes.
    pub false_positives: Vec<String>,
    /// What to adjust, and in which direction.
    pub tuning: Vec<String>,
    /// What to do when it fires.
    pub runbook: Option<String>,
    /// The whole file.
    pub text: String,
}

impl Rule {
    /// Reads a rule file. The second part are remarks that do not keep it from running.
    ///
    /// # Errors
    /// What is wrong with it; spans lie in `text`.
    pub fn parse(text: &str, origin: Origin) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        Self::parse_with(text, None, origin)
    }

    /// The same for a Sigma rule with a companion file.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_with(
        text: &str,
        companion: Option<&str>,
        origin: Origin,
    ) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        if text.len() > FILE_BYTES_MAX {
            let bytes = text.len();
            let message = format!("the rule has {bytes} bytes, more than {FILE_BYTES_MAX}");
            let span = atalaya_model::Span::default();
            return Err(vec![Diagnostic::error(code::TOO_LARGE, span, message)]);
        }
        if sigma::is_sigma(text) {
            return sigma::parse(text, companion, origin);
        }
        if analytic::is_analytic(text) {
            return analytic::parse(text, origin);
        }
        yaml::parse(text, origin)
    }

    /// The window of a run: long enough that records which arrive late, or between runs that
    /// are further apart than the period, are seen once.
    #[must_use]
    pub fn lookback(&self, frequency: Duration) -> Duration {
        self.period
            .max(frequency.saturating_add(self.ingestion_delay))
    }

    /// Columns of known tables that the query names: what a source has to deliver.
    #[must_use]
    pub fn columns_read(&self) -> Vec<(&'static str, &'static str)> {
        let mut found = Vec::new();
        if let Some(spec) = &self.analytic {
            found.clone_from(&spec.fields);
        }
        for word in crate::pipeline::identifiers(&self.query) {
            for table in &self.tables {
                if let Some(column) = table.column(word)
                    && !found.contains(&(table.name, column.name))
                {
                    found.push((table.name, column.name));
                }
            }
        }
        found
    }
}
