//! What `reduce` finds: words that are frequent at their place stay, what stands between them
//! becomes `*` (R. Vaarandi, "A data clustering algorithm for mining patterns from event logs",
//! 2003).

use std::collections::HashMap;
use std::sync::Arc;

use super::{Function, real, text};
use crate::value::Value;

/// Longest text whose words are looked at, words.
const WORDS_MAX: usize = 256;
/// Most patterns that are answered; the rest is counted together under `*`.
const PATTERNS_MAX: usize = 1_000;

pub(super) const FUNCTIONS: &[Function] = &[
    // texts, smallest share, characters that part words
    Function::rows("__reduce", |a| {
        let texts: Vec<Arc<str>> = a[0].as_array()?.iter().map(Value::to_text).collect();
        Some(reduced(&texts, real(a, 1)?, &text(a, 2)?))
    }),
];

/// Words, each with what stands before it.
fn words<'t>(line: &'t str, apart: &str) -> Vec<(&'t str, &'t str)> {
    let is_word = |c: char| (c.is_alphanumeric() || c == '_') && !apart.contains(c);
    let (mut found, mut gap, mut rest) = (Vec::new(), "", line);
    while !rest.is_empty() && found.len() < WORDS_MAX {
        let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if length > 0 {
            found.push((gap, &rest[..length]));
            rest = &rest[length..];
        }
        let next = rest.find(is_word).unwrap_or(rest.len());
        gap = &rest[..next];
        rest = &rest[next..];
    }
    if !gap.is_empty() {
        found.push((gap, ""));
    }
    found
}

fn reduced(texts: &[Arc<str>], share: f64, apart: &str) -> Value {
    let mut counts: HashMap<(usize, &str), usize> = HashMap::new();
    let lines: Vec<Vec<(&str, &str)>> = texts.iter().map(|line| words(line, apart)).collect();
    for line in &lines {
        for (place, (_, word)) in line.iter().enumerate() {
            *counts.entry((place, word)).or_default() += 1;
        }
    }
    // A word that stands once is no pattern, however small the share.
    let least = (share * texts.len() as f64).max(2.0);
    let mut order: Vec<String> = Vec::new();
    let mut groups: HashMap<String, (usize, usize)> = HashMap::new();
    for (at, line) in lines.iter().enumerate() {
        let mut pattern = String::new();
        for (place, (gap, word)) in line.iter().enumerate() {
            let held = counts.get(&(place, *word)).copied().unwrap_or(0);
            let is_kept = held as f64 >= least && !is_variable(&counts, place, held, texts.len());
            let parts = gap.chars().all(|c| apart.contains(c));
            if is_kept {
                pattern.push_str(gap);
                pattern.push_str(word);
            } else if !pattern.ends_with('*') || !parts {
                if !parts {
                    pattern.push_str(gap);
                }
                pattern.push('*');
            }
        }
        if !groups.contains_key(&pattern) {
            order.push(pattern.clone());
        }
        groups.entry(pattern).or_insert((0, at)).0 += 1;
    }
    let mut found: Vec<(String, usize, usize)> = order
        .into_iter()
        .filter_map(|pattern| {
            let (count, at) = groups.remove(&pattern)?;
            Some((pattern, count, at))
        })
        .collect();
    found.sort_by_key(|(_, count, _)| std::cmp::Reverse(*count));
    if found.len() > PATTERNS_MAX {
        let rest = found.split_off(PATTERNS_MAX - 1);
        let at = rest.first().map_or(0, |(.., at)| *at);
        found.push(("*".to_owned(), rest.iter().map(|(_, n, _)| n).sum(), at));
    }
    let row = |(pattern, count, at): (String, usize, usize)| {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let shown = texts.get(at).cloned().unwrap_or_else(|| Arc::from(""));
        Value::array(vec![
            Value::string(pattern),
            Value::Long(count),
            Value::String(shown),
        ])
    };
    Value::array(found.into_iter().map(row).collect())
}

/// Whether the words of a place are many that share it about evenly, as numbers and names do.
fn is_variable(
    counts: &HashMap<(usize, &str), usize>,
    place: usize,
    held: usize,
    total: usize,
) -> bool {
    held * 5 < total && {
        let others = counts.keys().filter(|(at, _)| *at == place).count();
        others > 4 && held * others < total * 2
    }
}
