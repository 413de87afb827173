//! Facts of answers by a table: which path says what.

use crate::json::scan::Scalar;
use crate::reader::{Facts, Settled};

/// What a path of an answer says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tell {
    /// Which model answered.
    Model,
    /// The provider's id of the answer.
    Id,
    /// Why the model stopped.
    Finish,
    /// The same, and that the stream has ended.
    FinishEnds,
    /// Input tokens.
    Input,
    /// Output tokens.
    Output,
    /// Input tokens from the provider's cache.
    Cached,
    /// Reasoning tokens.
    Reasoning,
    /// A tool that is called.
    Tool,
    /// The provider's error type.
    Error,
    /// With this text, the stream has ended.
    Ends(&'static str),
}

/// Facts by a table. Paths as [`crate::json::scan::Sink`] has them; a leading `#/` (a list of
/// answers) does not count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableFacts {
    pub(crate) table: &'static [(&'static str, Tell)],
    pub(crate) end_marker: &'static [u8],
}

impl Facts for TableFacts {
    fn scalar(&mut self, path: &str, value: Scalar<'_>, settled: &mut Settled) {
        let path = path.strip_prefix("#/").unwrap_or(path);
        for (at, tell) in self.table {
            if *at == path {
                note(*tell, value, settled);
            }
        }
    }

    fn end_marker(&self) -> &'static [u8] {
        self.end_marker
    }
}

fn note(tell: Tell, value: Scalar<'_>, settled: &mut Settled) {
    let text = value.text();
    let keep = |slot: &mut Option<String>, text: Option<String>| {
        if text.as_deref().is_some_and(|text| !text.is_empty()) {
            *slot = text;
        }
    };
    match tell {
        Tell::Model => keep(&mut settled.response_model, text),
        Tell::Id => keep(&mut settled.response_id, text),
        Tell::Finish => keep(&mut settled.finish_reason, text),
        Tell::FinishEnds => {
            settled.complete |= text.is_some();
            keep(&mut settled.finish_reason, text);
        }
        Tell::Input => settled.input_tokens = value.count().or(settled.input_tokens),
        Tell::Output => settled.output_tokens = value.count().or(settled.output_tokens),
        Tell::Cached => settled.cached_tokens = value.count().or(settled.cached_tokens),
        Tell::Reasoning => settled.reasoning_tokens = value.count().or(settled.reasoning_tokens),
        Tell::Tool => {
            if let Some(name) = text {
                settled.add_tool(name);
            }
        }
        Tell::Error => {
            if settled.error_type.is_none() {
                settled.error_type = text.or_else(|| match value {
                    Scalar::Number(number) => Some(number.to_owned()),
                    _ => None,
                });
            }
        }
        Tell::Ends(end) => settled.complete |= text.as_deref() == Some(end),
    }
}
