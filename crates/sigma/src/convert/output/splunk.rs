//! Splunk: stanzas of `savedsearches.conf`, and searches of accelerated data models.

use std::fmt::Write as _;

use atalaya_model::{Diagnostic, Severity};

use super::super::problem;
use super::{Written, schedule};

/// All searches with their defaults.
pub(super) fn saved_searches(written: &[Written<'_>]) -> String {
    let mut out =
        "\n[default]\ndispatch.earliest_time = -30d\ndispatch.latest_time = now\n".to_owned();
    for one in written {
        let metadata = one.metadata;
        let (frequency, period) = schedule(one.query);
        let _ = write!(
            out,
            "\n[{}]\ndescription = {}\nsearch = {}\n",
            name(&metadata.title),
            continued(metadata.description.trim()),
            continued(&one.query.text.replace(" | table ", "\n| table "))
        );
        let _ = write!(
            out,
            "enableSched = 1\ncron_schedule = {}\ndispatch.earliest_time = -{}s\ncounttype = number of events\nrelation = greater than\nquantity = 0\nalert.track = 1\nalert.severity = {}\n",
            cron(frequency.as_secs()),
            period.as_secs(),
            severity(metadata.severity)
        );
    }
    out
}

/// A stanza's name: no brackets, one line.
fn name(title: &str) -> String {
    title.replace(['[', ']', '\n', '\r'], " ").trim().to_owned()
}

/// Lines that go on, as `savedsearches.conf` wants them.
fn continued(text: &str) -> String {
    text.trim_end().replace("\r\n", "\n").replace('\n', " \\\n")
}

fn cron(seconds: u64) -> String {
    let minutes = (seconds / 60).max(1);
    if minutes >= 60 {
        "0 * * * *".to_owned()
    } else {
        format!("*/{minutes} * * * *")
    }
}

const fn severity(severity: Option<Severity>) -> u8 {
    match severity {
        Some(Severity::Critical) => 6,
        Some(Severity::High) => 5,
        Some(Severity::Medium) => 4,
        Some(Severity::Low) => 3,
        _ => 2,
    }
}

/// A search of an accelerated data model, which a pipeline must name.
pub(super) fn data_model(written: &Written<'_>) -> Result<String, Box<Diagnostic>> {
    let query = written.query;
    let Some(model) = query.state.text("data_model_set") else {
        return Err(problem(
            "no data model is set for this rule",
            "use the pipeline `splunk_cim`",
        ));
    };
    let set = model.rsplit('.').next().unwrap_or(model);
    let fields = query.state.texts("fields").join(" ");
    let lines: Vec<&str> = query.text.lines().collect();
    let (search, commands) = match lines.split_first() {
        Some((first, rest)) => (*first, rest),
        None => ("*", &[][..]),
    };
    let mut commands: Vec<String> = commands.iter().map(|line| (*line).to_owned()).collect();
    if !commands.is_empty() {
        commands.push(String::new());
    }
    let search = match search {
        "*" => String::new(),
        search => format!("where {search} "),
    };
    Ok(format!(
        "| tstats summariesonly=false allow_old_summaries=true fillnull_value=\"null\" count min(_time) as firstTime max(_time) as lastTime from datamodel={model} {search}by {fields} {}| `drop_dm_object_name({set})` | convert timeformat=\"%Y-%m-%dT%H:%M:%S\" ctime(firstTime) | convert timeformat=\"%Y-%m-%dT%H:%M:%S\" ctime(lastTime) ",
        commands.join(" ")
    ))
}
