//! What is known of the values on a pickle's stack: only as much as is needed to tell which globals
//! are named, and how long an array of joblib is.
//!
//! Nesting is bounded, and nothing can be put into itself: dropping a value never recurses deeply,
//! whatever the pickle does.

use std::cell::RefCell;
use std::rc::Rc;

/// Deeper values are not followed.
const DEPTH_MAX: u8 = 8;
/// Entries of a dictionary that are remembered.
const ENTRIES_MAX: usize = 32;

/// Entries of a dictionary whose keys are texts.
type Entries = Vec<(Rc<str>, Value)>;

/// A value, as far as it is known.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Mark,
    Text(Rc<str>),
    Int(i64),
    Global(Rc<(String, String)>),
    Tuple(Rc<[Value]>, u8),
    /// Holds no other dictionaries.
    Dict(Rc<RefCell<Entries>>),
    /// What was called with what.
    Call(Rc<(Value, Value)>, u8),
    Other,
}

impl Value {
    fn depth(&self) -> u8 {
        match self {
            Self::Tuple(_, depth) | Self::Call(_, depth) => *depth,
            // Never put into anything.
            Self::Dict(_) => DEPTH_MAX,
            _ => 0,
        }
    }

    pub(super) fn tuple(items: Vec<Self>) -> Self {
        let depth = items
            .iter()
            .map(Self::depth)
            .max()
            .unwrap_or(0)
            .saturating_add(1);
        if depth > DEPTH_MAX || items.len() > ENTRIES_MAX {
            return Self::Other;
        }
        Self::Tuple(items.into(), depth)
    }

    pub(super) fn call(callee: Self, arguments: Self) -> Self {
        let depth = callee.depth().max(arguments.depth()).saturating_add(1);
        if depth > DEPTH_MAX {
            return Self::Other;
        }
        Self::Call(Rc::new((callee, arguments)), depth)
    }

    pub(super) fn dict() -> Self {
        Self::Dict(Rc::default())
    }

    /// Puts an entry into a dictionary, if that is what it is.
    pub(super) fn put(&self, key: &Self, value: Self) {
        let (Self::Dict(entries), Self::Text(key)) = (self, key) else {
            return;
        };
        let mut entries = entries.borrow_mut();
        if entries.len() < ENTRIES_MAX {
            let value = if value.depth() >= DEPTH_MAX {
                Self::Other
            } else {
                value
            };
            entries.push((Rc::clone(key), value));
        }
    }

    pub(super) fn entry(&self, name: &str) -> Option<Self> {
        let Self::Dict(entries) = self else {
            return None;
        };
        let entries = entries.borrow();
        let mut found = entries.iter().rev().filter(|(key, _)| key.as_ref() == name);
        found.next().map(|(_, value)| value.clone())
    }

    /// Whether it is a call of that global, or the global itself.
    pub(super) fn is_made_by(&self, module: &str, name: &str) -> bool {
        match self {
            Self::Global(global) => global.0 == module && global.1 == name,
            Self::Call(call, _) => call.0.is_made_by(module, name),
            _ => false,
        }
    }

    /// Whether it is something that a global gives: it may be called without being reported again.
    pub(super) const fn is_global(&self) -> bool {
        matches!(self, Self::Global(_))
    }
}
