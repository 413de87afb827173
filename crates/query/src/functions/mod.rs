//! Every scalar function, as an ordered list of families. To add a function, add it to a family's
//! `FUNCTIONS`; to add a family, add its file and one line here.

mod arrays;
mod bags;
mod beta;
mod compressed;
mod conditional;
mod conversion;
mod dates;
mod geo;
mod hashes;
mod ip;
mod math;
mod operators;
mod parsers;
mod patterns;
mod random;
mod reduce;
mod segments;
mod series;
mod sketches;
mod strings;
mod terms;
mod tree;
mod units;
mod vectors;
mod whole;
mod xml;
mod zones;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::array::ArrayRef;

pub(crate) use conversion::to_real;
pub(crate) use ip::{mask_v6 as network_mask, v6 as network_of};

use crate::types::Type;
use crate::value::Value;

static FAMILIES: &[&[Function]] = &[
    arrays::FUNCTIONS,
    bags::FUNCTIONS,
    beta::FUNCTIONS,
    compressed::FUNCTIONS,
    conditional::FUNCTIONS,
    conversion::FUNCTIONS,
    dates::FUNCTIONS,
    hashes::FUNCTIONS,
    ip::FUNCTIONS,
    math::FUNCTIONS,
    operators::FUNCTIONS,
    parsers::FUNCTIONS,
    patterns::FUNCTIONS,
    random::FUNCTIONS,
    reduce::FUNCTIONS,
    segments::FUNCTIONS,
    sketches::FUNCTIONS,
    strings::FUNCTIONS,
    terms::FUNCTIONS,
    tree::FUNCTIONS,
    units::FUNCTIONS,
    xml::FUNCTIONS,
    zones::FUNCTIONS,
];

static BY_NAME: LazyLock<HashMap<&'static str, &'static Function>> = LazyLock::new(|| {
    let families = FAMILIES
        .iter()
        .chain(series::FUNCTIONS)
        .chain(geo::FUNCTIONS);
    let all = families.flat_map(|family| family.iter());
    all.map(|function| (function.name, function)).collect()
});

/// The function of that name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    BY_NAME.get(name).copied()
}

/// Names of all functions, sorted; operators are left out.
#[must_use]
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = BY_NAME
        .keys()
        .copied()
        .filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.contains(' '))
        .collect();
    names.sort_unstable();
    names
}

/// Computes one row; `None` is null.
pub(crate) type RowKernel = Box<dyn Fn(&[Value]) -> Option<Value> + Send + Sync>;
/// Computes whole columns of equal length.
pub(crate) type ColumnKernel = Box<dyn Fn(&[ArrayRef]) -> ArrayRef + Send + Sync>;

/// A function made ready for one place in a query.
pub(crate) enum Kernel {
    Rows(RowKernel),
    Columns(ColumnKernel),
}

/// One argument as it is known when the query is planned.
pub(crate) struct Arg {
    pub(crate) ty: Type,
    /// The value, when it is the same for all rows.
    pub(crate) constant: Option<Value>,
}

/// A call as it is known when the query is planned.
pub(crate) struct Call<'a> {
    pub(crate) args: &'a [Arg],
    pub(crate) result: Type,
}

impl Call<'_> {
    /// The constant text of an argument.
    fn text(&self, index: usize) -> Option<Arc<str>> {
        let value = self.args.get(index)?.constant.as_ref()?;
        Some(value.to_text())
    }
}

/// What cannot be computed exactly, in words for the person who wrote the query.
pub(crate) type Refusal = String;

enum Body {
    Rows(fn(&[Value]) -> Option<Value>),
    Bind(fn(&Call<'_>) -> Result<Kernel, Refusal>),
}

/// One scalar function.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    body: Body,
}

impl Function {
    /// A function that needs nothing but its arguments.
    const fn rows(name: &'static str, body: fn(&[Value]) -> Option<Value>) -> Self {
        Self {
            name,
            body: Body::Rows(body),
        }
    }

    /// A function that is prepared once per query: compiled patterns, types of arguments.
    const fn bind(name: &'static str, body: fn(&Call<'_>) -> Result<Kernel, Refusal>) -> Self {
        Self {
            name,
            body: Body::Bind(body),
        }
    }

    /// Prepares the function for a call.
    pub(crate) fn prepare(&self, call: &Call<'_>) -> Result<Kernel, Refusal> {
        match self.body {
            Body::Rows(body) => Ok(Kernel::Rows(Box::new(body))),
            Body::Bind(body) => body(call),
        }
    }
}

/// Shorthand for families.
fn row_kernel<F>(body: F) -> Result<Kernel, Refusal>
where
    F: Fn(&[Value]) -> Option<Value> + Send + Sync + 'static,
{
    Ok(Kernel::Rows(Box::new(body)))
}

/// The text of an argument; what is not text is written as `tostring` does.
fn text(args: &[Value], index: usize) -> Option<Arc<str>> {
    args.get(index).map(Value::to_text)
}

fn long(args: &[Value], index: usize) -> Option<i64> {
    match args.get(index)? {
        Value::Real(v) => Some(*v as i64),
        other => other.as_i64(),
    }
}

fn real(args: &[Value], index: usize) -> Option<f64> {
    args.get(index)?.as_f64()
}

fn string(text: impl Into<Arc<str>>) -> Option<Value> {
    Some(Value::String(text.into()))
}
