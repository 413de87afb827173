//! The mapping file: what it may say, checked once.
//!
//! ```yaml
//! name: nginx-access
//! title: nginx access log, combined format
//! table: APIAccessLog
//! format: lines                     # jsonl, json (documents of any size), lines
//! pattern: '^(?<ip>\S+) ...'        # lines only: named groups are the fields
//! records: Records                  # json: where the records are, outermost first
//! when: {eventSource: [bedrock.amazonaws.com]}    # other records are skipped
//! columns:
//!   SrcIpAddr: ip                   # the field of that path
//!   TimeGenerated: {from: [time, ts], time: unix_ms}
//!   ModelType: {value: llm}
//! drop: [request.body]              # never kept, not even in AdditionalFields
//! ```

use std::collections::BTreeMap;

use atalaya_model::{Diagnostic, Span};
use atalaya_tables::{Column, Table};
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

/// Most columns of a mapping, and most alternatives of one.
const ENTRIES_MAX: usize = 256;

/// How records stand in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON object per line; a bad line spoils itself only.
    Jsonl,
    /// JSON documents, one or several, with records inside.
    Json,
    /// Lines of text, read by a pattern with named groups.
    Lines,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    #[serde(default)]
    title: String,
    table: String,
    format: Format,
    pattern: Option<String>,
    #[serde(default)]
    records: Texts,
    #[serde(default)]
    attributes: Texts,
    #[serde(default)]
    when: BTreeMap<String, Texts>,
    columns: BTreeMap<String, Entry>,
    #[serde(default)]
    drop: Vec<String>,
}

