//! Text becomes a collection of rules.
//!
//! ```text
//! text ─ yaml::tree ─▶ documents ─ actions ─▶ one tree per rule ─┬─ detection ─┐
//!                                                               ├─ filter    ─┼─▶ link ─▶ Collection
//!                                                               └─ correlation┘
//! ```
//!
//! Reading goes on after a mistake: all are reported. What is only suspicious becomes a remark,
//! with an edit of the text where it can be mended by one.

mod actions;
mod condition;
mod correlation;
mod detection;
mod encode;
mod item;
mod legacy;
mod link;
mod metadata;
mod modifiers;
mod regex;
mod threshold;

use atalaya_model::{Diagnostic, Level, Span};
use atalaya_yaml::tree::{Node, parse_documents};

use crate::code;
use crate::ir::{Collection, Condition, Edit, Filter, Rule};

pub(crate) use self::condition::glob;
pub(crate) use self::encode::DASHES;
pub(crate) use self::item::comparison;
pub(crate) use self::regex::to_rust as regex_to_rust;

/// Longest text of one file.
pub const TEXT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Something about one of several files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which file, counted from 0.
    pub file: usize,
    /// What.
    pub diagnostic: Diagnostic,
}

/// Reads all rules of a file.
///
/// # Errors
/// Every mistake that could be found; spans lie in `text`. Remarks about what is only suspicious
/// are in the collection.
pub fn parse(text: &str) -> Result<Collection, Vec<Diagnostic>> {
    let (mut collection, problems) = parse_files([text]);
    let problems = problems.into_iter().map(|problem| problem.diagnostic);
    let (errors, remarks): (Vec<_>, Vec<_>) =
        problems.partition(|problem| problem.level == Level::Error);
    if !errors.is_empty() {
        return Err(errors);
    }
    collection.remarks = remarks;
    Ok(collection)
}

/// Reads files whose correlations and filters may name each other's rules. Rules with mistakes
/// are left out, all others are there.
pub fn parse_files<'t>(texts: impl IntoIterator<Item = &'t str>) -> (Collection, Vec<Problem>) {
    let mut collection = Collection::default();
    let mut problems = Vec::new();
    for (file, text) in texts.into_iter().enumerate() {
        let mut reader = Reader {
            text,
            file,
            collection: &mut collection,
            problems: Vec::new(),
        };
        reader.file();
        let found = reader.problems.into_iter();
        problems.extend(found.map(|diagnostic| Problem { file, diagnostic }));
    }
    problems.extend(link::link(&mut collection));
    problems.sort_by_key(|problem| (problem.file, problem.diagnostic.span.start));
    (collection, problems)
}

pub(crate) struct Reader<'r, 't> {
    pub(crate) text: &'t str,
    file: usize,
    collection: &'r mut Collection,
    pub(crate) problems: Vec<Diagnostic>,
}

impl Reader<'_, '_> {
    fn file(&mut self) {
        if self.text.len() > TEXT_BYTES_MAX {
            let message = format!("the file is larger than {TEXT_BYTES_MAX} bytes");
            self.error(code::MISSING, Span::default(), message, "");
            return;
        }
        let documents = match parse_documents(self.text) {
            Ok(documents) => documents,
            Err(error) => {
                self.problems.push(*error);
                return;
            }
        };
        let rules = actions::apply(documents, self);
        if rules.is_empty() && self.problems.is_empty() {
            let message = "the file holds no Sigma rule";
            self.error(code::MISSING, Span::default(), message, "");
        }
        for document in &rules {
            self.document(document);
        }
    }

    fn document(&mut self, document: &Node) {
        if document.map().is_none() {
            let help = "a rule is a map with `title`, `logsource` and `detection`";
            self.error(code::MISSING, document.span, "this is no rule", help);
        } else if document.get("correlation").is_some() {
            self.correlation(document);
        } else if document.get("filter").is_some() {
            self.filter(document);
        } else {
            self.rule(document);
        }
    }

    fn rule(&mut self, document: &Node) {
        let metadata = self.metadata(document);
        let title = place(document, "title");
        let Some(detection) = document
            .get("detection")
            .filter(|node| node.map().is_some())
        else {
            let help = "add `detection:` with a selection and a `condition`";
            self.error(code::MISSING, title, "the rule has no detection", help);
            return;
        };
        if metadata.id.is_none() {
            let remark = Diagnostic::warning(code::NO_ID, title, "the rule has no id");
            self.problems
                .push(remark.with_help("add `id:` with a new UUID"));
        }
        let rule = Rule {
            metadata,
            source: metadata::log_source(document),
            conditions: Vec::new(),
            selections: Vec::new(),
            file: self.file,
            span: document.span,
        };
        if let Some(threshold) = threshold::find(detection) {
            self.with_threshold(document, rule, &threshold);
            return;
        }
        let Some(read) = self.detection(detection) else {
            return;
        };
        if let Some(aggregation) = &read.aggregation {
            self.with_aggregation(document, rule, (&read, aggregation));
            return;
        }
        self.collection.rules.push(Rule {
            conditions: read.conditions,
            selections: read.selections,
            ..rule
        });
    }

    fn filter(&mut self, document: &Node) {
        let metadata = self.metadata(document);
        let Some(filter) = document.get("filter").filter(|node| node.map().is_some()) else {
            let help = "add selections and a `condition` below `filter:`";
            let message = "the filter says nothing";
            self.error(code::FILTER, place(document, "filter"), message, help);
            return;
        };
        let rules = metadata::filter_rules(filter);
        let Some(read) = self.detection(filter) else {
            return;
        };
        let [Condition { .. }] = read.conditions.as_slice() else {
            let message = "a filter has one condition";
            self.error(code::FILTER, place(document, "filter"), message, "");
            return;
        };
        if read.aggregation.is_some() {
            let message = "a filter cannot count events";
            self.error(code::FILTER, place(document, "filter"), message, "");
            return;
        }
        for condition in read.conditions {
            self.collection.filters.push(Filter {
                metadata: metadata.clone(),
                source: metadata::log_source(document),
                rules: rules.clone(),
                condition,
                file: self.file,
                span: document.span,
            });
        }
    }

    pub(crate) fn error(&mut self, code: &str, span: Span, message: impl Into<String>, help: &str) {
        let diagnostic = Diagnostic::error(code, span, message);
        self.problems.push(if help.is_empty() {
            diagnostic
        } else {
            diagnostic.with_help(help)
        });
    }

    pub(crate) fn fix(&mut self, code: &'static str, span: Span, text: impl Into<String>) {
        self.collection.fixes.push(Edit {
            span,
            text: text.into(),
            code,
            file: self.file,
        });
    }
}

/// Where a key of a map stands, or the map if it is not there.
fn place(node: &Node, key: &str) -> Span {
    let pairs = node.map().unwrap_or_default();
    let found = pairs.iter().find(|(k, _)| k.text == key);
    found.map_or_else(
        || Span::new(node.span.start, node.span.start),
        |(k, _)| k.span,
    )
}
