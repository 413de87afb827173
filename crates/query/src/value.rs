//! One KQL value.
//!
//! The same enum serves scalars and what is inside a `dynamic`: the static type of a column says
//! which variants occur in it. Row kernels, aggregates and table steps speak `Value`; hot
//! operators work on Arrow arrays directly and never build one. Strings and containers are
//! shared, so that a clone is a reference count.

pub mod binary;
pub mod datetime;
pub mod json;
pub mod number;
pub mod timespan;

use std::cmp::Ordering;
use std::sync::Arc;

/// Ticks of 100 ns, Kusto's unit of time.
pub const TICKS_PER_SECOND: i64 = 10_000_000;
/// Ticks of a day.
pub const TICKS_PER_DAY: i64 = 86_400 * TICKS_PER_SECOND;

/// A scalar, or what is inside a `dynamic`.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// No value. A `string` column never holds it.
    #[default]
    Null,
    /// `bool`
    Bool(bool),
    /// `int`
    Int(i32),
    /// `long`
    Long(i64),
    /// `real`
    Real(f64),
    /// `datetime`: ticks since 0001-01-01 UTC.
    DateTime(i64),
    /// `timespan`: ticks.
    Timespan(i64),
    /// `guid`: lower case text with hyphens.
    Guid(Arc<str>),
    /// `string`
    String(Arc<str>),
    /// An array inside a `dynamic`.
    Array(Arc<Vec<Value>>),
    /// A property bag inside a `dynamic`, in insertion order, keys unique.
    Bag(Arc<Vec<(Arc<str>, Value)>>),
}

impl Value {
    /// A string value.
    pub fn string(text: impl Into<Arc<str>>) -> Self {
        Self::String(text.into())
    }

    /// An array value.
    #[must_use]
    pub fn array(items: Vec<Self>) -> Self {
        Self::Array(Arc::new(items))
    }

