//! What an editor shows while a query is written: completions, and what a name means.
//!
//! Both look at the text before the cursor only as far as the pipeline that it stands in: the
//! operators before the last pipe are bound, and their columns are what the next one can see.

use atalaya_model::Span;

use crate::bound::ColumnDef;
use crate::catalog::Catalog;
use crate::catalogue::{self, AGGREGATES, Function, OPERATORS, Returns, SCALARS};
use crate::lexer::{Kind, Token, lex};
use crate::{BindOptions, bind};

/// What a completion is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompletionKind {
    /// A table or a let-bound row set.
    Table,
    /// A column.
    Column,
    /// A scalar, window or aggregate function.
    Function,
    /// An operator of a pipeline.
    Operator,
    /// A word of the language.
    Keyword,
}

/// Something that can stand at the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// What is inserted.
    pub label: String,
    /// What it is.
    pub kind: CompletionKind,
    /// Its type, signature or syntax.
    pub detail: String,
}

/// What a name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hover {
    /// Where the name stands.
    pub span: Span,
    /// What it means, one line or more.
    pub text: String,
}

/// Words after which a table follows.
const BEFORE_TABLES: [&str; 4] = ["join", "lookup", "union", "find"];
/// Words between the parts of an operator.
const KEYWORDS: [&str; 14] = [
    "and",
    "asc",
    "between",
    "by",
    "contains",
    "desc",
    "has",
    "has_any",
    "in",
    "kind",
    "matches regex",
    "not",
    "on",
    "or",
];

/// What `render` draws.
const CHARTS: [&str; 14] = [
    "anomalychart",
    "areachart",
    "barchart",
    "card",
    "columnchart",
    "ladderchart",
    "linechart",
    "piechart",
    "pivotchart",
    "scatterchart",
    "stackedareachart",
    "table",
    "timechart",
    "timepivot",
];
/// Flavours of a join.
const JOINS: [&str; 9] = [
    "fullouter",
    "inner",
    "innerunique",
    "leftanti",
    "leftouter",
    "leftsemi",
    "rightanti",
    "rightouter",
    "rightsemi",
];

/// What can stand at an offset, completions that start like the word before it only.
#[must_use]
pub fn complete(
    source: &str,
    offset: usize,
    catalog: &dyn Catalog,
    options: BindOptions,
) -> Vec<Completion> {
    let offset = floor(source, offset);
    let before = &source[..offset];
    let mut tokens = lex(before).0;
    tokens.retain(|token| token.kind != Kind::End);
    let word = match tokens.last() {
        Some(last) if last.kind == Kind::Name && last.span.end == offset => tokens
            .pop()
            .map(|token| token.span.slice(before))
            .unwrap_or_default(),
        _ => "",
    };
    let text = |token: &Token| token.span.slice(before);
    let mut found = match tokens.last().map(text) {
        Some("|") => operators(),
        None | Some(";") => tables(before, catalog),
        Some(last) if BEFORE_TABLES.contains(&last) => tables(before, catalog),
        Some("evaluate") => plugins(),
        Some("render") => words(&CHARTS),
        Some("=") if is_kind_of_join(before, &tokens) => words(&JOINS),
        _ if opens_table(before, &tokens) => tables(before, catalog),
        _ => in_operator(before, &tokens, catalog, options),
    };
    let wanted = word.to_lowercase();
    found.retain(|found| found.label.to_lowercase().starts_with(&wanted));
    found
}

/// What the name at an offset means.
#[must_use]
pub fn hover(
    source: &str,
    offset: usize,
    catalog: &dyn Catalog,
    options: BindOptions,
) -> Option<Hover> {
    let tokens = lex(source).0;
    let at = tokens.iter().position(|token| {
        token.kind == Kind::Name && (token.span.start..=token.span.end).contains(&offset)
    })?;
    let span = tokens[at].span;
    let name = span.slice(source);
    let text = |at: Option<usize>| {
        at.and_then(|at| tokens.get(at))
            .map(|token| token.span.slice(source))
    };
    if text(at.checked_sub(1)) == Some("|")
        && let Some(syntax) = catalogue::operator(name)
    {
        return Some(Hover {
            span,
            text: syntax.to_owned(),
        });
    }
    if text(Some(at + 1)) == Some("(")
        && let Some(function) = catalogue::scalar(name).or_else(|| catalogue::aggregate(name))
    {
        return Some(Hover {
            span,
            text: signature(function),
        });
    }
    let columns = columns_before(source, &tokens[..at], catalog, options);
    if let Some(column) = columns.iter().find(|column| column.name == name) {
        let text = format!("{}: {}", column.name, column.ty.name());
        return Some(Hover { span, text });
    }
    let schema = catalog.table(name)?;
    let columns = schema
        .iter()
        .map(|column| format!("{}: {}", column.name, column.ty.name()));
    let text = format!("{name}\n{}", columns.collect::<Vec<_>>().join("\n"));
    Some(Hover { span, text })
}

