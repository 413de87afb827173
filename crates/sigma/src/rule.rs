//! A rule after reading: the one form that everything else starts from.

use std::time::Duration;

use atalaya_model::{Diagnostic, Severity, Span};

/// What is said about a rule, not what it looks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Title.
    pub title: String,
    /// UUID, if there is one.
    pub id: Option<String>,
    /// The name that correlations use.
    pub name: Option<String>,
    /// What it finds.
    pub description: String,
    /// `level`.
    pub severity: Option<Severity>,
    /// Tags, e.g. `atlas.aml.t0051`.
    pub tags: Vec<String>,
    /// Benign causes.
    pub false_positives: Vec<String>,
}

/// Where a rule looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSource {
    /// `product`.
    pub product: String,
    /// `category`.
    pub category: String,
    /// `service`.
    pub service: String,
}

/// A rule about single events.
#[derive(Clone, Debug)]
pub struct SigmaRule {
    /// What is said about it.
    pub metadata: Metadata,
    /// Where it looks.
    pub source: LogSource,
    /// What it looks for.
    pub condition: Expr,
}

/// A boolean expression over one event.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// All of them.
    And(Vec<Expr>),
    /// Any of them.
    Or(Vec<Expr>),
    /// Not this.
    Not(Box<Expr>),
    /// A field's value.
    Field(FieldMatch),
}

/// A condition on one field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldMatch {
    /// Name in the rule.
    pub field: String,
    /// Where the rule says so.
    pub span: Span,
    /// Whether all values must match instead of any.
    pub all: bool,
    /// Whether case counts.
    pub cased: bool,
    /// The values.
    pub values: Vec<Match>,
}

/// One value of a condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Match {
    /// A text with `*` and `?`; a backslash takes away their meaning.
    Text(String),
    /// A regular expression; flags `i`, `m`, `s`.
    Regex(String, String),
    /// A number, compared.
    Compare(Operator, Number),
    /// A number, equal.
    Number(Number),
    /// A truth value.
    Bool(bool),
    /// An address in this network (RFC 4632).
    Cidr(String),
    /// The field is there, or not.
    Exists(bool),
    /// The field is absent or empty.
    Null,
}

/// A number as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number(pub String);

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

impl Operator {
    /// As in KQL and most other languages.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
        }
    }

    /// As a modifier or a key of a correlation's condition.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Less => "lt",
            Self::LessOrEqual => "lte",
            Self::Greater => "gt",
            Self::GreaterOrEqual => "gte",
            Self::Equal => "eq",
            Self::NotEqual => "neq",
        }
    }

    /// The operator of that word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        const ALL: [Operator; 6] = [
            Operator::Less,
            Operator::LessOrEqual,
            Operator::Greater,
            Operator::GreaterOrEqual,
            Operator::Equal,
            Operator::NotEqual,
        ];
        ALL.into_iter().find(|operator| operator.word() == word)
    }
}

/// What a correlation counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorrelationKind {
    /// Events.
    EventCount,
    /// Different values of a field.
    ValueCount(String),
}

/// A rule about many events.
#[derive(Clone, Debug)]
pub struct Correlation {
    /// What is said about it.
    pub metadata: Metadata,
    /// What is counted.
    pub kind: CorrelationKind,
    /// Index of the base rule in the collection.
    pub base: usize,
    /// Fields that keep counts apart.
    pub group_by: Vec<String>,
    /// Within which time.
    pub timespan: Duration,
    /// Comparison of the count.
    pub operator: Operator,
    /// The number that it is compared with.
    pub threshold: u64,
}

/// All rules of a file.
#[derive(Clone, Debug, Default)]
pub struct Collection {
    /// Rules about single events.
    pub rules: Vec<SigmaRule>,
    /// Rules about many events.
    pub correlations: Vec<Correlation>,
    /// Remarks that do not keep the rules from running.
    pub remarks: Vec<Diagnostic>,
}
