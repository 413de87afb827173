//! What running functions remember of the rows so far, value by value.

use crate::value::Value;

/// A function of the rows so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    RowNumber,
    RowCumsum,
    Rank,
    DenseRank,
    Session,
}

impl Function {
    pub(super) fn find(name: &str) -> Option<Self> {
        Some(match name {
            "row_number" => Self::RowNumber,
            "row_cumsum" => Self::RowCumsum,
            "row_rank" | "row_rank_min" => Self::Rank,
            "row_rank_dense" => Self::DenseRank,
            "row_window_session" => Self::Session,
            _ => return None,
        })
    }
}

/// What is remembered. The default is that of no row.
#[derive(Debug, Default)]
pub(super) struct State {
    /// First number or limits, which the first row says.
    start: Option<(i64, i64)>,
    next: i64,
    whole: i64,
    fraction: f64,
    since_restart: i64,
    last: Option<Value>,
    session: Option<(i64, i64)>,
}

/// The value of a column in a row.
fn cell(columns: &[Vec<Value>], column: usize, row: usize) -> Option<&Value> {
    columns.get(column).and_then(|values| values.get(row))
}

fn is_true(columns: &[Vec<Value>], column: usize, row: usize) -> bool {
    cell(columns, column, row).and_then(Value::as_bool) == Some(true)
}

impl State {
    /// The results of the next rows.
    pub(super) fn step(
        &mut self,
        function: Function,
        columns: &[Vec<Value>],
        rows: usize,
    ) -> Vec<Value> {
        let one = |row| match function {
            Function::RowNumber => self.number(columns, row),
            Function::RowCumsum => self.sum(columns, row),
            Function::Rank => self.rank(columns, row, false),
            Function::DenseRank => self.rank(columns, row, true),
            Function::Session => self.session(columns, row),
        };
        (0..rows).map(one).collect()
    }

    /// Numbers of rows that nothing restarts.
    pub(super) fn numbers(&mut self, rows: usize) -> impl Iterator<Item = i64> {
        let first = self.next + 1;
        self.next += i64::try_from(rows).unwrap_or(i64::MAX);
        first..=self.next
    }

    fn number(&mut self, columns: &[Vec<Value>], row: usize) -> Value {
        let first = || cell(columns, 0, row).and_then(Value::as_i64).unwrap_or(1);
        let is_first = self.start.is_none();
        let (start, _) = *self.start.get_or_insert_with(|| (first(), 0));
        if is_first || is_true(columns, 1, row) {
            self.next = start;
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        Value::Long(number)
    }

    fn sum(&mut self, columns: &[Vec<Value>], row: usize) -> Value {
        if is_true(columns, 1, row) {
            (self.whole, self.fraction) = (0, 0.0);
        }
        match cell(columns, 0, row) {
            Some(Value::Real(value)) => {
                self.fraction += value;
                Value::Real(self.fraction)
            }
            Some(Value::Timespan(value)) => {
                self.whole = self.whole.wrapping_add(*value);
                Value::Timespan(self.whole)
            }
            other => {
                let value = other.and_then(Value::as_i64).unwrap_or(0);
                self.whole = self.whole.wrapping_add(value);
                Value::Long(self.whole)
            }
        }
    }

    fn rank(&mut self, columns: &[Vec<Value>], row: usize, dense: bool) -> Value {
        let restart = self.last.is_none() || is_true(columns, 1, row);
        if restart {
            (self.next, self.since_restart) = (0, 0);
        }
        self.since_restart += 1;
        let value = cell(columns, 0, row);
        if restart || value != self.last.as_ref() {
            self.next = if dense {
                self.next + 1
            } else {
                self.since_restart
            };
        }
        self.last = Some(value.cloned().unwrap_or_default());
        Value::Long(self.next)
    }

    /// `row_window_session(time, max_from_first, max_between, restart)`: start of each row's session.
    fn session(&mut self, columns: &[Vec<Value>], row: usize) -> Value {
        let limit = |column| {
            let limit = cell(columns, column, row).and_then(Value::as_i64);
            limit.unwrap_or(i64::MAX)
        };
        let (from_first, between) = *self.start.get_or_insert_with(|| (limit(1), limit(2)));
        let Some(at) = cell(columns, 0, row).and_then(Value::as_i64) else {
            return Value::Null;
        };
        let first = match self.session {
            Some((first, previous))
                if at.saturating_sub(first) <= from_first
                    && at.saturating_sub(previous) <= between
                    && !is_true(columns, 3, row) =>
            {
                first
            }
            _ => at,
        };
        self.session = Some((first, at));
        Value::DateTime(first)
    }
}
