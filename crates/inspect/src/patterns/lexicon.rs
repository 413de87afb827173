//! Words that many patterns share, by name: `{override_verb}`, `{instructions}`, `{gap3}`.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::diagnose::{Problem, code};

/// The built-in lexicon, one `name: regex` a line.
const BUILTIN: &str = include_str!("lexicon.yml");
/// Names within names are expanded to this depth.
const DEPTH_MAX: usize = 6;
/// Longest expanded pattern.
const EXPANDED_BYTES_MAX: usize = 64 * 1024;

fn builtin() -> &'static HashMap<String, String> {
    static LEXICON: OnceLock<HashMap<String, String>> = OnceLock::new();
    // A lexicon that does not parse leaves every pattern with an unknown name: tests see it.
    LEXICON.get_or_init(|| atalaya_yaml::parse(BUILTIN).unwrap_or_default())
}

/// Replaces every `{name}` of a pattern, the file's own names first.
pub(crate) fn expand(regex: &str, own: &HashMap<String, String>) -> Result<String, Problem> {
    let mut out = String::with_capacity(regex.len() * 4);
    expand_into(regex, own, 0, &mut out)?;
    Ok(out)
}

fn expand_into(
    regex: &str,
    own: &HashMap<String, String>,
    depth: usize,
    out: &mut String,
) -> Result<(), Problem> {
    let mut rest = regex;
    while let Some((before, name, after)) = next_name(rest) {
        out.push_str(before);
        let Some(words) = own.get(name).or_else(|| builtin().get(name)) else {
            return Err(unknown(name, own));
        };
        if depth >= DEPTH_MAX || out.len() > EXPANDED_BYTES_MAX {
            return Err(too_deep(name));
        }
        out.push_str("(?:");
        expand_into(words, own, depth + 1, out)?;
        out.push(')');
        rest = after;
    }
    out.push_str(rest);
    Ok(())
}

/// `{name}`, as opposed to `{2,3}` and to an escaped brace.
fn next_name(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(open) = text.get(from..)?.find('{').map(|i| from + i) {
        let before = text.get(..open)?;
        let escaped = [r"\", r"\p", r"\P", r"\x", r"\u"]
            .iter()
            .any(|e| before.ends_with(e));
        let name_end = text.get(open + 1..)?.find('}').map(|i| open + 1 + i);
        if let Some(end) = name_end {
            let name = text.get(open + 1..end)?;
            let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            if is_name && !escaped {
                return Some((text.get(..open)?, name, text.get(end + 1..)?));
            }
        }
        from = open + 1;
    }
    None
}

fn unknown(name: &str, own: &HashMap<String, String>) -> Problem {
    let names = own.keys().chain(builtin().keys()).map(String::as_str);
    let help = atalaya_yaml::nearest(name, names).map_or_else(
        || "define it under `lexicon:`".to_owned(),
        |near| format!("did you mean `{{{near}}}`? or define it under `lexicon:`"),
    );
    Problem {
        code: code::UNKNOWN_NAME,
        message: format!("no words are known as `{{{name}}}`"),
        help,
        near: format!("{{{name}}}"),
    }
}

fn too_deep(name: &str) -> Problem {
    Problem {
        code: code::UNKNOWN_NAME,
        message: format!("`{{{name}}}` refers to itself or grows too large"),
        help: "spell the words out".to_owned(),
        near: format!("{{{name}}}"),
    }
}
