//! Text search: `has`, `contains`, `startswith` and their relatives.
//!
//! A term is a maximal run of alphanumeric characters. Case is folded per character (simple
//! lower case), as Kusto does: `ß` does not equal `SS`. Needles that are constants are folded
//! once per query and haystacks are scanned in place where both are ASCII.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};

use super::{Call, Function, Kernel, Refusal, row_kernel};
use crate::types::Type;
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::bind("has", |c| search(c, Test::Has, false, false)),
    Function::bind("!has", |c| search(c, Test::Has, false, true)),
    Function::bind("has_cs", |c| search(c, Test::Has, true, false)),
    Function::bind("!has_cs", |c| search(c, Test::Has, true, true)),
    Function::bind("hasprefix", |c| search(c, Test::HasPrefix, false, false)),
    Function::bind("!hasprefix", |c| search(c, Test::HasPrefix, false, true)),
    Function::bind("hasprefix_cs", |c| search(c, Test::HasPrefix, true, false)),
    Function::bind("!hasprefix_cs", |c| search(c, Test::HasPrefix, true, true)),
    Function::bind("hassuffix", |c| search(c, Test::HasSuffix, false, false)),
    Function::bind("!hassuffix", |c| search(c, Test::HasSuffix, false, true)),
    Function::bind("hassuffix_cs", |c| search(c, Test::HasSuffix, true, false)),
    Function::bind("!hassuffix_cs", |c| search(c, Test::HasSuffix, true, true)),
    Function::bind("contains", |c| search(c, Test::Contains, false, false)),
    Function::bind("!contains", |c| search(c, Test::Contains, false, true)),
    Function::bind("contains_cs", |c| search(c, Test::Contains, true, false)),
    Function::bind("!contains_cs", |c| search(c, Test::Contains, true, true)),
    Function::bind("startswith", |c| search(c, Test::StartsWith, false, false)),
    Function::bind("!startswith", |c| search(c, Test::StartsWith, false, true)),
    Function::bind("startswith_cs", |c| {
        search(c, Test::StartsWith, true, false)
    }),
    Function::bind("!startswith_cs", |c| {
        search(c, Test::StartsWith, true, true)
    }),
    Function::bind("endswith", |c| search(c, Test::EndsWith, false, false)),
    Function::bind("!endswith", |c| search(c, Test::EndsWith, false, true)),
    Function::bind("endswith_cs", |c| search(c, Test::EndsWith, true, false)),
    Function::bind("!endswith_cs", |c| search(c, Test::EndsWith, true, true)),
    Function::bind("=~", |c| search(c, Test::Equals, false, false)),
    Function::bind("!~", |c| search(c, Test::Equals, false, true)),
    Function::bind("has_any", |c| search_many(c, Quantifier::Any)),
    Function::bind("has_all", |c| search_many(c, Quantifier::All)),
    Function::bind("in", |c| membership(c, true, false)),
    Function::bind("!in", |c| membership(c, true, true)),
    Function::bind("in~", |c| membership(c, false, false)),
    Function::bind("!in~", |c| membership(c, false, true)),
    Function::bind("has_any_index", |_| {
        row_kernel(|args| {
            let haystack = Haystack::new(&args[0].to_text(), false);
            let needles = args.get(1)?.as_array()?;
            let at = needles
                .iter()
                .position(|needle| haystack.test(Test::Has, &fold(&needle.to_text(), false)));
            Some(Value::Long(
                at.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1),
            ))
        })
    }),
];

#[derive(Clone, Copy)]
pub(super) enum Test {
    Has,
    HasPrefix,
    HasSuffix,
    Contains,
    StartsWith,
    EndsWith,
    Equals,
}

#[derive(Clone, Copy, PartialEq)]
enum Quantifier {
    Any,
    All,
}

/// Lower case per character: never changes the number of characters.
pub(super) fn fold(text: &str, case_sensitive: bool) -> String {
    if case_sensitive {
        return text.to_owned();
    }
    atalaya_terms::fold(text).into_owned()
}

struct Haystack(String);

impl Haystack {
    fn new(text: &str, case_sensitive: bool) -> Self {
        Self(fold(text, case_sensitive))
    }

    fn test(&self, test: Test, needle: &str) -> bool {
        matches_folded(&self.0, test, needle)
    }
}

fn matches_folded(haystack: &str, test: Test, needle: &str) -> bool {
    match test {
        Test::Contains => haystack.contains(needle),
        Test::StartsWith => haystack.starts_with(needle),
        Test::EndsWith => haystack.ends_with(needle),
        Test::Equals => haystack == needle,
        Test::Has => has(haystack, needle, true, true),
        Test::HasPrefix => has(haystack, needle, true, false),
        Test::HasSuffix => has(haystack, needle, false, true),
    }
}

/// Whether `needle` occurs with a term's edge before it and after it.
fn has(haystack: &str, needle: &str, edge_before: bool, edge_after: bool) -> bool {
    if needle.is_empty() {
        return true;
    }
    let mut from = 0;
    while let Some(found) = haystack.get(from..).and_then(|rest| rest.find(needle)) {
        let start = from + found;
        let end = start + needle.len();
        let before = haystack[..start].chars().next_back();
        let after = haystack[end..].chars().next();
        // An edge is only asked for where the needle itself ends in a term character.
        let starts_term = needle.starts_with(char::is_alphanumeric);
        let ends_term = needle.ends_with(char::is_alphanumeric);
        let before_ok = !edge_before || !starts_term || !before.is_some_and(char::is_alphanumeric);
        let after_ok = !edge_after || !ends_term || !after.is_some_and(char::is_alphanumeric);
        if before_ok && after_ok {
            return true;
        }
        from = start + needle.chars().next().map_or(1, char::len_utf8);
    }
    false
}

