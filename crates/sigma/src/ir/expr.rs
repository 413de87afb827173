//! What a rule asks of one event: a boolean tree over tests of fields.

use atalaya_model::Span;

use super::value::{Network, Number, Operator, Part, Pattern};

/// A boolean expression over one event.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// All of them; never empty after reading.
    And(Vec<Expr>),
    /// Any of them; never empty after reading.
    Or(Vec<Expr>),
    /// Not this. `|neq` is the `Not` of an item, so it holds where the field is absent.
    Not(Box<Expr>),
    /// Tests of one field, or of the whole event.
    Item(Item),
}

/// One line of a selection, `field|modifiers: values`, or one list of keywords.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The field by its Sigma name (`a.b` is `b` within `a`, or a field called `a.b`; an array
    /// means any of its elements). `None`: keywords, any text value of the event.
    pub field: Option<String>,
    /// What is tested. With [`Item::all`] each must hold, else one of them. Never empty after
    /// reading, but a pipeline may leave it so: `all` of nothing holds, any of nothing does not.
    pub tests: Vec<Test>,
    /// `|all`.
    pub all: bool,
    /// The key as written, with its modifiers; empty for keywords.
    pub key: String,
    /// Where the key (or the keyword list) stands in the rule's file.
    pub span: Span,
}

/// A test of one value. Absent fields pass only [`Test::Null`] and `Exists(false)`, `null` only
/// [`Test::Null`] and `Exists(true)`.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// The value as text is this pattern. Numbers and truth values of events are compared by
    /// their JSON text. Of keywords the pattern may lie anywhere in a value of the event, though
    /// it is kept as written, without `Many` around it.
    Text(Pattern),
    /// Equal to this number, be the event's value a number or its text.
    Number(Number),
    /// Equal to this truth value, or its text.
    Bool(bool),
    /// Absent or `null`.
    Null,
    /// A match of this regular expression somewhere in the text.
    Regex {
        /// The expression, without flags of ours.
        pattern: String,
        /// Flags by modifiers.
        flags: RegexFlags,
    },
    /// An address in this network.
    Cidr(Network),
    /// Compares as a number; text that is no number does not compare.
    Compare(Operator, Number),
    /// The field is there (be it empty or `null`), or is not.
    Exists(bool),
    /// Compares with the value of another field of the same event; both must be there.
    FieldRef {
        /// The other field.
        field: String,
        /// Where the other's value lies in this one's.
        position: Position,
        /// Whether case counts.
        cased: bool,
    },
    /// A part of the point in time that the value says (UTC) compares so with a number.
    Time {
        /// Which part.
        part: TimePart,
        /// [`Operator::Equal`] unless another modifier follows.
        operator: Operator,
        /// The number.
        number: Number,
    },
    /// Any of these; what one written value became (`base64offset`). One level only.
    AnyOf(Vec<Test>),
    /// `|windash`: every `-` and `/` may be any of five dashes.
    Windash {
        /// As written; every dash and slash of it stands for all five. What the matcher uses.
        pattern: Pattern,
        /// Written out for languages that cannot say so, in the order `- / – — ―`; where there
        /// are many, only dashes at the start of words vary.
        variants: Vec<Test>,
    },
    /// A piece of the target language that a pipeline put in place of a placeholder: `{field}`
    /// and `{id}` stand for the field and the placeholder's name. Only converters know it.
    Query {
        /// The text with `{field}` and `{id}`.
        template: String,
        /// The placeholder's name.
        id: String,
    },
}

/// Flags of a regular expression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RegexFlags {
    /// `|i`: case does not count.
    pub ignore_case: bool,
    /// `|m`: `^` and `$` match at lines.
    pub multi_line: bool,
    /// `|s`: `.` matches line breaks.
    pub dot_all: bool,
}

impl RegexFlags {
    /// As letters in the order `ims`, e.g. for `(?ims)`.
    #[must_use]
    pub fn letters(self) -> String {
        let flags = [
            (self.ignore_case, 'i'),
            (self.multi_line, 'm'),
            (self.dot_all, 's'),
        ];
        flags
            .into_iter()
            .filter(|(on, _)| *on)
            .map(|(_, letter)| letter)
            .collect()
    }
}

