//! What a technique leaves behind, and rows made of it.
//!
//! ```yaml
//! - technique: AML.T0006
//!   name: paths are tried out
//!   rows:
//!     - table: APIAccessLog
//!       count: [20, 60]
//!       over: [1m, 8m]
//!       row: {SrcIpAddr: "{ip}", HttpPath: "/x/{hash}", ResponseStatus: {any: [401, 404]}}
//! ```
//!
//! `{who}` `{ip}` `{key}` `{agent}` `{trace}` `{session}` `{doc}` `{file}` are one attack's own;
//! `{hash}` is new in every row, `{near:BITS}` a `SimHash` near the attack's text, `{i}` the
//! number of the row. `{any: […]}` is drawn per row, `{one: […]}` per attack, `{int: [a, b]}` and
//! `{real: [a, b]}` per row, `{from: [a, b]}` goes from a to b over the rows.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::events;
use crate::random::Random;
use crate::rows::{MINUTE, SECOND, Week};

/// One way of an attack.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recipe {
    pub(crate) technique: String,
    pub(crate) name: String,
    rows: Vec<Rows>,
    /// What a hit may be about besides the attack's own names, e.g. a model.
    #[serde(default)]
    about: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    table: String,
    #[serde(default)]
    count: Option<(i64, i64)>,
    #[serde(default)]
    over: Option<(String, String)>,
    #[serde(default)]
    after: Option<String>,
    /// Distances vary by that share of themselves; even distances: 0.
    #[serde(default)]
    jitter: Option<f64>,
    row: Map<String, Value>,
}

/// Rows of one attack.
pub(crate) struct Attack {
    pub(crate) rows: Week,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) marks: Vec<String>,
}

pub(crate) fn read(file: &Path) -> Result<Vec<Recipe>, String> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| named(&error))?;
    atalaya_yaml::parse(&text).map_err(|error| named(&error.message))
}

/// Names of one attack.
struct Names {
    values: Vec<(&'static str, String)>,
    simhash: u64,
}

impl Names {
    fn new(random: &mut Random) -> Self {
        let number = random.next() % 0xFFFF_FFFF;
        let first = ["mallory", "j.doe", "app", "x", "guest", "worker", "anna"];
        let name = random.of(&first).copied().unwrap_or("x");
        let values = vec![
            ("who", format!("{name}-{number:08x}")),
            (
                "ip",
                format!(
                    "185.{}.{}.{}",
                    number % 200,
                    number / 7 % 250,
                    number / 1_999 % 250
                ),
            ),
            ("key", format!("k-{number:08x}")),
            ("agent", format!("ag-{number:08x}")),
            ("trace", format!("tr-{number:08x}")),
            ("session", format!("se-{number:08x}")),
            ("doc", format!("dc-{number:08x}")),
            ("file", format!("fl-{number:08x}")),
        ];
        Self {
            values,
            simhash: random.next(),
        }
    }
}

impl Recipe {
    /// A number of the recipe's own.
    pub(crate) fn seed(&self) -> u64 {
        let text = format!("{}{}", self.technique, self.name);
        text.bytes().fold(17, |sum: u64, byte| {
            sum.wrapping_mul(31).wrapping_add(byte.into())
        })
    }

    /// Rows of one attack that begins soon after `begin`.
    pub(crate) fn attack(&self, begin: i64, random: &mut Random) -> Attack {
        random.next();
        let names = Names::new(random);
        let start = begin + random.below(50 * MINUTE);
        let mut rows = Week::of_days(28);
        let mut end = start;
        for part in &self.rows {
            end = end.max(part.add(&mut rows, start, &names, random));
        }
        rows.sort();
        let own = names.values.into_iter().map(|(_, value)| value);
        Attack {
            rows,
            start,
            end,
            marks: own.chain(self.about.iter().cloned()).collect(),
        }
    }
}

impl Rows {
    fn add(&self, rows: &mut Week, start: i64, names: &Names, random: &mut Random) -> i64 {
        let (least, most) = self.count.unwrap_or((1, 1));
        let count = least + random.below(most - least + 1);
        let over = self.over.as_ref().map_or(0, |(least, most)| {
            let (least, most) = (micros(least), micros(most));
            least + random.below(most - least + 1)
        });
        let first = start + self.after.as_deref().map_or(0, micros);
        let drawn: Map<String, Value> = self
            .row
            .iter()
            .map(|(name, value)| (name.clone(), once(value, random)))
            .collect();
        let Some(table) = atalaya_tables::find(&self.table) else {
            return start;
        };
        let mut time = first;
        for number in 0..count {
            let place = Place {
                number,
                count,
                names,
            };
            let row: Map<String, Value> = drawn
                .iter()
                .map(|(name, value)| (name.clone(), place.fill(value, random)))
                .collect();
            let distance = over / count.max(1);
            let jitter = self.jitter.unwrap_or(0.8);
            time = first + number * distance + random.below(1 + share(distance, jitter));
            rows.add(table.name, time, Value::Object(row));
        }
        time
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a share of a duration"
)]
fn share(of: i64, part: f64) -> i64 {
    (of as f64 * part) as i64
}

/// `{one: […]}` is drawn once per attack.
fn once(value: &Value, random: &mut Random) -> Value {
    match value.get("one").and_then(Value::as_array) {
        Some(choices) => random.of(choices).cloned().unwrap_or(Value::Null),
        None => value.clone(),
    }
}

struct Place<'a> {
    number: i64,
    count: i64,
    names: &'a Names,
}

impl Place<'_> {
    fn fill(&self, value: &Value, random: &mut Random) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text, random)),
            Value::Array(items) => items.iter().map(|item| self.fill(item, random)).collect(),
            Value::Object(members) => self.drawn(members, random),
            other => other.clone(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers of rows")]
    fn drawn(&self, members: &Map<String, Value>, random: &mut Random) -> Value {
        let pair = |name: &str| {
            let pair = members.get(name)?.as_array()?;
            Some((pair.first()?.as_f64()?, pair.get(1)?.as_f64()?))
        };
        if let Some(choices) = members.get("any").and_then(Value::as_array) {
            let chosen = random.of(choices).cloned().unwrap_or(Value::Null);
            return self.fill(&chosen, random);
        }
        if let Some((least, most)) = pair("int") {
            return json!(share(1, least) + random.below(share(1, most - least) + 1));
        }
        if let Some((least, most)) = pair("real") {
            return json!(least + events::real(random, most - least));
        }
        if let Some((first, last)) = pair("from") {
            let step = self.number as f64 / (self.count - 1).max(1) as f64;
            return json!((last - first).mul_add(step, first));
        }
        Value::Object(
            members
                .iter()
                .map(|(name, value)| (name.clone(), self.fill(value, random)))
                .collect(),
        )
    }

    fn text(&self, text: &str, random: &mut Random) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.names.values {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        text = text.replace("{i}", &self.number.to_string());
        while text.contains("{hash}") {
            text = text.replacen("{hash}", &format!("{:016x}", random.next()), 1);
        }
        if let Some(bits) = text
            .strip_prefix("{near:")
            .and_then(|rest| rest.strip_suffix('}'))
        {
            let bits = bits.parse().unwrap_or(3);
            text = format!("{:016x}", events::near(self.names.simhash, bits, random));
        }
        text
    }
}

/// `90s`, `5m`, `3h`, `2d`; nothing is 0.
fn micros(text: &str) -> i64 {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let unit = match unit {
        "s" => SECOND,
        "m" => MINUTE,
        "h" => 60 * MINUTE,
        _ => 24 * 60 * MINUTE,
    };
    sign * unit * number.parse::<i64>().unwrap_or(0)
}
