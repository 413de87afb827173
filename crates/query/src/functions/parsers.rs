//! Text with a structure: patterns of `parse`, key-value pairs, URLs, paths, command lines.

use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use super::{Call, Function, Kernel, Refusal, row_kernel, string, text};
use crate::types::Type;
use crate::value::{Value, datetime, number, timespan};

/// Compiled size that the pattern of a `parse` may have.
const PATTERN_BYTES_MAX: usize = 4 << 20;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::bind("parse_match", parse_match),
    Function::bind("parse_pairs", parse_pairs),
    Function::rows("parse_url", |a| Some(parse_url(&text(a, 0)?))),
    Function::rows("parseurl", |a| Some(parse_url(&text(a, 0)?))),
    Function::rows("parse_urlquery", parse_urlquery),
    Function::rows("parseurlquery", parse_urlquery),
    Function::rows("parse_path", |a| Some(parse_path(&text(a, 0)?))),
    Function::rows("parse_command_line", |a| {
        let line = text(a, 0)?;
        (text(a, 1)?.eq_ignore_ascii_case("windows") && !line.is_empty())
            .then(|| Value::array(windows_arguments(&line)))
    }),
    Function::rows("format_bytes", format_bytes),
];

fn parse_urlquery(args: &[Value]) -> Option<Value> {
    let source = text(args, 0)?;
    let query = source.strip_prefix('?').unwrap_or(&source);
    Some(Value::bag(vec![(
        Arc::from("Query Parameters"),
        query_parameters(query),
    )]))
}

/// `parse_match(text, kind, flags, item…)`: the columns' texts as an array, or null.
fn parse_match(call: &Call<'_>) -> Result<Kernel, Refusal> {
    let constant = |index: usize| call.text(index).unwrap_or_default();
    let (kind, flags) = (constant(1), constant(2));
    let is_regex = &*kind == "regex";
    let mut pattern = String::from("^");
    let mut types = Vec::new();
    for index in 3..call.args.len() {
        let item = constant(index);
        if &*item == "*" {
            pattern.push_str(".*?");
        } else if let Some(part) = item.strip_prefix('t') {
            if is_regex {
                pattern.push_str("(?:");
                pattern.push_str(part);
                pattern.push(')');
            } else {
                pattern.push_str(&regex::escape(part));
            }
        } else if let Some(ty) = item.strip_prefix('c') {
            let group = match ty {
                "int" | "long" => r"-?\d+",
                "real" | "decimal" if !is_regex => r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?",
                _ if is_regex => ".*",
                _ => ".*?",
            };
            pattern.push_str(&format!("(?P<atalaya{}>{group})", types.len()));
            types.push(ty.to_owned());
        }
    }
    pattern.push('$');
    let mut builder = RegexBuilder::new(&pattern);
    builder.size_limit(PATTERN_BYTES_MAX);
    builder.dot_matches_new_line(!is_regex || flags.contains('s'));
    builder.case_insensitive(flags.contains('i'));
    builder.multi_line(flags.contains('m'));
    builder.swap_greed(flags.contains('U'));
    let regex = builder
        .build()
        .map_err(|error| format!("the pattern of `parse` does not compile: {error}"))?;
    let names: Vec<String> = (0..types.len()).map(|i| format!("atalaya{i}")).collect();
    let is_relaxed = &*kind == "relaxed";
    row_kernel(move |args| {
        let source = text(args, 0)?;
        let found = regex.captures(&source)?;
        let parts = names
            .iter()
            .map(|name| found.name(name).map_or("", |part| part.as_str()));
        let parts: Vec<&str> = parts.collect();
        let fits = parts
            .iter()
            .zip(&types)
            .all(|(part, ty)| reads_as(part, ty));
        (fits || is_relaxed).then(|| Value::array(parts.into_iter().map(Value::string).collect()))
    })
}

/// Whether a text is a value of the type.
fn reads_as(part: &str, ty: &str) -> bool {
    match ty {
        "int" => number::parse_long(part).is_some_and(|v| i32::try_from(v).is_ok()),
        "long" => number::parse_long(part).is_some(),
        "real" | "decimal" => number::parse_real(part).is_some(),
        "datetime" => datetime::parse(part.trim()).is_some(),
        "timespan" => timespan::parse(part.trim()).is_some(),
        "bool" => matches!(
            part.to_ascii_lowercase().as_str(),
            "true" | "false" | "0" | "1"
        ),
        _ => true,
    }
}

/// How pairs are told apart.
struct Pairs {
    pair: Option<String>,
    key: String,
    quotes: Option<(char, char)>,
    escape: Option<char>,
    is_greedy: bool,
    regex: Option<Regex>,
}

