//! What stands in braces in a test's texts, and becomes a value of its own in every event.
//!
//! | placeholder | becomes |
//! |---|---|
//! | `{i}` | the number of the event |
//! | `{mod:N}` | the number of the event modulo N |
//! | `{hash}` | 16 hexadecimal digits, different in every event |
//! | `{near:SEED:BITS}` | a SimHash that differs from that of SEED in one to BITS bits |
//! | `{between:A:B}` | a pseudo-random number |
//! | `{from:A:B}` | a number that goes evenly from A in the first event to B in the last |
//!
//! A text that is nothing but one placeholder for a number becomes a number. The same file gives
//! the same events on every machine.

use serde_json::Value;

/// Which event of a group is made.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) event: usize,
    pub(super) events: usize,
}

impl Place {
    /// The value with its placeholders filled; columns differ in what is random.
    pub(super) fn fill(self, value: &Value, column: &str) -> Value {
        match value {
            Value::String(text) => self.text(text, column),
            Value::Array(items) => items.iter().map(|item| self.fill(item, column)).collect(),
            Value::Object(members) => {
                let filled = members
                    .iter()
                    .map(|(k, v)| (k.clone(), self.fill(v, column)));
                Value::Object(filled.collect())
            }
            other => other.clone(),
        }
    }

    fn text(self, text: &str, column: &str) -> Value {
        if !text.contains('{') {
            return Value::from(text);
        }
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let filled = after
                .split_once('}')
                .and_then(|(name, rest)| Some((self.named(name, column)?, rest)));
            match filled {
                Some((Value::String(text), after)) => {
                    out.push_str(&text);
                    rest = after;
                }
                Some((number, after)) => {
                    if before.is_empty() && after.is_empty() && out.is_empty() {
                        return number;
                    }
                    out.push_str(&number.to_string());
                    rest = after;
                }
                None => {
                    out.push('{');
                    rest = after;
                }
            }
        }
        out.push_str(rest);
        Value::String(out)
    }

    fn named(self, name: &str, column: &str) -> Option<Value> {
        let mut parts = name.split(':');
        let (kind, first, second) = (parts.next()?, parts.next(), parts.next());
        let numbers = || Some((first?.parse::<f64>().ok()?, second?.parse::<f64>().ok()?));
        let random = mix(self.event as u64 ^ seed(column));
        let share = (random >> 11) as f64 / (1_u64 << 53) as f64;
        match kind {
            "i" => Some(Value::from(self.event)),
            "mod" => Some(Value::from(
                self.event % first?.parse::<usize>().ok()?.max(1),
            )),
            "hash" => Some(Value::from(format!("{random:016x}"))),
            "near" => {
                let flips = 1 + random % second?.parse::<u64>().ok()?.max(1);
                let near = (0..flips).fold(mix(seed(first?)), |hash, n| {
                    hash ^ 1 << (mix(random ^ n) % 64)
                });
                Some(Value::from(format!("{near:016x}")))
            }
            "between" => numbers().map(|(low, high)| number(low + share * (high - low))),
            "from" => numbers().map(|(from, to)| {
                let steps = self.events.saturating_sub(1).max(1) as f64;
                number(from + (to - from) * self.event as f64 / steps)
            }),
            _ => None,
        }
    }
}

/// Whole numbers stay whole: columns of counts take no fractions.
fn number(value: f64) -> Value {
    if value.abs() >= 2.0 {
        Value::from(value.round() as i64)
    } else {
        Value::from((value * 10_000.0).round() / 10_000.0)
    }
}

fn seed(text: &str) -> u64 {
    text.bytes().fold(0, |sum, byte| mix(sum ^ u64::from(byte)))
}

/// SplitMix64.
const fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Place;

    #[test]
    fn placeholders_become_texts_and_numbers_and_other_braces_stay() {
        let place = |event| Place { event, events: 5 };
        let fill = |event, value: serde_json::Value| place(event).fill(&value, "C");
        assert_eq!(fill(3, json!("{i}")), json!(3));
        assert_eq!(fill(3, json!(["u{i}", "{mod:2}x"])), json!(["u3", "1x"]));
        assert_eq!(fill(4, json!("{from:0:1}")), json!(1.0));
        assert_eq!(fill(2, json!("{from:10:20}")), json!(15));
        assert_eq!(fill(2, json!("{a} {")), json!("{a} {"));
        let hash = |event, text: &str| {
            let value = fill(event, json!(text));
            u64::from_str_radix(value.as_str().unwrap(), 16).unwrap()
        };
        assert_ne!(hash(0, "{hash}"), hash(1, "{hash}"));
        assert!((hash(0, "{near:a:3}") ^ hash(1, "{near:a:3}")).count_ones() <= 6);
        assert!((hash(0, "{near:a:3}") ^ hash(1, "{near:b:3}")).count_ones() > 6);
    }
}
