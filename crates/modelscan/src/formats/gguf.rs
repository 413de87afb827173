//! GGUF: counts, key-value pairs, tensor descriptions. Counts and lengths are checked against the
//! file before anything is believed; chat templates are taken out.

use std::io;

use super::Seen;
use crate::source::{Cursor, Part};

const PAIRS_MAX: u64 = 100_000;
const TENSORS_MAX: u64 = 1_000_000;
const TEMPLATE_BYTES_MAX: u64 = 1 << 20;

/// Chat templates by key, and what is wrong.
pub(crate) fn check(part: Part<'_>) -> (Vec<Seen>, Vec<(String, String)>) {
    let mut reader = Reader {
        cursor: Cursor::new(part, 4),
        templates: Vec::new(),
    };
    let wrong = match reader.read() {
        Ok(Ok(())) => Vec::new(),
        Ok(Err(message)) => vec![Seen::malformed(reader.cursor.offset(), message)],
        Err(error) => vec![Seen::malformed(reader.cursor.offset(), error.to_string())],
    };
    (wrong, reader.templates)
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    templates: Vec<(String, String)>,
}

type Outcome<T> = io::Result<Result<T, String>>;

macro_rules! given {
    ($outcome:expr) => {
        match $outcome? {
            Ok(value) => value,
            Err(message) => return Ok(Err(message)),
        }
    };
}

impl Reader<'_> {
    fn number(&mut self, bytes: usize) -> Outcome<u64> {
        Ok(match self.cursor.take(bytes)? {
            Some(bytes) => Ok(bytes
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte))),
            None => Err("it is cut off".to_owned()),
        })
    }

    fn skip(&mut self, count: u64) -> Outcome<()> {
        let is_there = self.cursor.skip(count);
        Ok(is_there
            .then_some(())
            .ok_or_else(|| "a length reaches past the end".to_owned()))
    }

    fn text(&mut self, keep_max: u64) -> Outcome<Option<String>> {
        let length = given!(self.number(8));
        if length > keep_max {
            given!(self.skip(length));
            return Ok(Ok(None));
        }
        Ok(match self.cursor.take(length as usize)? {
            Some(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            None => Err("a text reaches past the end".to_owned()),
        })
    }

    fn read(&mut self) -> Outcome<()> {
        let version = given!(self.number(4));
        if !(2..=3).contains(&version) {
            return Ok(Err(format!("version {version} is not known")));
        }
        let (tensors, pairs) = (given!(self.number(8)), given!(self.number(8)));
        if tensors > TENSORS_MAX || pairs > PAIRS_MAX {
            return Ok(Err(format!(
                "it says that it has {tensors} tensors and {pairs} pairs"
            )));
        }
        for _ in 0..pairs {
            let Some(key) = given!(self.text(65_535)) else {
                return Ok(Err("a key is longer than keys may be".to_owned()));
            };
            let kind = given!(self.number(4));
            given!(self.value(kind, &key, 0));
        }
        for _ in 0..tensors {
            given!(self.text(65_535));
            let dimensions = given!(self.number(4));
            if dimensions > 8 {
                return Ok(Err(format!("a tensor has {dimensions} dimensions")));
            }
            given!(self.skip(dimensions * 8 + 4 + 8));
        }
        Ok(Ok(()))
    }

    fn value(&mut self, kind: u64, key: &str, depth: u8) -> Outcome<()> {
        let size = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            10..=12 => 8,
            8 if key.contains("chat_template") => {
                if let Some(text) = given!(self.text(TEMPLATE_BYTES_MAX)) {
                    self.templates.push((key.to_owned(), text));
                    return Ok(Ok(()));
                }
                return Ok(Err("a chat template is longer than a megabyte".to_owned()));
            }
            8 => {
                given!(self.text(0));
                return Ok(Ok(()));
            }
            9 => return self.array(key, depth),
            _ => return Ok(Err(format!("a value has the unknown type {kind}"))),
        };
        self.skip(size)
    }

    fn array(&mut self, key: &str, depth: u8) -> Outcome<()> {
        let (kind, count) = (given!(self.number(4)), given!(self.number(8)));
        let fixed = match kind {
            0 | 1 | 7 => Some(1),
            2 | 3 => Some(2),
            4..=6 => Some(4),
            10..=12 => Some(8),
            _ => None,
        };
        if let Some(size) = fixed {
            let Some(bytes) = count.checked_mul(size) else {
                return Ok(Err("an array overflows".to_owned()));
            };
            return self.skip(bytes);
        }
        if depth > 3 {
            return Ok(Err("arrays are nested too deeply".to_owned()));
        }
        for _ in 0..count {
            given!(self.value(kind, key, depth + 1));
        }
        Ok(Ok(()))
    }
}