/// `parse_pairs(text, "option=value"…)`: a bag.
fn parse_pairs(call: &Call<'_>) -> Result<Kernel, Refusal> {
    let mut pairs = Pairs {
        pair: None,
        key: "=".to_owned(),
        quotes: None,
        escape: None,
        is_greedy: false,
        regex: None,
    };
    for index in 1..call.args.len() {
        let option = call.text(index).unwrap_or_default();
        let (name, value) = option.split_once('=').unwrap_or((&option, ""));
        match name {
            "pair_delimiter" => pairs.pair = Some(value.to_owned()),
            "kv_delimiter" => pairs.key = value.to_owned(),
            "escape" => pairs.escape = value.chars().next(),
            "greedy" => pairs.is_greedy = value == "true",
            "quote" => {
                let mut quotes = value.chars();
                let open = quotes.next();
                let close = quotes.next().or(open);
                pairs.quotes = open.zip(close);
            }
            "regex" => {
                let compiled = RegexBuilder::new(value)
                    .size_limit(PATTERN_BYTES_MAX)
                    .build();
                pairs.regex = Some(compiled.map_err(|e| format!("`regex` does not compile: {e}"))?);
            }
            other => return Err(format!("`parse-kv` has no option `{other}`")),
        }
    }
    if call.args.first().map(|arg| arg.ty) != Some(Type::String) {
        return Err("`parse-kv` wants a string".to_owned());
    }
    row_kernel(move |args| {
        let found = pairs.read(&text(args, 0)?);
        let found = found.into_iter();
        let found = found.map(|(key, value)| (Arc::from(key.as_str()), Value::string(value)));
        // Of a repeated key the first one counts.
        let mut seen = std::collections::HashSet::new();
        let first = found.filter(|(key, _): &(Arc<str>, Value)| seen.insert(key.clone()));
        Some(Value::bag(first.collect()))
    })
}

impl Pairs {
    fn read(&self, source: &str) -> Vec<(String, String)> {
        if let Some(regex) = &self.regex {
            let part = |c: &regex::Captures<'_>, i| c.get(i).map_or("", |m| m.as_str()).to_owned();
            return regex
                .captures_iter(source)
                .map(|found| (part(&found, 1), part(&found, 2)))
                .collect();
        }
        let mut out: Vec<(String, String)> = Vec::new();
        let joined;
        let source = if self
            .pair
            .as_ref()
            .is_some_and(|pair| pair.trim().is_empty())
        {
            // Blanks part the pairs, but not a key from its value.
            joined = self.joined(source);
            &joined
        } else {
            source
        };
        for pair in self.split(source) {
            match pair.split_once(self.key.as_str()) {
                Some((key, value)) => {
                    let key = self.bare(key.trim());
                    out.push((key, self.bare(value.trim())));
                }
                // A greedy value goes on until the next pair.
                None if self.is_greedy => {
                    if let (Some(last), Some(delimiter)) = (out.last_mut(), &self.pair) {
                        last.1.push_str(delimiter);
                        last.1.push_str(&pair);
                    }
                }
                None => {}
            }
        }
        out
    }

    /// Without blanks around the delimiter of keys and values.
    fn joined(&self, source: &str) -> String {
        let parts: Vec<&str> = source.split(self.key.as_str()).collect();
        let last = parts.len() - 1;
        let trimmed = parts.iter().enumerate().map(|(at, part)| {
            let part = if at > 0 { part.trim_start() } else { part };
            if at < last { part.trim_end() } else { part }
        });
        trimmed.collect::<Vec<_>>().join(&self.key)
    }

    /// Pairs, delimiters inside of quotes left alone.
    fn split(&self, source: &str) -> Vec<String> {
        let mut out = vec![String::new()];
        let mut inside = false;
        let mut rest = source;
        while let Some(c) = rest.chars().next() {
            let mut length = c.len_utf8();
            let is_escaped = self.escape == Some(c) && inside;
            if is_escaped {
                length += rest[length..].chars().next().map_or(0, char::len_utf8);
            } else if let Some((open, close)) = self.quotes {
                inside = if inside { c != close } else { c == open };
            }
            let delimiter = match &self.pair {
                Some(pair) if !pair.is_empty() && rest.starts_with(pair.as_str()) => pair.len(),
                None if !c.is_alphanumeric() && !rest.starts_with(self.key.as_str()) => {
                    usize::from(c.is_whitespace() || matches!(c, ',' | ';' | '|' | '&')) * length
                }
                _ => 0,
            };
            if delimiter > 0 && !inside && !is_escaped {
                out.push(String::new());
                rest = &rest[delimiter..];
                continue;
            }
            if let Some(last) = out.last_mut() {
                last.push_str(&rest[..length]);
            }
            rest = &rest[length..];
        }
        out
    }

