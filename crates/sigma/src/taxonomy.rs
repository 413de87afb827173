//! Log sources and fields of Sigma rules as tables and columns.
//!
//! A log source names a table by `product` and `service` or `category`. A field is a column's
//! name in any case, with or without underscores (`model_type`, `ModelType`), or one of the
//! names below that others use for it.
//!
//! | log source | table |
//! |---|---|
//! | `product: ai_gateway` (also `service: decision`) | `AIGuardrailDecisions` |
//! | `product: ai_gateway, service: inference`; `product: ml_model` | `ModelInferenceLog` |
//! | `product: ai_gateway, service: access`; `product: api, service: access` | `APIAccessLog` |
//! | `product: ml_pipeline` | `AuditLog` |
//! | `product: windows, category: process_creation` or `service: security` | `SecurityEvents` |
//!
//! `atalaya tables NAME` lists the fields of each, with what they mean. Log sources of public
//! rules about other products are known by name, so that nothing is said about their fields.

mod events;

use atalaya_tables::{Column, Table};

use crate::ir::{Expr, Item, LogSource, Test};

pub use self::events::{SOURCE_FIELDS, source_of};

/// `product`, `service` or `category` (empty: any), table.
const SOURCES: &[(&str, &str, &str)] = &[
    (
        "custom_ml_application",
        "inference_log",
        "ModelInferenceLog",
    ),
    ("ai_gateway", "decision", "AIGuardrailDecisions"),
    ("ai_gateway", "inference", "ModelInferenceLog"),
    ("ai_gateway", "access", "APIAccessLog"),
    ("ai_gateway", "", "AIGuardrailDecisions"),
    ("ml_pipeline", "", "AuditLog"),
    ("ml_model", "", "ModelInferenceLog"),
    ("api", "access", "APIAccessLog"),
    ("windows", "process_creation", "SecurityEvents"),
    ("windows", "security", "SecurityEvents"),
];

/// Table, other name of a field, column.
const ALIASES: &[(&str, &str, &str)] = &[
    ("AIGuardrailDecisions", "action", "Decision"),
    ("AIGuardrailDecisions", "app", "ApplicationName"),
    ("AIGuardrailDecisions", "completion_tokens", "OutputTokens"),
    ("AIGuardrailDecisions", "model", "ModelName"),
    ("AIGuardrailDecisions", "prompt", "PromptText"),
    ("AIGuardrailDecisions", "prompt_tokens", "InputTokens"),
    ("AIGuardrailDecisions", "provider", "ProviderName"),
    ("AIGuardrailDecisions", "score", "ThreatScore"),
    ("AIGuardrailDecisions", "src_ip", "SrcIpAddr"),
    ("AIGuardrailDecisions", "tenant", "TenantId"),
    ("AIGuardrailDecisions", "tool", "ToolName"),
    ("AIGuardrailDecisions", "user", "UserId"),
    ("ModelInferenceLog", "completion_tokens", "OutputTokens"),
    ("ModelInferenceLog", "confidence", "ConfidenceScore"),
    ("ModelInferenceLog", "current_confidence", "ConfidenceScore"),
    ("ModelInferenceLog", "model", "ModelName"),
    ("ModelInferenceLog", "prompt_tokens", "InputTokens"),
    ("ModelInferenceLog", "provider", "ProviderName"),
    ("ModelInferenceLog", "src_ip", "SrcIpAddr"),
    ("ModelInferenceLog", "tool", "ToolName"),
    ("ModelInferenceLog", "user", "UserId"),
    ("SecurityEvents", "Image", "Process"),
];

/// A value that is not logged but follows from the record before, per model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Derived {
    /// Name of the column that holds it.
    pub column: &'static str,
    /// Columns by which rows are sorted, the first keeping stories apart.
    pub sort: [&'static str; 2],
    /// Its value.
    pub expression: &'static str,
}

const CONFIDENCE_DROP: Derived = Derived {
    column: "ConfidenceDrop",
    sort: ["ModelId", "TimeGenerated"],
    expression: "iff(prev(ModelId) == ModelId, abs(prev(ConfidenceScore) - ConfidenceScore), real(null))",
};

