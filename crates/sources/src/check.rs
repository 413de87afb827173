//! Holds a mapping to its sample: the test that lies beside every mapping.

use serde_json::Value;

use crate::mapping::Mapping;
use crate::read::MappedReader;

/// Where a sample became something else than expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference(pub String);

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Maps a sample and compares the rows with those of a YAML list, column by column.
///
/// # Errors
/// If one of the three files cannot be read; that is a difference too.
pub fn check(mapping: &str, sample: &str, expected: &str) -> Result<(), Vec<Difference>> {
    let one = |text: String| vec![Difference(text)];
    let mapping = Mapping::parse(mapping).map_err(|fault| one(fault.message.clone()))?;
    let expected: Vec<Value> =
        atalaya_yaml::parse(expected).map_err(|fault| one(fault.message.clone()))?;
    let (rows, outcome) = MappedReader::new(&mapping, sample.as_bytes())
        .rows()
        .map_err(|error| one(error.to_string()))?;
    let mut differences: Vec<Difference> = outcome
        .first_refused
        .iter()
        .map(|refused| Difference(format!("line {}: {}", refused.line, refused.reason)))
        .collect();
    if rows.len() != expected.len() {
        let (got, wanted) = (rows.len(), expected.len());
        differences.push(Difference(format!("{got} rows, not {wanted}")));
    }
    for (number, (row, wanted)) in rows.iter().zip(&expected).enumerate() {
        compare(number + 1, row, wanted, &mut differences);
    }
    if differences.is_empty() {
        Ok(())
    } else {
        Err(differences)
    }
}

fn compare(number: usize, row: &Value, wanted: &Value, differences: &mut Vec<Difference>) {
    let columns = |value: &Value| -> Vec<String> {
        let keys = value
            .as_object()
            .into_iter()
            .flat_map(|o| o.keys().cloned());
        keys.collect()
    };
    let mut names = columns(wanted);
    names.extend(
        columns(row)
            .into_iter()
            .filter(|name| wanted.get(name).is_none()),
    );
    for name in names {
        // The name of the mapping is in every row.
        if name == "SourceType" {
            continue;
        }
        let (got, want) = (row.get(&name), wanted.get(&name));
        if got != want && !same_number(got, want) {
            let show = |value: Option<&Value>| {
                value.map_or_else(|| "nothing".to_owned(), ToString::to_string)
            };
            let (got, want) = (show(got), show(want));
            differences.push(Difference(format!(
                "row {number}, {name}: {got}, not {want}"
            )));
        }
    }
}

fn same_number(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a.and_then(Value::as_f64), b.and_then(Value::as_f64)) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-9,
        _ => false,
    }
}
