//! Commands behind the search: one that keeps what matches, or one that sets a flag which the
//! final search looks at.

use crate::ir::{Operator, Position, Test, TimePart};

use super::super::render::{Cond, Leaf, Result};
use super::super::{Context, shape};
use super::{Spl, eval_field, is_deferred, quoted, refused};

/// A test whose outcome is a field.
#[derive(Clone, Debug)]
pub(super) struct Flag {
    /// The tested field's last name, only letters, digits and underscores.
    stem: String,
    /// Which test of that field, from 1.
    number: usize,
    /// How it is computed.
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Regex { field: String, pattern: String },
    Where(String),
}

impl Flag {
    pub(super) fn new(leaf: Leaf<'_>, before: &[Self], context: &mut Context) -> Result<Self> {
        let field = leaf.field.unwrap_or("_raw");
        let kind = match regex_of(leaf.test) {
            Some(pattern) => Kind::Regex {
                field: field.to_owned(),
                pattern,
            },
            None => Kind::Where(condition(field, leaf.test, context)?),
        };
        let last = field.rsplit('.').next().unwrap_or(field);
        let stem: String = last
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        let stem = if stem.starts_with(|c: char| c.is_ascii_alphabetic()) {
            stem
        } else {
            format!("f{stem}")
        };
        let number = 1 + before.iter().filter(|flag| flag.stem == stem).count();
        Ok(Self { stem, number, kind })
    }

    /// The field that holds `"true"` or `"false"`.
    pub(super) fn name(&self) -> String {
        format!("{}Condition{}", self.stem, self.suffix())
    }

    fn suffix(&self) -> String {
        if self.number == 1 {
            String::new()
        } else {
            self.number.to_string()
        }
    }

    /// The commands that set it.
    pub(super) fn commands(&self) -> Vec<String> {
        let name = self.name();
        match &self.kind {
            Kind::Regex { field, pattern } => {
                let group = format!("{}Match{}", self.stem, self.suffix());
                let pattern = quoted(pattern);
                let pattern = pattern.trim_matches('"');
                vec![
                    format!("| rex field={} \"(?<{group}>{pattern})\"", plain(field)),
                    format!("| eval {name}=if(isnotnull({group}), \"true\", \"false\")"),
                ]
            }
            Kind::Where(condition) => {
                vec![format!(
                    "| eval {name}=if({condition}, \"true\", \"false\")"
                )]
            }
        }
    }
}

/// The command that keeps what passes a test, if the search command cannot say it.
pub(super) fn command(cond: &Cond<'_>, writer: &mut Spl<'_>) -> Result<Option<String>> {
    let (leaf, negated) = match cond {
        Cond::Leaf(leaf) => (*leaf, false),
        Cond::Not(inner) => match **inner {
            Cond::Leaf(leaf) => (leaf, true),
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    if !is_deferred(leaf, writer.context.exact) {
        return Ok(None);
    }
    let field = leaf.field.unwrap_or("_raw");
    if let Some(pattern) = regex_of(leaf.test) {
        let operator = if negated { "!=" } else { "=" };
        return Ok(Some(format!(
            "| regex {}{operator}{}",
            plain(field),
            quoted(&pattern)
        )));
    }
    let condition = condition(field, leaf.test, writer.context)?;
    let not = if negated { "NOT " } else { "" };
    Ok(Some(format!("| where {not}{condition}")))
}

/// A field's name where commands take one: quoted only if it has blanks.
fn plain(field: &str) -> String {
    if field.contains(|c: char| c.is_whitespace() || c == '"') {
        format!("\"{}\"", field.replace('"', "\\\""))
    } else {
        field.to_owned()
    }
}

/// A test as a regular expression.
fn regex_of(test: &Test) -> Option<String> {
    match test {
        Test::Regex { pattern, flags } => {
            let letters = flags.letters();
            Some(if letters.is_empty() {
                pattern.clone()
            } else {
                format!("(?{letters}){pattern}")
            })
        }
        Test::Text(pattern) => {
            let flags = if pattern.cased { "(?s)" } else { "(?is)" };
            Some(format!("{flags}{}", shape::regex(pattern)))
        }
        _ => None,
    }
}

/// A test as a condition of `where`.
fn condition(field: &str, test: &Test, context: &Context) -> Result<String> {
    let name = eval_field(field);
    match test {
        Test::FieldRef {
            field: other,
            position,
            cased,
        } => {
            let other = eval_field(other);
            if *position == Position::Whole && (*cased || !context.exact) {
                return Ok(format!("{name}={other}"));
            }
            let fold = |name: &str| {
                if *cased {
                    name.to_owned()
                } else {
                    format!("lower({name})")
                }
            };
            let (left, right) = (fold(&name), fold(&other));
            match position {
                Position::Whole => Ok(format!("{left}={right}")),
                Position::Start => Ok(format!("substr({left}, 1, len({other}))={right}")),
                Position::End => Ok(format!("substr({left}, -len({other}))={right}")),
                Position::Anywhere => Ok(format!(
                    "len(replace({left}, \"\\Q\".{right}.\"\\E\", \"\")) < len({left})"
                )),
            }
        }
        Test::Time {
            part,
            operator,
            number,
        } => {
            let format = match part {
                TimePart::Minute => "%M",
                TimePart::Hour => "%H",
                TimePart::Day => "%d",
                TimePart::Week => "%V",
                TimePart::Month => "%m",
                TimePart::Year => "%Y",
            };
            let time = if field == "_time" {
                "_time".to_owned()
            } else {
                format!(
                    "coalesce(strptime({name}, \"%Y-%m-%dT%H:%M:%S.%Q%Z\"), strptime({name}, \"%Y-%m-%dT%H:%M:%S%Z\"))"
                )
            };
            let symbol = if *operator == Operator::Equal {
                "="
            } else {
                operator.symbol()
            };
            Ok(format!(
                "tonumber(strftime({time}, \"{format}\")){symbol}{}",
                number.0
            ))
        }
        other => Err(refused(field, other)),
    }
}