    /// A bag value; a repeated key keeps its first place and its last value.
    #[must_use]
    pub fn bag(pairs: Vec<(Arc<str>, Self)>) -> Self {
        let mut seen: std::collections::HashMap<Arc<str>, usize> =
            std::collections::HashMap::with_capacity(pairs.len());
        let mut out: Vec<(Arc<str>, Self)> = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            if let Some(at) = seen.get(&key) {
                out[*at].1 = value;
            } else {
                seen.insert(key.clone(), out.len());
                out.push((key, value));
            }
        }
        Self::Bag(Arc::new(out))
    }

    /// Whether there is no value.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text, when it is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) | Self::Guid(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, without conversion from reals.
    #[must_use]
    pub const fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(v) => Some(*v as i64),
            Self::Long(v) | Self::DateTime(v) | Self::Timespan(v) => Some(*v),
            _ => None,
        }
    }

    /// The number as a real.
    #[must_use]
    pub const fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(v) => Some(*v as f64),
            Self::Long(v) | Self::DateTime(v) | Self::Timespan(v) => Some(*v as f64),
            Self::Real(v) => Some(*v),
            _ => None,
        }
    }

    /// The truth value.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(v) => Some(*v),
            _ => None,
        }
    }

    /// The items, when it is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The properties, when it is a bag.
    #[must_use]
    pub fn as_bag(&self) -> Option<&[(Arc<str>, Self)]> {
        match self {
            Self::Bag(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// A property of a bag by name; null when missing or not a bag.
    #[must_use]
    pub fn property(&self, name: &str) -> Self {
        self.as_bag()
            .and_then(|pairs| pairs.iter().find(|(key, _)| &**key == name))
            .map_or(Self::Null, |(_, value)| value.clone())
    }

    /// An item of an array by index, negative from the end; null when missing.
    #[must_use]
    pub fn item(&self, index: i64) -> Self {
        let Some(items) = self.as_array() else {
            return Self::Null;
        };
        let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
        let index = if index < 0 { length + index } else { index };
        usize::try_from(index)
            .ok()
            .and_then(|i| items.get(i).cloned())
            .unwrap_or_default()
    }

    /// Kusto's `gettype` of the value.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Long(_) => "long",
            Self::Real(_) => "real",
            Self::DateTime(_) => "datetime",
            Self::Timespan(_) => "timespan",
            Self::Guid(_) => "guid",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Bag(_) => "dictionary",
        }
    }

    /// Kusto's `tostring`: null is empty, booleans are `True`/`False`, containers are JSON.
    #[must_use]
    pub fn to_text(&self) -> Arc<str> {
        match self {
            Self::Null => Arc::from(""),
            Self::Bool(v) => Arc::from(if *v { "True" } else { "False" }),
            Self::Int(v) => Arc::from(v.to_string()),
            Self::Long(v) => Arc::from(v.to_string()),
            Self::Real(v) => Arc::from(number::real_to_text(*v)),
            Self::DateTime(v) => Arc::from(datetime::to_text(*v)),
            Self::Timespan(v) => Arc::from(timespan::to_text(*v)),
            Self::Guid(v) | Self::String(v) => v.clone(),
            Self::Array(_) | Self::Bag(_) => Arc::from(json::to_json(self)),
        }
    }

    /// Order of Kusto's `sort`, ascending: null, NaN, then values. Values of different types
    /// (only possible inside `dynamic`) are ordered by type.
    #[must_use]
    pub fn sort_order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Null, Self::Null) => Ordering::Equal,
            (Self::Null, _) => Ordering::Less,
            (_, Self::Null) => Ordering::Greater,
            (Self::String(a) | Self::Guid(a), Self::String(b) | Self::Guid(b)) => a.cmp(b),
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Array(_) | Self::Bag(_), Self::Array(_) | Self::Bag(_)) => {
                json::to_json(self).cmp(&json::to_json(other))
            }
            _ => match (self.as_i64(), other.as_i64()) {
                (Some(a), Some(b)) => a.cmp(&b),
                _ => match (self.as_f64(), other.as_f64()) {
                    (Some(a), Some(b)) => real_order(a, b),
                    _ => self.rank().cmp(&other.rank()),
                },
            },
        }
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Int(_) | Self::Long(_) | Self::Real(_) => 2,
            Self::DateTime(_) => 3,
            Self::Timespan(_) => 4,
            Self::Guid(_) | Self::String(_) => 5,
            Self::Array(_) => 6,
            Self::Bag(_) => 7,
        }
    }
}

/// NaN first, then by value.
fn real_order(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b)
        .unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

/// Identity, as grouping, sets and tests see it: equal types and contents, NaN equals NaN,
/// `int` equals `long` of the same value.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Real(a), Self::Real(b)) => a == b || (a.is_nan() && b.is_nan()),
            (Self::DateTime(a), Self::DateTime(b)) | (Self::Timespan(a), Self::Timespan(b)) => {
                a == b
            }
            (Self::String(a) | Self::Guid(a), Self::String(b) | Self::Guid(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a == b,
            (Self::Bag(a), Self::Bag(b)) => {
                a.len() == b.len() && a.iter().all(|(key, value)| other.property(key) == *value)
            }
            (Self::Int(_) | Self::Long(_), Self::Int(_) | Self::Long(_)) => {
                self.as_i64() == other.as_i64()
            }
            _ => false,
        }
    }
}

impl Eq for Value {}

impl std::hash::Hash for Value {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.rank().hash(state);
        match self {
            Self::Null => {}
            Self::Bool(v) => v.hash(state),
            Self::Int(_) | Self::Long(_) | Self::DateTime(_) | Self::Timespan(_) => {
                self.as_i64().hash(state);
            }
            Self::Real(v) => {
                let canonical = if v.is_nan() {
                    f64::NAN
                } else if *v == 0.0 {
                    0.0
                } else {
                    *v
                };
                canonical.to_bits().hash(state);
            }
            Self::Guid(v) | Self::String(v) => v.hash(state),
            Self::Array(items) => items.hash(state),
            Self::Bag(pairs) => pairs.len().hash(state),
        }
    }
}
