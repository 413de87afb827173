//! What the commands that change control state share: they write where the node reads, so that
//! they work beside a running node (it notices within 50 ms) and without one.

use std::sync::Arc;
use std::time::Duration;

use atalaya_control::{Control, ControlError, Settings};
use atalaya_server::open;
use atalaya_store::ControlStore;
use serde::Serialize;

use super::common::{self, Place};
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};

/// Who does it.
#[derive(Debug, clap::Args)]
pub(crate) struct Author {
    /// Who does it, for the record.
    #[arg(long, env = "USER", default_value = "cli")]
    pub(crate) author: String,
}

/// Opens control state and does one thing with it.
///
/// # Errors
/// What is wrong with the thing, or with the world.
pub(crate) fn with<T, F>(place: &Place, work: impl FnOnce(Arc<Control>) -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, ControlError>>,
{
    let config = place.load()?;
    let store: Arc<dyn ControlStore> = Arc::new(open::store(&config)?);
    let done = common::runtime()?.block_on(async {
        let control = Control::open(store, Settings::default()).await?;
        work(control).await
    });
    done.map_err(|error| failure(&error, "the policy"))
}

/// A failure with the mistakes of a policy file, if it is about one.
pub(crate) fn failure(error: &ControlError, name: &str) -> Failure {
    match error {
        ControlError::Store(_) | ControlError::Random(_) => Failure::CouldNotRun(error.to_string()),
        ControlError::Policy { .. } => Failure::BadInput(error.render(name)),
        _ => Failure::BadInput(format!("error: {error}")),
    }
}

/// Prints a list in the asked format.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn list<T: Serialize>(
    format: Option<Format>,
    header: &[&str],
    items: &[T],
    row: impl Fn(&T) -> Vec<String>,
) -> Result<Exit, Failure> {
    let text = match Format::or_default(format) {
        Format::Table => output::table(header, &items.iter().map(row).collect::<Vec<_>>()),
        Format::Csv => output::csv(header, &items.iter().map(row).collect::<Vec<_>>()),
        Format::Json => serde_json::to_string_pretty(items).unwrap_or_default() + "\n",
        Format::Ndjson => items
            .iter()
            .map(|item| serde_json::to_string(item).unwrap_or_default() + "\n")
            .collect(),
    };
    print(&text)
}

/// Prints data.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn print(text: &str) -> Result<Exit, Failure> {
    output::data(text).map_err(|error| Failure::world("writing the answer", error))?;
    Ok(Exit::Fine)
}

/// Reads `30s`, `15m`, `12h`, `7d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time like 30s, 15m, 12h or 7d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number = text
        .strip_suffix(unit)
        .and_then(|number| number.parse::<u64>().ok());
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number = number.ok_or_else(wrong)?;
    Ok(Duration::from_secs(
        number.checked_mul(seconds).ok_or_else(wrong)?,
    ))
}
