//! Terms: maximal runs of alphanumeric characters, case folded. `has` looks for them, and an
//! [`index`] in each Parquet file says which row groups can hold one. Whole values of identifiers
//! have an index of their own ([`values`]).
//!
//! Left out: the search itself (`query`), who writes files (`lake`).

mod bloom;
pub mod index;
pub mod values;

use std::borrow::Cow;

/// Lower case per character: never changes the number of characters (`ß` does not become `SS`).
#[must_use]
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Cow::Owned(text.to_ascii_lowercase());
        }
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(fold_char).collect())
}

fn fold_char(c: char) -> char {
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(only), None) => only,
        _ => c,
    }
}

/// The terms of a folded text.
pub fn terms(folded: &str) -> impl Iterator<Item = &str> {
    let parts = folded.split(|c: char| !c.is_alphanumeric());
    parts.filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{fold, terms};

    #[test]
    fn terms_are_runs_of_letters_and_digits() {
        for (text, wanted) in [
            ("", vec![]),
            ("--", vec![]),
            (
                "Ignore ALL-previous_1",
                vec!["ignore", "all", "previous", "1"],
            ),
            ("STRASSE Straße", vec!["strasse", "straße"]),
            ("İx", vec!["İx"]),
            ("日本 語", vec!["日本", "語"]),
        ] {
            let folded = fold(text);
            assert_eq!(terms(&folded).collect::<Vec<_>>(), wanted, "{text}");
        }
    }
}