fn search(call: &Call<'_>, test: Test, cs: bool, negate: bool) -> Result<Kernel, Refusal> {
    let constant = call.text(1).map(|needle| fold(&needle, cs));
    if let (Some(needle), Some(Type::String)) = (&constant, call.args.first().map(|a| a.ty)) {
        let needle = needle.clone();
        return Ok(Kernel::Columns(Box::new(move |columns| {
            scan_column(&columns[0], test, &needle, (cs, negate))
        })));
    }
    row_kernel(move |args| {
        let haystack = Haystack::new(&args[0].to_text(), cs);
        let hit = match &constant {
            Some(needle) => haystack.test(test, needle),
            None => haystack.test(test, &fold(&args[1].to_text(), cs)),
        };
        Some(Value::Bool(hit != negate))
    })
}

fn scan_column(column: &ArrayRef, test: Test, needle: &str, flags: (bool, bool)) -> ArrayRef {
    let (case_sensitive, negate) = flags;
    let Some(texts) = column.as_string_view_opt() else {
        return Arc::new(BooleanArray::from(vec![negate; column.len()]));
    };
    let mut folded = String::new();
    let hits = (0..texts.len()).map(|row| {
        let text = if texts.is_null(row) {
            ""
        } else {
            texts.value(row)
        };
        let hit = if case_sensitive {
            matches_folded(text, test, needle)
        } else if text.is_ascii() {
            folded.clear();
            folded.push_str(text);
            folded.make_ascii_lowercase();
            matches_folded(&folded, test, needle)
        } else {
            matches_folded(&fold(text, false), test, needle)
        };
        Some(hit != negate)
    });
    Arc::new(hits.collect::<BooleanArray>())
}

fn search_many(call: &Call<'_>, quantifier: Quantifier) -> Result<Kernel, Refusal> {
    let all_constant = call.args[1..].iter().all(|arg| arg.constant.is_some());
    let constants = all_constant.then(|| {
        let values = call.args[1..].iter().filter_map(|arg| arg.constant.clone());
        needles(&values.collect::<Vec<_>>())
    });
    row_kernel(move |args| {
        let haystack = Haystack::new(&args[0].to_text(), false);
        let per_row;
        let needles = match &constants {
            Some(needles) => needles,
            None => {
                per_row = needles(&args[1..]);
                &per_row
            }
        };
        let mut tests = needles.iter().map(|n| haystack.test(Test::Has, n));
        Some(Value::Bool(match quantifier {
            Quantifier::Any => tests.any(|hit| hit),
            Quantifier::All => tests.all(|hit| hit),
        }))
    })
}

fn needles(values: &[Value]) -> Vec<String> {
    flatten(values)
        .iter()
        .map(|v| fold(&v.to_text(), false))
        .collect()
}

/// Arrays among the arguments stand for their items.
fn flatten(values: &[Value]) -> Vec<Value> {
    let mut out = Vec::with_capacity(values.len());
    for value in values {
        match value.as_array() {
            Some(items) => out.extend(items.iter().cloned()),
            None => out.push(value.clone()),
        }
    }
    out
}

fn membership(call: &Call<'_>, cs: bool, negate: bool) -> Result<Kernel, Refusal> {
    let as_text = !cs;
    let key = move |value: &Value| match value {
        Value::String(text) if as_text => Value::string(fold(text, false)),
        Value::Real(v) if v.fract() == 0.0 && v.abs() < 9e15 => Value::Long(*v as i64),
        Value::Int(v) => Value::Long(i64::from(*v)),
        other => other.clone(),
    };
    let all_constant = call.args[1..].iter().all(|arg| arg.constant.is_some());
    let constants: Option<std::collections::HashSet<Value>> = all_constant.then(|| {
        let values: Vec<Value> = call.args[1..]
            .iter()
            .filter_map(|arg| arg.constant.clone())
            .collect();
        flatten(&values).iter().map(key).collect()
    });
    row_kernel(move |args| {
        let wanted = key(&args[0]);
        let hit = match &constants {
            Some(set) => set.contains(&wanted),
            None => flatten(&args[1..]).iter().any(|v| key(v) == wanted),
        };
        Some(Value::Bool((hit && !wanted.is_null()) != negate))
    })
}

#[cfg(test)]
mod tests {
    use super::{Test, fold, matches_folded};

    #[test]
    fn terms_end_where_letters_and_digits_end() {
        for (haystack, needle, expected) in [
            ("alpha_beta", "alpha", true),
            ("alphabeta", "alpha", false),
            ("NAÏVE approach", "naïve", true),
            ("Привет мир", "ПРИВЕТ", true),
            ("a b c", "b c", true),
            ("ab bc", "b", false),
            ("anything", "", true),
            ("xx-chat-yy", "-chat-", true),
        ] {
            let hit = matches_folded(&fold(haystack, false), Test::Has, &fold(needle, false));
            assert_eq!(hit, expected, "{haystack} has {needle}");
        }
        assert_ne!(fold("Straße", false), fold("STRASSE", false));
    }
}
