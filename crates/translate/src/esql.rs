//! ES|QL: `where`, `eval`, `stats … by`, `sort`, `limit`, `keep`.

use crate::expression::{Dialect, Place};
use crate::query::{Aggregate, Key, Operators, columns};
use crate::{quoted, regex_of};

pub(crate) struct Esql;

impl Dialect for Esql {
    fn name(&self) -> &'static str {
        "ES|QL"
    }

    fn column(&self, name: &str) -> String {
        match name {
            "TimeGenerated" => "@timestamp".to_owned(),
            name if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => name.to_owned(),
            name => format!("`{}`", name.replace('`', "``")),
        }
    }

    fn text(&self, text: &str) -> String {
        quoted(text)
    }

    fn null(&self) -> String {
        "null".to_owned()
    }

    fn equality(&self, equal: bool) -> &'static str {
        if equal { "==" } else { "!=" }
    }

    fn words(&self) -> (&'static str, &'static str, &'static str) {
        ("and", "or", "not")
    }

    fn lower(&self, value: &str) -> String {
        format!("to_lower({value})")
    }

    fn lies(&self, value: &str, literal: &str, place: Place, cased: bool) -> String {
        let (value, literal) = if cased {
            (value.to_owned(), literal.to_owned())
        } else {
            (self.lower(value), literal.to_lowercase())
        };
        match place {
            Place::Start => format!("starts_with({value}, {})", quoted(&literal)),
            Place::End => format!("ends_with({value}, {})", quoted(&literal)),
            Place::Anywhere => {
                let mut pattern = String::from("*");
                for c in literal.chars() {
                    if matches!(c, '*' | '?' | '\\') {
                        pattern.push('\\');
                    }
                    pattern.push(c);
                }
                pattern.push('*');
                format!("{value} like {}", quoted(&pattern))
            }
            Place::Term => {
                // `rlike` covers the whole value.
                let inner = regex_of(&literal);
                let pattern = format!("(.*[^A-Za-z0-9])?{inner}([^A-Za-z0-9].*)?");
                format!("{value} rlike {}", quoted(&pattern))
            }
        }
    }

    fn matches(&self, value: &str, pattern: &str) -> String {
        let open = pattern.strip_prefix('^');
        let start = if open.is_some() { "" } else { ".*" };
        let rest = open.unwrap_or(pattern);
        let (rest, end) = match rest.strip_suffix('$') {
            Some(rest) if !rest.ends_with('\\') => (rest, ""),
            _ => (rest, ".*"),
        };
        format!("{value} rlike {}", quoted(&format!("{start}{rest}{end}")))
    }

    fn within(&self, value: &str, values: &[String]) -> String {
        format!("{value} in ({})", values.join(", "))
    }

    fn is_empty(&self, value: &str) -> String {
        format!("({value} is null or to_string({value}) == \"\")")
    }

    fn ago(&self, seconds: i64) -> String {
        format!("(now() - {seconds} seconds)")
    }

    fn now(&self) -> String {
        "now()".to_owned()
    }

    fn span(&self, seconds: i64) -> String {
        format!("{seconds} seconds")
    }

    fn bucket(&self, seconds: i64) -> String {
        format!("date_trunc({seconds} seconds, @timestamp)")
    }

    fn call(&self, name: &str, arguments: &[String]) -> Option<String> {
        let one = || arguments.first().cloned().unwrap_or_default();
        Some(match (name, arguments.len()) {
            ("tolower", 1) => format!("to_lower({})", one()),
            ("toupper", 1) => format!("to_upper({})", one()),
            ("strlen", 1) => format!("length({})", one()),
            ("tostring", 1) => format!("to_string({})", one()),
            ("toint", 1) => format!("to_integer({})", one()),
            ("tolong", 1) => format!("to_long({})", one()),
            ("todouble" | "toreal", 1) => format!("to_double({})", one()),
            ("abs" | "sqrt" | "exp" | "floor", 1) => format!("{name}({})", one()),
            ("ceiling", 1) => format!("ceil({})", one()),
            ("log", 1) => format!("log({})", one()),
            ("round", 1 | 2) => format!("round({})", arguments.join(", ")),
            ("coalesce", 1..) => format!("coalesce({})", arguments.join(", ")),
            ("iff" | "iif", 3) => format!("case({})", arguments.join(", ")),
            ("case", 3..) if arguments.len() % 2 == 1 => format!("case({})", arguments.join(", ")),
            ("strcat", 1..) => format!("concat({})", arguments.join(", ")),
            ("substring", 3) => match arguments {
                [text, start, length] => format!("substring({text}, {start} + 1, {length})"),
                _ => return None,
            },
            ("hourofday", 1) => format!("date_extract(\"hour_of_day\", {})", one()),
            ("bin", 2) => match arguments {
                [value, size] => format!("floor({value} / {size}) * {size}"),
                _ => return None,
            },
            _ => return None,
        })
    }
}