/// The nearest boundary of a character at or before an offset.
fn floor(source: &str, offset: usize) -> usize {
    let mut offset = offset.min(source.len());
    while !source.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

fn operators() -> Vec<Completion> {
    let one = |(name, syntax): &(&str, &str)| Completion {
        label: (*name).to_owned(),
        kind: CompletionKind::Operator,
        detail: (*syntax).to_owned(),
    };
    OPERATORS.iter().map(one).collect()
}

fn plugins() -> Vec<Completion> {
    let one = |name: &str| Completion {
        label: name.to_owned(),
        kind: CompletionKind::Function,
        detail: "plugin".to_owned(),
    };
    crate::binder::plugin_names().map(one).collect()
}

fn words(words: &[&str]) -> Vec<Completion> {
    let one = |word: &&str| Completion {
        label: (*word).to_owned(),
        kind: CompletionKind::Keyword,
        detail: String::new(),
    };
    words.iter().map(one).collect()
}

/// Whether the cursor stands behind `kind=` of a join.
fn is_kind_of_join(before: &str, tokens: &[Token]) -> bool {
    let text = |token: &Token| token.span.slice(before);
    let pipe = tokens.iter().rposition(|token| text(token) == "|");
    let operator = pipe.and_then(|pipe| tokens.get(pipe + 1)).map(text);
    let [.., option, _] = tokens else {
        return false;
    };
    text(option) == "kind" && matches!(operator, Some("join" | "lookup"))
}

/// Tables, and the names that let statements gave so far.
fn tables(before: &str, catalog: &dyn Catalog) -> Vec<Completion> {
    let table = |name: String, detail: &str| Completion {
        label: name,
        kind: CompletionKind::Table,
        detail: detail.to_owned(),
    };
    let mut all: Vec<Completion> = let_names(before).map(|name| table(name, "let")).collect();
    all.extend(
        catalog
            .table_names()
            .into_iter()
            .map(|name| table(name, "table")),
    );
    all
}

fn let_names(before: &str) -> impl Iterator<Item = String> {
    let tokens = lex(before).0;
    let words: Vec<String> = tokens
        .iter()
        .map(|token| token.span.slice(before).to_owned())
        .collect();
    let names = words
        .windows(3)
        .filter(|part| part[0] == "let" && part[2] == "=");
    names
        .map(|part| part[1].clone())
        .collect::<Vec<_>>()
        .into_iter()
}

/// Whether the cursor stands right behind the bracket of `join (`, `union (`, `in (`.
fn opens_table(before: &str, tokens: &[Token]) -> bool {
    let [.., word, bracket] = tokens else {
        return false;
    };
    let word = word.span.slice(before);
    bracket.span.slice(before) == "(" && (BEFORE_TABLES.contains(&word) || word == "materialize")
}

fn in_operator(
    before: &str,
    tokens: &[Token],
    catalog: &dyn Catalog,
    options: BindOptions,
) -> Vec<Completion> {
    let columns = columns_before(before, tokens, catalog, options);
    let mut all: Vec<Completion> = columns
        .into_iter()
        .map(|column| Completion {
            label: column.name,
            kind: CompletionKind::Column,
            detail: column.ty.name().to_owned(),
        })
        .collect();
    let aggregates = if aggregates_here(before, tokens) {
        AGGREGATES
    } else {
        Default::default()
    };
    all.extend(aggregates.iter().chain(SCALARS).map(|function| Completion {
        label: function.name.to_owned(),
        kind: CompletionKind::Function,
        detail: signature(function),
    }));
    all.extend(KEYWORDS.iter().map(|word| Completion {
        label: (*word).to_owned(),
        kind: CompletionKind::Keyword,
        detail: String::new(),
    }));
    all.extend(let_names(before).map(|label| Completion {
        label,
        kind: CompletionKind::Keyword,
        detail: "let".to_owned(),
    }));
    all
}

/// Whether the operator before the cursor counts.
fn aggregates_here(before: &str, tokens: &[Token]) -> bool {
    let pipe = tokens
        .iter()
        .rposition(|token| token.span.slice(before) == "|");
    let operator = pipe.and_then(|pipe| tokens.get(pipe + 1));
    operator.is_some_and(|operator| {
        ["summarize", "make-series", "top-nested"].contains(&operator.span.slice(before))
    })
}

/// Columns of the rows that the operator at the end of some tokens gets.
fn columns_before(
    source: &str,
    tokens: &[Token],
    catalog: &dyn Catalog,
    options: BindOptions,
) -> Vec<ColumnDef> {
    let text = |token: &Token| token.span.slice(source);
    let (mut depth, mut pipe, mut start) = (0_usize, None, 0);
    for token in tokens.iter().rev() {
        match text(token) {
            ")" | "]" | "}" => depth += 1,
            "(" | "[" | "{" if depth == 0 && pipe.is_some() => {
                start = token.span.end;
                break;
            }
            "(" | "[" | "{" => depth = depth.saturating_sub(1),
            "|" if depth == 0 && pipe.is_none() => pipe = Some(token.span.start),
            ";" if depth == 0 => {
                start = token.span.end;
                break;
            }
            _ => {}
        }
    }
    let Some(pipe) = pipe else {
        return Vec::new();
    };
    let mut ends = tokens
        .iter()
        .filter(|token| token.span.end <= start && text(token) == ";");
    let lets = &source[..ends.next_back().map_or(0, |token| token.span.end)];
    let mut rows = &source[start..pipe];
    let words = lex(rows).0;
    let is_let = words
        .first()
        .is_some_and(|word| word.span.slice(rows) == "let");
    if is_let && let Some(sign) = words.get(2) {
        rows = &rows[sign.span.end..];
    }
    let bound = bind(&format!("{lets}\n{rows}"), catalog, options);
    bound
        .query
        .map(|query| query.root.schema)
        .unwrap_or_default()
}

fn signature(function: &Function) -> String {
    let arguments = match (function.min, function.max) {
        (0, 0) => String::new(),
        (min, max) if min == max => format!("{min} argument{}", if min == 1 { "" } else { "s" }),
        (min, max) => format!("{min} to {max} arguments"),
    };
    let returns = match function.returns {
        Returns::Always(ty) => ty.name().to_owned(),
        Returns::Of(index) => format!("type of argument {}", index + 1),
        Returns::Common(index) => format!("common type from argument {}", index + 1),
        Returns::Rounded => "type of the rounded value".to_owned(),
        Returns::Sum => "type of a sum".to_owned(),
    };
    format!("{}({arguments}): {returns}", function.name)
}