/// What a field is in a table.
#[derive(Clone, Copy, Debug)]
pub enum Field {
    /// A column.
    Column(&'static Column),
    /// Something that follows from rows.
    Derived(Derived),
}

/// The table of a log source.
#[must_use]
pub fn table(source: &LogSource) -> Option<&'static Table> {
    let (_, _, name) = SOURCES.iter().find(|(product, kind, _)| {
        *product == source.product
            && (kind.is_empty() || *kind == source.service || *kind == source.category)
    })?;
    atalaya_tables::find(name)
}

/// The log sources that are known, for suggestions.
#[must_use]
pub fn sources() -> String {
    let known: Vec<String> = SOURCES
        .iter()
        .map(|(product, kind, _)| match kind.is_empty() {
            true => format!("product: {product}"),
            false => format!("product: {product}, service: {kind}"),
        })
        .collect();
    known.join("; ")
}

/// Products (or, without one, categories) of public rules whose fields are not ours to know.
const PUBLIC: &[&str] = &[
    "antivirus",
    "apache",
    "application",
    "aws",
    "azure",
    "bitbucket",
    "cisco",
    "database",
    "django",
    "dns",
    "esxi",
    "file_event",
    "firewall",
    "fortigate",
    "fortios",
    "gcp",
    "github",
    "huawei",
    "jvm",
    "juniper",
    "kubernetes",
    "linux",
    "m365",
    "macos",
    "modsecurity",
    "netflow",
    "network_connection",
    "nodejs",
    "okta",
    "onelogin",
    "opencanary",
    "paloalto",
    "process_creation",
    "proxy",
    "python",
    "qualys",
    "rpc_firewall",
    "ruby_on_rails",
    "spring",
    "sql",
    "syslog",
    "velocity",
    "webserver",
    "windows",
    "zeek",
];

/// Whether public rules use this log source.
#[must_use]
pub fn is_public(source: &LogSource) -> bool {
    let name = [&source.product, &source.category, &source.service];
    let name = name.into_iter().find(|name| !name.is_empty());
    name.is_some_and(|name| PUBLIC.contains(&name.as_str()))
}

/// The column that a field of a rule about our own tables means, if it is called differently.
pub(crate) fn column(source: &LogSource, name: &str) -> Option<&'static str> {
    if is_public(source) {
        return None;
    }
    match field(table(source)?, name)? {
        Field::Column(column) if column.name != name => Some(column.name),
        _ => None,
    }
}

/// A condition that looks at the column as well wherever a field is called differently: events
/// may come as rows of the tables, or with the names of the rule.
pub(crate) fn with_columns(expr: &Expr, source: &LogSource) -> Expr {
    let all = |parts: &[Expr]| {
        parts
            .iter()
            .map(|part| with_columns(part, source))
            .collect()
    };
    let item = match expr {
        Expr::And(parts) => return Expr::And(all(parts)),
        Expr::Or(parts) => return Expr::Or(all(parts)),
        Expr::Not(inner) => return Expr::Not(Box::new(with_columns(inner, source))),
        Expr::Item(item) => item,
    };
    let named = item.field.as_deref().and_then(|name| column(source, name));
    let Some(named) = named else {
        return expr.clone();
    };
    let other = Expr::Item(Item {
        field: Some(named.to_owned()),
        ..item.clone()
    });
    // What must be absent must be so under both names.
    let absent = |test: &Test| matches!(test, Test::Null | Test::Exists(false));
    if item.tests.iter().any(absent) {
        Expr::And(vec![expr.clone(), other])
    } else {
        Expr::Or(vec![expr.clone(), other])
    }
}

/// What a field is.
#[must_use]
pub fn field(table: &'static Table, name: &str) -> Option<Field> {
    if table.name == "ModelInferenceLog" && plain(name) == "confidencedrop" {
        return Some(Field::Derived(CONFIDENCE_DROP));
    }
    let alias = ALIASES
        .iter()
        .find(|(known, alias, _)| *known == table.name && *alias == name);
    let wanted = plain(alias.map_or(name, |(_, _, column)| column));
    table
        .columns
        .iter()
        .find(|column| plain(column.name) == wanted)
        .map(Field::Column)
}

fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| *c != '_')
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// By what a count is kept apart where a rule does not say: per model, or per caller.
pub(crate) fn group_by_default(source: &LogSource) -> Vec<String> {
    let field = match table(source).map(|table| table.name) {
        Some("ModelInferenceLog") => "ModelId",
        Some("AIGuardrailDecisions" | "APIAccessLog") => "UserId",
        _ => return Vec::new(),
    };
    vec![field.to_owned()]
}