impl Operators for Esql {
    fn source(&self, table: &str, given: Option<&str>) -> String {
        format!("from {}", given.unwrap_or(table).to_lowercase())
    }

    fn filter(&self, condition: &str) -> String {
        format!("| where {condition}")
    }

    fn extend(&self, name: &str, value: &str) -> String {
        format!("| eval {name} = {value}")
    }

    fn project(&self, names: &[String]) -> String {
        format!("| keep {}", names.join(", "))
    }

    fn summarize(&self, aggregates: &[Aggregate], keys: &[Key]) -> String {
        let keys: Vec<String> = keys
            .iter()
            .map(|key| match key {
                Key::Column(name) => name.clone(),
                Key::Computed { name, value } => format!("{name} = {value}"),
                Key::Bucket { name, seconds } => {
                    format!("{name} = date_trunc({seconds} seconds, @timestamp)")
                }
            })
            .collect();
        let functions: Vec<String> = aggregates
            .iter()
            .map(|one| format!("{} = {}", self.column(&one.name), one.function))
            .collect();
        let by = if keys.is_empty() {
            String::new()
        } else {
            format!(" by {}", keys.join(", "))
        };
        format!("| stats {}{by}", functions.join(", "))
    }

    fn beside(&self, aggregates: &[Aggregate], keys: &[String]) -> String {
        self.summarize(aggregates, &columns(keys))
            .replacen("| stats ", "| inline stats ", 1)
    }

    fn sort(&self, keys: &[(String, bool)], limit: Option<&str>) -> String {
        let keys: Vec<String> = keys
            .iter()
            .map(|(name, descending)| {
                format!("{name} {}", if *descending { "desc" } else { "asc" })
            })
            .collect();
        let limit = limit.map(|limit| format!("\n| limit {limit}"));
        format!("| sort {}{}", keys.join(", "), limit.unwrap_or_default())
    }

    fn take(&self, count: &str) -> String {
        format!("| limit {count}")
    }

    fn distinct(&self, names: &[String]) -> String {
        format!("| stats by {}", names.join(", "))
    }

    fn aggregate(&self, name: &str, arguments: &[String], when: Option<&str>) -> Option<String> {
        let value = arguments.first().cloned();
        let text = match (name, value) {
            ("count", _) => "count(*)".to_owned(),
            ("dcount" | "count_distinct", Some(value)) => format!("count_distinct({value})"),
            ("sum" | "avg" | "min" | "max", Some(value)) => format!("{name}({value})"),
            ("stdev", Some(value)) => format!("std_dev({value})"),
            ("make_set" | "set" | "make_list", Some(value)) => format!("values({value})"),
            ("percentile", Some(value)) => {
                let percent = arguments.get(1)?;
                format!("percentile({value}, {percent})")
            }
            _ => return None,
        };
        Some(match when {
            Some(when) => format!("{text} where {when}"),
            None => text,
        })
    }
}
