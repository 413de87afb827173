//! Conversions between types. What cannot be converted is null, never an error.

use super::{Function, row_kernel, string};
use crate::types::Type;
use crate::value::{Value, datetime, json, number, timespan};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::bind("tostring", |call| {
        match call.args.first().map(|arg| arg.ty) {
            Some(Type::Dynamic) => row_kernel(|a| match &a[0] {
                Value::Bool(v) => string(if *v { "true" } else { "false" }),
                other => string(other.to_text()),
            }),
            Some(Type::Decimal) => row_kernel(|a| {
                let text = a[0].to_text();
                string(text.strip_suffix(".0").unwrap_or(&text))
            }),
            _ => row_kernel(|a| string(a[0].to_text())),
        }
    }),
    Function::rows("dynamic_tostring", |a| match &a[0] {
        Value::Bool(v) => string(if *v { "true" } else { "false" }),
        other => string(other.to_text()),
    }),
    Function::rows("toint", |a| to_int(&a[0])),
    Function::rows("tolong", |a| to_long(&a[0]).map(Value::Long)),
    Function::rows("toreal", |a| to_real(&a[0]).map(Value::Real)),
    Function::rows("todouble", |a| to_real(&a[0]).map(Value::Real)),
    Function::rows("todecimal", |a| to_real(&a[0]).map(Value::Real)),
    Function::rows("tobool", |a| to_bool(&a[0]).map(Value::Bool)),
    Function::rows("toboolean", |a| to_bool(&a[0]).map(Value::Bool)),
    Function::rows("todatetime", |a| to_datetime(&a[0])),
    Function::rows("totimespan", |a| to_timespan(&a[0])),
    Function::rows("totime", |a| to_timespan(&a[0])),
    Function::rows("toguid", |a| to_guid(&a[0])),
    Function::rows("todynamic", |a| to_dynamic(&a[0])),
    Function::rows("parse_json", |a| to_dynamic(&a[0])),
    Function::rows("parsejson", |a| to_dynamic(&a[0])),
    Function::rows("toobject", |a| to_dynamic(&a[0])),
    Function::rows("dynamic_to_json", |a| string(json::to_json(&sorted(&a[0])))),
    Function::rows("tohex", |a| {
        let value = a[0].as_i64()?;
        let width = a.get(1).and_then(Value::as_i64).unwrap_or(0);
        let width = usize::try_from(width.clamp(0, 64)).unwrap_or(0);
        string(format!("{value:0width$x}"))
    }),
    Function::rows("as_dynamic", |a| Some(a[0].clone())),
];

pub(crate) fn to_long(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(v) => Some(i64::from(*v)),
        Value::Real(v) if v.is_nan() => None,
        // Out of range is the nearest `long`.
        Value::Real(v) => Some(*v as i64),
        Value::String(text) => number::parse_long(text),
        other => other.as_i64(),
    }
}

fn to_int(value: &Value) -> Option<Value> {
    let int = match value {
        // Longs wrap, reals give the nearest `int`, text out of range is null.
        Value::Real(v) if !v.is_nan() => *v as i32,
        Value::Long(v) | Value::Timespan(v) | Value::DateTime(v) => *v as i32,
        other => i32::try_from(to_long(other)?).ok()?,
    };
    Some(Value::Int(int))
}

pub(crate) fn to_real(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(v) => Some(f64::from(u8::from(*v))),
        Value::String(text) => {
            number::parse_real(text).or_else(|| number::parse_long(text).map(|v| v as f64))
        }
        other => other.as_f64(),
    }
}

fn to_bool(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(v) => Some(*v),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            other => other.parse::<i64>().ok().map(|v| v != 0),
        },
        Value::Real(v) => Some(*v != 0.0),
        other => other.as_i64().map(|v| v != 0),
    }
}

pub(crate) fn to_datetime(value: &Value) -> Option<Value> {
    let ticks = match value {
        Value::String(text) => datetime::parse(text)?,
        Value::DateTime(v) | Value::Long(v) => datetime::in_range(*v)?,
        Value::Int(v) => datetime::in_range(i64::from(*v))?,
        _ => return None,
    };
    Some(Value::DateTime(ticks))
}

pub(crate) fn to_timespan(value: &Value) -> Option<Value> {
    let ticks = match value {
        Value::String(text) => timespan::parse(text)?,
        Value::Timespan(v) | Value::Long(v) => *v,
        Value::Int(v) => i64::from(*v),
        _ => return None,
    };
    Some(Value::Timespan(ticks))
}

pub(crate) fn to_guid(value: &Value) -> Option<Value> {
    let text = value.as_str()?;
    let digits: String = text
        .trim()
        .trim_matches(['{', '}', '(', ')'])
        .chars()
        .filter(|c| *c != '-')
        .collect::<String>()
        .to_ascii_lowercase();
    if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    Some(Value::Guid(
        format!(
            "{}-{}-{}-{}-{}",
            &digits[..8],
            &digits[8..12],
            &digits[12..16],
            &digits[16..20],
            &digits[20..]
        )
        .into(),
    ))
}

/// Text is parsed; text that is not JSON stays a string.
pub(crate) fn to_dynamic(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(json::parse(text).unwrap_or_else(|| value.clone())),
        other => Some(other.clone()),
    }
}

/// The same value with the properties of all bags in order of their names.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::array(items.iter().map(sorted).collect()),
        Value::Bag(pairs) => {
            let mut pairs: Vec<_> = pairs.iter().map(|(k, v)| (k.clone(), sorted(v))).collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            Value::bag(pairs)
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::{to_guid, to_int, to_long};
    use crate::value::Value;

    #[test]
    fn what_does_not_convert_is_null() {
        assert_eq!(to_int(&Value::string("12.5")), None);
        assert_eq!(to_int(&Value::Real(2.9)), Some(Value::Int(2)));
        assert_eq!(
            to_int(&Value::Timespan(36_000_000_000)),
            Some(Value::Int(1_640_261_632))
        );
        assert_eq!(to_long(&Value::Real(f64::NAN)), None);
        assert_eq!(to_guid(&Value::string("xyz")), None);
    }
}
