//! Window functions over an ordered row set: `prev`, `next`, `row_number`, `row_cumsum`,
//! `row_rank_*`, `row_window_session`.
//!
//! Rows stream through in their order: a function keeps what it must remember of the rows before
//! ([`state`]), and a batch waits until the rows that `next` looks at are there ([`stream`]). Only
//! an offset that differs from row to row makes the whole row set wait.

mod columns;
mod state;
mod stream;

use crate::types::Type;
use crate::value::Value;

pub(crate) use stream::Windowed;

/// What a window function computes.
#[derive(Clone, Debug)]
enum Kind {
    /// So many rows back, or on if negative; without a number, the second argument says it row by
    /// row, and `next` tells the direction.
    Moved { by: Option<i64>, next: bool },
    /// From the rows so far.
    Running(state::Function),
}

/// A call, whose arguments are columns of the rows that stream through.
#[derive(Clone, Debug)]
pub(crate) struct WindowCall {
    kind: Kind,
    /// Places and types of the arguments.
    args: Vec<(usize, Type)>,
    result: Type,
}

/// Furthest row that is reached while rows stream.
const MOVED_MAX: i64 = 100_000;

/// Whether a function of that name looks at other rows.
pub(crate) fn is_window(name: &str) -> bool {
    matches!(name, "prev" | "next") || state::Function::find(name).is_some()
}

impl WindowCall {
    /// The call of a function; `offset` is the second argument where it is constant.
    pub(crate) fn new(
        name: &str,
        args: Vec<(usize, Type)>,
        offset: Option<&Value>,
        result: Type,
    ) -> Option<Self> {
        let kind = match name {
            "prev" | "next" => {
                let by = match args.len() {
                    0 | 1 => Some(1),
                    // Null counts as one row.
                    _ => offset.map(|offset| offset.as_i64().unwrap_or(1)),
                };
                let by = by.filter(|by| by.abs() <= MOVED_MAX);
                let next = name == "next";
                let back = by.map(|by| if next { -by } else { by });
                Kind::Moved { by: back, next }
            }
            _ => Kind::Running(state::Function::find(name)?),
        };
        Some(Self { kind, args, result })
    }

    /// Rows behind a row that must be there before it can be computed; nothing if all must.
    fn rows_ahead(&self) -> Option<usize> {
        match &self.kind {
            Kind::Moved { by, .. } => by.map(|by| usize::try_from(-by).unwrap_or(0)),
            Kind::Running(_) => Some(0),
        }
    }
}
