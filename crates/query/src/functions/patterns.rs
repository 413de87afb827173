//! Regular expressions. Kusto's dialect is that of the `regex` crate; a constant pattern is
//! compiled once per query, a pattern that does not compile is refused.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray};
use parking_lot::Mutex;
use regex::{Regex, RegexBuilder};

use super::{Call, Function, Kernel, Refusal, row_kernel, string, text};
use crate::types::Type;
use crate::value::Value;

/// Compiled size that a pattern may have.
const PATTERN_BYTES_MAX: usize = 4 << 20;
/// Patterns computed per row that are kept compiled.
const CACHE_ENTRIES_MAX: usize = 64;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::bind("matches regex", |call| matches(call, false)),
    Function::bind("!matches regex", |call| matches(call, true)),
    Function::bind("extract", extract),
    Function::bind("extract_all", extract_all),
    Function::bind("extractall", extract_all),
    Function::bind("replace_regex", replace),
    Function::bind("replace", |call| {
        // The old spelling takes the pattern first.
        let patterns = Patterns::new(call, 0)?;
        row_kernel(move |args| {
            let regex = patterns.get(args)?;
            let rewrite = rewrite(&text(args, 1)?);
            string(regex.replace_all(&text(args, 2)?, rewrite.as_str()))
        })
    }),
    Function::bind("indexof_regex", |call| {
        let patterns = Patterns::new(call, 1)?;
        row_kernel(move |args| {
            let regex = patterns.get(args)?;
            let source = text(args, 0)?;
            let start = usize::try_from(super::long(args, 2).unwrap_or(0)).ok()?;
            let from = source
                .char_indices()
                .nth(start)
                .map_or(source.len(), |(at, _)| at);
            let which = usize::try_from(super::long(args, 4).unwrap_or(1).max(1)).ok()?;
            let found = regex.find_iter(&source[from..]).nth(which - 1);
            let at = found.map(|found| source[..from + found.start()].chars().count());
            Some(Value::Long(
                at.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1),
            ))
        })
    }),
    Function::bind("countof", count_of),
    Function::bind("trim", |call| trim(call, true, true)),
    Function::bind("trim_start", |call| trim(call, true, false)),
    Function::bind("trim_end", |call| trim(call, false, true)),
    Function::rows("regex_quote", |a| string(quote(&text(a, 0)?))),
];

/// RE2 takes a brace that starts no repetition for what it is; here it needs a backslash.
fn braces(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        match c {
            '\\' => {
                let mut escaped = rest.chars().skip(1);
                let letter = escaped.next();
                taken += letter.map_or(0, char::len_utf8);
                // `\p{…}`, `\x{…}`
                let has_braces = matches!(letter, Some('p' | 'P' | 'x' | 'u' | 'U'));
                if has_braces && escaped.next() == Some('{') {
                    taken = rest.find('}').map_or(taken, |end| end + 1);
                }
                out.push_str(&rest[..taken]);
            }
            '[' => {
                in_class = true;
                out.push(c);
            }
            ']' => {
                in_class = false;
                out.push(c);
            }
            '{' if !in_class => match repetition(rest) {
                Some(length) => {
                    taken = length;
                    out.push_str(&rest[..taken]);
                }
                None => out.push_str("\\{"),
            },
            '}' if !in_class => out.push_str("\\}"),
            _ => out.push(c),
        }
        rest = &rest[taken..];
    }
    out
}

/// The length of `{1}`, `{1,}` or `{1,3}`.
fn repetition(text: &str) -> Option<usize> {
    let end = text.find('}')?;
    let inner = &text[1..end];
    let (low, high) = inner.split_once(',').unwrap_or((inner, ""));
    let is_count = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    (!low.is_empty() && is_count(low) && is_count(high)).then_some(end + 1)
}

fn compile(pattern: &str) -> Result<Regex, Refusal> {
    // NUL as RE2 writes it.
    RegexBuilder::new(&braces(&pattern.replace("\\0", "\\x00")))
        .size_limit(PATTERN_BYTES_MAX)
        .build()
        .map_err(|error| format!("the regular expression does not compile: {error}"))
}

