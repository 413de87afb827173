//! `atalaya rules match`: a stream of JSON events against Sigma rules and correlations.
//!
//! Each match is a line: `{"rule": id or title, "event": 0-based number}`, for a correlation with
//! its time, group and value. Events that are no JSON objects are counted and named on the
//! standard error.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::PathBuf;

use atalaya_sigma::correlate::{Alert, Engine, Limits};
use atalaya_sigma::ir::{Collection, LogSource, Target};
use atalaya_sigma::matcher::{Allowed, SourceReader};
use atalaya_sigma::pipeline::Pipelines;

use super::files;
use crate::exit::{Exit, Failure};
use crate::output;

/// Match a stream of JSON events against Sigma rules, one line per match
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files or folders of Sigma rules.
    #[arg(long, required = true)]
    rules: Vec<PathBuf>,
    /// Events, one JSON object per line; `-` is standard input.
    #[arg(long)]
    events: PathBuf,
    /// Processing pipeline that rewrites the rules for the events' fields: a file, or the name of a
    /// ready-made one; may be repeated.
    #[arg(long, short, value_name = "FILE|NAME")]
    pipeline: Vec<String>,
    /// Ask every rule about every event, wherever the event comes from.
    #[arg(long)]
    ignore_logsource: bool,
    /// Go on with the state of correlations in this file, and keep it there at the end.
    #[arg(long)]
    state: Option<PathBuf>,
    /// Most groups of correlations that are kept.
    #[arg(long, default_value_t = Limits::default().keys_max)]
    keys_max: usize,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let (mut collection, _) = files::sigma(&args.rules, true)?;
    let pipelines = Pipelines::new(files::pipelines(&args.pipeline)?);
    let refused = |problem: Box<_>| Failure::diagnostics("<pipeline>", "", &[*problem]);
    pipelines.rewrite(&mut collection).map_err(refused)?;
    let limits = Limits {
        keys_max: args.keys_max,
        ..Limits::default()
    };
    let compiled = Engine::new(&collection, limits);
    let mut engine = compiled.map_err(|error| Failure::BadInput(format!("error: {error}")))?;
    restore(args, &mut engine)?;
    let mut stream = Stream {
        engine,
        sources: (!args.ignore_logsource).then(Sources::default),
        alerts: Vec::new(),
        bad: 0,
    };
    let mut result = Ok(());
    let written = output::stream(|out| {
        result = files::lines(&args.events, &mut |number, event| {
            stream.event(event, number);
            for alert in stream.alerts.drain(..) {
                let line = line(&collection, &alert, number);
                writeln!(out, "{line}")
                    .map_err(|error| Failure::world("writing matches", error))?;
            }
            Ok(())
        });
        Ok(())
    });
    written.map_err(|error| Failure::world("writing matches", error))?;
    result?;
    stream.say();
    if let Some(path) = &args.state {
        std::fs::write(path, stream.engine.snapshot())
            .map_err(|error| Failure::world(format!("writing {}", path.display()), error))?;
    }
    Ok(Exit::Fine)
}

fn restore(args: &Args, engine: &mut Engine) -> Result<(), Failure> {
    let Some(path) = args.state.as_ref().filter(|path| path.exists()) else {
        return Ok(());
    };
    let failed = |error: &dyn std::fmt::Display| {
        Failure::world(format!("reading {}", path.display()), error)
    };
    let bytes = std::fs::read(path).map_err(|error| failed(&error))?;
    let taken = engine.restore(&bytes).map_err(|error| failed(&error))?;
    output::note(&format!("{taken} groups of correlations go on"));
    Ok(())
}

struct Stream {
    engine: Engine,
    sources: Option<Sources>,
    alerts: Vec<Alert>,
    bad: u64,
}

impl Stream {
    fn event(&mut self, event: &str, number: u64) {
        let allowed = self
            .sources
            .as_mut()
            .and_then(|sources| sources.of(event, &self.engine));
        if let Err(error) = self
            .engine
            .process(event, number, allowed, &mut self.alerts)
        {
            if self.bad == 0 {
                output::note(&format!("event {number}: {error}"));
            }
            self.bad += 1;
        }
    }

    fn say(&self) {
        let counts = self.engine.counts();
        for (count, what) in [
            (self.bad, "events are no JSON objects"),
            (
                counts.evicted_keys,
                "groups were forgotten: more than --keys-max",
            ),
            (
                counts.evicted_events,
                "events of groups were forgotten: too many in one window",
            ),
            (counts.late_events, "events came too late for their window"),
            (counts.untimed_events, "events of correlations have no time"),
        ] {
            if count > 0 {
                output::note(&format!("{count} {what}"));
            }
        }
    }
}

/// Which rules an event may match, by where it says that it comes from.
#[derive(Default)]
struct Sources {
    reader: SourceReader,
    known: HashMap<Vec<LogSource>, Allowed>,
}

impl Sources {
    /// `None`: the event does not say, and may match every rule.
    fn of(&mut self, event: &str, engine: &Engine) -> Option<&Allowed> {
        let sources = self.reader.of(event);
        if sources.is_empty() {
            return None;
        }
        let matcher = engine.matcher();
        let entry = self.known.entry(sources);
        Some(match entry {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => {
                let allowed = matcher.allowed_any(new.key());
                new.insert(allowed)
            }
        })
    }
}

fn line(collection: &Collection, alert: &Alert, number: u64) -> serde_json::Value {
    let mut line = serde_json::Map::new();
    let rule = files::label(collection, alert.target);
    line.insert("rule".to_owned(), rule.into());
    line.insert("event".to_owned(), number.into());
    if let Target::Correlation(_) = alert.target {
        let group = alert
            .group
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().into()));
        line.insert("time_ms".to_owned(), alert.time_ms.into());
        line.insert(
            "group".to_owned(),
            serde_json::Value::Object(group.collect()),
        );
        line.insert("value".to_owned(), alert.value.into());
        line.insert("events".to_owned(), alert.events.clone().into());
    }
    serde_json::Value::Object(line)
}