/// One text or several.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "OneOrMany")]
pub(crate) struct Texts(pub(crate) Vec<String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl From<OneOrMany> for Texts {
    fn from(value: OneOrMany) -> Self {
        match value {
            OneOrMany::One(text) => Self(vec![text]),
            OneOrMany::Many(texts) => Self(texts),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Path(String),
    Rule(Box<RuleEntry>),
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RuleEntry {
    from: Texts,
    value: Option<Value>,
    r#match: Option<String>,
    before: Option<String>,
    map: BTreeMap<String, Value>,
    ranges: BTreeMap<String, Value>,
    default: Option<Value>,
    time: Option<String>,
    times: Option<f64>,
    minus: Option<String>,
    only: bool,
    exists: bool,
    lower: bool,
    hash: bool,
    list: bool,
    json: bool,
    keep: bool,
}

/// How one column is filled.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) column: &'static Column,
    /// Paths, the first that has a value counts.
    pub(crate) from: Vec<String>,
    pub(crate) constant: Option<Value>,
    pub(crate) pattern: Option<Regex>,
    pub(crate) before: Option<String>,
    pub(crate) map: BTreeMap<String, Value>,
    /// `100-399` → value, for numbers.
    pub(crate) ranges: Vec<(f64, f64, Value)>,
    pub(crate) default: Option<Value>,
    pub(crate) time: Option<String>,
    pub(crate) times: Option<f64>,
    /// A path whose number is taken off, e.g. the start of a span from its end.
    pub(crate) minus: Option<String>,
    /// Whether values that `map` does not know are left out.
    pub(crate) only: bool,
    pub(crate) exists: bool,
    pub(crate) lower: bool,
    pub(crate) hash: bool,
    pub(crate) list: bool,
    pub(crate) json: bool,
    /// Whether the field stays in `AdditionalFields` too.
    pub(crate) keep: bool,
}

/// A checked mapping.
#[derive(Debug)]
pub struct Mapping {
    name: String,
    title: String,
    table: &'static Table,
    format: Format,
    pub(crate) pattern: Option<Regex>,
    pub(crate) records: Vec<String>,
    pub(crate) attributes: Vec<String>,
    pub(crate) when: Vec<(String, Vec<String>)>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) drop: Vec<String>,
}

impl Mapping {
    /// Reads a mapping file.
    ///
    /// # Errors
    /// What is wrong with it; the span lies in `text`.
    pub fn parse(text: &str) -> Result<Self, Box<Diagnostic>> {
        let file: File = atalaya_yaml::parse(text)?;
        let table = atalaya_tables::find(&file.table).ok_or_else(|| {
            let known: Vec<&str> = atalaya_tables::ALL.iter().map(|table| table.name).collect();
            wrong(
                text,
                &file.table,
                format!("there is no table `{}`", file.table),
            )
            .with_help(format!("tables are: {}", known.join(", ")))
        })?;
        if file.columns.len() > ENTRIES_MAX {
            let message = format!("more than {ENTRIES_MAX} columns");
            return Err(wrong(text, "columns", message).into());
        }
        if file.format == Format::Lines && file.pattern.is_none() {
            let fault = wrong(text, "format", "lines need a `pattern`".to_owned());
            return Err(fault.with_help("name the fields: `(?<ip>\\S+)`").into());
        }
        let mut rules = Vec::new();
        for (name, entry) in file.columns {
            rules.push(rule(text, table, &name, entry)?);
        }
        if !rules.iter().any(|rule| rule.column.name == "TimeGenerated") {
            let message = "nothing fills TimeGenerated".to_owned();
            return Err(wrong(text, "columns", message).into());
        }
        Ok(Self {
            pattern: pattern(text, file.pattern.as_deref())?,
            name: file.name,
            title: file.title,
            table,
            format: file.format,
            records: file.records.0,
            attributes: file.attributes.0,
            when: file.when.into_iter().map(|(k, v)| (k, v.0)).collect(),
            rules,
            drop: file.drop,
        })
    }

    /// Its name: the `SourceType` of its rows.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it reads, for people.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The table that it fills.
    #[must_use]
    pub const fn table(&self) -> &'static Table {
        self.table
    }

    /// How records stand in the log.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }
}

fn rule(
    text: &str,
    table: &'static Table,
    name: &str,
    entry: Entry,
) -> Result<Rule, Box<Diagnostic>> {
    let column = table.column(name).ok_or_else(|| {
        let names = table.columns.iter().map(|column| column.name);
        let near = atalaya_yaml::nearest(name, names).unwrap_or("none is near");
        wrong(text, name, format!("{} has no column `{name}`", table.name))
            .with_help(format!("did you mean `{near}`?"))
    })?;
    let entry = match entry {
        Entry::Path(path) => RuleEntry {
            from: Texts(vec![path]),
            ..RuleEntry::default()
        },
        Entry::Rule(rule) => *rule,
    };
    let mut ranges = Vec::new();
    for (range, value) in entry.ranges {
        let bounds = range
            .split_once('-')
            .and_then(|(low, high)| Some((low.trim().parse().ok()?, high.trim().parse().ok()?)));
        let (low, high) = bounds.ok_or_else(|| {
            wrong(text, &range, format!("`{range}` is no range")).with_help("write `400-499`")
        })?;
        ranges.push((low, high, value));
    }
    Ok(Rule {
        column,
        from: entry.from.0,
        constant: entry.value,
        pattern: pattern(text, entry.r#match.as_deref())?,
        before: entry.before,
        map: entry.map,
        ranges,
        default: entry.default,
        time: entry.time,
        times: entry.times,
        minus: entry.minus,
        only: entry.only,
        exists: entry.exists,
        lower: entry.lower,
        hash: entry.hash,
        list: entry.list,
        json: entry.json,
        keep: entry.keep,
    })
}

fn pattern(text: &str, pattern: Option<&str>) -> Result<Option<Regex>, Box<Diagnostic>> {
    let compile = |pattern: &str| {
        Regex::new(pattern)
            .map_err(|error| Box::new(wrong(text, pattern, format!("not a pattern: {error}"))))
    };
    pattern.map(compile).transpose()
}

fn wrong(text: &str, at: &str, message: String) -> Diagnostic {
    let span = text
        .find(at)
        .map_or_else(Span::default, |start| Span::new(start, start + at.len()));
    Diagnostic::error("MAP001", span, message)
}
