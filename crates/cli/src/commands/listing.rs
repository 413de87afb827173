//! Lists and documents, printed the same way by every command.

use serde::Serialize;

use crate::exit::{Exit, Failure};
use crate::output::{self, Format};

/// Who acts, as it stands in timelines and logs.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Actor {
    /// Who you are, for the record.
    #[arg(
        long = "as",
        env = "USER",
        default_value = "analyst",
        value_name = "NAME"
    )]
    pub(crate) name: String,
}

/// Prints a list: a row per item for people and CSV, the items themselves as JSON.
pub(crate) fn list<T: Serialize>(
    format: Option<Format>,
    header: &[&str],
    items: &[T],
    row: impl Fn(&T) -> Vec<String>,
) -> Result<Exit, Failure> {
    let rows = || -> Vec<Vec<String>> { items.iter().map(&row).collect() };
    let text = match Format::or_default(format) {
        Format::Table => output::table(header, &rows()),
        Format::Csv => output::csv(header, &rows()),
        Format::Json => document(&items, true),
        Format::Ndjson => items.iter().map(|item| document(item, false)).collect(),
    };
    print(&text)
}

/// Prints one thing: as text for people, else as JSON.
pub(crate) fn one<T: Serialize>(
    format: Option<Format>,
    item: &T,
    text: impl FnOnce() -> String,
) -> Result<Exit, Failure> {
    print(&match Format::or_default(format) {
        Format::Table | Format::Csv => text(),
        Format::Json => document(item, true),
        Format::Ndjson => document(item, false),
    })
}

/// JSON of anything, with a line break.
pub(crate) fn document(value: &impl Serialize, pretty: bool) -> String {
    let text = if pretty {
        serde_json::to_string_pretty(value)
    } else {
        serde_json::to_string(value)
    };
    text.unwrap_or_default() + "\n"
}

/// Prints data.
pub(crate) fn print(text: &str) -> Result<Exit, Failure> {
    output::data(text).map_err(|error| Failure::world("writing the output", error))?;
    Ok(Exit::Fine)
}

/// Reads one of the values of an enumeration that serde names.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(text: &str, valid: &str) -> Result<T, String> {
    serde_json::from_value(text.to_lowercase().into()).map_err(|_| format!("one of {valid}"))
}

/// Reads a duration.
pub(crate) fn duration(text: &str) -> Result<std::time::Duration, String> {
    atalaya_respond::duration::parse(text).ok_or_else(|| "write e.g. 10m, 6h, 7d".to_owned())
}