/// Where a text lies in another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Position {
    /// It is the other.
    #[default]
    Whole,
    /// At the start.
    Start,
    /// At the end.
    End,
    /// Anywhere.
    Anywhere,
}

/// A part of a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimePart {
    /// 0 to 59.
    Minute,
    /// 0 to 23.
    Hour,
    /// Day of the month, 1 to 31.
    Day,
    /// Week of the year, 1 to 53 (ISO 8601).
    Week,
    /// 1 to 12.
    Month,
    /// E.g. 2026.
    Year,
}

impl TimePart {
    /// As a modifier.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// The part of that word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        [
            Self::Minute,
            Self::Hour,
            Self::Day,
            Self::Week,
            Self::Month,
            Self::Year,
        ]
        .into_iter()
        .find(|part| part.word() == word)
    }
}

impl Expr {
    /// All items, from left to right.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        let mut open = vec![self];
        std::iter::from_fn(move || {
            while let Some(expr) = open.pop() {
                match expr {
                    Self::Item(item) => return Some(item),
                    Self::Not(inner) => open.push(inner),
                    Self::And(parts) | Self::Or(parts) => open.extend(parts.iter().rev()),
                }
            }
            None
        })
    }

    /// Calls `change` on every item, from left to right.
    pub fn items_mut(&mut self, change: &mut dyn FnMut(&mut Item)) {
        match self {
            Self::Item(item) => change(item),
            Self::Not(inner) => inner.items_mut(change),
            Self::And(parts) | Self::Or(parts) => {
                for part in parts {
                    part.items_mut(change);
                }
            }
        }
    }

    /// The same with one test per item: lists and [`Test::alternatives`] become `or` (`and` with
    /// `|all`) of items. What a language without lists of values starts from.
    #[must_use]
    pub fn single_tests(&self) -> Self {
        let all = |parts: &[Self]| parts.iter().map(Self::single_tests).collect();
        match self {
            Self::And(parts) => Self::And(all(parts)),
            Self::Or(parts) => Self::Or(all(parts)),
            Self::Not(inner) => Self::Not(Box::new(inner.single_tests())),
            Self::Item(item) => item.single_tests(),
        }
    }

    /// `and` of several; one alone stays itself.
    #[must_use]
    pub fn all_of(mut parts: Vec<Self>) -> Self {
        match parts.len() {
            1 => parts.remove(0),
            _ => Self::And(parts),
        }
    }

    /// `or` of several; one alone stays itself.
    #[must_use]
    pub fn any_of(mut parts: Vec<Self>) -> Self {
        match parts.len() {
            1 => parts.remove(0),
            _ => Self::Or(parts),
        }
    }
}

impl Item {
    /// The names of placeholders that are still in it.
    pub fn placeholders(&self) -> impl Iterator<Item = &str> {
        let tests = self.tests.iter().flat_map(Test::alternatives);
        let patterns = tests.filter_map(|test| match test {
            Test::Text(pattern) => Some(pattern),
            _ => None,
        });
        let parts = patterns.flat_map(|pattern| pattern.parts.iter());
        parts.filter_map(|part| match part {
            Part::Placeholder(name) => Some(name.as_str()),
            _ => None,
        })
    }

    fn single_tests(&self) -> Expr {
        let one = |test: &Test| {
            Expr::Item(Self {
                tests: vec![test.clone()],
                all: false,
                ..self.clone()
            })
        };
        let each = |test: &Test| match test {
            Test::AnyOf(_) | Test::Windash { .. } => {
                Expr::any_of(test.alternatives().iter().map(one).collect())
            }
            test => one(test),
        };
        let parts = self.tests.iter().map(each).collect();
        if self.all {
            Expr::all_of(parts)
        } else {
            Expr::any_of(parts)
        }
    }
}

impl Test {
    /// The tests that it is any of: itself, unless it is [`Test::AnyOf`] or [`Test::Windash`].
    #[must_use]
    pub fn alternatives(&self) -> &[Self] {
        match self {
            Self::AnyOf(tests)
            | Self::Windash {
                variants: tests, ..
            } => tests,
            test => std::slice::from_ref(test),
        }
    }
}
