//! Values after their modifiers: patterns, numbers, networks, comparisons.

use std::net::IpAddr;

/// A text with wildcards and, until a pipeline has resolved them, placeholders.
///
/// The parts cover the whole value: `|contains: a` is `[Many, Literal("a"), Many]`. Neighbouring
/// literals are joined, neighbouring `Many` are one. The empty pattern is the empty text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// What follows each other.
    pub parts: Vec<Part>,
    /// Whether case counts (`|cased`); else compared without regard to case.
    pub cased: bool,
}

/// A piece of a [`Pattern`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Exactly this text, escapes resolved.
    Literal(String),
    /// `*`: any text, also none, also line breaks.
    Many,
    /// `?`: any one character.
    One,
    /// `%name%` under `|expand`: a value that a pipeline puts in.
    Placeholder(String),
}

impl Pattern {
    /// A text without wildcards.
    #[must_use]
    pub fn literal(text: impl Into<String>) -> Self {
        let text = text.into();
        let parts = if text.is_empty() {
            Vec::new()
        } else {
            vec![Part::Literal(text)]
        };
        Self {
            parts,
            cased: false,
        }
    }

    /// As Sigma writes it: `*` and `?` are wildcards; a backslash before `*`, `?` or a backslash
    /// takes away its meaning, and is itself elsewhere.
    #[must_use]
    pub fn of_sigma(text: &str) -> Self {
        let mut pattern = Self::default();
        let mut chars = text.chars().peekable();
        let mut literal = String::new();
        while let Some(c) = chars.next() {
            match c {
                '\\' => {
                    let escaped = chars.next_if(|next| matches!(next, '*' | '?' | '\\'));
                    literal.push(escaped.unwrap_or('\\'));
                }
                '*' | '?' => {
                    pattern.push(Part::Literal(std::mem::take(&mut literal)));
                    pattern.push(if c == '*' { Part::Many } else { Part::One });
                }
                c => literal.push(c),
            }
        }
        pattern.push(Part::Literal(literal));
        pattern
    }

    /// Adds a part at the end, joining what can be joined.
    pub fn push(&mut self, part: Part) {
        match (self.parts.last_mut(), part) {
            (_, Part::Literal(text)) if text.is_empty() => {}
            (Some(Part::Many), Part::Many) => {}
            (Some(Part::Literal(before)), Part::Literal(text)) => before.push_str(&text),
            (_, part) => self.parts.push(part),
        }
    }

    /// The text, if there is no wildcard and no placeholder.
    #[must_use]
    pub fn as_literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether a placeholder is still in it.
    #[must_use]
    pub fn has_placeholder(&self) -> bool {
        let mut parts = self.parts.iter();
        parts.any(|part| matches!(part, Part::Placeholder(_)))
    }

    /// Back to how Sigma writes it; [`Pattern::of_sigma`] reads the same pattern from it.
    #[must_use]
    pub fn to_sigma(&self) -> String {
        let mut out = String::new();
        for (index, part) in self.parts.iter().enumerate() {
            match part {
                Part::Literal(text) => {
                    let before_wildcard =
                        matches!(self.parts.get(index + 1), Some(Part::Many | Part::One));
                    escape(&mut out, text, before_wildcard);
                }
                Part::Many => out.push('*'),
                Part::One => out.push('?'),
                Part::Placeholder(name) => {
                    out.push('%');
                    out.push_str(name);
                    out.push('%');
                }
            }
        }
        out
    }
}

fn escape(out: &mut String, text: &str, before_wildcard: bool) {
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        let needs = match c {
            '*' | '?' => true,
            // A single backslash speaks for itself where nothing after it could be escaped.
            '\\' => matches!(next, Some('\\' | '*' | '?')) || (next.is_none() && before_wildcard),
            _ => false,
        };
        if needs {
            out.push('\\');
        }
        out.push(c);
    }
}

/// A number as written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Number(pub String);

impl Number {
    /// Its value; what was read as a number always has one.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.0.parse().unwrap_or(f64::NAN)
    }
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

impl Operator {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Less,
        Self::LessOrEqual,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::Equal,
        Self::NotEqual,
    ];

    /// As in KQL and most other languages.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
        }
    }

    /// As a modifier or a key of a correlation's condition.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Less => "lt",
            Self::LessOrEqual => "lte",
            Self::Greater => "gt",
            Self::GreaterOrEqual => "gte",
            Self::Equal => "eq",
            Self::NotEqual => "neq",
        }
    }

    /// The operator of that word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|operator| operator.word() == word)
    }

    /// Whether `left` compares so with `right`.
    #[must_use]
    #[expect(clippy::float_cmp, reason = "equality is what was asked for")]
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
            Self::Equal => left == right,
            Self::NotEqual => left != right,
        }
    }
}

/// An address range (RFC 4632, RFC 4291).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// The first address, host bits cleared.
    pub address: IpAddr,
    /// Length of the prefix in bits.
    pub prefix: u8,
    /// As the rule writes it.
    pub text: String,
}

impl Network {
    /// Reads `10.0.0.0/8`, `fe80::/10` or a single address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let trimmed = text.trim();
        let (address, prefix) = match trimmed.split_once('/') {
            Some((address, prefix)) => (address.parse::<IpAddr>().ok()?, Some(prefix)),
            None => (trimmed.parse().ok()?, None),
        };
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().ok().filter(|prefix| *prefix <= bits)?,
            None => bits,
        };
        let address = masked(address, prefix);
        Some(Self {
            address,
            prefix,
            text: trimmed.to_owned(),
        })
    }

    /// Whether an address lies in it. `::ffff:10.1.2.3` is the address `10.1.2.3`.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = match (address, self.address) {
            (IpAddr::V6(mapped), IpAddr::V4(_)) => match mapped.to_ipv4_mapped() {
                Some(plain) => IpAddr::V4(plain),
                None => return false,
            },
            (address, _) => address,
        };
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.prefix) == self.address
    }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX
                .checked_shl(32 - u32::from(prefix.min(32)))
                .unwrap_or(0);
            IpAddr::V4((u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX
                .checked_shl(128 - u32::from(prefix.min(128)))
                .unwrap_or(0);
            IpAddr::V6((u128::from(v6) & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Network, Part, Pattern};

    #[test]
    fn a_pattern_is_written_as_it_is_read() {
        for text in [
            "",
            "a",
            "a*z",
            r"a\*z",
            r"a\?",
            r"\\srv\*",
            r"C:\Windows\cmd.exe",
            r"\\\\srv\\*",
            r"a\",
            "***",
            "?",
            r"\\*",
        ] {
            let pattern = Pattern::of_sigma(text);
            assert_eq!(Pattern::of_sigma(&pattern.to_sigma()), pattern, "{text}");
        }
        assert_eq!(
            Pattern::of_sigma(r"\\srv\\*").parts,
            [Part::Literal(r"\srv\".to_owned()), Part::Many]
        );
    }

    #[test]
    fn a_network_has_its_addresses() {
        let network = Network::parse("192.168.64.0/22").unwrap();
        assert!(network.contains("192.168.66.1".parse().unwrap()));
        assert!(!network.contains("192.168.68.1".parse().unwrap()));
        assert!(network.contains("::ffff:192.168.66.1".parse().unwrap()));
        assert!(
            Network::parse("0.0.0.0/0")
                .unwrap()
                .contains("8.8.8.8".parse().unwrap())
        );
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "x/8", "fe80::/129"] {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
    }
}
