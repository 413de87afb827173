//! A log as a stream of mapped rows: read it as JSON lines, and they are rows of the table.
//!
//! Memory is bounded by one line, or for `json` by one document. A line that cannot be mapped is
//! counted with its number and reason, never with its text, and the rest goes on.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};

use serde_json::{Map, Value};

use crate::apply::Mapped;
use crate::mapping::{Format, Mapping};

/// Longest line.
const LINE_BYTES_MAX: u64 = 16 << 20;
/// How many refusals are kept with their reason.
const REFUSALS_KEPT: usize = 10;

/// A record that became no row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Line, or number of the document.
    pub line: u64,
    /// Why, without its text.
    pub reason: String,
}

/// What came of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Records that became rows.
    pub mapped: u64,
    /// Records that the mapping is not about.
    pub skipped: u64,
    /// Records that could not be mapped.
    pub refused: u64,
    /// The first of them.
    pub first_refused: Vec<Refused>,
}

enum Source<R: Read> {
    Lines(BufReader<R>),
    Documents(
        Box<serde_json::StreamDeserializer<'static, serde_json::de::IoRead<BufReader<R>>, Value>>,
    ),
}

/// Reads a log and gives rows as JSON lines.
pub struct MappedReader<'m, R: Read> {
    mapping: &'m Mapping,
    source: Source<R>,
    ready: VecDeque<u8>,
    line: u64,
    outcome: Outcome,
    is_done: bool,
}

impl<'m, R: Read> MappedReader<'m, R> {
    /// Over a log.
    pub fn new(mapping: &'m Mapping, log: R) -> Self {
        let log = BufReader::with_capacity(256 << 10, log);
        let source = if mapping.format() == Format::Json {
            Source::Documents(Box::new(
                serde_json::Deserializer::from_reader(log).into_iter(),
            ))
        } else {
            Source::Lines(log)
        };
        Self {
            mapping,
            source,
            ready: VecDeque::new(),
            line: 0,
            outcome: Outcome::default(),
            is_done: false,
        }
    }

    /// What came of it so far.
    #[must_use]
    pub const fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// All rows at once, for small logs.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn rows(mut self) -> io::Result<(Vec<Value>, Outcome)> {
        let mut text = String::new();
        self.read_to_string(&mut text)?;
        let rows = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        Ok((rows.collect(), self.outcome))
    }

    /// Reads one line or document.
    fn advance(&mut self) -> io::Result<()> {
        self.line += 1;
        let record = match &mut self.source {
            Source::Documents(documents) => match documents.next() {
                None => {
                    self.is_done = true;
                    return Ok(());
                }
                Some(Ok(document)) => Ok(document),
                // After a syntax error the stream knows no next document.
                Some(Err(error)) => {
                    self.is_done = true;
                    Err(format!("not JSON from line {} on", error.line()))
                }
            },
            Source::Lines(lines) => {
                let mut line = Vec::new();
                let read = lines.take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
                if read == 0 {
                    self.is_done = true;
                    return Ok(());
                }
                let text = String::from_utf8_lossy(line.trim_ascii());
                if text.is_empty() {
                    return Ok(());
                }
                self.mapping.record(text.trim_start_matches('\u{feff}'))
            }
        };
        match record {
            Ok(document) => self.take(document),
            Err(reason) => self.refuse(reason),
        }
        Ok(())
    }

    fn take(&mut self, document: Value) {
        for record in records(document, &self.mapping.records) {
            match self.mapping.map(record) {
                Ok(Mapped::Skipped) => self.outcome.skipped += 1,
                Err(refusal) => self.refuse(refusal.to_string()),
                Ok(Mapped::Row(row)) => {
                    self.outcome.mapped += 1;
                    self.ready.extend(Value::Object(row).to_string().bytes());
                    self.ready.push_back(b'\n');
                }
            }
        }
    }

    fn refuse(&mut self, reason: String) {
        self.outcome.refused += 1;
        if self.outcome.first_refused.len() < REFUSALS_KEPT {
            let line = self.line;
            self.outcome.first_refused.push(Refused { line, reason });
        }
    }
}

impl<R: Read> Read for MappedReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.ready.is_empty() && !self.is_done {
            self.advance()?;
        }
        self.ready.read(buffer)
    }
}

impl Mapping {
    /// One line as a record.
    fn record(&self, line: &str) -> Result<Value, String> {
        let Some(pattern) = &self.pattern else {
            return serde_json::from_str(line).map_err(|_| "not a JSON object".to_owned());
        };
        let captures = pattern
            .captures(line)
            .ok_or_else(|| "the line does not match the pattern".to_owned())?;
        let fields = pattern.capture_names().flatten().filter_map(|name| {
            let text = captures.name(name)?.as_str();
            // `-` is how access logs write nothing.
            (!text.is_empty() && text != "-").then(|| (name.to_owned(), Value::from(text)))
        });
        Ok(Value::Object(fields.collect::<Map<_, _>>()))
    }
}

/// The records of a document: the path's lists, unfolded from the outside in. What surrounds a
/// record stays reachable as `parent`.
fn records(document: Value, path: &[String]) -> Vec<Value> {
    let Some((first, rest)) = path.split_first() else {
        return match document {
            Value::Array(items) => items,
            other => vec![other],
        };
    };
    let Value::Object(mut outer) = document else {
        return Vec::new();
    };
    let items = match outer.shift_remove(first) {
        Some(Value::Array(items)) => items,
        Some(one @ Value::Object(_)) => vec![one],
        _ => return Vec::new(),
    };
    let outer = Value::Object(outer);
    let mut found = Vec::new();
    for mut item in items {
        if let Value::Object(object) = &mut item
            && outer.as_object().is_some_and(|outer| !outer.is_empty())
        {
            object.insert("parent".to_owned(), outer.clone());
        }
        match rest {
            [] => found.push(item),
            rest => found.extend(records(item, rest)),
        }
    }
    found
}
