//! `field|modifier|modifier`: what the modifiers of a key ask for together.

use atalaya_model::{Diagnostic, Span};

use crate::code;
use crate::ir::{Operator, Position, RegexFlags, TimePart};

/// All modifiers of the specification, and other names of three of them.
const ALL: &[&str] = &[
    "contains",
    "startswith",
    "endswith",
    "all",
    "cased",
    "neq",
    "exists",
    "re",
    "i",
    "m",
    "s",
    "ignorecase",
    "multiline",
    "dotall",
    "cidr",
    "lt",
    "lte",
    "gt",
    "gte",
    "fieldref",
    "expand",
    "base64",
    "base64offset",
    "wide",
    "utf16",
    "utf16le",
    "utf16be",
    "windash",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "year",
];

/// What a value is compared as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Way {
    #[default]
    Text,
    Regex,
    Cidr,
    Compare(Operator),
    Exists,
    FieldRef,
    Time(TimePart, Operator),
}

/// How a text is encoded before it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// UTF-16, little endian (`wide`, `utf16le`).
    Utf16Le,
    /// UTF-16, big endian.
    Utf16Be,
    /// UTF-16 with a byte order mark, little endian.
    Utf16,
    /// Base64.
    Base64,
    /// Base64 of the text at any offset of a longer one.
    Base64Offset,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Modifiers {
    pub(super) way: Way,
    pub(super) position: Position,
    pub(super) flags: RegexFlags,
    /// In the order of application.
    pub(super) encodings: Vec<Encoding>,
    pub(super) all: bool,
    pub(super) cased: bool,
    pub(super) negated: bool,
    pub(super) windash: bool,
    pub(super) expand: bool,
}

/// Reads the modifiers of a key.
pub(super) fn read<'k>(
    words: impl Iterator<Item = &'k str>,
    span: Span,
) -> Result<Modifiers, Diagnostic> {
    let mut modifiers = Modifiers::default();
    for word in words {
        add(&mut modifiers, word.trim(), span)?;
    }
    Ok(modifiers)
}

fn add(modifiers: &mut Modifiers, word: &str, span: Span) -> Result<(), Diagnostic> {
    match word {
        "contains" => modifiers.position = Position::Anywhere,
        "startswith" => modifiers.position = Position::Start,
        "endswith" => modifiers.position = Position::End,
        "all" => modifiers.all = true,
        "cased" => modifiers.cased = true,
        "neq" => modifiers.negated = true,
        "windash" => modifiers.windash = true,
        "expand" => modifiers.expand = true,
        "wide" | "utf16le" => modifiers.encodings.push(Encoding::Utf16Le),
        "utf16be" => modifiers.encodings.push(Encoding::Utf16Be),
        "utf16" => modifiers.encodings.push(Encoding::Utf16),
        "base64" => modifiers.encodings.push(Encoding::Base64),
        "base64offset" => modifiers.encodings.push(Encoding::Base64Offset),
        "i" | "ignorecase" | "m" | "multiline" | "s" | "dotall" => {
            if modifiers.way != Way::Regex {
                let message = format!("`{word}` needs `re` before it");
                return Err(Diagnostic::error(code::MODIFIER, span, message));
            }
            match word {
                "i" | "ignorecase" => modifiers.flags.ignore_case = true,
                "m" | "multiline" => modifiers.flags.multi_line = true,
                _ => modifiers.flags.dot_all = true,
            }
        }
        word => {
            let way = way(word, modifiers.way).ok_or_else(|| unknown(word, span))?;
            let is_new = modifiers.way == Way::Text || matches!(way, Way::Time(..));
            if !is_new {
                let message = format!("`{word}` cannot be combined with the modifier before it");
                return Err(Diagnostic::error(code::MODIFIER, span, message));
            }
            modifiers.way = way;
        }
    }
    Ok(())
}

fn way(word: &str, before: Way) -> Option<Way> {
    Some(match word {
        "re" => Way::Regex,
        "cidr" => Way::Cidr,
        "exists" => Way::Exists,
        "fieldref" => Way::FieldRef,
        word => {
            if let Some(part) = TimePart::of_word(word) {
                let operator = match before {
                    Way::Compare(operator) => operator,
                    _ => Operator::Equal,
                };
                return Some(Way::Time(part, operator));
            }
            let operator = Operator::of_word(word).filter(|_| ALL.contains(&word))?;
            match before {
                Way::Time(part, _) => Way::Time(part, operator),
                _ => Way::Compare(operator),
            }
        }
    })
}

fn unknown(word: &str, span: Span) -> Diagnostic {
    let help = atalaya_yaml::nearest(word, ALL.iter().copied()).map_or_else(
        || "see the Sigma specification, appendix modifiers".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    let message = format!("there is no modifier `{word}`");
    Diagnostic::error(code::MODIFIER, span, message).with_help(help)
}