/// The pattern of a call: compiled once, or per row with a small cache.
struct Patterns {
    index: usize,
    constant: Option<Regex>,
    cache: Mutex<std::collections::HashMap<Arc<str>, Option<Regex>>>,
}

impl Patterns {
    fn new(call: &Call<'_>, index: usize) -> Result<Self, Refusal> {
        let constant = call.text(index).map(|p| compile(&p)).transpose()?;
        Ok(Self {
            index,
            constant,
            cache: Mutex::default(),
        })
    }

    fn get(&self, args: &[Value]) -> Option<Regex> {
        if let Some(regex) = &self.constant {
            return Some(regex.clone());
        }
        let pattern = text(args, self.index)?;
        let mut cache = self.cache.lock();
        if let Some(known) = cache.get(&pattern) {
            return known.clone();
        }
        if cache.len() >= CACHE_ENTRIES_MAX {
            cache.clear();
        }
        let regex = compile(&pattern).ok();
        cache.insert(pattern, regex.clone());
        regex
    }
}

fn matches(call: &Call<'_>, negate: bool) -> Result<Kernel, Refusal> {
    let patterns = Patterns::new(call, 1)?;
    if let (Some(regex), Some(Type::String)) =
        (&patterns.constant, call.args.first().map(|arg| arg.ty))
    {
        let regex = regex.clone();
        return Ok(Kernel::Columns(Box::new(move |columns| {
            let hits = columns[0].as_string_view_opt().map(|texts| {
                let rows = (0..texts.len()).map(|row| {
                    let text = if texts.is_null(row) {
                        ""
                    } else {
                        texts.value(row)
                    };
                    Some(regex.is_match(text) != negate)
                });
                rows.collect::<BooleanArray>()
            });
            Arc::new(hits.unwrap_or_else(|| BooleanArray::new_null(columns[0].len())))
        })));
    }
    row_kernel(move |args| {
        let regex = patterns.get(args)?;
        Some(Value::Bool(regex.is_match(&text(args, 0)?) != negate))
    })
}

fn extract(call: &Call<'_>) -> Result<Kernel, Refusal> {
    let patterns = Patterns::new(call, 0)?;
    let result = call.result;
    row_kernel(move |args| {
        let regex = patterns.get(args)?;
        let group = usize::try_from(args.get(1)?.as_i64()?).ok()?;
        let source = text(args, 2)?;
        let found = regex
            .captures(&source)
            .and_then(|captures| captures.get(group))
            .map_or("", |hit| hit.as_str());
        convert(found, result)
    })
}

/// The text as another type, for `extract(..., typeof(long))`.
pub(crate) fn convert(text: &str, ty: Type) -> Option<Value> {
    use super::conversion as to;
    let value = Value::string(text);
    match ty {
        Type::String => Some(value),
        Type::Long => to::to_long(&value).map(Value::Long),
        Type::Int => i32::try_from(to::to_long(&value)?).ok().map(Value::Int),
        Type::Real | Type::Decimal => to::to_real(&value).map(Value::Real),
        Type::DateTime => to::to_datetime(&value),
        Type::Timespan => to::to_timespan(&value),
        Type::Guid => to::to_guid(&value),
        Type::Dynamic => to::to_dynamic(&value),
        Type::Bool => match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Some(Value::Bool(true)),
            "false" | "0" => Some(Value::Bool(false)),
            _ => None,
        },
    }
}

