//! Functions that a query may call: names, number of arguments, type of the result.

mod aggregates;
mod operators;
mod parameters;
mod refused;
mod scalars;
mod tuples;

use crate::bound::Type;

pub use aggregates::AGGREGATES;
pub use operators::{OPERATORS, operator};
pub use parameters::wanted;
pub use refused::{REFUSED, REFUSED_OPERATORS, refused, refused_operator};
pub use scalars::SCALARS;
pub use tuples::{TUPLES, tuple};

/// How the type of a result follows from the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    /// Always this.
    Always(Type),
    /// The type of that argument.
    Of(usize),
    /// The type that all arguments from that one on have in common.
    Common(usize),
    /// `long` for whole numbers, else the type of the first argument.
    Rounded,
    /// Number of the first argument: `int` stays `int`, others stay what they are.
    Sum,
}

/// A function.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Name, lower case.
    pub name: &'static str,
    /// Fewest arguments.
    pub min: usize,
    /// Most arguments.
    pub max: usize,
    /// Type of the result.
    pub returns: Returns,
}

/// A scalar or window function by name.
#[must_use]
pub fn scalar(name: &str) -> Option<&'static Function> {
    SCALARS.iter().find(|function| function.name == name)
}

/// An aggregate by name.
#[must_use]
pub fn aggregate(name: &str) -> Option<&'static Function> {
    AGGREGATES.iter().find(|function| function.name == name)
}

/// Functions that look at other rows and so need an ordered row set.
pub const WINDOWS: [&str; 8] = [
    "prev",
    "next",
    "row_number",
    "row_cumsum",
    "row_rank",
    "row_rank_min",
    "row_rank_dense",
    "row_window_session",
];
