//! What names stand for: let-bound values, and the columns in sight.

use std::collections::HashMap;
use std::rc::Rc;

use crate::ast::{Lambda, Pattern};
use crate::bound::{ColumnDef, Expr, RelNode};

/// What a let-bound name stands for.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// A constant or an expression over a parameter's columns.
    Scalar(Rc<Expr>),
    /// A row set.
    Rows(Rc<RelNode>),
    /// A function and what it could see where it was defined.
    Function { lambda: Rc<Lambda>, env: Env },
    /// A declared pattern and what it could see where it was declared.
    Pattern { pattern: Rc<Pattern>, env: Env },
    /// An error has been reported; do not report it again.
    Broken,
}

/// A value, and of how many parts it is made at most.
#[derive(Clone, Debug)]
struct Bound {
    value: Value,
    size: usize,
}

/// Let-bound names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Env {
    names: Rc<HashMap<String, Bound>>,
    /// The name that the last `as` gave.
    as_name: Option<Rc<str>>,
}

impl Env {
    pub(crate) fn set(&mut self, name: &str, value: Value, size: usize) {
        let bound = Bound { value, size };
        Rc::make_mut(&mut self.names).insert(name.to_owned(), bound);
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.names.get(name).map(|bound| &bound.value)
    }

    /// Of how many parts the value of that name is made at most.
    pub(crate) fn size(&self, name: &str) -> usize {
        self.names.get(name).map_or(0, |bound| bound.size)
    }

    /// How many names there are.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn set_as(&mut self, name: &str) {
        self.as_name = Some(name.into());
    }

    /// The name of these rows, if `as` gave them one.
    pub(crate) fn as_name(&self, rows: &RelNode) -> Option<&str> {
        let name = self.as_name.as_deref()?;
        match self.get(name) {
            Some(Value::Rows(known)) if **known == *rows => Some(name),
            _ => None,
        }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }
}

/// What an expression can see.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'s> {
    pub(crate) env: &'s Env,
    pub(crate) columns: &'s [ColumnDef],
    /// Whether the order of the input's rows is meaningful.
    pub(crate) serialized: bool,
}