fn extract_all(call: &Call<'_>) -> Result<Kernel, Refusal> {
    let patterns = Patterns::new(call, 0)?;
    if patterns
        .constant
        .as_ref()
        .is_some_and(|regex| regex.captures_len() < 2)
    {
        return Err("the pattern has no group: write parentheses around what is wanted".to_owned());
    }
    row_kernel(move |args| {
        let regex = patterns.get(args)?;
        let source = text(args, args.len() - 1)?;
        let groups: Vec<Value> = match args.len() {
            3 => args[1].as_array()?.to_vec(),
            _ => (1..regex.captures_len())
                .filter_map(|g| i64::try_from(g).ok().map(Value::Long))
                .collect(),
        };
        let pick = |captures: &regex::Captures<'_>, group: &Value| {
            let hit = match group {
                Value::String(name) => captures.name(name),
                other => other
                    .as_i64()
                    .and_then(|g| usize::try_from(g).ok())
                    .and_then(|g| captures.get(g)),
            };
            Value::string(hit.map_or("", |hit| hit.as_str()))
        };
        let rows: Vec<Value> = regex
            .captures_iter(&source)
            .map(|captures| match groups.as_slice() {
                [only] => pick(&captures, only),
                many => Value::array(many.iter().map(|g| pick(&captures, g)).collect()),
            })
            .collect();
        (!rows.is_empty()).then(|| Value::array(rows))
    })
}

fn replace(call: &Call<'_>) -> Result<Kernel, Refusal> {
    let patterns = Patterns::new(call, 1)?;
    row_kernel(move |args| {
        let regex = patterns.get(args)?;
        let rewrite = rewrite(&text(args, 2)?);
        string(regex.replace_all(&text(args, 0)?, rewrite.as_str()))
    })
}

/// `\1` and `\0` of Kusto as `${1}` of the regex crate; `$` stands for itself.
fn rewrite(template: &str) -> String {
    let mut out = String::with_capacity(template.len());
    let mut characters = template.chars().peekable();
    while let Some(c) = characters.next() {
        match (c, characters.peek().copied()) {
            ('$', _) => out.push_str("$$"),
            ('\\', Some(digit)) if digit.is_ascii_digit() => {
                characters.next();
                out.push_str("${");
                out.push(digit);
                out.push('}');
            }
            ('\\', Some('\\')) => {
                characters.next();
                out.push('\\');
            }
            (other, _) => out.push(other),
        }
    }
    out
}

fn count_of(call: &Call<'_>) -> Result<Kernel, Refusal> {
    let is_regex = call.text(2).is_some_and(|kind| &*kind == "regex");
    let patterns = if is_regex {
        Some(Patterns::new(call, 1)?)
    } else {
        None
    };
    row_kernel(move |args| {
        let source = text(args, 0)?;
        let count = match &patterns {
            Some(patterns) => patterns.get(args)?.find_iter(&source).count(),
            None => overlapping(&source, &text(args, 1)?),
        };
        i64::try_from(count).ok().map(Value::Long)
    })
}

/// Plain needles may overlap: "aaa" holds "aa" twice.
fn overlapping(source: &str, needle: &str) -> usize {
    if needle.is_empty() {
        return 0;
    }
    source
        .char_indices()
        .filter(|(at, _)| source[*at..].starts_with(needle))
        .count()
}

fn trim(call: &Call<'_>, front: bool, back: bool) -> Result<Kernel, Refusal> {
    let Some(pattern) = call.text(0) else {
        return row_kernel(move |args| {
            let pattern = text(args, 0)?;
            let edges = edges(&pattern, front, back).ok()?;
            string(cut(&text(args, 1)?, &edges))
        });
    };
    let edges = edges(&pattern, front, back)?;
    row_kernel(move |args| string(cut(&text(args, 1)?, &edges)))
}

fn edges(pattern: &str, front: bool, back: bool) -> Result<Vec<Regex>, Refusal> {
    let mut edges = Vec::new();
    if front {
        edges.push(compile(&format!("^(?:{pattern})"))?);
    }
    if back {
        edges.push(compile(&format!("(?:{pattern})$"))?);
    }
    Ok(edges)
}

fn cut(source: &str, edges: &[Regex]) -> String {
    let mut out = source.to_owned();
    for edge in edges {
        out = edge.replace(&out, "").into_owned();
    }
    out
}

/// Kusto escapes with a backslash everything that is no word character.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if !(c.is_alphanumeric() || c == '_') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