    /// Without quotes and escapes.
    fn bare(&self, part: &str) -> String {
        let Some((open, close)) = self.quotes else {
            return part.to_owned();
        };
        let Some(inner) = part.strip_prefix(open).and_then(|p| p.strip_suffix(close)) else {
            return part.to_owned();
        };
        let Some(escape) = self.escape else {
            return inner.to_owned();
        };
        let mut out = String::new();
        let mut characters = inner.chars();
        while let Some(c) = characters.next() {
            out.push(if c == escape {
                characters.next().unwrap_or(c)
            } else {
                c
            });
        }
        out
    }
}

/// RFC 3986, appendix B; user information split at the colon.
fn parse_url(url: &str) -> Value {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = match rest.find('/') {
        _ if scheme.is_empty() => ("", rest),
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if is_port(port) => (host, port),
        _ => (host, ""),
    };
    let pair = |key: &str, value: &str| (Arc::from(key), Value::string(value));
    Value::bag(vec![
        pair("Scheme", scheme),
        pair("Host", host),
        pair("Port", port),
        pair("Path", path),
        pair("Username", user),
        pair("Password", password),
        (Arc::from("Query Parameters"), query_parameters(query)),
        pair("Fragment", fragment),
    ])
}

fn query_parameters(query: &str) -> Value {
    let pairs = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (Arc::from(key), Value::string(value))
        });
    Value::bag(pairs.collect())
}

fn parse_path(source: &str) -> Value {
    let (scheme, path) = source.split_once("://").unwrap_or(("", source));
    let path = if scheme == "file" {
        path.trim_start_matches('/')
    } else {
        path
    };
    let (path, stream) = match path.rfind(':') {
        Some(at) if at > 1 => (&path[..at], &path[at + 1..]),
        _ => (path, ""),
    };
    let cut = path.rfind(['/', '\\']);
    let (directory, filename) = match cut {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => ("", path),
    };
    let root = if path.get(1..2) == Some(":") {
        path.get(..3).unwrap_or(path)
    } else {
        ""
    };
    let name = directory.rsplit(['/', '\\']).next().unwrap_or("");
    let extension = filename
        .rsplit_once('.')
        .map_or("", |(_, extension)| extension);
    let pair = |key: &str, value: &str| (Arc::from(key), Value::string(value));
    Value::bag(vec![
        pair("Scheme", scheme),
        pair("RootPath", root),
        pair("DirectoryPath", directory),
        pair("DirectoryName", name),
        pair("Filename", filename),
        pair("Extension", extension),
        pair("AlternateDataStreamName", stream),
    ])
}

/// The rules of `CommandLineToArgvW`: a quote toggles, backslashes count only before a quote.
fn windows_arguments(line: &str) -> Vec<Value> {
    let mut out = Vec::new();
    let (mut current, mut is_open, mut is_quoted) = (String::new(), false, false);
    let mut slashes = 0;
    for c in line.chars() {
        if c == '\\' {
            slashes += 1;
            is_open = true;
            continue;
        }
        if c == '"' {
            current.extend(std::iter::repeat_n('\\', slashes / 2));
            if slashes % 2 == 1 {
                current.push('"');
            } else {
                is_quoted = !is_quoted;
            }
            (slashes, is_open) = (0, true);
            continue;
        }
        current.extend(std::iter::repeat_n('\\', slashes));
        slashes = 0;
        if c.is_whitespace() && !is_quoted {
            if is_open {
                out.push(Value::string(std::mem::take(&mut current)));
            }
            is_open = false;
        } else {
            current.push(c);
            is_open = true;
        }
    }
    current.extend(std::iter::repeat_n('\\', slashes));
    if is_open {
        out.push(Value::string(current));
    }
    out
}

/// Units of 1024.
const UNITS: [&str; 7] = ["Bytes", "KB", "MB", "GB", "TB", "PB", "EB"];

fn format_bytes(args: &[Value]) -> Option<Value> {
    let size = args[0].as_f64()?;
    let digits = match args.get(1) {
        None => 0,
        Some(digits) => digits.as_i64()?,
    };
    let wanted = args.get(2).map(Value::to_text);
    let index = match &wanted {
        Some(unit) => UNITS
            .iter()
            .position(|known| known.eq_ignore_ascii_case(unit))?,
        None => {
            let larger = (1..UNITS.len()).take_while(|i| size.abs() >= 1024_f64.powi(*i as i32));
            larger.last().unwrap_or(0)
        }
    };
    let scaled = number::round_half_away(size / 1024_f64.powi(index as i32), digits.clamp(0, 15));
    string(format!("{scaled} {}", UNITS[index]))
}
