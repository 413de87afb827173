//! SPL: `where` and `eval` take expressions, `stats` sums up.

use crate::expression::{Dialect, Place};
use crate::query::{Aggregate, Key, Operators, columns};
use crate::{quoted, regex_of};

pub(crate) struct Spl;

impl Dialect for Spl {
    fn name(&self) -> &'static str {
        "SPL"
    }

    fn column(&self, name: &str) -> String {
        match name {
            "TimeGenerated" => "_time".to_owned(),
            name if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => name.to_owned(),
            name => format!("'{}'", name.replace('\'', "\\'")),
        }
    }

    fn text(&self, text: &str) -> String {
        quoted(text)
    }

    fn null(&self) -> String {
        "null()".to_owned()
    }

    fn equality(&self, equal: bool) -> &'static str {
        if equal { "==" } else { "!=" }
    }

    fn words(&self) -> (&'static str, &'static str, &'static str) {
        ("AND", "OR", "NOT")
    }

    fn lower(&self, value: &str) -> String {
        format!("lower({value})")
    }

    fn lies(&self, value: &str, literal: &str, place: Place, cased: bool) -> String {
        let flags = if cased { "" } else { "(?i)" };
        let inner = regex_of(literal);
        let pattern = match place {
            Place::Anywhere => inner,
            Place::Start => format!("^{inner}"),
            Place::End => format!("{inner}$"),
            Place::Term => format!("(^|[^A-Za-z0-9]){inner}($|[^A-Za-z0-9])"),
        };
        format!("match({value}, {})", quoted(&format!("{flags}{pattern}")))
    }

    fn matches(&self, value: &str, pattern: &str) -> String {
        format!("match({value}, {})", quoted(pattern))
    }

    fn within(&self, value: &str, values: &[String]) -> String {
        format!("in({value}, {})", values.join(", "))
    }

    fn is_empty(&self, value: &str) -> String {
        format!("(isnull({value}) OR {value}==\"\")")
    }

    fn ago(&self, seconds: i64) -> String {
        format!("(now() - {seconds})")
    }

    fn now(&self) -> String {
        "now()".to_owned()
    }

    fn span(&self, seconds: i64) -> String {
        seconds.to_string()
    }

    fn bucket(&self, seconds: i64) -> String {
        format!("floor(_time / {seconds}) * {seconds}")
    }

    fn call(&self, name: &str, arguments: &[String]) -> Option<String> {
        let one = || arguments.first().cloned().unwrap_or_default();
        Some(match (name, arguments.len()) {
            ("tolower", 1) => format!("lower({})", one()),
            ("toupper", 1) => format!("upper({})", one()),
            ("strlen", 1) => format!("len({})", one()),
            ("tostring", 1) => format!("tostring({})", one()),
            ("toint" | "tolong" | "todouble" | "toreal", 1) => format!("tonumber({})", one()),
            ("abs" | "sqrt" | "exp" | "ceiling" | "floor", 1) => format!("{name}({})", one()),
            ("round", 1 | 2) => format!("round({})", arguments.join(", ")),
            ("log", 1) => format!("ln({})", one()),
            ("coalesce", 1..) => format!("coalesce({})", arguments.join(", ")),
            ("iff" | "iif", 3) => format!("if({})", arguments.join(", ")),
            ("strcat", 1..) => format!("({})", arguments.join(" . ")),
            ("substring", 3) => match arguments {
                [text, start, length] => format!("substr({text}, {start} + 1, {length})"),
                _ => return None,
            },
            ("case", 3..) if arguments.len() % 2 == 1 => {
                let (last, pairs) = arguments.split_last()?;
                format!("case({}, true(), {last})", pairs.join(", "))
            }
            ("hourofday", 1) => format!("tonumber(strftime({}, \"%H\"))", one()),
            ("bin", 2) => match arguments {
                [value, size] => format!("floor({value} / {size}) * {size}"),
                _ => return None,
            },
            _ => return None,
        })
    }
}

impl Operators for Spl {
    fn source(&self, table: &str, given: Option<&str>) -> String {
        given.map_or_else(|| format!("sourcetype={}", quoted(table)), str::to_owned)
    }

    fn filter(&self, condition: &str) -> String {
        format!("| where {condition}")
    }

    fn extend(&self, name: &str, value: &str) -> String {
        format!("| eval {name}={value}")
    }

    fn project(&self, names: &[String]) -> String {
        format!("| table {}", names.join(" "))
    }

    fn summarize(&self, aggregates: &[Aggregate], keys: &[Key]) -> String {
        let mut before = String::new();
        let mut names = Vec::new();
        let mut after = String::new();
        for key in keys {
            match key {
                Key::Column(name) => names.push(name.clone()),
                Key::Computed { name, value } => {
                    before.push_str(&format!("| eval {name}={value}\n"));
                    names.push(name.clone());
                }
                Key::Bucket { name, seconds } => {
                    before.push_str(&format!("| bin _time span={seconds}s\n"));
                    names.push("_time".to_owned());
                    if name != "_time" {
                        after.push_str(&format!("\n| rename _time as {name}"));
                    }
                }
            }
        }
        let functions: Vec<String> = aggregates
            .iter()
            .map(|one| format!("{} as {}", one.function, self.column(&one.name)))
            .collect();
        let by = if names.is_empty() {
            String::new()
        } else {
            format!(" by {}", names.join(" "))
        };
        format!("{before}| stats {}{by}{after}", functions.join(" "))
    }

    fn beside(&self, aggregates: &[Aggregate], keys: &[String]) -> String {
        self.summarize(aggregates, &columns(keys))
            .replacen("| stats ", "| eventstats ", 1)
    }

    fn sort(&self, keys: &[(String, bool)], limit: Option<&str>) -> String {
        let keys: Vec<String> = keys
            .iter()
            .map(|(name, descending)| format!("{}{name}", if *descending { '-' } else { '+' }))
            .collect();
        format!("| sort {} {}", limit.unwrap_or("0"), keys.join(" "))
    }

    fn take(&self, count: &str) -> String {
        format!("| head {count}")
    }

    fn distinct(&self, names: &[String]) -> String {
        format!("| stats count by {0}\n| table {0}", names.join(" "))
    }

    fn aggregate(&self, name: &str, arguments: &[String], when: Option<&str>) -> Option<String> {
        let value = arguments.first().map(|value| match when {
            Some(when) => format!("eval(if({when}, {value}, null()))"),
            None if value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => value.clone(),
            None => format!("eval({value})"),
        });
        Some(match (name, value) {
            ("count", _) => match when {
                Some(when) => format!("count(eval({when}))"),
                None => "count".to_owned(),
            },
            ("dcount" | "count_distinct", Some(value)) => format!("dc({value})"),
            ("sum" | "avg" | "min" | "max" | "stdev", Some(value)) => format!("{name}({value})"),
            ("make_set" | "set", Some(value)) => format!("values({value})"),
            ("make_list", Some(value)) => format!("list({value})"),
            ("percentile", Some(value)) => {
                let percent = arguments.get(1)?;
                format!("perc{percent}({value})")
            }
            ("take_any" | "any", Some(value)) => format!("first({value})"),
            _ => return None,
        })
    }
}
